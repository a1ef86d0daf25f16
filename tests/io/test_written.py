"""Tables of one program in files of another kind."""

import json

import numpy as np
import pytest

from sksubtomo.cli import main
from sksubtomo.io import (
    find_tomograms,
    make_particle_table,
    read_mrc,
    read_particles,
    write_mrc,
    write_particles,
)
from sksubtomo.io._motl import COLUMNS, write_motl

SHAPE = (20, 30, 40)
# Centers x, y, z in voxels, counted from 0.
CENTERS = np.array([[11.0, 12.5, 9.0], [25.25, 14.0, 10.0], [20.0, 8.0, 7.0]])
CLASSES = [2, 0, 1]


def star(columns, rows):
    head = "".join(f"_{column}\n" for column in columns)
    return f"data_\nloop_\n{head}" + "".join(f"{' '.join(map(str, row))}\n" for row in rows)


def dynamo(folder):
    rows = np.zeros((3, 35))
    rows[:, 3:6] = [2.0, -1.0, 0.5]
    rows[:, 19], rows[:, 21], rows[:, 23:26] = 1, CLASSES, CENTERS + 1 - [2.0, -1.0, 0.5]
    np.savetxt(folder / "a.tbl", rows, fmt="%.10g")
    return folder / "a.tbl"


def motl(folder):
    import pandas as pd

    rows = np.zeros((3, 20))
    rows[:, 4], rows[:, 7:10], rows[:, 19] = 1, CENTERS + 1 - [0.5, 0.0, 0.0], CLASSES
    rows[:, 10] = 0.5
    write_motl(pd.DataFrame(rows, columns=list(COLUMNS)), folder / "a.em")
    return folder / "a.em"


def stopgap(folder):
    columns = ["tomo_num", "orig_x", "orig_y", "orig_z", "class"]
    rows = np.column_stack([[1] * 3, CENTERS + 1, CLASSES])
    (folder / "stopgap.star").write_text(star(columns, rows))
    return folder / "stopgap.star"


def m(folder):
    columns = ["wrpSourceName", *(f"wrpCoordinate{axis}1" for axis in "XYZ")]
    rows = [["TS_1.tomostar", *row] for row in (10 * CENTERS).tolist()]
    (folder / "m.star").write_text(star(columns, rows))
    return folder / "m.star"


def relion_5(folder):
    """Shifts are in angstrom, and the coordinates from the center."""
    columns = [f"rlnCenteredCoordinate{axis}Angst" for axis in "XYZ"]
    columns = ["rlnTomoName", *columns, *(f"rlnOrigin{axis}Angst" for axis in "XYZ")]
    centered = 10 * (CENTERS - np.array(SHAPE[::-1]) / 2) + [5, 0, -5]
    rows = [["TS_1", *row, 5, 0, -5] for row in centered.tolist()]
    (folder / "relion5.star").write_text(star(columns, rows))
    return folder / "relion5.star"


def copick(folder):
    points = [{"location": dict(zip("xyz", (10 * row).tolist(), strict=True))} for row in CENTERS]
    content = {"pickable_object_name": "a", "run_name": "TS_1", "points": points}
    (folder / "a.json").write_text(json.dumps(content))
    return folder / "a.json"


def napari(folder):
    rows = [f"{i},{z},{y},{x}" for i, (x, y, z) in enumerate(CENTERS.tolist())]
    (folder / "napari.csv").write_text("index,axis-0,axis-1,axis-2\n" + "\n".join(rows) + "\n")
    return folder / "napari.csv"


def coords(folder):
    np.savetxt(folder / "a.coords", CENTERS, fmt="%.10g")
    return folder / "a.coords"


def plain(folder):
    rows = [",".join(map(str, [*row, "TS_1"])) for row in CENTERS.tolist()]
    (folder / "plain.csv").write_text("x,y,z,rlnTomoName\n" + "\n".join(rows) + "\n")
    return folder / "plain.csv"


MAKERS = [dynamo, motl, stopgap, m, relion_5, copick, napari, coords, plain]


@pytest.fixture
def tomograms(tmp_path):
    """A tomogram with a bead at each center that is whole, by its names in all tables."""
    (tmp_path / "tomograms").mkdir()
    tomogram = np.zeros(SHAPE, dtype=np.float32)
    tomogram[7, 8, 20] = 1
    write_mrc(tmp_path / "tomograms/TS_1.mrc", tomogram, 10.0)
    return dict.fromkeys(("1", "TS_1"), tmp_path / "tomograms/TS_1.mrc")


