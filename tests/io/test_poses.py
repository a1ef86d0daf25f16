"""Poses in tables: what is written is what RELION means, and what is read again."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import (
    make_particle_table,
    read_mrc,
    read_particles,
    read_voxel_size,
    relion_rotations,
    takes_poses,
    write_mrc,
    write_particles,
)

CENTERS = np.array([[10.0, 20.25, 30.0], [11.0, 21.0, 31.5], [12.0, 22.0, 32.0]])
SHIFTS = np.array([[1.5, -0.5, 0.25], [0.0, 0.0, 0.0], [-2.0, 1.0, 0.5]])
ROTATIONS = Rotation.random(3, random_state=0)
ANGLES = ["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]
ORIGINS = ["rlnOriginXAngst", "rlnOriginYAngst", "rlnOriginZAngst"]


def written(path, columns=None, voxel_size=8.0, **more):
    table = make_particle_table(CENTERS, tomogram_names=["TS_1"] * 3, columns=columns or {})
    arguments = {
        "rotations": ROTATIONS,
        "shifts_angstrom": SHIFTS * voxel_size,
        "voxel_size_angstrom": voxel_size,
        **more,
    }
    write_particles(path, table, overwrite=True, **arguments)
    return path


def test_poses_that_were_written_are_read(tmp_path):
    """RELION subtracts origins: they are minus the shift, x before z, in angstrom."""
    path = written(tmp_path / "a.star")
    table = read_particles(path).table
    np.testing.assert_allclose(table[ORIGINS], -8.0 * SHIFTS[:, ::-1], atol=1e-9)
    np.testing.assert_allclose(
        relion_rotations(table[ANGLES]).as_matrix(), ROTATIONS.as_matrix(), atol=1e-5
    )
    # The coordinates stay; read, they are where the particles are.
    np.testing.assert_allclose(table["rlnCoordinateY"], CENTERS[:, 1])


@pytest.mark.parametrize("given", [{}, {"pixel_size_angstrom": 8.0}, {"shifts": "apply"}])
def test_found_shifts_are_applied_without_a_question(tmp_path, given):
    path = written(tmp_path / "a.star")
    np.testing.assert_allclose(read_particles(path, **given).coordinates, CENTERS + SHIFTS)
    np.testing.assert_allclose(read_particles(path, shifts="ignore").coordinates, CENTERS)


def test_found_shifts_are_of_the_tomogram_that_is_given(tmp_path):
    """Coordinates binned by 2; the tomogram says the size of its voxels."""
    path = written(tmp_path / "a.star")
    write_mrc(tmp_path / "TS_1.mrc", np.zeros((40, 60, 80), np.float32), 16.0)
    found = read_particles(path, tomograms={"TS_1": tmp_path / "TS_1.mrc"}, binning=2)
    np.testing.assert_allclose(found.coordinates, (CENTERS + SHIFTS) / 2)


def test_found_shifts_of_binned_coordinates_are_asked_for(tmp_path):
    path = written(tmp_path / "a.star")
    with pytest.raises(FileFormatError, match="size of those pixels as pixel_size_angstrom"):
        read_particles(path, binning=2)
    found = read_particles(path, binning=2, pixel_size_angstrom=8.0)
    np.testing.assert_allclose(found.coordinates, (CENTERS + SHIFTS) / 2)


@pytest.mark.parametrize("size", ["0.0", "-8.0", "nan"])
def test_sizes_of_voxels_that_are_none_are_refused(tmp_path, size):
    path = written(tmp_path / "a.star")
    lines = path.read_text().split("\n")
    rows = [k for k, line in enumerate(lines) if line.startswith("TS_1")]
    fields = lines[rows[1]].split("\t")
    assert fields[-1].strip() == "8.0"
    lines[rows[1]] = "\t".join([*fields[:-1], size])
    path.write_text("\n".join(lines))
    with pytest.raises(FileFormatError, match="sksubtomoVoxelSize|not a number|missing"):
        read_particles(path)


def test_shifts_of_others_are_still_asked_for(tmp_path):
    path = written(tmp_path / "a.star")
    other = tmp_path / "b.star"
    other.write_text(path.read_text().replace("sksubtomoVoxelSize", "someoneElse"))
    with pytest.raises(FileFormatError, match="Say what to do"):
        read_particles(other)


def test_poses_are_in_the_frame_of_the_subtomogram(tmp_path):
    """RELION: position = coordinate - A origin, orientation = A orientation of the particle."""
    angles = np.array([[10.0, 20, 30], [40, 50, 60], [70, 80, 90]])
    names = ("rlnTomoSubtomogramRot", "rlnTomoSubtomogramTilt", "rlnTomoSubtomogramPsi")
    path = written(tmp_path / "a.star", dict(zip(names, angles.T, strict=True)))
    particles = read_particles(path)
    np.testing.assert_allclose(particles.coordinates, CENTERS + SHIFTS, atol=1e-5)
    total = relion_rotations(angles) * relion_rotations(particles.table[ANGLES])
    np.testing.assert_allclose(total.as_matrix(), ROTATIONS.as_matrix(), atol=1e-5)


def test_earlier_shifts_in_pixels_do_not_stay_beside_them(tmp_path):
    old = {name: [1.0, 2.0, 3.0] for name in ("rlnOriginX", "rlnOriginY", "rlnOriginZ")}
    path = written(tmp_path / "a.star", old)
    assert not set(old) & set(read_particles(path).table)
    np.testing.assert_allclose(read_particles(path).coordinates, CENTERS + SHIFTS)


def test_tables_of_other_programs_have_no_place(tmp_path):
    table = make_particle_table(CENTERS, tomogram_names=["TS_1"] * 3)
    assert takes_poses(tmp_path / "a.star", table)
    assert takes_poses(tmp_path / "a.csv", table)
    stopgap = tmp_path / "stopgap.star"
    columns = "motl_idx tomo_num orig_x orig_y orig_z x_shift y_shift z_shift phi psi the class"
    names = "".join(f"_{name}\n" for name in columns.split())
    stopgap.write_text(f"data_stopgap_motivelist\n\nloop_\n{names}1 1 20 20 20 0 0 0 0 0 0 1\n")
    particles = read_particles(stopgap)
    assert not takes_poses(tmp_path / "b.star", particles)
    with pytest.raises(ValueError, match="no place for poses"):
        write_particles(
            tmp_path / "b.star",
            particles,
            rotations=Rotation.identity(1),
            shifts_angstrom=np.zeros((1, 3)),
            voxel_size_angstrom=8.0,
        )
    assert not (tmp_path / "b.star").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"rotations": Rotation.identity(2)}, "2 rotations and shifts"),
        ({"rotations": Rotation.identity()}, "One rotation"),
        ({"shifts_angstrom": np.zeros(3)}, "do not suit 3 particles"),
        ({"shifts_angstrom": np.full((3, 3), np.nan)}, "must be finite"),
        ({"voxel_size_angstrom": 0.0}, "positive"),
        ({"voxel_size_angstrom": None}, "rotations need"),
        ({"rotations": None}, "of no use without rotations"),
    ],
)
def test_poses_that_do_not_suit_are_refused(tmp_path, more, message):
    with pytest.raises(ValueError, match=message):
        written(tmp_path / "a.star", **more)
    assert not (tmp_path / "a.star").exists()


def test_labels_of_maps_and_unknown_voxels(tmp_path):
    import mrcfile

    labels = ["class 1", "bright"]
    write_mrc(tmp_path / "a.mrc", np.ones((4, 4, 4), np.float32), None, labels=labels)
    with mrcfile.open(tmp_path / "a.mrc") as file:
        assert file.get_labels()[1:] == labels
    assert read_voxel_size(tmp_path / "a.mrc") is None
    assert read_mrc(tmp_path / "a.mrc").data.shape == (4, 4, 4)
    for bad in (["x" * 81], ["Ångström"], ["a"] * 10):
        with pytest.raises(ValueError, match="labels must be"):
            write_mrc(tmp_path / "b.mrc", np.ones((4, 4, 4), np.float32), 1.0, labels=bad)
    assert not (tmp_path / "b.mrc").exists()
