import json
import re

import numpy as np
import pytest

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import extract_subtomograms, read_particles, write_mrc, write_particles

# A bead in this voxel, z, y, x, of a tomogram of this shape.
BEAD, SHAPE, VOXEL = (14, 20, 27), (32, 48, 64), 5.0


def star(columns, values, block="particles"):
    header = "".join(f"_{column}\n" for column in ["rlnTomoName", *columns])
    row = " ".join(str(value) for value in ["TS_01", *values])
    return f"data_{block}\n\nloop_\n{header}{row}\n{row}\n"


def xyz(name, ending=""):
    return [f"{name}{axis}{ending}" for axis in "XYZ"]


RELION_PIXELS = xyz("rlnCoordinate")
CENTRED = xyz("rlnCenteredCoordinate", "Angst")
ORIGIN, ORIGIN_ANGST = xyz("rlnOrigin"), xyz("rlnOrigin", "Angst")
X, Y, Z = BEAD[::-1]
OFF_CENTRE = [
    VOXEL * (place - edge / 2) for place, edge in zip(BEAD[::-1], SHAPE[::-1], strict=True)
]

DIALECTS = {
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
    "RELION 5": (star(CENTRED, OFF_CENTRE), {"tomograms": True}),
    "RELION 5, shifted": (
        star(
            [*CENTRED, *ORIGIN_ANGST],
            [OFF_CENTRE[0] + 7.5, OFF_CENTRE[1], OFF_CENTRE[2] - 5, 7.5, 0, -5],
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
    if name == "a.json":
        assert particles.tomogram_names.tolist() == ["TS_01", "TS_01"]
        with pytest.raises(ValueError, match="no place for classes"):
            write_particles(tmp_path / "b.json", particles, class_numbers=[2, 1])
        assert not (tmp_path / "b.json").exists()
        return
    out = tmp_path / f"b{name[1:]}"
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
        ("a.json", '{"points": []}', "no particles"),
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
    "star/portal/relion_3_star.star": (APPLY, 6),
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
