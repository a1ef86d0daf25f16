import numpy as np
import pytest
from scipy import fft, ndimage
from scipy.spatial.distance import pdist
from scipy.spatial.transform import Rotation

from sksubtomo.datasets import (
    Distractors,
    load_density,
    make_tomogram,
    relion_angles_deg,
    save_tomogram,
)
from sksubtomo.datasets._densities import map_radius
from sksubtomo.fourier import apply_fourier_filter, missing_wedge_mask
from sksubtomo.geometry import back_project, rotate_volume
from sksubtomo.io import extract_subtomograms, read_mrc, read_particles
from sksubtomo.simulate import Atoms, Microscope, TiltScheme, estimate_snr

SMALL = {"shape": (48, 80, 80), "box_size": 20, "voxel_size_angstrom": 16.0}
# Amplitude contrast in focus: images are projections, dark.
PLAIN = {
    "microscope": Microscope(amplitude_contrast=1.0, spherical_aberration_mm=0.0),
    "scheme": TiltScheme(tuple(np.arange(-90.0, 90.0, 3.0)), defocus_um=0.0),
}


def chiral_atoms():
    """Four heavy corners at unequal distances from a center: no turn makes the mirror image."""
    ends = np.array([[70.0, 0, 0], [0, 50.0, 0], [0, 0, 60.0], [0, 0, 0]])
    rng = np.random.default_rng(0)
    points = (ends[:, np.newaxis] + rng.normal(0, 10, (4, 300, 3))).reshape(-1, 3)
    return Atoms(np.repeat("C", len(points)), points, np.ones(len(points)))


def test_snr_measured_back():
    data = make_tomogram(
        ["groel", "proteasome_20s"], n_particles=12, snr=0.2, random_state=0, **SMALL
    )
    boxes, clean = (
        extract_subtomograms(volume, data.coordinates, 20) for volume in (data.tomogram, data.clean)
    )
    measured = clean.var(axis=(1, 2, 3)).mean() / (boxes - clean).var(axis=(1, 2, 3)).mean()
    assert measured == pytest.approx(0.2, rel=0.05)
    # And without knowing the signal: correlation of two tomograms of one specimen.
    noise = data.tomogram - data.clean
    other = data.clean + np.roll(noise, (0, 40, 40), (0, 1, 2))
    pairs = [
        extract_subtomograms(volume, data.coordinates, 20) for volume in (data.tomogram, other)
    ]
    centered = [boxes - boxes.mean(axis=(1, 2, 3), keepdims=True) for boxes in pairs]
    assert estimate_snr(*centered) == pytest.approx(0.2, rel=0.15)


def test_tomogram_is_the_reconstruction_of_the_tilt_series():
    data = make_tomogram(["groel"], n_particles=4, snr=0.5, random_state=0, **SMALL)
    again = back_project(data.tilt_series, data.scheme.tilts_deg, 48)
    np.testing.assert_allclose(again, data.tomogram, atol=1e-4 * data.tomogram.std() + 1e-4)


def test_noise_has_the_missing_wedge():
    data = make_tomogram(["groel"], n_particles=2, snr=0.5, random_state=0, **SMALL)
    power = np.abs(fft.rfftn(data.tomogram - data.clean)) ** 2
    wedge = missing_wedge_mask(data.tomogram.shape, 60)
    # What a specimen as thin as this leaves of the wedge is the width of its slices.
    assert power[~wedge].mean() < 0.1 * power[wedge].mean()


def test_dose_is_shared_out_over_the_tilts():
    tilts = (-40.0, -20.0, 0.0, 20.0, 40.0)
    dose = np.array([1.0, 2.0, 4.0, 2.0, 1.0])
    params = {"n_particles": 1, "snr": 1e-3, "random_state": 0, **SMALL}
    scheme = TiltScheme(tilts, dose_per_tilt=tuple(dose))
    series = make_tomogram(["groel"], scheme=scheme, **params).tilt_series
    power = series.var(axis=(1, 2)) * dose
    np.testing.assert_allclose(power / power.mean(), 1, rtol=0.1)


def test_ground_truth():
    data = make_tomogram(
        ["groel", "ubid"],
        n_particles=9,
        distractors=Distractors(n_fiducials=2, n_vesicles=1, vesicle_radius_angstrom=150.0),
        random_state=1,
        **SMALL,
    )
    assert sorted(np.bincount(data.y)) == [4, 5]
    assert data.class_names == ["groel", "ubid"]
    assert data.tilt_series.shape == (41, 80, 80)
    # Boxes are inside, and particles of any kind do not overlap.
    boxes = extract_subtomograms(data.tomogram, data.coordinates, 20)
    assert boxes.shape == (9, 20, 20, 20)
    radius = map_radius(load_density("ubid", voxel_size_angstrom=16.0))
    assert pdist(data.coordinates).min() >= 2 * radius


def test_concentration():
    params = {**SMALL, "shape": (40, 120, 120)}
    data = make_tomogram(["ubid"], concentration_micromolar=20.0, random_state=0, **params)
    free = 21 * 101 * 101 * 16.0**3 * 1e-27  # liter
    assert len(data.y) == round(20e-6 * free * 6.02214e23)
    assert data.concentration_micromolar == pytest.approx(20, rel=0.05)


def test_depends_on_the_seed_only():
    params = {"n_particles": 3, **SMALL}
    first, second, other = (make_tomogram(["ubid"], random_state=s, **params) for s in (0, 0, 1))
    assert np.array_equal(first.tomogram, second.tomogram)
    assert not np.array_equal(first.tomogram, other.tomogram)


