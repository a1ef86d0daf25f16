import os

import pytest

from sksubtomo.io import find_tomograms, list_tomograms, tomogram_stem


def found(names, files):
    return {name: str(path) for name, path in find_tomograms(names, files).items()}


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("TS_1", "TS_1.mrc"),
        ("TS_1.mrc", "TS_1.mrc"),
        ("TS_1.mrc", "TS_1.rec"),
        ("TS_1.tomostar", "TS_1.mrc"),
        ("TS_1.tomostar", "TS_1_10.00Apx.mrc"),
        ("TS_1.tomostar", "TS_1_10Apx.mrc"),
        ("TS_1", "rec_TS_1.mrc"),
        ("TS_1", "TS_1_rec.mrc"),
        ("TS_1", "TS_1_Vol.mrc"),
        ("TS_1", "rec_TS_1_10.00Apx.mrc"),
        ("TS_1", "TS_1.rec"),
        ("TS_1", "TS_1.REC"),
        ("TS_1", "TS_1.em"),
        ("TS_1", "TS_1.zarr"),
        ("TS_1", "TS_1.mrc.gz"),
        ("TS_1", "TS_1.map.bz2"),
        ("TS_1.st", "TS_1.mrc"),
        ("rec_TS_1", "rec_TS_1_5.00Apx.mrc"),
        ("Tomograms/job006/tomograms/rec_TS_1.mrc", "elsewhere/rec_TS_1.mrc"),
        ("TS_01.v2", "TS_01.v2.mrc"),
        ("TS_01.v2", "rec_TS_01.v2_10.00Apx.mrc"),
        ("TS_1", "TS_1/VoxelSpacing10.000/wbp.zarr"),
        ("20240101_lam3.5_ts_003", "20240101_lam3.5_ts_003.mrc"),
        ("C:\\data\\TS_1.tomostar", "TS_1.mrc"),
        ("1", "1.mrc"),
    ],
)
def test_the_file_of_a_name(name, file):
    assert found([name], [file]) == {name: file}


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("Position_1", "Position_1_2.mrc"),
        ("Position_1", "Position_1_2_10.00Apx.mrc"),
        ("Position_1", "Position_10.mrc"),
        ("TS_01", "TS_01.v2.mrc"),
        ("TS_01.v2", "TS_01.mrc"),
        ("TS_01.v2", "TS_01.v3.mrc"),
        ("TS_1", "TS_1_clean.mrc"),
        ("TS_1", "rec_TS_1_half1.mrc"),
        ("TS_1", "TS_1_ODD_Vol.mrc"),
        ("TS_1", "ts_1.mrc"),
        ("TS_1_2", "TS_1.mrc"),
        ("rec_TS_1", "TS_1.mrc"),
        ("TS_1_10.00Apx", "TS_1_5.00Apx.mrc"),
        ("TS_1", "TS_1/tomogram.mrc"),
        ("TS_1", "._TS_1.mrc"),
        ("", "TS_1.mrc"),
    ],
)
def test_what_is_not_the_file_of_a_name(name, file):
    with pytest.raises(ValueError, match="1 tomogram without a file") as error:
        find_tomograms([name], [file])
    assert repr(name) in str(error.value)
    assert os.path.basename(file) in str(error.value)
    assert find_tomograms([name], [file], missing="ignore") == {}


def test_exact_names_go_before_decorated_ones():
    files = ["TS_1.mrc", "TS_1_rec.mrc", "rec_TS_1.mrc", "TS_1_10.00Apx.mrc"]
    assert found(["TS_1"], files) == {"TS_1": "TS_1.mrc"}
    assert found(["TS_1_rec"], files) == {"TS_1_rec": "TS_1_rec.mrc"}
    assert found(["TS_1.rec"], ["TS_1.mrc", "TS_1.rec"]) == {"TS_1.rec": "TS_1.rec"}
    names = ["Position_1", "Position_1_2", "Position_1_2_3"]
    decorated = [f"{name}_10.00Apx.mrc" for name in names]
    assert found(names, decorated) == dict(zip(names, decorated, strict=True))


