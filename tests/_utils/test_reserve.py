"""Outputs that are made sure of before the work."""

import errno
import os
import shutil
from types import SimpleNamespace

import pytest

from sksubtomo._utils._files import atomic_folder, atomic_path
from sksubtomo._utils._reserve import reservations, reserve


def test_the_file_that_was_reserved_becomes_the_output(tmp_path):
    with reservations():
        reserve(tmp_path / "a.star", overwrite=False, n_bytes=100_000)
        (reserved,) = tmp_path.iterdir()
        assert reserved.stat().st_blocks * 512 >= 100_000
        with atomic_path(tmp_path / "a.star", overwrite=False) as temporary:
            assert temporary == reserved
            assert temporary.stat().st_size == 0
            temporary.write_text("whole")
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("a.star", "whole")]


def test_what_is_not_written_is_given_back(tmp_path):
    with reservations():
        reserve(tmp_path / "a.star", overwrite=False)
        reserve(tmp_path / "a.star", overwrite=False, n_bytes=10_000)
        reserve(tmp_path / "new/boxes", overwrite=False, is_folder=True)
        assert len(list(tmp_path.iterdir())) == 2
    assert list(tmp_path.iterdir()) == []


def test_room_for_a_folder_is_given_back_once_it_is_begun(tmp_path):
    with reservations():
        reserve(tmp_path / "boxes", overwrite=False, n_bytes=10_000, is_folder=True)
        with atomic_folder(tmp_path / "boxes") as folder:
            assert list(tmp_path.iterdir()) == [folder]


def test_a_second_run_is_refused_before_its_work(tmp_path):
    with atomic_path(tmp_path / "a.star", overwrite=False), reservations():
        with pytest.raises(FileExistsError, match=r"Another run is about to write \S*a\.star"):
            reserve(tmp_path / "a.star", overwrite=False)
        reserve(tmp_path / "b.star", overwrite=False)
        # Whoever may replace the other's output takes the risk.
        reserve(tmp_path / "a.star", overwrite=True)
    with atomic_folder(tmp_path / "boxes"), pytest.raises(FileExistsError, match="Another run"):
        reserve(tmp_path / "boxes", overwrite=False, is_folder=True)


def test_no_room(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**6))
    for is_folder in (False, True):
        with (
            reservations(),
            pytest.raises(OSError, match=r"needs about 2 MB, and there is room for 1 MB"),
        ):
            reserve(tmp_path / "a", overwrite=False, n_bytes=2 * 10**6, is_folder=is_folder)
    assert list(tmp_path.iterdir()) == []


def test_a_quota(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with reservations(), pytest.raises(OSError, match=r"no room for \S*a\. .*quota exceeded"):
        reserve(tmp_path / "a", overwrite=False, n_bytes=1)
    assert list(tmp_path.iterdir()) == []


def test_file_systems_that_set_nothing_aside(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with reservations():
        reserve(tmp_path / "a", overwrite=False, n_bytes=1)
    assert list(tmp_path.iterdir()) == []