@pytest.mark.parametrize("ending", [".star", ".csv"])
@pytest.mark.parametrize("make", MAKERS)
def test_positions_names_and_classes_are_read_again(tmp_path, tomograms, make, ending):
    path = make(tmp_path)
    # Only those that it names: a file has one name.
    names = read_names(path)
    given = {name: tomograms[name] for name in names} or {"TS_1": tomograms["TS_1"]}
    particles = read_particles(path, shifts="apply", tomograms=given)
    np.testing.assert_allclose(particles.coordinates, CENTERS[:, ::-1], atol=1e-9)
    write_particles(tmp_path / f"b{ending}", particles, class_numbers=[3, 2, 1])
    for params in ({}, {"tomograms": given}):
        if ending == ".star" and make in (m, relion_5) and not params:
            continue  # as they were, in angstrom
        again = read_particles(tmp_path / f"b{ending}", **(params or {}), **shifts_of(make, ending))
        assert np.array_equal(again.coordinates, particles.coordinates)
        assert again.class_numbers.tolist() == [3, 2, 1]
        if particles.tomogram_names is not None:
            assert again.tomogram_names.tolist() == particles.tomogram_names.tolist()


def read_names(path):
    if path.suffix == ".coords" or path.name == "napari.csv":
        return []
    return ["1"] if path.name in ("a.tbl", "a.em", "stopgap.star") else ["TS_1"]


def shifts_of(make, ending):
    """A table whose columns stay keeps its shifts."""
    return {"shifts": "apply"} if make in (motl, relion_5) and ending == ".star" else {}


@pytest.mark.parametrize("ending", [".star", ".csv"])
def test_coordinates_are_voxels_whatever_the_pixels_were(tmp_path, ending):
    particles = read_particles(dynamo(tmp_path), shifts="ignore", binning=2)
    write_particles(tmp_path / f"b{ending}", particles.subset([2, 0]))
    again = read_particles(tmp_path / f"b{ending}")
    assert np.array_equal(again.coordinates, particles.coordinates[[2, 0]])
    assert again.class_numbers.tolist() == [1, 2]
    assert again.table["rlnTomoName"].tolist() == ["1", "1"]
    columns = [f"rlnCoordinate{axis}" for axis in "ZYX"]
    assert np.array_equal(again.table[columns].to_numpy(), again.coordinates)
    assert "dx" in again.table


@pytest.mark.parametrize(
    ("columns", "ending"),
    [
        ("tag,aligned_value,averaged_value,dx,dy,dz,x,y,z", ".tbl"),
        ("pickable_object_name,user_id,session_id,run_name,trust_orientation,unit,x,y,z", ".json"),
    ],
)
def test_columns_of_the_same_name_do_not_make_a_table_one_of_another_program(
    tmp_path, columns, ending
):
    """In CSV, x is counted in voxels from 0; Dynamo counts from 1, and copick angstrom."""
    (tmp_path / "a.csv").write_text(f"{columns}\n1,1,1,0,0,0,4,5,6\n")
    particles = read_particles(tmp_path / "a.csv")
    with pytest.raises(ValueError, match=rf"b{ending}: .*\(plain\) would be read .*those of"):
        write_particles(tmp_path / f"b{ending}", particles)
    assert not (tmp_path / f"b{ending}").exists()


def test_fractions_are_not_written_to_where_they_would_be_voxels(tmp_path, tomograms):
    columns = ["rlnMicrographName", *(f"rlnCoordinate{axis}" for axis in "XYZ")]
    rows = [["TS_1", *row] for row in (CENTERS / SHAPE[::-1]).tolist()]
    (tmp_path / "a.star").write_text(star(columns, rows))
    particles = read_particles(tmp_path / "a.star", tomograms={"TS_1": tomograms["TS_1"]})
    with pytest.raises(ValueError, match=r"b.csv: .*template matching\).* write a STAR file"):
        write_particles(tmp_path / "b.csv", particles)
    write_particles(tmp_path / "b.star", particles)


def test_tables_that_were_made_are_written_as_they_are(tmp_path):
    write_particles(tmp_path / "a.csv", make_particle_table([[1, 2, 3]]))
    assert read_particles(tmp_path / "a.csv").coordinates.tolist() == [[1, 2, 3]]


@pytest.mark.parametrize("make", MAKERS)
def test_extract_writes_a_table_of_its_boxes(tmp_path, tomograms, make):
    path = make(tmp_path)
    (tmp_path / "map.txt").write_text("".join(f"{name} tomograms/TS_1.mrc\n" for name in ["1"]))
    where = ["--tomograms", f"{tmp_path}/tomograms/TS_1.mrc"]
    if read_names(path) == ["1"]:
        where = ["--tomogram-map", f"{tmp_path}/map.txt"]
    arguments = ["extract", "--particles", f"{path}", *where, "--shifts", "apply", "--quiet"]
    assert main([*arguments, "--box-size", "8", "--output", f"{tmp_path}/boxes"]) == 0
    given = find_tomograms(read_names(path) or ["TS_1"], tomograms)
    again = read_particles(
        tmp_path / "boxes/particles.star", tomograms=given, **shifts_of(make, ".star")
    )
    np.testing.assert_allclose(again.coordinates, CENTERS[:, ::-1], atol=1e-9)
    box = read_mrc(again.table["rlnImageName"].iloc[2]).data
    assert box[4, 4, 4] == 1
