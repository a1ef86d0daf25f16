import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.transform import Rotation

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import (
    extract_subtomograms,
    make_particle_table,
    read_particles,
    write_mrc,
    write_particles,
)
from sksubtomo.io._dialects import DIALECTS as KNOWN_DIALECTS
from sksubtomo.io._dialects import find_dialect
from sksubtomo.io._motl import COLUMNS as MOTL
from sksubtomo.io._motl import write_motl
from sksubtomo.io._tables import read_blocks

# A bead in this voxel, z, y, x, of a tomogram of this shape.
BEAD, SHAPE, VOXEL = (14, 20, 27), (32, 48, 64), 5.0


def star(columns, values, block="particles", name="TS_01", before=""):
    header = "".join(f"_{column}\n" for column in ["rlnTomoName", *columns])
    row = " ".join(str(value) for value in [name, *values])
    return f"{before}data_{block}\n\nloop_\n{header}{row}\n{row}\n"


def xyz(name, ending=""):
    return [f"{name}{axis}{ending}" for axis in "XYZ"]


RELION_PIXELS = xyz("rlnCoordinate")
CENTERED = xyz("rlnCenteredCoordinate", "Angst")
ORIGIN, ORIGIN_ANGST = xyz("rlnOrigin"), xyz("rlnOrigin", "Angst")
X, Y, Z = BEAD[::-1]
OFF_CENTER = [
    VOXEL * (place - edge / 2) for place, edge in zip(BEAD[::-1], SHAPE[::-1], strict=True)
]

SUBTOMOGRAM = [f"rlnTomoSubtomogram{name}" for name in ("Rot", "Tilt", "Psi")]
# A quarter turn of the axes about z: x of the subtomogram is y of the tomogram, y is -x.
QUARTER, TURNED = [0, 0, -90], np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]])
SKEW = [-119.1, 84.9, -110.8]


def off_by(shift, angles=(0, 0, 0)):
    """Coordinates x, y, z from which the bead is a shift away, by RELION's rule, in a unit."""
    matrix = Rotation.from_euler("ZYZ", angles, degrees=True).inv().as_matrix()
    return (matrix @ np.array(shift)).tolist()


def optics(**values):
    return "data_optics\n\n" + "".join(f"_{key} {value}\n" for key, value in values.items()) + "\n"


WARP_2D = "data_general\n\n_rlnTomoSubTomosAre2DStacks 1\n\n" + optics(
    rlnOpticsGroup=1, rlnTomoTiltSeriesPixelSize=0.7894, rlnImagePixelSize=2.5
)
FRACTIONS = [place / edge for place, edge in zip(BEAD[::-1], SHAPE[::-1], strict=True)]

