"""Outputs that cannot be written, and what is said about them."""

import errno
import os
import shutil
import socket
import stat
from types import SimpleNamespace

import pytest

from sksubtomo._utils._destination import (
    check_file,
    check_folder,
    check_room,
    destination,
    is_of_output,
    output_errors,
)
from sksubtomo._utils._files import atomic_folder, atomic_path


def test_a_file_and_a_new_folder_may_be_written(tmp_path):
    assert check_file(tmp_path / "a.star", overwrite=False) == tmp_path / "a.star"
    assert check_folder(tmp_path / "a/b/c", overwrite=False) == tmp_path / "a/b/c"


def test_folders_pipes_devices_and_sockets_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    with pytest.raises(IsADirectoryError, match=r"is a folder\. Name a file in it"):
        check_file(tmp_path, overwrite=True)
    for name in ("pipe", "link"):
        with pytest.raises(OSError, match=f"{name} is a named pipe.*Name another file"):
            check_file(tmp_path / name, overwrite=True)
    with pytest.raises(OSError, match="/dev/null is a device"):
        check_file("/dev/null", overwrite=True)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(f"{tmp_path}/s")
        with pytest.raises(OSError, match="is a socket"):
            check_file(tmp_path / "s", overwrite=True)
    read, write = os.pipe()
    try:
        with pytest.raises(OSError, match="is a named pipe"):
            check_file(f"/proc/self/fd/{write}", overwrite=True)
    finally:
        os.close(read)
        os.close(write)


def test_what_is_missing_or_too_long(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*none to write a\.star"):
        check_file(tmp_path / "none/a.star", overwrite=False)
    (tmp_path / "file").touch()
    with pytest.raises(FileNotFoundError, match=r"no folder .*file to write a\.star"):
        check_file(tmp_path / "file/a.star", overwrite=False)
    with pytest.raises(NotADirectoryError, match=r"file is a file, so that .*file/a/b cannot"):
        check_folder(tmp_path / "file/a/b", overwrite=False)
    with pytest.raises(NotADirectoryError, match="file is a file, and no folder"):
        check_folder(tmp_path / "file", overwrite=True)
    longest = "a" * 255
    check_file(tmp_path / longest, overwrite=False)
    for check in (check_file, check_folder):
        with pytest.raises(OSError, match=r"too long .* takes 255 bytes\. Choose a shorter one"):
            check(tmp_path / f"{longest}b", overwrite=False)
    with pytest.raises(OSError, match="too long"):
        check_folder(tmp_path / f"none/{longest}b/c", overwrite=False)
    # Two bytes each.
    with pytest.raises(OSError, match="too long"):
        check_file(tmp_path / ("ä" * 128), overwrite=False)


def test_the_longest_name_can_be_written(tmp_path):
    name = f"{'a' * 250}.star"
    with atomic_path(tmp_path / name, overwrite=False) as temporary:
        temporary.write_text("whole")
    assert (tmp_path / name).read_text() == "whole"
    with atomic_path(tmp_path / f"a.{'b' * 253}", overwrite=False) as temporary:
        temporary.touch()
    with atomic_folder(tmp_path / ("c" * 255)):
        pass
    assert len(list(tmp_path.iterdir())) == 3


def test_write_protected_files_stay(tmp_path):
    (tmp_path / "a").write_text("kept")
    (tmp_path / "a").chmod(0o444)
    with pytest.raises(PermissionError, match=r"write-protected\. Choose another name"):
        check_file(tmp_path / "a", overwrite=True)


def test_folders_without_permission(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o555)
    try:
        for atomic in (lambda path: atomic_path(path, overwrite=False), atomic_folder):
            with (
                pytest.raises(PermissionError, match="no permission to write .*/a"),
                atomic(tmp_path / "a"),
            ):
                pass
    finally:
        tmp_path.chmod(0o755)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (errno.EACCES, "There is no permission to write .*a.star"),
        (errno.EROFS, "a.star is on a disk that can only be read"),
        (errno.ENOSPC, "There is no room for .*a.star. Free some"),
        (errno.EDQUOT, "There is no room for .*a.star. Free some"),
        (errno.EIO, "a.star cannot be written"),
    ],
)
def test_the_folder_refuses_the_temporary_file(tmp_path, monkeypatch, code, said):
    original = os.open

    def refuse(path, *args, **kwargs):
        if ".sksubtomo-" in str(path):
            raise OSError(code, os.strerror(code), path)
        return original(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", refuse)
    with (
        pytest.raises(OSError, match=said) as caught,
        atomic_path(tmp_path / "a.star", overwrite=False),
    ):
        pass
    assert caught.value.errno == code
    assert ".sksubtomo" not in str(caught.value)


def test_links_are_followed_and_stay(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real/a.star").write_text("old")
    (tmp_path / "a.star").symlink_to("real/a.star")
    (tmp_path / "new.star").symlink_to("real/new.star")
    (tmp_path / "folder").symlink_to("real/folder")
    for name in ("a.star", "new.star"):
        with atomic_path(tmp_path / name, overwrite=name == "a.star") as temporary:
            assert temporary.parent == tmp_path / "real"
            temporary.write_text("new")
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / "real" / name).read_text() == "new"
    for again in (False, True):
        with atomic_folder(tmp_path / "folder", overwrite=again) as temporary:
            (temporary / f"{again}").touch()
        assert (tmp_path / "folder").is_symlink()
        assert [one.name for one in (tmp_path / "real/folder").iterdir()] == [f"{again}"]
    assert sorted(os.listdir(tmp_path / "real")) == ["a.star", "folder", "new.star"]
    with pytest.raises(FileExistsError):
        check_file(tmp_path / "a.star", overwrite=False)


def test_links_in_circles_and_into_nowhere(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "c").symlink_to("none/c")
    with pytest.raises(OSError, match="leads in a circle"):
        destination(tmp_path / "a")
    with pytest.raises(FileNotFoundError, match="no folder .*none"):
        check_file(tmp_path / "c", overwrite=False)


def test_permissions_of_what_is_replaced_are_kept(tmp_path):
    mask = os.umask(0o027)
    try:
        with atomic_path(tmp_path / "new", overwrite=False):
            pass
        (tmp_path / "old").touch()
        (tmp_path / "old").chmod(0o604)
        with atomic_path(tmp_path / "old", overwrite=True):
            pass
        with atomic_folder(tmp_path / "folder"):
            pass
        (tmp_path / "folder").chmod(0o2711)
        with atomic_folder(tmp_path / "folder", overwrite=True):
            pass
    finally:
        os.umask(mask)
    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()}
    assert modes == {"new": 0o640, "old": 0o604, "folder": 0o2711}


