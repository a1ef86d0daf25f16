from sksubtomo._utils import _memory
from sksubtomo._utils._memory import available_memory


def test_this_machine_has_some():
    assert 2**20 < available_memory() < 2**60


def test_the_least_of_machine_and_group(tmp_path, monkeypatch):
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable: 3000 kB\n")
    (tmp_path / "max").write_text("5000000\n")
    (tmp_path / "current").write_text("4000000\n")
    monkeypatch.setattr(_memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(_memory, "_GROUPS", ((tmp_path / "max", tmp_path / "current"),))
    assert available_memory() == 1_000_000
    (tmp_path / "max").write_text("max\n")
    assert available_memory() == 3_072_000
    monkeypatch.setattr(_memory, "_GROUPS", ((tmp_path / "none", tmp_path / "none"),))
    assert available_memory() == 3_072_000


def test_systems_that_do_not_tell(tmp_path, monkeypatch):
    monkeypatch.setattr(_memory, "_MEMINFO", tmp_path / "none")
    monkeypatch.setattr(_memory, "_GROUPS", ())
    assert available_memory() > 2**20  # all of the machine's
    monkeypatch.delattr(_memory.os, "sysconf")
    assert available_memory() is None