DIALECTS = {
    "RELION 5, shifted, turned by a quarter": (
        star(
            [*CENTERED, *ORIGIN_ANGST, *SUBTOMOGRAM],
            [*(np.array(OFF_CENTER) + TURNED @ [10, 15, -5]), 10, 15, -5, *QUARTER],
        ),
        {"tomograms": True, "shifts": "apply"},
    ),
    "RELION 5, shifted, turned": (
        star(
            [*CENTERED, *ORIGIN_ANGST, *SUBTOMOGRAM],
            [*(np.array(OFF_CENTER) + off_by([12, -35, 40], SKEW)), 12, -35, 40, *SKEW],
        ),
        {"tomograms": True, "shifts": "apply"},
    ),
    "RELION 5, turned, shifts that are none of ours": (
        star([*CENTERED, *ORIGIN_ANGST, *SUBTOMOGRAM], [*OFF_CENTER, 12, -35, 40, *SKEW]),
        {"tomograms": True, "shifts": "ignore"},
    ),
    "RELION 4, shifted, turned": (
        star(
            [*RELION_PIXELS, *ORIGIN_ANGST, *SUBTOMOGRAM, "rlnTomoTiltSeriesPixelSize"],
            [
                *(2 * np.array([X, Y, Z]) + np.array(off_by([12, -35, 40], SKEW)) / 2.5),
                *(12, -35, 40, *SKEW, 2.5),
            ],
        ),
        {"tomograms": True, "shifts": "apply", "binning": 2},
    ),
    "pixels, shifted, turned": (
        star(
            [*RELION_PIXELS, *ORIGIN, *SUBTOMOGRAM],
            [*(np.array([X, Y, Z]) + off_by([2, -3, 4], SKEW)), 2, -3, 4, *SKEW],
        ),
        {"shifts": "apply"},
    ),
    "one shift in two columns": (
        star(
            [*RELION_PIXELS, *ORIGIN, *ORIGIN_ANGST, "rlnPixelSize"],
            [X + 2, Y - 3, Z + 4, 2, -3, 4, 2 * VOXEL, -3 * VOXEL, 4 * VOXEL, VOXEL],
        ),
        {"tomograms": True, "shifts": "apply"},
    ),
    "one shift in two columns, pixels of the header": (
        star(
            [*RELION_PIXELS, *ORIGIN, *ORIGIN_ANGST],
            [X + 2, Y - 3, Z + 4, 2, -3, 4, 2 * VOXEL, -3 * VOXEL, 4 * VOXEL],
        ),
        {"tomograms": True, "shifts": "apply"},
    ),
    "shifts in angstrom, voxels of the file": (
        star([*RELION_PIXELS, *ORIGIN_ANGST], [X + 2, Y, Z - 1, 2 * VOXEL, 0, -VOXEL]),
        {"tomograms": True, "shifts": "apply"},
    ),
    "Warp's matching": (star(RELION_PIXELS, FRACTIONS), {"tomograms": True}),
    "Warp's matching, shifted": (
        star(
            [*RELION_PIXELS, *ORIGIN_ANGST],
            [*(np.array(FRACTIONS) + np.array([10, -5, 0]) / VOXEL / SHAPE[::-1]), 10, -5, 0],
        ),
        {"tomograms": True, "shifts": "apply"},
    ),
    "WarpTools 2-D": (
        star(
            [*RELION_PIXELS, "rlnOpticsGroup"],
            [2 * X, 2 * Y, 2 * Z, 1],
            name="TS_01.tomostar",
            before=WARP_2D,
        ),
        {"tomograms": True},
    ),
    "WarpTools 2-D, shifted": (
        star(
            [*RELION_PIXELS, "rlnOpticsGroup", *ORIGIN_ANGST],
            [2 * X + 2, 2 * Y, 2 * Z - 4, 1, 5, 0, -10],
            name="TS_01.tomostar",
            before=WARP_2D,
        ),
        {"tomograms": True, "shifts": "apply"},
    ),
    "WarpTools 2-D, told the pixels": (
        star(RELION_PIXELS, [2 * X, 2 * Y, 2 * Z], name="TS_01.tomostar", before=WARP_2D),
        {"tomograms": True, "pixel_size_angstrom": 2.5},
    ),
    "WarpTools 3-D": (
        star(
            [*RELION_PIXELS, "rlnMagnification", "rlnDetectorPixelSize", "rlnPixelSize"],
            [2 * X, 2 * Y, 2 * Z, 10000, 2.5, 2.5],
            name="TS_01.tomostar",
        ),
        {"tomograms": True},
    ),
    "Warp 1": (
        star(
            [*RELION_PIXELS, "rlnMagnification", "rlnDetectorPixelSize", "rlnCtfImage"],
            [2 * X, 2 * Y, 2 * Z, 20000, 5, "ctf.mrc"],
            name="TS_01.tomostar",
        ),
        {"tomograms": True},
    ),
    "M": (
        star(
            [f"wrpCoordinate{axis}{time}" for axis in "XYZ" for time in "12"],
            [VOXEL * place for place in (X, 1.1 * X, Y, 1.1 * Y, Z, 1.1 * Z)],
        ),
        {"tomograms": True},
    ),
    "M, told the voxels": (
        star([f"wrpCoordinate{axis}1" for axis in "XYZ"], [VOXEL * X, VOXEL * Y, VOXEL * Z]),
        {"pixel_size_angstrom": VOXEL},
    ),
    "pytom-match-pick for RELION 5": (
        star(
            [*CENTERED, "rlnLCCmax", "rlnCutOff", "rlnSearchStd", "rlnTomoTiltSeriesPixelSize"],
            [*OFF_CENTER, 0.3, 0.1, 0.02, VOXEL],
        ),
        {"tomograms": True},
    ),
    "pytom-match-pick": (
        star([*RELION_PIXELS, "rlnLCCmax", "rlnDetectorPixelSize"], [X, Y, Z, 0.3, VOXEL]),
        {"tomograms": True},
    ),
    "RELION 3, Warp": (star(RELION_PIXELS, [X, Y, Z]), {}),
    "unbinned pixels": (star(RELION_PIXELS, [4 * X, 4 * Y, 4 * Z]), {"binning": 4}),
    "RELION 3, shifted": (
        star([*RELION_PIXELS, *ORIGIN], [X + 2, Y - 1.5, Z + 0.5, 2, -1.5, 0.5]),
        {"shifts": "apply"},
    ),
    "shifted unbinned pixels": (
        star([*RELION_PIXELS, *ORIGIN], [2 * X + 6, 2 * Y, 2 * Z, 6, 0, 0]),
        {"shifts": "apply", "binning": 2},
    ),
    "RELION 3.1, RELION 4, M": (
        star([*RELION_PIXELS, *ORIGIN_ANGST], [X + 2, Y, Z - 1, 2 * VOXEL, 0, -VOXEL]),
        {"shifts": "apply", "pixel_size_angstrom": VOXEL},
    ),
    "RELION 4, unbinned pixels": (
        star([*RELION_PIXELS, *ORIGIN_ANGST], [2 * X + 2, 2 * Y, 2 * Z, VOXEL, 0, 0]),
        {"shifts": "apply", "pixel_size_angstrom": VOXEL / 2, "binning": 2},
    ),
    "RELION 5": (star(CENTERED, OFF_CENTER), {"tomograms": True}),
    "RELION 5, shifted": (
        star(
            [*CENTERED, *ORIGIN_ANGST],
            [OFF_CENTER[0] + 7.5, OFF_CENTER[1], OFF_CENTER[2] - 5, 7.5, 0, -5],
        ),
        {"tomograms": True, "shifts": "apply"},
    ),
    "STOPGAP": (
        star(["orig_x", "orig_y", "orig_z"], [X + 1, Y + 1, Z + 1], "stopgap_motivelist"),
        {},
    ),
    "STOPGAP, shifted": (
        star(
            ["orig_x", "orig_y", "orig_z", "x_shift", "y_shift", "z_shift"],
            [X + 1 - 2, Y + 1, Z + 1 + 0.25, 2, 0, -0.25],
        ),
        {"shifts": "apply"},
    ),
    "shifts that are none of ours": (
        star([*RELION_PIXELS, *ORIGIN], [X, Y, Z, 5, 5, 5]),
        {"shifts": "ignore"},
    ),
}


