import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import make_particle_table, read_particles, write_particles
from sksubtomo.io._copick import check_copick, read_copick, write_copick

CONTENT = {
    "pickable_object_name": "ribosome",
    "user_id": "0",
    "session_id": "17",
    "run_name": "TS_01",
    "voxel_spacing": 10.0,
    "unit": "angstrom",
    "points": [
        {
            "location": {"x": 40.0, "y": 20.5, "z": 30.0},
            "transformation_": np.arange(16.0).reshape(4, 4).tolist(),
            "instance_id": 3,
            "score": 0.1,
        },
        {
            "location": {"x": 1.0, "y": 2.0, "z": 3.0},
            "transformation_": np.eye(4).tolist(),
            "instance_id": 4,
            "score": 0.7,
        },
    ],
}


@pytest.fixture
def path(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(CONTENT))
    return tmp_path / "a.json"


def test_all_that_a_file_says_comes_back(path, tmp_path):
    particles = read_particles(path, pixel_size_angstrom=10.0, shifts="ignore")
    assert particles.coordinates.tolist() == [[3.0, 2.05, 4.0], [0.3, 0.2, 0.1]]
    write_particles(tmp_path / "b.json", particles)
    assert json.loads((tmp_path / "b.json").read_text()) == CONTENT
    write_particles(tmp_path / "c.json", particles.subset([1]))
    kept = json.loads((tmp_path / "c.json").read_text())
    assert kept == {**CONTENT, "points": CONTENT["points"][1:]}


def test_the_given_file_comes_back(shared_data, tmp_path):
    path = shared_data / "star/portal/copick.json"
    write_particles(
        tmp_path / "b.json", read_particles(path, pixel_size_angstrom=10.0, shifts="ignore")
    )
    assert json.loads((tmp_path / "b.json").read_text()) == json.loads(path.read_text())


def test_points_become_other_tables(path, tmp_path):
    particles = read_particles(path, pixel_size_angstrom=10.0, shifts="ignore")
    for name in ("b.star", "b.csv"):
        write_particles(tmp_path / name, particles, class_numbers=[2, 1])
        assert (tmp_path / name).exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"meta": {}}, r"it has \['meta'\], which would be lost"),
        ({"points": [{**CONTENT["points"][0], "color": 1}]}, r"it has \['color'\]"),
        ({"unit": "pixel"}, "its unit is 'pixel'"),
        ({"points": {}}, "it has no list of points"),
    ],
)
def test_parts_that_would_be_lost_are_refused(path, change, message):
    path.write_text(json.dumps(CONTENT | change))
    with pytest.raises(FileFormatError, match=f"a.json.*{message}"):
        read_particles(path, pixel_size_angstrom=10.0, shifts="ignore")


def test_what_copick_has_no_place_for(path, tmp_path):
    other = make_particle_table([[1, 2, 3]])
    with pytest.raises(ValueError, match="only points of copick"):
        write_particles(tmp_path / "b.json", other)
    particles = read_particles(path, pixel_size_angstrom=10.0, shifts="ignore")
    particles.table["run_name"] = ["TS_01", "TS_02"]
    with pytest.raises(ValueError, match="has one run_name"):
        write_particles(tmp_path / "b.json", particles)
    assert not (tmp_path / "b.json").exists()


SCORES = st.one_of(st.none(), st.floats(allow_nan=False))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6), SCORES, st.integers(0, 2**31))))
def test_what_is_written_is_read_again(tmp_path_factory, points):
    written = {
        **CONTENT,
        "points": [
            {"location": {"x": x, "y": y, "z": 0.5}, "instance_id": number, "score": score}
            for x, y, score, number in points
        ],
    }
    folder = tmp_path_factory.mktemp("copick")
    (folder / "a.json").write_text(json.dumps(written))
    particles = read_particles(folder / "a.json", pixel_size_angstrom=10.0, shifts="ignore")
    write_particles(folder / "b.json", particles)
    assert json.loads((folder / "b.json").read_text()) == written
    again = read_particles(folder / "b.json", pixel_size_angstrom=10.0, shifts="ignore")
    assert again.table.equals(particles.table)
    assert len(again) == len(points)


ANY_TEXT = st.one_of(st.none(), st.text(max_size=8), st.sampled_from(["", "nan", "a\nb", '"', "'"]))
MATRIX = st.lists(
    st.lists(st.floats(allow_nan=False), min_size=4, max_size=4), min_size=4, max_size=4
)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_all_text_and_numbers_come_back(tmp_path_factory, data):
    """Any text, infinities, points with and without a score or a matrix, and no points."""
    said = {name: data.draw(ANY_TEXT) for name in ("user_id", "session_id", "run_name")}
    said["trust_orientation"] = data.draw(st.sampled_from([None, True, False]))
    said["voxel_spacing"] = data.draw(st.one_of(st.none(), st.floats(allow_nan=False)))
    content = {"pickable_object_name": data.draw(st.text(max_size=8)), "unit": "angstrom"}
    content |= {name: value for name, value in said.items() if value is not None}
    content["points"] = []
    for _ in range(data.draw(st.integers(0, 3))):
        point = {"location": dict.fromkeys("xyz", data.draw(st.floats(0, 1e6)))}
        if data.draw(st.booleans()):
            point["transformation_"] = data.draw(MATRIX)
        if data.draw(st.booleans()):
            point["score"] = data.draw(st.floats(allow_nan=False))
        content["points"].append(point)
    folder = tmp_path_factory.mktemp("copick")
    (folder / "a.json").write_text(json.dumps(content))
    table = read_copick(folder / "a.json")
    check_copick(folder / "b.json", table)
    write_copick(table, folder / "b.json")
    again = read_copick(folder / "b.json")
    # Columns are in the order in which points have them.
    pd.testing.assert_frame_equal(again, table, check_exact=True, check_like=True)
    written = json.loads((folder / "b.json").read_text())
    for name in ("run_name", "voxel_spacing"):
        # Written as null where nothing is said.
        assert written.pop(name) == content.pop(name, None)
    scores = {point.get("score") for point in content["points"]}
    if None not in scores or scores <= {None}:
        assert written == content


def test_a_point_that_is_wrong_is_named(path):
    wrong = [CONTENT["points"][0], {"location": {"x": 1.0, "y": 2.0}}]
    path.write_text(json.dumps(CONTENT | {"points": wrong}))
    with pytest.raises(FileFormatError, match=r"a.json .*point 2: KeyError\('z'\)"):
        read_particles(path, pixel_size_angstrom=10.0, shifts="ignore")


def test_voxels_of_a_tomogram_in_ome_zarr(path, tmp_path):
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(tmp_path / "TS_01.zarr", mode="w")
    group.create_array("0", shape=(8, 5, 6), dtype="float32")[:] = 1
    scale = [{"type": "scale", "scale": [0.5, 2.0, 5.0]}]
    group.attrs["multiscales"] = [
        {
            "axes": [{"name": name, "type": "space", "unit": "nanometer"} for name in "zyx"],
            "datasets": [{"path": "0", "coordinateTransformations": scale}],
        }
    ]
    particles = read_particles(path, tomograms={"TS_01": tmp_path / "TS_01.zarr"}, shifts="ignore")
    assert particles.coordinates.tolist() == [[6.0, 1.025, 0.8], [0.6, 0.1, 0.02]]


def test_json_that_is_nested_deeply_is_told(tmp_path):
    (tmp_path / "a.json").write_text("[" * 10**6)
    with pytest.raises(FileFormatError, match=r"a.json cannot be read .*nested too deeply"):
        read_particles(tmp_path / "a.json")
