import numpy as np
import pytest
from bead_tables import SHAPE as BEAD_SHAPE
from bead_tables import with_tomogram

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import make_particle_table, read_particles, write_mrc, write_particles

SHAPE = (60, 100, 120)


@pytest.fixture
def write(tmp_path):
    """A function that writes a table of coordinates z, y, x beside tomograms TS_1 and TS_2."""
    tomograms = {name: tmp_path / f"{name}.mrc" for name in ("TS_1", "TS_2")}
    for path in tomograms.values():
        write_mrc(path, np.zeros(SHAPE, np.float32), 10.0)

    def make(coordinates, names="TS_1", **columns):
        names = np.broadcast_to(names, len(coordinates))
        table = make_particle_table(coordinates, tomogram_names=names, columns=columns)
        write_particles(tmp_path / "a.star", table, overwrite=True)
        return {"path": tmp_path / "a.star", "tomograms": tomograms}

    return make


def fractions(n_particles, seed=0):
    return np.random.default_rng(seed).uniform(0.05, 0.95, size=(n_particles, 3))


@pytest.mark.parametrize("columns", [{}, {"rlnPixelSize": 10.0}])
@pytest.mark.parametrize("beyond", [1.0001, -0.001, 1.08])
@pytest.mark.parametrize("n_particles", [1, 5, 19, 41])
def test_fractions_a_little_beyond_the_edges_are_no_voxels(write, n_particles, beyond, columns):
    places = fractions(n_particles)
    places[-1, 2] = beyond
    given = write(places, **columns)
    for more in ({}, {"pixel_size_angstrom": 10.0}, {"binning": 4}, {"tomograms": None}):
        with pytest.raises(FileFormatError, match=r"a.star .*fractions of the edges.*binning=1"):
            read_particles(**{**given, **more})
    np.testing.assert_array_equal(read_particles(**given, binning=1).coordinates, places)


def test_fractions_of_one_tomogram_among_voxels_of_another(write):
    voxels = fractions(60, seed=1) * SHAPE
    names = ["TS_2"] * 60 + ["TS_1"] * 7
    given = write(np.concatenate([voxels, fractions(7)]), names)
    with pytest.raises(FileFormatError, match=r"7 of 7 of tomogram TS_1 in \[0, 1\] .*fractions"):
        read_particles(**given)
    # One of many is a pick in a corner.
    given = write(np.concatenate([voxels, fractions(1)]))
    assert len(read_particles(**given)) == 61


def test_fractions_have_no_binning(write):
    given = write(fractions(5))
    np.testing.assert_allclose(read_particles(**given).coordinates, fractions(5) * SHAPE)
    with pytest.raises(FileFormatError, match=r"fractions .*Leave out binning=4"):
        read_particles(**given, binning=4)


def test_a_corner_is_asked_about_whatever_pixel_size_is_stated(write):
    given = write(fractions(30) * np.array(SHAPE) / 3, rlnPixelSize=10.0)
    with pytest.raises(FileFormatError, match=r"in one corner .*binning="):
        read_particles(**given)
    assert len(read_particles(**given, binning=1)) == 30


def test_one_of_a_few_may_be_outside(write):
    places = np.tile([30.0, 50.0, 60.0], (5, 1))
    places[0, 2] = 121
    assert len(read_particles(**write(places))) == 5
    places[1, 2] = 121
    with pytest.raises(FileFormatError, match=r"2 of 5 particles outside"):
        read_particles(**write(places))


@pytest.mark.parametrize("ending", [".star", ".csv", ".coords", ".tbl"])
def test_fractions_are_never_taken_for_voxels(tmp_path, ending):
    fractions = np.random.default_rng(0).uniform(size=(5, 3))
    path, params = tmp_path / f"a{ending}", {}
    if ending == ".star":
        write_particles(path, make_particle_table(fractions, tomogram_names=["TS_01"] * 5))
        given = with_tomogram(tmp_path, path.read_text())
        expected = fractions * BEAD_SHAPE
        np.testing.assert_allclose(read_particles(**given).coordinates, expected)
        one = {**given, "path": tmp_path / "one.star"}
        write_particles(one["path"], read_particles(**given).subset([0]))
        np.testing.assert_allclose(read_particles(**one).coordinates, expected[:1])
    else:
        head, x = ("x,y,z\n", ",") if ending == ".csv" else ("", " ")
        zeros = [0] * 23 if ending == ".tbl" else []
        rows = [x.join(map(str, [*zeros, *row])) for row in fractions[:, ::-1].tolist()]
        path.write_text(head + "\n".join(rows) + "\n")
    with pytest.raises(FileFormatError, match=rf"a{ending} has coordinates .*\[0, 1\].*binning=1"):
        read_particles(path)
    first = 1.0 if ending == ".tbl" else 0.0
    read = read_particles(path, binning=1, **params)
    np.testing.assert_allclose(read.coordinates, fractions - first)
    # Voxels of the corner are whole numbers.
    corner = make_particle_table([[0, 0, 1], [1, 0, 1]])
    write_particles(tmp_path / "corner.star", corner)
    assert read_particles(tmp_path / "corner.star").coordinates[0].tolist() == [0, 0, 1]