def test_axes_and_hand_survive_the_whole_chain(tmp_path):
    # Atoms -> tomogram -> files -> boxes, turned back by the angles in the table: the map again,
    # dark, and not its mirror image.
    atoms = chiral_atoms()
    data = make_tomogram({"right": atoms}, n_particles=5, snr=1e4, random_state=0, **PLAIN, **SMALL)
    table = read_particles(save_tomogram(tmp_path / "out", data))
    volume, voxel = read_mrc(tmp_path / "out/tomogram.mrc")
    assert voxel == (16.0, 16.0, 16.0)
    angles = table.table[["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]].to_numpy()
    mirror = atoms._replace(positions_angstrom=atoms.positions_angstrom * [1, 1, -1])
    right, left = (
        load_density(source, voxel_size_angstrom=16.0) for source in (atoms.centered(), mirror)
    )
    turns = Rotation.create_group("O") * Rotation.from_euler("xyz", [20, 30, 40], degrees=True)
    for center, (rot, tilt, psi) in zip(table.coordinates, angles, strict=True):
        (box,) = extract_subtomograms(volume, [center], 20, subvoxel="interpolate")
        # By definition: axes turn about z by rot, the new y by tilt, the new z by psi.
        back = Rotation.from_euler("ZYZ", [rot, tilt, psi], degrees=True)
        upright = -rotate_volume(box, back, output_shape=right.shape).ravel()
        assert np.corrcoef(upright, right.ravel())[0, 1] > 0.95
        best = max(
            np.corrcoef(upright, rotate_volume(left, turn).ravel())[0, 1]
            for turn in [Rotation.identity(), *turns]
        )
        assert best < 0.85


def test_files(tmp_path):
    data = make_tomogram(["ubid"], n_particles=2, random_state=0, **SMALL)
    table = read_particles(save_tomogram(tmp_path / "a", data, name="ts1"))
    np.testing.assert_allclose(table.coordinates, data.coordinates, atol=1e-4)
    assert table.tomogram_names.tolist() == ["ts1", "ts1"]
    assert table.class_numbers.tolist() == [1, 1]
    for name, volume in (
        ("ts1", data.tomogram),
        ("ts1_clean", data.clean),
        ("ts1_tilts", data.tilt_series),
    ):
        assert np.array_equal(read_mrc(tmp_path / f"a/{name}.mrc").data, volume)
    tilts = np.loadtxt(tmp_path / "a/ts1.tlt")
    np.testing.assert_allclose(tilts, data.scheme.tilts_deg)
    with pytest.raises(FileExistsError):
        save_tomogram(tmp_path / "a", data)


def test_relion_angles():
    quaternions = Rotation.random(20, rng=np.random.default_rng(0)).as_quat()
    angles = np.radians(relion_angles_deg(quaternions))
    for (rot, tilt, psi), quaternion in zip(angles, quaternions, strict=True):
        # The matrix of Heymann et al. 2005, from the reference's coordinates to the particle's.
        ca, cb, cg = np.cos([rot, tilt, psi])
        sa, sb, sg = np.sin([rot, tilt, psi])
        matrix = [
            [cg * cb * ca - sg * sa, cg * cb * sa + sg * ca, -cg * sb],
            [-sg * cb * ca - cg * sa, -sg * cb * sa + cg * ca, sg * sb],
            [sb * ca, sb * sa, cb],
        ]
        np.testing.assert_allclose(Rotation.from_quat(quaternion).as_matrix(), matrix, atol=1e-9)
    np.testing.assert_allclose(relion_angles_deg([[0, 0, 0, 1.0]]), 0, atol=1e-9)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_particles": 200}, "the space is full"),
        ({"box_size": 8}, "but groel has"),
        ({"shape": (10, 80, 80)}, "none below box_size=20"),
        ({"snr": -1}, "'snr' parameter"),
        ({"voxel_size_angstrom": 0}, "'voxel_size_angstrom' parameter"),
        ({"classes": ["actin"]}, "no complex 'actin'"),
        ({"classes": []}, "must name one or more"),
        ({"concentration_micromolar": 0}, "'concentration_micromolar' parameter"),
    ],
)
def test_bad_input(params, message):
    with pytest.raises(ValueError, match=message):
        make_tomogram(**{"classes": ["groel"], "n_particles": 2, **SMALL, **params})


def test_bad_distractors():
    with pytest.raises(ValueError, match="n_fiducials=-1 is out of range"):
        Distractors(n_fiducials=-1)
    with pytest.raises(ValueError, match=r"vesicle_radius_angstrom=0.0 is out of range"):
        Distractors(vesicle_radius_angstrom=0.0)


def test_reconstruction_correlates_with_the_specimen_within_the_wedge():
    params = {**SMALL, "shape": (64, 64, 64)}
    full = make_tomogram(["groel"], n_particles=1, random_state=0, **PLAIN, **params)
    limited = TiltScheme(tuple(np.arange(-60.0, 61.0, 3.0)), defocus_um=0.0)
    part = make_tomogram(
        ["groel"], n_particles=1, random_state=0, **{**PLAIN, "scheme": limited}, **params
    )
    wedge = missing_wedge_mask((64, 64, 64), 60)
    smooth = [ndimage.gaussian_filter(volume, 1.0) for volume in (full.clean, part.clean)]
    first, second = (apply_fourier_filter(volume, wedge).ravel() for volume in smooth)
    assert np.corrcoef(first, second)[0, 1] > 0.9