DYNAMO = [1, 1, 0, 2, -1, 0.5, *[0] * 13, 1, 1, 3, 0, X + 1 - 2, Y + 1 + 1, Z + 1 - 0.5, *[0] * 9]
OTHER_FILES = {
    "a.coords": (f"{X} {Y} {Z}\n{X}.0 {Y} {Z}.0\n", {}),
    "napari.csv": (
        f"index,axis-0,axis-1,axis-2,class\n0,{Z},{Y},{X},1\n1,{Z}.0,{Y},{X},0\n",
        {},
    ),
    "relion.csv": (
        f"rlnCoordinateX,rlnCoordinateY,rlnCoordinateZ\n{X},{Y},{Z}\n{X},{Y},{Z}\n",
        {},
    ),
    "a.tbl": (f"{' '.join(map(str, DYNAMO))}\n" * 2, {"shifts": "apply"}),
    "a.csv": (f"x,y,z,score\n{X},{Y},{Z},0.5\n{X},{Y},{Z},0.25\n", {}),
    "a.json": (
        json.dumps(
            {
                "pickable_object_name": "ribosome",
                "run_name": "TS_01",
                "unit": "angstrom",
                "points": [{"location": {"x": VOXEL * X, "y": VOXEL * Y, "z": VOXEL * Z}}] * 2,
            }
        ),
        {"pixel_size_angstrom": VOXEL},
    ),
}


