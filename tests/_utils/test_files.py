import pytest

from sksubtomo._utils._files import atomic_path


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
