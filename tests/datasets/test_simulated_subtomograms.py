import sys

import numpy as np
import pytest
from scipy import fft, ndimage
from scipy.spatial.transform import Rotation

from sksubtomo.datasets import (
    load_density,
    make_paper_simulated,
    make_subtomograms,
    save_subtomograms,
)
from sksubtomo.exceptions import FileFormatError
from sksubtomo.fourier import apply_fourier_filter, missing_wedge_mask
from sksubtomo.geometry import rotate_volume
from sksubtomo.io import read_mrc, read_particles, write_mrc
from sksubtomo.simulate import (
    Microscope,
    TiltScheme,
    density_from_atoms,
    pseudo_atoms,
    volume_transfer,
)

SINGLE = {
    "kind": "single_particle",
    "classes": ["groel", "ubid", "proteasome_20s"],
    "box_size": 20,
    "voxel_size_angstrom": 16.0,
}
CUT = {
    "kind": "tomogram",
    "classes": ["groel", "ubid"],
    "box_size": 20,
    "voxel_size_angstrom": 16.0,
    "tomogram_params": {"shape": (32, 64, 64)},
}


def test_single_particles_are_the_turned_maps_through_the_microscope():
    data = make_subtomograms(6, snr=1e8, defocus_um=5.0, random_state=0, **SINGLE)
    gain = volume_transfer(
        20, voxel_size_angstrom=16.0, microscope=Microscope(), defocus_um=5.0, tilt_range_deg=60
    )
    for row in range(6):
        density = load_density(data.class_names[data.y[row]], voxel_size_angstrom=16.0)
        turned = rotate_volume(
            density,
            Rotation.from_quat(data.orientations[row]),
            shift=data.shifts[row],
            output_shape=(20, 20, 20),
        )
        expected = apply_fourier_filter(turned, gain)
        np.testing.assert_allclose(data.X[row], expected, atol=2e-3 * abs(expected).max())


def test_single_particles_snr_wedge_and_contrast():
    params = {**SINGLE, "tilt_range_deg": (-50, 60), "random_state": 0}
    signal, volumes = (make_subtomograms(30, snr=snr, **params).X for snr in (1e10, 0.1))
    measured = signal.var(axis=(1, 2, 3)) / (volumes - signal).var(axis=(1, 2, 3))
    np.testing.assert_allclose(measured, 0.1, rtol=0.05)
    power = np.abs(fft.rfftn(volumes, axes=(1, 2, 3))) ** 2
    wedge = missing_wedge_mask((20, 20, 20), (-50, 60))
    assert (power * ~wedge).sum() < 1e-8 * power.sum()
    # Dense is dark: the tails of the histogram are.
    assert (signal**3).mean() < 0


@pytest.mark.parametrize("params", [SINGLE, CUT], ids=["single_particle", "tomogram"])
def test_depend_on_the_seed_and_not_on_threads(params):
    first, second, other = (
        make_subtomograms(40, random_state=seed, n_jobs=n_jobs, **params)
        for seed, n_jobs in ((0, 1), (0, 2), (1, 2))
    )
    assert np.array_equal(first.X, second.X)
    assert np.array_equal(first.y, second.y)
    assert not np.array_equal(first.X, other.X)


def test_cut_from_several_tomograms():
    data = make_subtomograms(14, random_state=0, **CUT)
    assert len(np.unique(data.tomograms)) > 1
    assert sorted(np.bincount(data.y)) == [7, 7]
    assert data.coordinates.shape == (14, 3)
    assert (abs(data.shifts) <= 0.5).all()
    # Averages of the turned-back boxes are the classes, dark.
    params = {**CUT, "classes": ["groel"], "snr": 100.0, "tilt_range_deg": 80.0}
    data = make_subtomograms(12, random_state=1, defocus_um=1.0, **params)
    density = load_density("groel", voxel_size_angstrom=16.0)
    upright = [
        rotate_volume(
            ndimage.shift(box, -shift, order=3),
            Rotation.from_quat(quaternion).inv(),
            output_shape=density.shape,
        )
        for box, shift, quaternion in zip(data.X, data.shifts, data.orientations, strict=True)
    ]
    mean = np.mean(upright, axis=0)
    assert np.corrcoef(-mean.ravel(), density.ravel())[0, 1] > 0.9