def test_the_owner_of_what_is_replaced_is_kept(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root may give files away")
    (tmp_path / "a").touch()
    os.chown(tmp_path / "a", 1234, 5678)
    with atomic_path(tmp_path / "a", overwrite=True):
        pass
    assert ((tmp_path / "a").stat().st_uid, (tmp_path / "a").stat().st_gid) == (1234, 5678)


def test_room_is_compared_with_what_is_needed(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=5 * 10**6))
    check_room(tmp_path / "a", tmp_path, 4 * 10**6)
    with pytest.raises(OSError, match=r"a needs about 6 MB, and there is room for 5 MB on") as said:
        check_room(tmp_path / "a", tmp_path, 6 * 10**6)
    assert is_of_output(said.value)


def test_what_else_is_read_meanwhile_is_not_the_output(tmp_path):
    for error in (FileNotFoundError(2, "No such file", "other"), ValueError("other")):
        with pytest.raises(type(error)) as caught, output_errors(tmp_path / "a"):
            raise error
        assert caught.value is error


def test_a_full_disk_is_told_whatever_follows_from_it(tmp_path):
    """As of libraries that fail again when they close the file."""

    def fail():
        with output_errors(tmp_path / "a"):
            try:
                raise OSError(errno.ENOSPC, "No space left on device")
            finally:
                raise ValueError("Can't close")

    with pytest.raises(OSError, match=r"There is no room for .*/a\. "):
        fail()


def test_a_full_disk_of_one_output_is_not_told_of_another(tmp_path):
    def fail(inner):
        with (
            atomic_folder(tmp_path / "averages") as folder,
            atomic_path({"inner": folder / "x", "other": tmp_path / "m"}[inner], overwrite=False),
        ):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match=r"There is no room for \S*/averages\. "):
        fail("inner")
    with pytest.raises(OSError, match=r"There is no room for \S*/m\. "):
        fail("other")
    assert list(tmp_path.iterdir()) == []
