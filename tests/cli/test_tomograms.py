import numpy as np
import pytest

from sksubtomo.cli import _tomograms, main
from sksubtomo.io import (
    list_tomograms,
    make_particle_table,
    read_mrc,
    read_particles,
    write_mrc,
    write_particles,
)


@pytest.fixture
def project(tmp_path):
    """A function that writes tomograms, the number of each in all its voxels, and a table."""

    def make(files, names, **columns):
        for number, name in enumerate(files, start=1):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_mrc(path, np.full((20, 20, 20), number, np.float32), 10.0, overwrite=True)
        table = make_particle_table(
            [[8.0, 8, 8]] * len(names), tomogram_names=names, columns=columns
        )
        write_particles(tmp_path / "particles.star", table, overwrite=True)
        return tmp_path

    return make


def extract(project, *more, output="boxes"):
    command = ["extract", "--particles", f"{project}/particles.star", "--box-size", "8"]
    return main([*command, "--output", f"{project}/{output}", "--quiet", *map(str, more)])


def read_from(project, output="boxes"):
    """Return the number of the tomogram that each particle was cut from."""
    images = read_particles(project / output / "particles.star").table["rlnImageName"]
    return [int(read_mrc(name).data.mean()) for name in images]


def test_a_particle_is_never_cut_from_a_tomogram_of_a_longer_name(project, capsys):
    names = ["Position_1.tomostar", "Position_1_2.tomostar"]
    folder = project(["t/Position_1_2.mrc"], names)
    assert extract(folder, "--tomograms", folder / "t", output="one") == 3
    written = read_particles(folder / "one/particles.star")
    assert written.tomogram_names.tolist() == ["Position_1_2.tomostar"]
    shown = capsys.readouterr().err
    assert "1 tomogram without a file: 'Position_1.tomostar'" in shown
    assert "--tomogram-map" in shown
    project(["t/Position_1_2.mrc", "t/Position_1_10.00Apx.mrc"], names)
    assert extract(folder, "--tomograms", folder / "t") == 0
    assert read_from(folder) == [2, 1]


def test_dotted_names_have_no_ending(project, capsys):
    folder = project(["t/TS_01.mrc"], ["TS_01.v2"])
    assert extract(folder, "--tomograms", folder / "t") == 1
    assert "1 tomogram without a file: 'TS_01.v2'" in capsys.readouterr().err
    project(["t/TS_01.mrc", "t/TS_01.v2.mrc"], ["TS_01.v2", "TS_01"])
    assert extract(folder, "--tomograms", folder / "t") == 0
    assert read_from(folder) == [2, 1]


def test_a_tomogram_of_another_folder_is_never_read(project, capsys):
    names = ["session1/TS_1.mrc", "session1/TS_1.mrc", "session2/TS_1.mrc"]
    folder = project(["session1/TS_1.mrc"], names)
    assert extract(folder, "--tomograms", folder / "session1", output="one") == 3
    shown = capsys.readouterr().err
    assert "1 tomogram without a file: 'session2/TS_1.mrc'" in shown
    assert "session1/TS_1.mrc'. Given is" in shown
    assert "--tomogram-map" in shown
    assert len(read_particles(folder / "one/particles.star")) == 2
    project([], names[2:])
    assert extract(folder, "--tomograms", folder / "session1") == 1
    assert "In other folders than named, it may be any of" in capsys.readouterr().err


def test_tomograms_of_two_folders_are_evaluated_apart(project, capsys):
    names = ["session1/TS_1.mrc", "session2/TS_1.mrc"]
    folder = project([], names)
    write_particles(
        folder / "other.star", make_particle_table([[8.0, 8, 8]], tomogram_names=[names[1]])
    )
    command = ["evaluate", "--truth", f"{folder}/particles.star"]
    command += ["--predicted", f"{folder}/other.star", "--voxel-size", "10"]
    assert main([*command, "--tolerance-angstrom", "10"]) == 0
    # One of the two is found, not either.
    assert "1.000    0.500" in capsys.readouterr().out


def test_hidden_files_are_no_tomograms(project):
    folder = project(["t/TS_1.mrc", "t/._TS_1.mrc", "t/.trash/TS_1.mrc"], ["TS_1"])
    (folder / "t/._TS_1.mrc").write_bytes(b"\x00\x05\x16\x07" + bytes(4000))
    assert extract(folder, "--tomograms", folder / "t") == 0
    assert read_from(folder) == [1]


