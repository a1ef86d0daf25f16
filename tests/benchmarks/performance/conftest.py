import pytest
import torch

PEAKS = {"peak_float32_gflops": 50.0, "peak_bfloat16_gflops": 1.0, "peak_copy_gb_s": 5.0}


@pytest.fixture
def peaks():
    return PEAKS


@pytest.fixture
def launched(benchmark):
    """What is launched, in this process, which spares the start of others."""
    calls = []

    def launch(module, threads, **arguments):
        calls.append(module)
        return PEAKS if module == "_roofline" else benchmark(module).measure(**arguments)

    launch.calls = calls
    return launch


@pytest.fixture
def options(benchmark, tmp_path):
    """Function that parses arguments after those of a short run on the CPU."""

    def parse(*more):
        threads = str(torch.get_num_threads())
        fixed = ("--profile", "smoke", "--threads", threads, "--device", "cpu")
        results = ("--results", str(tmp_path / "performance.csv"))
        return benchmark("run").parse_arguments([*fixed, *results, *more])

    return parse
