from pathlib import Path

import pytest

from sksubtomo._utils import _publish
from sksubtomo._utils._files import atomic_folder, atomic_path


def test_file_appears_whole(tmp_path):
    with atomic_path(tmp_path / "a.txt", overwrite=False) as temporary:
        temporary.write_text("new")
        assert not (tmp_path / "a.txt").exists()
        assert temporary.suffix == ".txt"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_interruption_leaves_the_old_file_alone(tmp_path):
    (tmp_path / "a.txt").write_text("old")

    def fail_in_the_middle():
        with atomic_path(tmp_path / "a.txt", overwrite=True) as temporary:
            temporary.write_text("ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_in_the_middle()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.txt", "old")]


def test_refusals(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with (
        pytest.raises(FileExistsError, match="overwrite=True"),
        atomic_path(tmp_path / "a.txt", overwrite=False),
    ):
        pass
    with (
        pytest.raises(FileNotFoundError, match="no folder"),
        atomic_path(tmp_path / "none" / "a.txt", overwrite=False),
    ):
        pass


def test_a_folder_is_replaced_as_a_whole_or_stays(tmp_path):
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "old").touch()
    with pytest.raises(FileExistsError), atomic_folder(folder):
        pass

    def stop_in_the_middle():
        with atomic_folder(folder, overwrite=True) as new:
            (new / "half").touch()
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        stop_in_the_middle()
    assert [path.name for path in folder.iterdir()] == ["old"]
    with atomic_folder(folder, overwrite=True) as new:
        (new / "whole").touch()
        assert (folder / "old").exists()
    assert [path.name for path in folder.iterdir()] == ["whole"]
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_a_folder_that_cannot_be_replaced_comes_back(tmp_path, monkeypatch):
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "old").touch()
    replace, calls = Path.replace, []

    def fail_second(self, target):
        calls.append(self)
        if len(calls) == 2:
            raise OSError("disk full")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail_second)
    # As on systems that cannot exchange two folders in one step.
    monkeypatch.setattr(_publish, "_rename", lambda *_: False)
    with pytest.raises(OSError, match="disk full"), atomic_folder(folder, overwrite=True) as new:
        (new / "whole").touch()
    assert [path.name for path in folder.iterdir()] == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