@pytest.mark.parametrize(
    "files",
    [
        ["TS_1_10.00Apx.mrc", "TS_1_5.00Apx.mrc"],
        ["rec_TS_1.mrc", "TS_1_Vol.mrc"],
        ["TS_1.mrc", "TS_1.rec"],
        ["TS_1.mrc", "TS_1.mrc.gz"],
        ["a/TS_1.mrc", "b/TS_1.mrc"],
    ],
)
def test_several_files_are_asked_for_by_name(files):
    with pytest.raises(ValueError, match="'TS_1' may be any of") as error:
        find_tomograms(["TS_1"], files)
    assert all(repr(file) in str(error.value) for file in files)
    assert found(["TS_1"], {"TS_1": files[1], "TS_2": files[0]}) == {"TS_1": files[1]}


def test_folders_in_a_name_tell_equal_files_apart():
    files = ["x/a/TS_1.mrc", "x/b/TS_1.mrc"]
    assert found(["b/TS_1.mrc", "a/TS_1.mrc"], files) == {
        "b/TS_1.mrc": "x/b/TS_1.mrc",
        "a/TS_1.mrc": "x/a/TS_1.mrc",
    }
    with pytest.raises(ValueError, match="may be any of"):
        find_tomograms(["c/TS_1.mrc"], files)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("session2/TS_1.mrc", "/x/session1/TS_1.mrc"),
        ("session2/TS_1", "/x/session1/rec_TS_1_10.00Apx.mrc"),
        ("session2/TS_1.tomostar", "session1/TS_1.mrc"),
        ("session2/TS_1/TS_1.mrc", "/x/session1/TS_1/TS_1.mrc"),
        ("session2/aligned/TS_1.mrc", "/x/session1/aligned/TS_1.mrc"),
        ("session2/tomograms/TS_1.mrc", "/x/session1/tomograms/TS_1.mrc"),
        ("/x/session2/TS_1.mrc", "/x/session1/TS_1.mrc"),
        ("C:\\data\\session2\\TS_1.mrc", "/data/session1/TS_1.mrc"),
        ("../session2/TS_1.mrc", "/x/session1/TS_1.mrc"),
        ("a/b/TS_1.mrc", "/x/b/a/TS_1.mrc"),
        ("Tomograms/job006/tomograms/rec_TS_1.mrc", "Tomograms/job005/tomograms/rec_TS_1.mrc"),
        ("session2/TS_1", "session1/TS_1/VoxelSpacing10.000/wbp.zarr"),
    ],
)
def test_a_name_is_never_a_file_in_another_folder(name, file):
    assert find_tomograms([name], [file], missing="ignore") == {}
    with pytest.raises(ValueError, match=r"without a file.*In other folders than named, it may be"):
        find_tomograms([name], [file])
    other = "/y/session3/job003/" + name.replace("\\", "/").rsplit("/", 1)[-1]
    with pytest.raises(ValueError, match="mapping") as error:
        find_tomograms([name], [file, other])
    assert repr(file) in str(error.value)
    assert repr(other) in str(error.value)
    # A decorated name in the right folder goes before an exact one in another.
    decorated = "/y/session2/aligned/TS_1/a/b/job006/rec_TS_1_5Apx.mrc"
    if name.startswith("session2/TS_1"):
        assert found([name], [file, decorated]) == {name: decorated}
    # What is said is not compared.
    assert found([name], {name: file}) == {name: file}


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("session2/TS_1.mrc", "/x/session2/TS_1.mrc"),
        ("session2/TS_1.mrc", "/x/session2/denoised/TS_1.mrc"),
        ("session2/TS_1/TS_1.mrc", "/x/session2/TS_1.mrc"),
        ("TS_1/TS_1.mrc", "/x/session1/TS_1.mrc"),
        ("TS_1.mrc", "/x/session1/TS_1.mrc"),
        ("session2/TS_1.mrc", "TS_1.mrc"),
        ("Tomograms/job006/tomograms/rec_TS_1.mrc", "/x/session1/rec_TS_1.mrc"),
        ("warp_tiltseries/reconstruction/TS_1_10.00Apx.mrc", "/x/session1/TS_1_10.00Apx.mrc"),
        ("./tomograms/TS_1.mrc", "/x/session1/TS_1.mrc"),
    ],
)
def test_folders_that_do_not_contradict(name, file):
    assert found([name], [file]) == {name: file}


