import bz2
import gzip
import pickle

import emfile
import numpy as np
import pytest

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import read_particles, read_tomogram_map, write_mrc
from sksubtomo.io._kinds import binary_kind

STAR = b"data_\n\nloop_\n_rlnCoordinateX\n_rlnCoordinateY\n_rlnCoordinateZ\n1 2 3\n"


def written(path, content):
    path.write_bytes(content)
    return path


def test_text_is_no_binary_file(tmp_path):
    for text in (b"", STAR, "name, \u00b5m\n".encode(), b"\xef\xbb\xbfdata_\n"):
        assert binary_kind(written(tmp_path / "a", text)) is None


def test_kinds_are_told_by_the_first_bytes_whatever_the_name(tmp_path):
    write_mrc(tmp_path / "a.mrc", np.zeros((4, 5, 6), np.float32), 10.0)
    emfile.write(tmp_path / "a.em", np.zeros((1, 4, 20), np.float32))
    np.save(tmp_path / "a.npy", np.zeros(3))
    contents = {
        "an MRC volume": (tmp_path / "a.mrc").read_bytes(),
        "an EM volume": (tmp_path / "a.em").read_bytes(),
        "a NumPy array": (tmp_path / "a.npy").read_bytes(),
        "a file compressed by gzip": gzip.compress(STAR),
        "a file compressed by bzip2": bz2.compress(STAR),
        "a Python pickle": pickle.dumps({}),
        "text in UTF-16": STAR.decode().encode("utf-16"),
        "an AppleDouble file": b"\x00\x05\x16\x07" + bytes(100),
        "a binary file": b"data_" + bytes(10),
    }
    for kind, content in contents.items():
        assert binary_kind(written(tmp_path / "b.star", content)).startswith(kind)


@pytest.mark.parametrize("ending", [".star", ".csv", ".tbl", ".json"])
def test_a_volume_given_as_a_table_is_named_and_not_quoted(tmp_path, ending):
    write_mrc(tmp_path / "a.mrc", np.zeros((20, 100, 100), np.float32), 10.0)
    path = (tmp_path / "a.mrc").rename(tmp_path / f"a{ending}")
    with pytest.raises(FileFormatError, match=f"a{ending} is an MRC volume, not a table") as error:
        read_particles(path)
    assert len(str(error.value)) < 300 + len(str(path))


def test_text_of_gigabytes_is_no_table(tmp_path, monkeypatch):
    monkeypatch.setattr("sksubtomo.io._kinds._LARGEST_TEXT", 20)
    for name, read in (("a.star", read_particles), ("map.txt", read_tomogram_map)):
        (tmp_path / name).write_text("data_\n" * 10)
        with pytest.raises(FileFormatError, match=rf"{name} has 0.0 GiB, which is not a .* Split"):
            read(tmp_path / name)
