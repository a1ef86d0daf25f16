"""The measurement of references on a GPU: it runs, and counts what the profiler says."""

from types import SimpleNamespace

import pytest
import torch


@pytest.fixture
def script(benchmark):
    return benchmark("references_device")


def test_overlapping_kernels_count_once(script):
    assert script.busy_seconds([(3.0, 4.0), (0.0, 1.0), (0.5, 2.0), (0.6, 0.7)]) == 3.0
    assert script.busy_seconds([]) == 0.0


def test_copies_are_no_kernels(script):
    def event(name, device_type, start, end):
        time_range = SimpleNamespace(start=start, end=end)
        return SimpleNamespace(name=name, device_type=device_type, time_range=time_range)

    kind = torch.autograd.DeviceType
    events = [
        event("gemm", kind.CUDA, 0.0, 2e6),
        event("gemm", kind.CUDA, 3e6, 4e6),
        event("Memcpy DtoH (Device -> Pinned)", kind.CUDA, 0.0, 9e6),
        event("aten::mm", kind.CPU, 0.0, 9e6),
    ]
    assert script.kernels_of(events) == {"gemm": [(0.0, 2.0), (3.0, 4.0)]}


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_all_of_it_runs(script, rows_of, tmp_path):
    given = ["--device", "cpu", "--profile", "smoke", "--threads", "1"]
    given += ["--results", str(tmp_path / "rows.csv")]
    script.main(given)
    iterations, fit = rows_of(script.parse_arguments(given))
    assert (iterations["case"], fit["case"]) == ("iterations", "fit")
    assert float(iterations["seconds"]) > 0
    # The CPU does both.
    assert float(fit["same_labels"]) == 1
    assert "same labels" in (tmp_path / "rows.md").read_text()


def test_a_gpu_is_needed(script, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit):
        script.main([])
    assert "needs a GPU" in capsys.readouterr().err
