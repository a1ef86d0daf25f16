from argparse import Namespace

import pytest


@pytest.fixture
def harness(benchmark):
    return benchmark("_harness")


@pytest.fixture
def make_row(harness, peaks):
    """Function that makes a row of reports with some fields."""

    def make(*fields, precision="float32"):
        common = {"n_samples": 8, "parameters": {"edge": 28, "labels": "half"}}
        reports = [harness.Report(**{**common, **each}) for each in fields]
        return harness.make_row("augment", reports, "regular", "abc", peaks, precision)

    return make


def test_ratios_are_of_rounds(make_row):
    # The second round was on a machine that was busy ten times over.
    row = make_row(
        {"ours": [2.0], "bare": [1.0], "reference_seconds": [4.0]},
        {"ours": [20.0], "bare": [10.0], "reference_seconds": [40.0]},
    )
    assert row["to_reference"] == row["to_reference_low"] == row["to_reference_high"] == 0.5
    assert row["to_bare"] == 2.0
    assert (row["seconds"], row["reference_seconds"], row["rounds"]) == (11.0, 22.0, 2)
    assert row["parameters"] == "edge=28 labels=half"


def test_rows_have_the_columns_of_the_committed_results(harness, make_row, benchmark):
    row = make_row({"ours": [2.0]})
    assert tuple(row) == harness.COLUMNS
    options = Namespace(threads=2, device="cpu", precision="auto")
    committed = benchmark("_arguments").RESULTS / "performance.csv"
    with open(committed) as file:
        header = file.readline().strip().split(",")
    assert [*row, *benchmark("run").hardware(**vars(options))] == header


@pytest.mark.parametrize(("precision", "share"), [("float32", 0.08), ("bfloat16", 4.0)])
def test_shares_are_of_the_peak_of_the_precision(make_row, precision, share):
    row = make_row({"ours": [0.5], "flops": 2e9, "bytes": 1e9}, precision=precision)
    assert (row["gflop"], row["gflops"], row["share_of_peak"]) == (2.0, 4.0, share)
    assert (row["gbyte"], row["gb_s"], row["share_of_copy"]) == (1.0, 2.0, 0.4)
    assert row["volumes_per_second"] == 16.0


def test_exponents_of_power_laws(make_row):
    points = [[2, 7 * 2**1.5], [3, 7 * 3**1.5], [5, 7 * 5**1.5]]
    flops = [[2, 8], [3, 27], [5, 125]]
    row = make_row({"ours": [1.0], "points": points, "points_of_operations": flops})
    assert row["exponent"] == row["exponent_low"] == pytest.approx(1.5)
    assert row["exponent_of_operations"] == pytest.approx(3.0)
    assert row["points"].startswith("2:19.8 3:36.37 5:")


def test_memory_of_a_fit_is_neither_data_nor_before(make_row):
    memory = {"before_mib": 100.0, "data_mib": 20.0, "peak_mib": 150.0}
    row = make_row({"ours": [1.0], "memory": memory})
    assert row["fit_mib"] == 30.0
    assert row["peak_mib"] == 150.0


def test_rounds_take_turns_with_the_reference(harness):
    calls = []

    def launch(module, **arguments):
        calls.append((module, arguments))
        if module == "_reference":
            return [1.0, 2.0]
        reference = {"edge": 28, "task": "train"}
        report = {"ours": [3.0], "n_samples": 1, "parameters": {}, "reference_steps": 3}
        return {**report, "reference": reference}

    options = Namespace(profile="smoke", precision="auto", device="cpu", threads=2)
    reports = harness.run_rounds("augment", options, 2, launch)
    assert [module for module, _ in calls] == ["_cases", "_reference"] * 2
    assert calls[1][1] == {"edge": 28, "task": "train", "device": "cpu", "threads": 2}
    assert calls[0][1]["case"] == "augment"
    assert [report.reference_seconds for report in reports] == [[3.0, 6.0]] * 2


@pytest.mark.slow
def test_process(harness):
    arguments = {"edge": 8, "batch_size": 2, "n_filters": 2, "task": "predict", "repeats": 2}
    seconds = harness.launch("_reference", threads=1, device="cpu", **arguments)
    assert len(seconds) == 2


@pytest.mark.slow
def test_process_that_fails_says_why(harness):
    with pytest.raises(SystemExit, match=r"(?s)_reference .*failed \(exit 1\).*unexpected keyword"):
        harness.launch("_reference", threads=1, device="cpu", edges=28)