@pytest.mark.parametrize("box_size", [9, 10])
@pytest.mark.parametrize("name", OTHER_FILES)
def test_a_bead_in_tables_other_than_star(tmp_path, name, box_size):
    tomogram = np.zeros(SHAPE, dtype=np.float32)
    tomogram[BEAD] = 1
    text, params = OTHER_FILES[name]
    (tmp_path / name).write_text(text)
    particles = read_particles(tmp_path / name, **params)
    box = extract_subtomograms(tomogram, particles.coordinates, box_size)[1]
    assert box[(box_size // 2,) * 3] == 1
    out = tmp_path / f"b{Path(name).suffix}"
    if name in ("a.json", "a.coords"):
        with pytest.raises(ValueError, match="no (place for )?classes"):
            write_particles(out, particles, class_numbers=[2, 1])
        assert not out.exists()
        write_particles(out, particles)
        again = read_particles(out, **params)
        assert again.table.equals(particles.table)
        return
    write_particles(out, particles, class_numbers=[2, 1])
    again = read_particles(out, **params)
    assert again.class_numbers.tolist() == [2, 1]
    np.testing.assert_array_equal(again.coordinates, particles.coordinates)


def test_dynamo_has_its_own_columns(tmp_path):
    (tmp_path / "a.csv").write_text(OTHER_FILES["a.csv"][0])
    particles = read_particles(tmp_path / "a.csv")
    with pytest.raises(ValueError, match="only a table of Dynamo"):
        write_particles(tmp_path / "b.tbl", particles)
    (tmp_path / "a.tbl").write_text(OTHER_FILES["a.tbl"][0])
    particles = read_particles(tmp_path / "a.tbl", shifts="ignore")
    with pytest.raises(ValueError, match="no column of probabilities"):
        write_particles(tmp_path / "b.tbl", particles, probabilities=[[1.0], [1.0]])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "a.tbl"]
    with pytest.raises(FileFormatError, match=r"dz, dy, dx.*shifts='apply'"):
        read_particles(tmp_path / "a.tbl")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "a,b\n1,2\n", "no particle coordinates"),
        ("a.csv", "", "cannot be read as a CSV file"),
        ("a.tbl", "1 2 3\n", "cannot be read as a table of Dynamo|no particle coordinates"),
        ("a.json", "{", "cannot be read as a copick file"),
        ("a.json", '{"points": [], "unit": "pixel"}', "its unit is 'pixel'"),
    ],
)
def test_bad_tables_other_than_star(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(FileFormatError, match=rf"{name}.*({message})"):
        read_particles(tmp_path / name, pixel_size_angstrom=1.0)


@pytest.mark.parametrize("name", ["t_double", "t_complex"])
def test_given_dynamo_tables(shared_data, tmp_path, name):
    particles = read_particles(shared_data / f"dynamo/{name}.tbl", shifts="apply")
    first = particles.table.iloc[0]
    expected = [float(first[axis]) + float(first[f"d{axis}"]) - 1 for axis in "zyx"]
    np.testing.assert_allclose(particles.coordinates[0], expected)
    write_particles(tmp_path / "out.tbl", particles)
    again = read_particles(tmp_path / "out.tbl", shifts="apply")
    assert again.table.equals(particles.table)


def test_given_copick_file(shared_data):
    path = shared_data / "star/portal/copick.json"
    particles = read_particles(path, pixel_size_angstrom=10.0)
    assert particles.coordinates[0].tolist() == [3.0, 2.0, 4.0]
    with pytest.raises(FileFormatError, match="pixel_size_angstrom"):
        read_particles(path)


@pytest.mark.parametrize("box_size", [9, 10])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_bead_comes_to_the_centre_of_its_box(tmp_path, dialect, box_size):
    tomogram = np.zeros(SHAPE, dtype=np.float32)
    tomogram[BEAD] = 1
    write_mrc(tmp_path / "TS_01.mrc", tomogram, VOXEL)
    text, params = DIALECTS[dialect]
    (tmp_path / "a.star").write_text(text)
    if "tomograms" in params:
        params = {**params, "tomograms": {"TS_01": tmp_path / "TS_01.mrc"}}
    particles = read_particles(tmp_path / "a.star", **params)
    # The voxel size in the header is a 32-bit float.
    np.testing.assert_allclose(particles.coordinates, [BEAD] * 2, atol=1e-5)
    box = extract_subtomograms(tomogram, particles.coordinates, box_size)[0]
    assert box[(box_size // 2,) * 3] == 1
    # What is written is what was read.
    write_particles(tmp_path / "b.star", particles)
    again = read_particles(tmp_path / "b.star", **params)
    assert again.table.equals(particles.table)
    np.testing.assert_array_equal(again.subset([1]).coordinates, particles.coordinates[1:])


@pytest.mark.parametrize(
    ("dialect", "left_out", "message"),
    [
        ("RELION 3, shifted", "shifts", r"rlnOriginX.*shifts='apply'"),
        ("STOPGAP, shifted", "shifts", r"x_shift.*shifts='apply'"),
        ("RELION 3.1, RELION 4, M", "pixel_size_angstrom", "as pixel_size_angstrom"),
        ("RELION 5", "tomograms", r"tomograms=\{name: path\}"),
    ],
)
def test_what_is_left_open_is_asked_for(tmp_path, dialect, left_out, message):
    text, params = DIALECTS[dialect]
    (tmp_path / "a.star").write_text(text)
    params = {name: value for name, value in params.items() if name != left_out}
    with pytest.raises(FileFormatError, match=rf"(?s)a.star.*{message}"):
        read_particles(tmp_path / "a.star", **params)


@pytest.mark.parametrize("case", ["missing", "not finite", "larger", "text"])
def test_coordinates_that_are_none_name_row_and_line(tmp_path, case):
    value = {"missing": "nan", "not finite": "inf", "larger": "1e30", "text": "abc"}[case]
    text = star(RELION_PIXELS, [1, 2, 3]).replace("\nTS_01 1 2 3\n", f"\nTS_01 1 {value} 3\n", 1)
    (tmp_path / "a.star").write_text("# comment\n\n" + text)
    with pytest.raises(FileFormatError, match=rf"a.star has .*{case}.*row 1 \(line 10\)"):
        read_particles(tmp_path / "a.star")
    (tmp_path / "a.csv").write_text(f"x,y,z\n1,2,3\n\n1,{value},3\n")
    with pytest.raises(FileFormatError, match=rf"a.csv has .*{case}.*row 2 \(line 4\)"):
        read_particles(tmp_path / "a.csv")


def with_tomogram(tmp_path, text, name="TS_01.mrc", shape=SHAPE, voxel=VOXEL):
    write_mrc(tmp_path / name, np.zeros(shape, dtype=np.float32), voxel, overwrite=True)
    (tmp_path / "a.star").write_text(text)
    return {"path": tmp_path / "a.star", "tomograms": {Path(name).stem: tmp_path / name}}


def test_every_dialect_has_a_bead(tmp_path):
    found = set()
    for number, (text, params) in enumerate(DIALECTS.values()):
        path = tmp_path / f"{number}.star"
        path.write_text(text)
        found.add(dialect_of(path, "binning" in params))
    for name, (text, _) in OTHER_FILES.items():
        (tmp_path / name).write_text(text)
        found.add(dialect_of(tmp_path / name))
    write_motl(pd.DataFrame([range(20)], columns=list(MOTL)), tmp_path / "a.em")
    found.add(dialect_of(tmp_path / "a.em"))
    assert found == {dialect.name for dialect in KNOWN_DIALECTS}


def dialect_of(path, are_pixels=False):
    blocks = read_blocks(path)
    known = [find_dialect(path, blocks, one, are_pixels=are_pixels) for one in blocks.values()]
    return next(dialect.name for dialect in known if dialect is not None)


@pytest.mark.parametrize("name", ["TS_01.mrc", "TS_01_5.00Apx.mrc", "rec_TS_01.mrc"])
@pytest.mark.parametrize("column", ["rlnTomoTiltSeriesPixelSize", "rlnPixelSize"])
def test_pixels_are_compared_with_the_tomogram_whatever_its_name(tmp_path, name, column):
    text = star([*RELION_PIXELS, column], [X / 2, Y / 2, Z / 2, 10], name="TS_01.tomostar")
    given = with_tomogram(tmp_path, text, name)
    with pytest.raises(FileFormatError, match=rf"a.star .*10.*{name} has voxels of 5 A.*binning="):
        read_particles(**given)
    assert read_particles(**given, binning=0.5).coordinates.tolist() == [list(BEAD)] * 2
    with_tomogram(tmp_path, text, name, voxel=10.0)
    assert read_particles(**given).coordinates[0, 0] == Z / 2


@pytest.mark.parametrize("column", ["rlnPixelSize", "rlnDetectorPixelSize", "rlnImagePixelSize"])
def test_no_binning_is_suggested_where_pixels_are_not_known(tmp_path, column):
    text = star([*RELION_PIXELS, "rlnTomoTiltSeriesPixelSize", column], [2 * X, 2 * Y, 2 * Z, 1, 3])
    given = with_tomogram(tmp_path, text)
    with pytest.raises(FileFormatError) as error:
        read_particles(**given)
    message = str(error.value)
    assert f"rlnTomoTiltSeriesPixelSize 1; {column} 3" in message
    assert "voxels of 5 A" in message
    assert re.findall(r"binning=\S*", message) == ["binning=;"]
    # The caller says which it is.
    with pytest.raises(FileFormatError, match=r"counts in pixels of 3 A.*binning=1.667"):
        read_particles(**given, pixel_size_angstrom=3.0)
    assert read_particles(**given, binning=2).coordinates[0].tolist() == list(BEAD)


@pytest.mark.parametrize("release", ["voxels", "pixels"])
def test_picks_of_pytom_are_whole_voxels(tmp_path, release):
    """By its release, pytom-match-pick has half of the voxels, or of the pixels less one, as 0."""
    pixel, binning = 1.35, VOXEL / 1.35
    less = 0 if release == "voxels" else 1
    centered = [
        pixel * (binning * place - (binning * edge / 2 - less))
        for place, edge in zip(BEAD[::-1], SHAPE[::-1], strict=True)
    ]
    columns = [*CENTERED, "rlnLCCmax", "rlnCutOff", "rlnSearchStd", "rlnTomoTiltSeriesPixelSize"]
    (tmp_path / "a.star").write_text(star(columns, [*centered, 0.3, 0.1, 0.02, VOXEL]))
    edges = [round(binning * edge) for edge in SHAPE[::-1]]
    (tmp_path / "tomograms.star").write_text(
        star(
            [
                *xyz("rlnTomoSize"),
                *("rlnTomoTiltSeriesPixelSize", "rlnTomoTomogramBinning"),
            ],
            [*edges, pixel, binning],
            block="global",
        ).rsplit("\n", 2)[0]
    )
    write_mrc(tmp_path / "TS_01.mrc", np.zeros(SHAPE, dtype=np.float32), VOXEL)
    for tomograms in (tmp_path / "tomograms.star", {"TS_01": tmp_path / "TS_01.mrc"}):
        particles = read_particles(tmp_path / "a.star", tomograms=tomograms)
        assert particles.coordinates.tolist() == [list(BEAD)] * 2
    # RELION goes on with the particles by its own rule: half of the pixels.
    columns, values = [*columns, *ORIGIN_ANGST], [*centered, 0.3, 0.1, 0.02, pixel, 0, 0, 0]
    (tmp_path / "a.star").write_text(star(columns, values))
    with pytest.warns(UserWarning, match="odd edge"):
        particles = read_particles(tmp_path / "a.star", tomograms=tmp_path / "tomograms.star")
    expected = (np.array(centered) / pixel + np.array(edges) / 2)[::-1] / binning
    np.testing.assert_allclose(particles.coordinates[0], expected, atol=1e-9)


@pytest.mark.parametrize("ending", [".star", ".csv", ".coords", ".tbl"])
def test_fractions_are_never_taken_for_voxels(tmp_path, ending):
    fractions = np.random.default_rng(0).uniform(size=(5, 3))
    path, params = tmp_path / f"a{ending}", {}
    if ending == ".star":
        write_particles(path, make_particle_table(fractions, tomogram_names=["TS_01"] * 5))
        given = with_tomogram(tmp_path, path.read_text())
        expected = fractions * SHAPE
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


def test_two_shifts_that_differ_are_refused(tmp_path):
    columns = [*RELION_PIXELS, *ORIGIN, *ORIGIN_ANGST]
    given = with_tomogram(tmp_path, star(columns, [X, Y, Z, 1, 2, 3, 9, 9, 9]))
    with pytest.raises(FileFormatError, match=r"two shifts .*rlnOriginX.*rlnOriginXAngst.*Remove"):
        read_particles(**given, shifts="apply")
    assert read_particles(**given, shifts="ignore").coordinates[0].tolist() == list(BEAD)


def test_tomograms_that_do_not_say_their_voxels(tmp_path):
    emfile = pytest.importorskip("emfile")
    emfile.write(tmp_path / "TS_01.em", np.zeros(SHAPE, dtype=np.float32))
    (tmp_path / "a.star").write_text(star(CENTERED, OFF_CENTER))
    given = {"path": tmp_path / "a.star", "tomograms": {"TS_01": tmp_path / "TS_01.em"}}
    with pytest.raises(FileFormatError, match=r"TS_01.em does not say its voxel size. Give it as"):
        read_particles(**given)
    for params in ({"pixel_size_angstrom": VOXEL}, {"pixel_size_angstrom": 1.25, "binning": 4}):
        particles = read_particles(**given, **params)
        np.testing.assert_allclose(particles.coordinates, [BEAD] * 2)


def test_shifts_in_pixels_of_nothing_are_refused(tmp_path):
    for columns, values in ((CENTERED, OFF_CENTER), (RELION_PIXELS, FRACTIONS)):
        given = with_tomogram(tmp_path, star([*columns, *ORIGIN], [*values, 1, 2, 3]))
        with pytest.raises(
            FileFormatError, match=r"shifts in pixels \(rlnOriginX\), but .* not in"
        ):
            read_particles(**given, shifts="apply")
        np.testing.assert_allclose(read_particles(**given, shifts="ignore").coordinates, [BEAD] * 2)


def test_angles_that_turn_shifts_are_complete_and_finite(tmp_path):
    columns = [*RELION_PIXELS, *ORIGIN, *SUBTOMOGRAM]
    path = tmp_path / "a.star"
    path.write_text(star(columns[:-1], [X, Y, Z, 1, 2, 3, 10, 20]))
    with pytest.raises(
        FileFormatError, match=r"rlnTomoSubtomogramRot, rlnTomoSubtomogramTilt only"
    ):
        read_particles(path, shifts="apply")
    path.write_text(star(columns, [X, Y, Z, 1, 2, 3, 10, "nan", 30]))
    with pytest.raises(
        FileFormatError, match=r"row 1 \(line 14\) has .*rlnTomoSubtomogramTilt nan"
    ):
        read_particles(path, shifts="apply")


def relion_rule(table, edges, pixel, binning):
    """Return centers z, y, x as RELION's ParticleSet::getPosition does, in binned voxels."""
    position = table[CENTERED].to_numpy() / pixel + np.array(edges) / 2
    for row in range(len(table)):
        rot, tilt, psi = np.radians(table[SUBTOMOGRAM].iloc[row])
        (sr, st, sp), (cr, ct, cp) = np.sin([rot, tilt, psi]), np.cos([rot, tilt, psi])
        matrix = np.array(
            [
                [cp * ct * cr - sp * sr, cp * ct * sr + sp * cr, -cp * st],
                [-sp * ct * cr - cp * sr, -sp * ct * sr + cp * cr, sp * st],
                [st * cr, st * sr, ct],
            ]
        )
        position[row] -= matrix @ table[ORIGIN_ANGST].iloc[row].to_numpy() / pixel
    return position[:, ::-1] / binning


def test_given_tables_with_turned_shifts_are_read_by_the_rule_of_relion(shared_data, tmp_path):
    n_tables = 0
    edges, pixel, binning = [4000, 4000, 2000], 1.35, 7.407407
    columns = [
        *("rlnTomoName", *xyz("rlnTomoSize")),
        *("rlnTomoTiltSeriesPixelSize", "rlnTomoTomogramBinning"),
    ]
    for path in sorted((shared_data / "star/relion5").rglob("*_data.star")):
        table = read_blocks(path)["particles"]
        if not {*SUBTOMOGRAM, *ORIGIN_ANGST} <= set(table):
            continue
        rows = [[name, *edges, pixel, binning] for name in table["rlnTomoName"].unique()]
        lines = [" ".join(map(str, row)) for row in rows]
        (tmp_path / "tomograms.star").write_text(
            "\n".join(["data_global\n\nloop_", *(f"_{one}" for one in columns), *lines]) + "\n"
        )
        expected = relion_rule(table, edges, pixel, binning)
        by_table = read_particles(path, shifts="apply", tomograms=tmp_path / "tomograms.star")
        np.testing.assert_allclose(by_table.coordinates, expected, rtol=0, atol=1e-6)
        ignored = read_particles(path, shifts="ignore", tomograms=tmp_path / "tomograms.star")
        assert np.abs(ignored.coordinates - expected).max() > 0.5
        n_tables += 1
    assert n_tables


def test_tomograms_are_checked(tmp_path):
    (tmp_path / "a.star").write_text(DIALECTS["RELION 5"][0])
    with pytest.raises(FileFormatError, match=r"particles in \['TS_01'\], not among"):
        read_particles(tmp_path / "a.star", tomograms={"TS_02": tmp_path / "b.mrc"})
    write_mrc(tmp_path / "odd.mrc", np.zeros((31, 48, 64), dtype=np.float32), VOXEL)
    with pytest.warns(UserWarning, match="odd edge"):
        read_particles(tmp_path / "a.star", tomograms={"TS_01": tmp_path / "odd.mrc"})


def test_voxels_other_than_the_pixels_ask_for_the_binning(tmp_path):
    text, params = DIALECTS["RELION 4, unbinned pixels"]
    (tmp_path / "a.star").write_text(text)
    write_mrc(tmp_path / "TS_01.mrc", np.zeros(SHAPE, dtype=np.float32), VOXEL)
    params = {**params, "tomograms": {"TS_01": tmp_path / "TS_01.mrc"}}
    particles = read_particles(tmp_path / "a.star", **params)
    np.testing.assert_allclose(particles.coordinates, [BEAD] * 2, atol=1e-5)
    del params["binning"]
    message = r"a.star counts in pixels of 2.5 A, but .*TS_01.mrc has voxels of 5 A.*binning=2"
    with pytest.raises(FileFormatError, match=message):
        read_particles(tmp_path / "a.star", **params)
    # A tomogram that cannot be read is told where it is read.
    (tmp_path / "TS_01.mrc").write_bytes(b"x" * 2000)
    read_particles(tmp_path / "a.star", **params)


@pytest.mark.parametrize(
    "params", [{"shifts": "maybe"}, {"binning": 0}, {"pixel_size_angstrom": -1.0}]
)
def test_bad_arguments(tmp_path, params):
    (tmp_path / "a.star").write_text(DIALECTS["STOPGAP"][0])
    (name,) = params
    with pytest.raises(ValueError, match=f"{name}="):
        read_particles(tmp_path / "a.star", **params)


APPLY = {"shifts": "apply"}
ANGSTROM = {"pixel_size_angstrom": 1.0}
NONE, OPEN, SEVERAL = "no particle coordinates", "tomograms={name: path}", "in several blocks"
#: What comes of every file: with which arguments how many particles, or the message.
OUTCOMES = {
    "dynamo/t_complex.tbl": (APPLY, 8742),
    "dynamo/t_double.tbl": (APPLY, 300),
    "real/microtubules/particles.star": ({}, 380),
    "star/chlamy/ps2.star": ({}, 3111),
    "star/edge_cases/TS_01_points.star": ({}, NONE),
    "star/edge_cases/basic_double_quote.star": ({}, NONE),
    "star/edge_cases/basic_single_quote.star": ({}, NONE),
    "star/edge_cases/default_pipeline.star": ({}, NONE),
    "star/edge_cases/empty_loop.star": ({}, NONE),
    "star/edge_cases/loop_double_quote.star": ({}, NONE),
    "star/edge_cases/loop_single_quote.star": ({}, NONE),
    "star/edge_cases/one_loop.star": ({}, 16),
    "star/edge_cases/postprocess.star": ({}, NONE),
    "star/edge_cases/rln3.1_data_style.star": ({}, SEVERAL),
    "star/edge_cases/single_line_end_of_multiblock.star": ({}, SEVERAL),
    "star/edge_cases/single_line_middle_of_multiblock.star": ({}, SEVERAL),
    "star/edge_cases/two_basic_blocks.star": ({}, NONE),
    "star/edge_cases/two_single_line_loop_blocks.star": ({}, NONE),
    "star/portal/copick.json": (ANGSTROM, 4),
    "star/portal/relion_3_star.star": ({**APPLY, "binning": 1}, 6),
    "star/portal/relion_4_star.star": ({**APPLY, **ANGSTROM}, 6),
    "star/portal/stopgap_star.star": (APPLY, 6),
    "star/portal/tomoman_relion_star.star": (APPLY, 6),
    "star/relion5/Class3D/job_class3d/job.star": ({}, NONE),
    "star/relion5/Class3D/job_class3d/run_it025_data.star": ({}, OPEN),
    # Its optics and its tomograms are of different data.
    "star/relion5/Class3D/job_class3d/run_it025_optimisation_set.star": (APPLY, "10.52, but"),
    "star/relion5/Picks/job_picks/job.star": ({}, NONE),
    "star/relion5/Picks/job_picks/optimisation_set.star": ({}, 5),
    "star/relion5/Picks/job_picks/particles.star": ({}, OPEN),
    "star/relion5/Refine3D/job_refine/job.star": ({}, NONE),
    "star/relion5/Refine3D/job_refine/run_it040_optimisation_set.star": (
        {},
        "'Refine3D/job_refine/run_it040_data.star', which is not found",
    ),
    "star/relion5/Refine3D/job_refine/run_it050_data.star": ({}, OPEN),
    "star/relion5/Refine3D/job_refine/run_it050_optimisation_set.star": (APPLY, "10.52, but"),
    "star/relion5/Tomograms/job_tomo/job.star": ({}, NONE),
    "star/relion5/Tomograms/job_tomo/tilt_series/13pf_MT.star": ({}, NONE),
    "star/relion5/Tomograms/job_tomo/tilt_series/14pf_MT.star": ({}, NONE),
    "star/relion5/Tomograms/job_tomo/tomograms.star": ({}, NONE),
}


def test_every_given_table_has_an_outcome(shared_data):
    files = [
        path for name in ("star", "dynamo", "real") for path in (shared_data / name).rglob("*")
    ]
    tables = [path for path in files if path.suffix in (".star", ".json", ".tbl")]
    assert {path.relative_to(shared_data).as_posix() for path in tables} == set(OUTCOMES)


def same(one, other):
    return one.equals(other) if hasattr(one, "equals") else one == other


@pytest.mark.parametrize("name", OUTCOMES)
def test_every_given_table_is_read_or_refused_by_name(shared_data, tmp_path, name):
    path = shared_data / name
    params, expected = OUTCOMES[name]
    if isinstance(expected, str):
        with pytest.raises(FileFormatError, match=re.escape(expected)) as error:
            read_particles(path, **params)
        assert path.name.replace("it025_optimisation_set", "it025_data").replace(
            "it050_optimisation_set", "it050_data"
        ) in str(error.value)
        return
    particles = read_particles(path, **params)
    assert len(particles) == expected
    assert np.isfinite(particles.coordinates).all()
    if path.suffix == ".json":
        return
    out = tmp_path / f"out{path.suffix}"
    write_particles(out, particles)
    if "optimisation_set" in name:
        tomograms = shared_data / "star/relion5/Tomograms/job_tomo/tomograms.star"
        params = {**params, "tomograms": tomograms}
    again = read_particles(out, **params)
    assert list(again.blocks) == list(particles.blocks)
    for block in particles.blocks:
        assert same(again.blocks[block], particles.blocks[block])
    assert again.table.equals(particles.table)
    np.testing.assert_array_equal(again.coordinates, particles.coordinates)
