import json

import numpy as np
import pytest

from sksubtomo.cli import main
from sksubtomo.io import (
    extract_subtomograms,
    make_particle_table,
    read_mrc,
    read_particles,
    write_particles,
)


def pick(project, *more):
    return main(
        [
            *("pick", "--tomograms", f"{project}/tomograms", "--quiet"),
            *("--output", f"{project}/picks.star", *more),
        ]
    )


def test_blobs_are_found(project):
    assert pick(project, "--diameter", "50", "--max-picks", "9") == 0
    picks = read_particles(project / "picks.star")
    truth = read_particles(project / "particles.star")
    dark = truth.coordinates[:18][truth.class_numbers[:18] == 1]
    for name in ("TS_1", "TS_2"):
        found = picks.coordinates[picks.tomogram_names == name]
        nearest = np.linalg.norm(found[:, None] - dark[None], axis=2).min(axis=1)
        assert len(found) == 9
        assert nearest.max() < 2
    assert picks.table["rlnPixelSize"].unique().tolist() == [10.0]
    assert pick(project, "--diameter", "50") == 1  # exists


def test_template_and_route_write_orientations(project):
    template = ["--template", "ubid", "--angular-step", "90", "--max-picks", "3"]
    assert pick(project, *template) == 0
    table = read_particles(project / "picks.star").table
    assert {"rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"} <= set(table)
    assert pick(project, *template, "--diameter", "50", "--overwrite") == 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "Give --diameter, --template, or both"),
        (["--diameter", "50", "--threshold", "1000"], "Nothing was found"),
        (["--template", "nonsense"], "no complex 'nonsense'"),
    ],
)
def test_pick_says_what_is_wrong(project, capsys, more, message):
    assert pick(project, *more) == 1
    assert message in capsys.readouterr().err
    assert not (project / "picks.star").exists()


def test_pick_leaves_a_corrupt_tomogram_out(project):
    (project / "tomograms/TS_1.mrc").write_bytes(b"x" * 3000)
    assert pick(project, "--diameter", "50", "--dry-run") == 3
    assert not (project / "picks.star").exists()
    assert pick(project, "--diameter", "50") == 3
    assert set(read_particles(project / "picks.star").tomogram_names) == {"TS_2"}


def extract(project, *more):
    return main(
        [
            *("extract", "--particles", f"{project}/particles.star", "--quiet"),
            *("--tomograms", f"{project}/tomograms", "--output", f"{project}/boxes", *more),
        ]
    )


def test_boxes_are_cut_and_listed(project):
    assert extract(project, "--box-size", "17", "--border", "drop") == 0
    particles = read_particles(project / "particles.star")
    listed = read_particles(project / "boxes/particles.star")
    assert 0 < len(listed) < len(particles)
    for path, name, center in zip(
        listed.table["rlnImageName"], listed.tomogram_names, listed.coordinates, strict=True
    ):
        tomogram = read_mrc(project / f"tomograms/{name}.mrc").data
        box = read_mrc(path)
        assert np.array_equal(box.data, extract_subtomograms(tomogram, [center], 17)[0])
        assert box.voxel_size_angstrom == (10.0, 10.0, 10.0)
    assert extract(project, "--box-size", "17") == 1  # exists


def test_of_a_hundred_tomograms_one_is_corrupt(project):
    """Ninety-nine are cut, one is told, and the exit code says so."""
    text = (project / "particles.star").read_text()
    whole = (project / "tomograms/TS_1.mrc").read_bytes()
    rows = [line for line in text.splitlines() if line.startswith("TS_")]
    head = text[: text.index(rows[0])]
    names = [f"T{number:03d}" for number in range(100)]
    lines = [row.replace("TS_1", name) for name in names for row in rows[:2]]
    (project / "particles.star").write_text(head + "\n".join(lines) + "\n")
    for name in names:
        (project / f"tomograms/{name}.mrc").write_bytes(whole[:900] if name == "T050" else whole)
    assert extract(project, "--box-size", "8") == 3
    listed = read_particles(project / "boxes/particles.star")
    assert set(listed.tomogram_names) == set(names) - {"T050"}
    assert len(listed) == 198


def test_an_interrupted_extraction_leaves_nothing(project, monkeypatch):
    calls = []

    def stop(*args, **kwargs):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("sksubtomo.io.write_mrc", stop)
    before = sorted(project.iterdir())
    assert extract(project, "--box-size", "8") == 130
    assert sorted(project.iterdir()) == before


def test_names_of_warp_and_missing_files(project, capsys):
    text = (project / "particles.star").read_text()
    (project / "particles.star").write_text(text.replace("TS_1", "TS_1.tomostar"))
    tomograms = project / "tomograms"
    (tomograms / "TS_1.mrc").rename(tomograms / "TS_1_10.00Apx.mrc")
    assert extract(project, "--box-size", "8", "--dry-run") == 0
    (tomograms / "TS_1_10.00Apx.mrc").unlink()
    assert extract(project, "--box-size", "8", "--dry-run") == 3
    assert "1 tomogram without a file: 'TS_1.tomostar'" in capsys.readouterr().err


def test_points_of_copick_in_ome_zarr(project):
    """As copick lays them out: a tomogram in the folder of its run."""
    zarr = pytest.importorskip("zarr")
    folder = project / "ExperimentRuns/TS_1/VoxelSpacing10.000/wbp.zarr"
    tomogram = read_mrc(project / "tomograms/TS_1.mrc").data
    group = zarr.open_group(folder, mode="w")
    group.create_array("0", shape=tomogram.shape, dtype="float32")[:] = tomogram
    scale = [{"type": "scale", "scale": [10.0, 10.0, 10.0]}]
    group.attrs["multiscales"] = [
        {
            "axes": [{"name": name, "type": "space", "unit": "angstrom"} for name in "zyx"],
            "datasets": [{"path": "0", "coordinateTransformations": scale}],
        }
    ]
    centers = read_particles(project / "particles.star").coordinates[:18]
    points = [
        {"location": dict(zip("zyx", (10 * center).tolist(), strict=True))} for center in centers
    ]
    content = {"pickable_object_name": "blob", "run_name": "TS_1", "points": points}
    (project / "picks.json").write_text(json.dumps(content))
    arguments = ["extract", "--particles", f"{project}/picks.json", "--box-size", "8", "--quiet"]
    where = ["--tomograms", f"{project}/ExperimentRuns", "--output", f"{project}/boxes"]
    assert main([*arguments, *where]) == 0
    files = sorted((project / "boxes").rglob("*.mrc"))
    boxes = np.array([read_mrc(file).data for file in files])
    assert np.array_equal(boxes, extract_subtomograms(tomogram, centers, 8))


def test_boxes_have_voxels_of_the_tomogram_not_pixels_of_the_table(project):
    path = project / "tomograms/TS_1.mrc"
    content = bytearray(path.read_bytes())
    content[28:40] = bytes(12)
    path.write_bytes(content)
    truth = read_particles(project / "particles.star").subset(range(18))
    unbinned = make_particle_table(4 * truth.coordinates, tomogram_names=truth.tomogram_names)
    write_particles(project / "particles.star", unbinned, overwrite=True)
    more = ["--box-size", "8", "--binning", "4"]
    assert extract(project, *more) == 1
    assert extract(project, *more, "--pixel-size", "2.5") == 0
    image = read_particles(project / "boxes/particles.star").table["rlnImageName"].iloc[0]
    assert read_mrc(image).voxel_size_angstrom == (10.0, 10.0, 10.0)