def test_a_folder_is_listed_once(project, monkeypatch):
    listed = []

    def count(paths):
        listed.extend(paths)
        return list_tomograms(paths)

    monkeypatch.setattr("sksubtomo.io.list_tomograms", count)
    folder = project(["t/TS_1.mrc"], ["TS_1"])
    assert extract(folder, "--tomograms", folder / "t") == 0
    assert listed == [folder / "t"]


STAR = (
    "data_global\n\nloop_\n_rlnTomoName\n_rlnTomoTiltSeriesPixelSize\n_rlnTomoTomogramBinning\n"
    "_rlnTomoReconstructedTomogram\nTS_1 10.0 1.0 a/rec.mrc\nTS_2 10.0 1.0 b/rec.mrc\n"
)


def test_equal_file_names_in_a_table_of_tomograms(project):
    folder = project(["a/rec.mrc", "b/rec.mrc"], ["TS_2", "TS_1", "TS_2"])
    (folder / "tomograms.star").write_text(STAR)
    assert extract(folder, "--tomograms", folder / "tomograms.star") == 0
    assert read_from(folder) == [2, 1, 2]
    # Those of a folder cannot be told apart, but by a map.
    assert extract(folder, "--tomograms", folder, output="c") == 1
    (folder / "map.txt").write_text("TS_1 a/rec.mrc\nTS_2 b/rec.mrc\n")
    assert extract(folder, "--tomogram-map", folder / "map.txt", output="c") == 0
    assert read_from(folder, "c") == [2, 1, 2]


def test_picking_from_a_table_of_tomograms_and_a_map(project, monkeypatch):
    folder = project(["a/rec.mrc", "b/rec.mrc"], ["TS_1"])
    (folder / "tomograms.star").write_text(STAR)
    (folder / "map.txt").write_text("TS_1 a/rec.mrc\nTS_2 b/rec.mrc\n")
    seen = []
    monkeypatch.setattr(
        "sksubtomo.cli._pick.over_tomograms", lambda files, *_, **__: seen.append(files)
    )
    picks = ["pick", "--diameter", "60", "--output", f"{folder}/picks.star", "--quiet"]
    for where in (["--tomograms", "tomograms.star"], ["--tomogram-map", "map.txt"]):
        assert main([*picks, where[0], f"{folder}/{where[1]}"]) == 1
    assert seen == [{"TS_1": folder / "a/rec.mrc", "TS_2": folder / "b/rec.mrc"}] * 2
    assert main([*picks, "--tomograms", f"{folder}"]) == 1
    assert len(seen) == 2


def test_a_table_of_tomograms_and_their_files(project, capsys):
    folder = project(["t/TS_1.mrc", "t/TS_2_10.00Apx.mrc"], ["TS_2", "TS_1"])
    (folder / "tomograms.star").write_text(STAR)
    where = ["--tomograms", folder / "tomograms.star"]
    assert extract(folder, *where) == 1  # no file that it names is there
    assert "Nothing was written" in capsys.readouterr().err
    assert extract(folder, *where, folder / "t") == 0
    assert read_from(folder) == [2, 1]
    assert extract(folder, *where, folder / "tomograms.star", output="b") == 1
    assert "--tomograms takes one STAR file" in capsys.readouterr().err
    without = STAR.replace("_rlnTomoReconstructedTomogram", "_rlnOther")
    (folder / "tomograms.star").write_text(without)
    assert extract(folder, *where, output="b") == 1
    assert "tomograms.star does not say where tomograms are" in capsys.readouterr().err


def test_a_map_goes_before_the_names_of_files(project):
    folder = project(["t/TS_1.mrc", "t/TS_2.mrc", "t/other.mrc"], ["TS_1", "TS_2.tomostar", "3"])
    (folder / "map.csv").write_text("name,file\nTS_1,t/other.mrc\n3,TS_1\n")
    where = ["--tomograms", folder / "t", "--tomogram-map", folder / "map.csv"]
    assert extract(folder, *where) == 0
    assert read_from(folder) == [3, 2, 1]


def test_a_map_that_is_wrong(project, capsys):
    folder = project(["t/TS_1.mrc"], ["TS_1"])
    (folder / "map.txt").write_text("TS_1 t/TS_1.mrc\nTS_2 t/TS_1.mrc\n")
    assert extract(folder, "--tomogram-map", folder / "map.txt") == 1
    assert "map.txt: The tomograms 'TS_1' and 'TS_2' would both be" in capsys.readouterr().err
    (folder / "map.txt").write_text("TS_1\n")
    assert extract(folder, "--tomogram-map", folder / "map.txt") == 1
    assert "map.txt has 1 field in line 1" in capsys.readouterr().err