def test_to_a_file(tmp_path):
    path = tmp_path / "X.npy"
    plain = make_subtomograms(5, random_state=0, **SINGLE)
    mapped = make_subtomograms(5, random_state=0, out=path, **SINGLE)
    assert isinstance(mapped.X, np.memmap)
    assert np.array_equal(np.load(path), plain.X)
    with pytest.raises(FileExistsError, match="X.npy exists"):
        make_subtomograms(5, random_state=0, out=path, **SINGLE)
    bad = {**CUT, "tomogram_params": {"gold": 3}}
    with pytest.raises(ValueError, match="tomogram_params has"):
        make_subtomograms(5, out=tmp_path / "Y.npy", **bad)
    assert [path.name for path in tmp_path.iterdir()] == ["X.npy"]


def test_the_papers_set_scaled_down():
    data = make_paper_simulated(
        10,
        box_size=24,
        voxel_size_angstrom=16.0,
        tomogram_params={"shape": (40, 80, 80)},
        random_state=0,
    )
    assert data.X.shape == (80, 24, 24, 24)
    assert len(data.class_names) == 8
    assert data.snr == 0.03
    assert (len(data.train), len(data.test)) == (32, 48)
    assert (np.bincount(data.y[data.train]) == 4).all()
    assert sorted([*data.train, *data.test]) == list(range(80))


def test_written_files(tmp_path):
    data = make_subtomograms(4, random_state=0, **SINGLE)
    table = read_particles(save_subtomograms(tmp_path / "out", data))
    assert table.class_numbers.tolist() == (data.y + 1).tolist()
    np.testing.assert_allclose(table.coordinates, 10 + data.shifts, atol=1e-5)
    for name, volume in zip(table.table["rlnImageName"], data.X, strict=True):
        written, voxel = read_mrc(tmp_path / "out" / name)
        assert voxel == (16.0, 16.0, 16.0)
        assert np.array_equal(written, volume)


