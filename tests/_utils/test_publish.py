"""Two writers at once, and what is on the disk before it has its name."""

import errno
import os

import pytest

from sksubtomo._utils import _publish
from sksubtomo._utils._files import atomic_folder, atomic_path


@pytest.fixture(params=["links", "no links"])
def with_links(request, monkeypatch):
    """File systems with hard links, and without."""
    if request.param == "no links":

        def refuse(*_):
            raise OSError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)


@pytest.mark.usefixtures("with_links")
def test_of_two_writers_the_first_wins_and_the_other_says_so(tmp_path):

    def write_both():
        with atomic_path(tmp_path / "a", overwrite=False) as second:
            second.write_text("second")
            with atomic_path(tmp_path / "a", overwrite=False) as first:
                first.write_text("first")

    with pytest.raises(FileExistsError, match=r"a has appeared in the meantime, and is kept"):
        write_both()
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("a", "first")]
    assert (tmp_path / "a").stat().st_nlink == 1


@pytest.mark.parametrize("of_linux", [True, False])
def test_of_two_writers_of_a_folder_the_first_wins(tmp_path, monkeypatch, of_linux):
    if not of_linux:
        monkeypatch.setattr(_publish, "_rename", lambda *_: False)

    def write_both():
        with atomic_folder(tmp_path / "a") as second:
            (second / "second").touch()
            with atomic_folder(tmp_path / "a") as first:
                (first / "first").touch()

    with pytest.raises(FileExistsError, match=r"a has appeared in the meantime, and is kept"):
        write_both()
    assert [one.name for one in tmp_path.iterdir()] == ["a"]
    assert os.listdir(tmp_path / "a") == ["first"]


def test_of_two_writers_with_overwrite_the_last_wins(tmp_path):
    with atomic_path(tmp_path / "a", overwrite=True) as last:
        last.write_text("last")
        with atomic_path(tmp_path / "a", overwrite=True) as first:
            first.write_text("first")
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("a", "last")]


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    synced, original = [], os.fsync

    def record(descriptor):
        synced.append((os.readlink(f"/proc/self/fd/{descriptor}"), (tmp_path / "a").exists()))
        original(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    with atomic_path(tmp_path / "a", overwrite=False) as temporary:
        temporary.write_text("a")
    assert synced == [(str(temporary), False), (str(tmp_path), True)]


def test_a_folder_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    synced = []

    def record(folder):
        synced.append(sorted(one.name for one in folder.iterdir()))
        assert not (tmp_path / "a").exists()

    monkeypatch.setattr("sksubtomo._utils._files.sync_all", record)
    monkeypatch.setattr(os, "fsync", lambda _: synced.append("fsync"))
    with atomic_folder(tmp_path / "a") as folder:
        for name in "bc":
            with atomic_path(folder / name, overwrite=False):
                pass
    # Not of each file in it.
    assert synced == [["b", "c"], "fsync"]


def test_without_a_call_for_the_whole_disk_every_file_is_synced(tmp_path, monkeypatch):
    (tmp_path / "b/c").mkdir(parents=True)
    (tmp_path / "b/c/d").touch()
    synced = []
    monkeypatch.setattr(_publish.ctypes, "CDLL", lambda _: object())
    monkeypatch.setattr(_publish, "sync", synced.append)
    _publish.sync_all(tmp_path)
    assert set(synced) == {tmp_path, tmp_path / "b", tmp_path / "b/c", tmp_path / "b/c/d"}


def test_folders_that_were_made_for_a_folder_go_with_it(tmp_path):
    (tmp_path / "there").mkdir()

    def fail():
        with atomic_folder(tmp_path / "there/a/b/c"):
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fail()
    assert list((tmp_path / "there").iterdir()) == []
    with atomic_folder(tmp_path / "there/a/b/c"):
        pass
    assert (tmp_path / "there/a/b/c").is_dir()
