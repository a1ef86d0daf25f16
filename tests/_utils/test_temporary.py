"""What killed runs leave, and what running ones need."""

import os
import signal
import subprocess
import sys

import pytest

from sksubtomo._utils import _files, _temporary
from sksubtomo._utils._files import atomic_folder, atomic_path
from sksubtomo._utils._temporary import Temporary, is_being_written, remove_leftovers
from sksubtomo.io import list_tomograms

# Writes half of a file and of a folder, says so, and waits.
_HALF = """
import sys, time
from pathlib import Path
from sksubtomo._utils._files import atomic_folder, atomic_path
folder = Path(sys.argv[1])
with atomic_path(folder / "a.mrc", overwrite=True) as a, atomic_folder(folder / "boxes") as b:
    a.write_text("half")
    (b / "1.mrc").write_text("half")
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def half_done(tmp_path):
    """A process in the middle of writing."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HALF, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path, half_done):
    (tmp_path / ".sksubtomo-of-somebody").touch()
    (tmp_path / ".other.mrc").touch()
    others = {".sksubtomo-of-somebody", ".other.mrc"}
    left = set(os.listdir(tmp_path)) - others
    assert len(left) == 2
    # It is alive: nobody touches its files, and they are no data.
    in_use = remove_leftovers(tmp_path)
    assert set(os.listdir(tmp_path)) == left | others
    assert is_being_written(tmp_path / "a.mrc", in_use)
    assert is_being_written(tmp_path / "boxes", in_use)
    assert not is_being_written(tmp_path / "b.mrc", in_use)
    with pytest.raises(FileNotFoundError, match="no tomogram"):
        list_tomograms([tmp_path])
    half_done.send_signal(signal.SIGKILL)
    half_done.wait()
    assert set(os.listdir(tmp_path)) == left | others
    with atomic_path(tmp_path / "b.mrc", overwrite=False) as temporary:
        temporary.touch()
    assert set(os.listdir(tmp_path)) == {"b.mrc"} | others


def test_a_terminated_process_of_python_leaves_its_files_to_the_next(tmp_path, half_done):
    half_done.terminate()
    half_done.wait()
    with atomic_folder(tmp_path / "made"):
        pass
    assert os.listdir(tmp_path) == ["made"]


def test_links_in_place_of_temporary_files_are_left_alone(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/kept").touch()
    name = f".sksubtomo-{'0' * 8}-{'1' * 32}"
    (tmp_path / name).symlink_to(tmp_path / "data")
    assert remove_leftovers(tmp_path) == set()
    assert (tmp_path / "data/kept").exists()
    assert (tmp_path / name).is_symlink()


def test_where_locks_are_not_known_nothing_is_removed(tmp_path, monkeypatch):
    def refuse(descriptor, how):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(_temporary.fcntl, "flock", refuse)
    kept = Temporary(tmp_path / "a")
    assert remove_leftovers(tmp_path) == set()
    assert kept.path.exists()
    monkeypatch.setattr(_temporary, "fcntl", None)
    assert remove_leftovers(tmp_path) == set()
    assert kept.path.exists()
    with atomic_path(tmp_path / "b", overwrite=False):
        pass
    with atomic_folder(tmp_path / "c"):
        pass
    kept.close()
    assert sorted(os.listdir(tmp_path)) == ["b", "c"]


def test_a_temporary_file_that_is_removed_before_it_is_locked_is_made_again(tmp_path, monkeypatch):
    original, calls = _temporary.fcntl.flock, []

    def remove_first(descriptor, how):
        calls.append(descriptor)
        if len(calls) == 1:
            next(tmp_path.iterdir()).unlink()
        return original(descriptor, how)

    monkeypatch.setattr(_temporary.fcntl, "flock", remove_first)
    one = Temporary(tmp_path / "a")
    assert len(calls) == 2
    assert one.path.exists()
    one.close()


def test_folders_are_looked_into_once(tmp_path, monkeypatch):
    looked = []
    monkeypatch.setattr(_files, "remove_leftovers", looked.append)
    for name in ("a", "b"):
        with atomic_path(tmp_path / name, overwrite=False):
            pass
    assert looked == [tmp_path]