def test_nothing_is_left_of_a_failed_write(tmp_path):
    data = make_subtomograms(3, random_state=0, **SINGLE)
    data.X[2, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        save_subtomograms(tmp_path / "out", data)
    assert not list(tmp_path.iterdir())


def test_without_gemmi(monkeypatch):
    monkeypatch.setitem(sys.modules, "gemmi", None)
    with pytest.raises(ImportError, match=r"pip install \"sksubtomo\[data\]\""):
        load_density("groel", voxel_size_angstrom=11.0)


def test_the_quick_way_agrees_with_the_long_one():
    # One complex, alone and without noise, through tomogram and volume.
    params = {"snr": 1e8, "defocus_um": 3.0, "tilt_range_deg": 60.0, "random_state": 0}
    scale = {"classes": ["groel"], "box_size": 24, "voxel_size_angstrom": 16.0}
    tilts = tuple(np.arange(-60.0, 60.5, 1.0))
    alone = {
        "shape": (48, 48, 48),
        "concentration_micromolar": 1e-6,
        "scheme": TiltScheme(tilts, defocus_um=3.0),
    }
    cut = make_subtomograms(2, kind="tomogram", tomogram_params=alone, **scale, **params)
    gain = volume_transfer(
        24, voxel_size_angstrom=16.0, microscope=Microscope(), defocus_um=3.0, tilt_range_deg=60
    )
    density = load_density("groel", voxel_size_angstrom=16.0)
    for box, quaternion, shift in zip(cut.X, cut.orientations, cut.shifts, strict=True):
        turned = rotate_volume(
            density, Rotation.from_quat(quaternion), shift=shift, output_shape=(24, 24, 24)
        )
        quick = apply_fourier_filter(turned, gain)
        inner = (slice(4, 20),) * 3
        assert np.corrcoef(box[inner].ravel(), quick[inner].ravel())[0, 1] > 0.95
        assert box[inner].std() / quick[inner].std() == pytest.approx(1, abs=0.1)


def test_sources_of_maps(tmp_path):
    atoms, voxel = pseudo_atoms("ubid"), 12.0
    from_name = load_density("ubid", voxel_size_angstrom=voxel)
    from_atoms = load_density(atoms, voxel_size_angstrom=voxel)
    np.testing.assert_array_equal(from_name, from_atoms)
    # A map in other units and with other voxels, off the center.
    fine = density_from_atoms(atoms, voxel_size_angstrom=8.0, resolution_angstrom=24.0)
    write_mrc(tmp_path / "a.mrc", 1e3 * np.pad(fine, ((9, 3), (4, 8), (2, 2))), 8.0)
    from_map = load_density(tmp_path / "a.mrc", voxel_size_angstrom=voxel)
    size = min(len(from_map), len(from_atoms))
    first, second = (
        volume[(slice(len(volume) // 2 - size // 2, len(volume) // 2 + size // 2 + 1),) * 3]
        for volume in (from_map, from_atoms)
    )
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.98
    molecule = from_map > 0.1 * from_map.max()
    assert np.sqrt((from_map[molecule] ** 2).mean()) == pytest.approx(2.0, rel=1e-4)


def test_bad_sources(tmp_path):
    with pytest.raises(ValueError, match="no complex 'actin'"):
        load_density("actin", voxel_size_angstrom=10.0)
    with pytest.raises(FileNotFoundError, match=r"no file .*x.pdb"):
        load_density(tmp_path / "x.pdb", voxel_size_angstrom=10.0)
    with pytest.raises(ValueError, match="the given map is not a volume with positive density"):
        load_density(np.zeros((5, 5, 5)), voxel_size_angstrom=10.0)
    with pytest.raises(ValueError, match="NaN"):
        load_density(np.full((5, 5, 5), np.nan), voxel_size_angstrom=10.0)
    write_mrc(tmp_path / "b.mrc", np.ones((5, 5, 5)), (10.0, 10.0, 12.0))
    with pytest.raises(FileFormatError, match=r"b.mrc has voxels of"):
        load_density(tmp_path / "b.mrc", voxel_size_angstrom=10.0)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"classes": ["actin"]}, r"Unknown complexes \['actin'\]"),
        ({"classes": 9}, "classes=9, but there are 8"),
        ({"box_size": 10}, "but groel has"),
        ({"max_shift_voxels": 6.0}, "with shifts up to 6 voxels"),
        ({"tilt_range_deg": (20, 10)}, r"tilt_range_deg=\(20, 10\) must be"),
        ({"kind": "microscope"}, "'kind' parameter"),
        ({"defocus_um": "4"}, "'defocus_um' parameter"),
    ],
)
def test_bad_input(params, message):
    with pytest.raises(ValueError, match=message):
        make_subtomograms(**{"n_samples": 9, **SINGLE, **params})


@pytest.mark.parametrize("name", ["1bxn", "1qvr", "1u6g", "3cf3", "3d2f", "3j9i", "4cr2", "6utj"])
def test_given_maps_go_through(shared_data, name):
    path = shared_data / f"density_maps_10A/{name}.mrc"
    data = make_subtomograms(
        2, kind="single_particle", classes={name: path}, box_size=40, random_state=0
    )
    assert data.class_names == [name]
    assert np.isfinite(data.X).all()


@pytest.mark.parametrize("name", ["1bxn.pdb", "3gl1.pdb", "4zxb.cif"])
def test_given_structures_go_through(shared_data, name):
    classes = {name: shared_data / "structures" / name}
    data = make_subtomograms(
        2, kind="single_particle", classes=classes, voxel_size_angstrom=14.0, random_state=0
    )
    assert np.isfinite(data.X).all()
