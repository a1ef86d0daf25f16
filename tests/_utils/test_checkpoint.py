import os
import zipfile

import numpy as np
import pytest

from sksubtomo._utils import _checkpoint
from sksubtomo._utils._checkpoint import Checkpoint, opened
from sksubtomo.exceptions import CheckpointWarning, FileFormatError

FOUND = {"alpha": 1.0, "X": "shape (2,)"}
STATE = {
    "epoch": 3,
    "loss": [0.5, float("nan")],
    "pair": (1, None),
    "weights": np.arange(6, dtype=np.float32).reshape(2, 3),
}


class Ended(Exception):
    pass


def run(path, state=STATE, *, ends=False, found=FOUND, **options):
    """Keep a state, and fail unless the fit is to end; return what was there."""
    try:
        with opened(Checkpoint(path, **options)) as part:
            part.begin(found)
            before = part.state
            part.keep(state)
            if not ends:
                raise Ended
    except Ended:
        pass
    return before


def assert_same(one, other):
    assert one.keys() == other.keys()
    assert one["epoch"] == other["epoch"]
    assert repr(one["loss"]) == repr(other["loss"])
    assert one["pair"] == other["pair"]
    assert np.array_equal(one["weights"], other["weights"])
    assert one["weights"].dtype == other["weights"].dtype


def test_a_state_comes_back(tmp_path):
    path = tmp_path / "fit.checkpoint"
    assert run(path) is None
    assert_same(run(path), STATE)
    assert [one.name for one in tmp_path.iterdir()] == ["fit.checkpoint"]


def test_a_fit_that_ends_removes_it(tmp_path):
    path = tmp_path / "fit.checkpoint"
    run(path, ends=True)
    assert list(tmp_path.iterdir()) == []


def test_or_keeps_its_end(tmp_path):
    path = tmp_path / "fit.checkpoint"
    run(path, ends=True, keep=True)
    assert_same(run(path, ends=True), STATE)
    assert list(tmp_path.iterdir()) == []


def test_without_one_there_is_nothing():
    with opened(None) as part:
        assert part is None


def test_parts_have_states_of_their_own(tmp_path):
    path = tmp_path / "fit.checkpoint"

    def visit():
        try:
            with opened(path) as whole:
                whole.begin(FOUND)
                inner = whole.part("first stage")
                assert not inner.needs_fingerprints
                with opened(inner) as same:
                    assert same is inner
                seen = inner.state
                inner.keep({"n": 1})
                raise Ended
        except Ended:
            return seen

    assert visit() is None
    assert visit() == {"n": 1}


def test_another_fit_is_refused_by_what_differs(tmp_path):
    path = tmp_path / "fit.checkpoint"
    run(path)
    before = path.read_bytes()
    with pytest.raises(
        ValueError, match=r"of another fit: alpha was 1\.0 and is 2\.0; X was 'shape"
    ):
        run(path, found={"alpha": 2.0, "X": "shape (3,)"})
    assert path.read_bytes() == before


def test_it_is_written_after_the_interval_only(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(_checkpoint.time, "monotonic", lambda: now[0])
    path = tmp_path / "fit.checkpoint"
    with opened(Checkpoint(path, interval_s=10)) as part:
        part.begin(FOUND)
        sizes = []
        for now[0] in (5, 9, 11, 12, 20, 22):
            part.keep({"at": now[0]})
            with zipfile.ZipFile(path) as archive:
                sizes.append(archive.read("checkpoint.json"))
    changed = [one != other for one, other in zip(sizes[1:], sizes[:-1], strict=True)]
    assert changed == [False, True, False, False, True]


@pytest.mark.parametrize("place", np.linspace(0, 0.999, 40))
def test_a_damaged_file_is_refused_by_name(tmp_path, place):
    path = tmp_path / "fit.checkpoint"
    run(path)
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 0x11
    path.write_bytes(content)
    said, found = "", None
    try:
        found = run(path)
    except FileFormatError as error:
        said = str(error)
    if found is None:
        assert str(path) in said
        assert "Remove it to begin anew" in said
    else:  # something that nobody reads, such as the time in an entry's header
        assert_same(found, STATE)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9, 0.999])
def test_half_a_file_is_refused(tmp_path, share):
    path = tmp_path / "fit.checkpoint"
    run(path)
    content = path.read_bytes()[: int(share * path.stat().st_size)]
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match="fit.checkpoint cannot be read as a checkpoint"):
        run(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"MRC ", b"\x80\x04pickle", b"PK\x05\x06" + bytes(18)])
def test_other_files_are_refused_and_left(tmp_path, content):
    path = tmp_path / "map.mrc"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match="map.mrc"):
        run(path)
    assert path.read_bytes() == content


def test_a_place_where_none_can_be_is_refused_first(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder"):
        run(tmp_path / "missing" / "fit.checkpoint")
    with pytest.raises(ValueError, match="is no file"):
        run(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="is no file"):
        run(tmp_path / "pipe")
    with pytest.raises(TypeError, match="must be a path, or a"):
        run(3)
    with pytest.raises(ValueError, match="interval_s"):
        Checkpoint(tmp_path / "fit.checkpoint", interval_s=-1)


def test_two_at_once(tmp_path):
    path = tmp_path / "fit.checkpoint"
    with opened(path), pytest.raises(BlockingIOError, match="Another run uses the checkpoint"):
        run(path)


def test_what_a_killed_run_left_is_removed(tmp_path):
    path = tmp_path / "fit.checkpoint"
    run(path)
    (tmp_path / ".fit.checkpoint.partial").write_bytes(b"half")
    (tmp_path / ".fit.checkpoint.lock").write_bytes(b"")
    assert_same(run(path, ends=True), STATE)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_and_the_fit_goes_on(tmp_path, monkeypatch):
    path = tmp_path / "fit.checkpoint"
    run(path)
    before, write = path.read_bytes(), _checkpoint.write_archive

    def full(temporary, *args, **kwargs):
        temporary.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with opened(Checkpoint(path, interval_s=0, keep=True)) as part:
        part.begin(FOUND)
        monkeypatch.setattr(_checkpoint, "write_archive", full)
        with pytest.warns(CheckpointWarning, match=r"fit\.checkpoint .*No space left"):
            part.keep({"n": 1})
        part.keep({"n": 2})  # is not told again
        assert path.read_bytes() == before
        monkeypatch.setattr(_checkpoint, "write_archive", write)
        part.keep({"n": 3})
    assert run(path) == {"n": 3}


def test_a_full_disk_at_the_beginning_is_an_error(tmp_path, monkeypatch):
    def full(temporary, *args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_checkpoint, "write_archive", full)
    with pytest.raises(OSError, match="No space left"):
        run(tmp_path / "fit.checkpoint")
    assert list(tmp_path.iterdir()) == []