def test_a_file_that_is_there_is_in_a_folder(tmp_path, monkeypatch):
    (tmp_path / "session1").mkdir()
    (tmp_path / "session1/TS_1.mrc").touch()
    monkeypatch.chdir(tmp_path / "session1")
    assert found(["session1/TS_1.mrc"], ["TS_1.mrc"]) == {"session1/TS_1.mrc": "TS_1.mrc"}
    with pytest.raises(ValueError, match=r"may be any of 'TS_1.mrc'"):
        find_tomograms(["session2/TS_1.mrc"], ["TS_1.mrc"])


def test_no_file_is_that_of_two_names():
    for names, files in [
        (["TS_1", "TS_1.tomostar"], ["TS_1.mrc"]),
        (["TS_1", "TS_1_rec"], ["TS_1_rec.mrc"]),
        (["a", "b"], {"a": "x.mrc", "b": "x.mrc"}),
        (["a", "b"], {"a": "x.mrc", "b": "folder/../x.mrc"}),
    ]:
        with pytest.raises(ValueError, match="would both be read from .*.mrc") as error:
            find_tomograms(names, files)
        assert all(repr(name) in str(error.value) for name in names)


def test_links_to_one_file_are_one_file(tmp_path):
    (tmp_path / "TS_1_10.00Apx.mrc").touch()
    (tmp_path / "rec_TS_1.mrc").symlink_to(tmp_path / "TS_1_10.00Apx.mrc")
    assert len(found(["TS_1"], sorted(tmp_path.iterdir()))) == 1


def test_a_mapping_goes_by_its_names():
    given = {"7": "a/tomogram.mrc", "TS_02": "b/tomogram.mrc"}
    assert found(["7", "TS_02.tomostar"], given) == {
        "7": "a/tomogram.mrc",
        "TS_02.tomostar": "b/tomogram.mrc",
    }
    with pytest.raises(ValueError, match="1 tomogram without a file: 'TS_03'. Given are '7', 'TS_"):
        find_tomograms(["TS_03"], given)
    with pytest.raises(ValueError, match="No tomogram is given"):
        find_tomograms(["TS_03"], {})
    with pytest.raises(ValueError, match="missing='maybe'"):
        find_tomograms(["TS_03"], {}, missing="maybe")


def test_messages_stay_short():
    with pytest.raises(ValueError, match="300 tomograms without a file") as error:
        find_tomograms(
            [f"{'n' * 200}{i}" for i in range(300)], [f"{'f' * 200}{i}" for i in range(300)]
        )
    assert len(str(error.value)) < 1500


def test_stems():
    stems = {"a/b.mrc": "b", "b.rec.gz": "b", "b.v2": "b.v2", "b.c.zarr": "b.c", ".mrc": ".mrc"}
    assert {name: tomogram_stem(name) for name in stems} == stems


def test_folders_are_looked_into(tmp_path, monkeypatch):
    wanted = ["TS_1.mrc", "deep/er/TS_2.REC", "TS_3.zarr", "TS_4.mrc.gz", "TS_5.em"]
    other = [
        "._TS_1.mrc",
        ".hidden/TS_6.mrc",
        "deep/.TS_7.mrc",
        "notes.txt",
        "TS_3.zarr/0/TS_8.mrc",
        "a.star",
        "tilts.mdoc",
    ]
    for name in [*wanted, *other]:
        if name.endswith(".zarr"):
            continue
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "deep/circle").symlink_to(tmp_path)
    expected = sorted(tmp_path / name for name in wanted)
    assert list_tomograms([tmp_path]) == expected
    # Each once, however often it is named.
    assert list_tomograms([tmp_path / "TS_5.em", tmp_path, tmp_path / "deep"]) == [
        tmp_path / "TS_5.em",
        *(path for path in expected if path.name != "TS_5.em"),
    ]
    monkeypatch.chdir(tmp_path)
    assert len(list_tomograms(["TS_1.mrc", tmp_path / "TS_1.mrc"])) == 1
    assert list_tomograms([tmp_path / "notes.txt"]) == [tmp_path / "notes.txt"]
    with pytest.raises(FileNotFoundError, match="no tomogram in .*_TS_1"):
        list_tomograms([tmp_path / "._TS_1.mrc"])
    with pytest.raises(FileNotFoundError, match=r"no tomogram .*none.mrc"):
        list_tomograms([tmp_path / "none.mrc"])