def test_pixels_are_compared_with_the_header_whatever_the_name(project, capsys):
    columns = {"rlnTomoTiltSeriesPixelSize": 20.0}
    for file in ("TS_1.mrc", "TS_1_10.00Apx.mrc", "rec_TS_1.mrc"):
        folder = project([f"{file}_/{file}"], ["TS_1.tomostar"], **columns)
        assert extract(folder, "--tomograms", folder / f"{file}_") == 1
        shown = capsys.readouterr().err
        assert f"{file} has voxels of 10 A" in shown
        assert "--binning" in shown
        more = ["--binning", "0.5"]
        assert extract(folder, "--tomograms", folder / f"{file}_", *more, output=file) == 0


@pytest.fixture
def with_hole(tmp_path, project):
    """A table of two particles in an OME-Zarr, one chunk of which is missing."""
    zarr = pytest.importorskip("zarr")
    folder = project([], ["TS_1", "TS_1"], rlnClassNumber=[1, 2])
    group = zarr.open_group(tmp_path / "TS_1.zarr", mode="w", zarr_format=2)
    array = group.create_array("0", shape=(20,) * 3, dtype="f4", chunks=(10, 20, 20), fill_value=3)
    array[:10] = np.random.default_rng(0).normal(size=(10, 20, 20))
    scale = [{"type": "scale", "scale": [10.0] * 3}]
    axes = [{"name": name, "unit": "angstrom"} for name in "zyx"]
    dataset = {"path": "0", "coordinateTransformations": scale}
    group.attrs["multiscales"] = [{"axes": axes, "datasets": [dataset], "version": "0.4"}]
    return folder


def test_missing_chunks_are_filled_where_it_is_asked_for(with_hole, capsys):
    where, fill = ["--tomograms", f"{with_hole}/TS_1.zarr"], ["--missing-chunks", "fill"]
    table = ["--particles", f"{with_hole}/particles.star", *where, "--quiet"]
    fit = ["--box-size", "8", "--method", "supervised", "--epochs", "1", "--no-early-stopping"]
    model = f"{with_hole}/model.sksubtomo"
    commands = {
        "extract": [*table, "--box-size", "8", "--output", f"{with_hole}/boxes"],
        "fit": [*table, *fit, "--output", model],
        "predict": [*table, "--model", model, "--output", f"{with_hole}/out.star"],
        "pick": [
            *where,
            "--diameter",
            "60",
            "--output",
            f"{with_hole}/picks.star",
            "--threshold=0",
        ],
        "info": [f"{with_hole}/TS_1.zarr"],
    }
    for command, options in commands.items():
        if command != "predict":
            assert main([command, *options]) == 1
            shown = capsys.readouterr().err
            assert "TS_1.zarr has 1 of 2 chunks" in shown
            assert "--missing-chunks fill" in shown
        assert main([command, *options, *fill]) == 0
        capsys.readouterr()
    assert main(["predict", *commands["predict"], "--overwrite"]) == 1
    box = read_mrc(with_hole / "boxes/subtomograms/TS_1/000001.mrc").data
    assert (box[6:] == 3).all()


def test_folders_of_boxes_are_named_after_tomograms():
    names = ["TS_1", "a/TS_1.mrc", "..", "a b/c d", "TS_01.v2"]
    assert _tomograms.folder_names(names) == {
        "TS_1": "TS_1",
        "a/TS_1.mrc": "TS_1_2",
        "..": "tomogram",
        "a b/c d": "c_d",
        "TS_01.v2": "TS_01.v2",
    }


def test_dotted_names_are_evaluated_apart(project, capsys):
    folder = project([], ["TS_01.v2", "TS_01.v3"])
    table = f"{folder}/particles.star"
    other = make_particle_table([[8.0, 8, 8]], tomogram_names=["TS_01.v2.mrc"])
    write_particles(folder / "other.star", other)
    command = ["evaluate", "--truth", table, "--predicted", f"{folder}/other.star"]
    assert main([*command, "--tolerance-angstrom", "10", "--voxel-size", "10"]) == 0
    assert "1.000    0.500" in capsys.readouterr().out
