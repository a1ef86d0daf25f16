"""The benchmark of speed: its reference, its counts, and what is resumed and rendered."""

import contextlib
import csv
import importlib
import io
import json
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from sksubtomo.networks import AutoencodingNetwork, Liu2019

PERFORMANCE = Path(__file__).resolve().parents[2] / "benchmarks" / "performance"
PEAKS = {"peak_float32_gflops": 50.0, "peak_bfloat16_gflops": 1.0, "peak_copy_gb_s": 5.0}
CASES = (
    *("train_joint_28", "epoch_joint_28", "train_cnn", "train_autoencoder", "train_vae"),
    *("train_pseudo_label", "train_fine_tuned", "train_semi_supervised_vae", "train_fix_match"),
    *("train_mean_teacher", "train_contrastive", "train_multi_reference"),
    *("predict_proba_28", "predict_proba_lazy", "transform_28", "transform_lazy"),
    *("extract_round", "extract_interpolate", "simulate_blobs", "simulate_single_particle"),
    *("augment", "scaling_n_samples", "scaling_edge", "scaling_n_classes"),
    *("memory_1e3", "memory_2e5"),
)


@pytest.fixture
def performance(monkeypatch):
    """The modules, by name; the folder above is put on the path by one of them."""
    monkeypatch.setattr(sys, "path", [str(PERFORMANCE), *sys.path])
    names = [path.stem for path in PERFORMANCE.glob("*.py")]
    yield importlib.import_module
    for name in [*names, "_results"]:
        sys.modules.pop(name, None)


@pytest.fixture
def reference(performance):
    return performance("_reference")


@pytest.fixture
def launched(performance):
    """What was launched, in this process, which spares the start of others."""
    calls = []

    def launch(script, arguments, threads, device):
        calls.append(script)
        if script == "_peaks.py":
            return PEAKS
        given = {**arguments, "threads": torch.get_num_threads(), "device": device}
        words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            performance(script.removesuffix(".py")).main(words)
        return json.loads(printed.getvalue())

    launch.calls = calls
    return launch


@pytest.fixture
def options(performance, tmp_path):
    def parse(*more):
        fixed = ("--profile", "smoke", "--threads", "1", "--device", "cpu")
        results = ("--results", str(tmp_path / "performance.csv"))
        return performance("run").parse_arguments([*fixed, *results, *more])

    return parse


def rows_of(options):
    with open(options.results, newline="") as file:
        return list(csv.DictReader(file))


# --- The reference -------------------------------------------------------------------------------


@pytest.mark.parametrize("edge", [16, 9])
def test_reference_is_the_network_of_the_package(reference, edge):
    torch.manual_seed(0)
    ours = AutoencodingNetwork((edge,) * 3, 5, network=Liu2019(n_filters=4, latent_dim=16))
    plain = reference.Network(edge, 5, n_filters=4, latent_dim=16)
    for theirs, own in zip(plain.parameters(), ours.parameters(), strict=True):
        with torch.no_grad():
            theirs.copy_(own)
    volumes = torch.randn(3, 1, edge, edge, edge)
    for training in (True, False):
        output = ours.train(training)(volumes)
        reconstruction, logits, code = plain.train(training)(volumes)
        torch.testing.assert_close(reconstruction, output.reconstruction, atol=1e-5, rtol=0)
        torch.testing.assert_close(logits, output.logits, atol=1e-5, rtol=0)
        torch.testing.assert_close(code, output.code, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("edge", "n_blocks"), [(28, 2), (32, 3), (64, 4)])
def test_blocks_of_the_reference(reference, edge, n_blocks):
    assert len(reference.pooled_edges(edge)) == n_blocks + 1


def test_reference_imports_nothing_of_the_package():
    assert "sksubtomo" not in (PERFORMANCE / "_reference.py").read_text()


@pytest.mark.parametrize("task", ["train", "predict"])
def test_reference_prints_all_repeats(reference, capsys, task):
    sizes = ("--edge", "8", "--batch-size", "2", "--n-filters", "2", "--repeats", "3")
    reference.main([*sizes, "--task", task, "--threads", str(torch.get_num_threads())])
    seconds = json.loads(capsys.readouterr().out)["seconds"]
    assert len(seconds) == 3
    assert min(seconds) > 0


# --- Counts --------------------------------------------------------------------------------------


@pytest.mark.parametrize("edge", [9, 16])
def test_operations_are_those_that_pytorch_counts(performance, reference, edge):
    network = reference.Network(edge, 5, n_filters=4, latent_dim=16)
    cost = performance("_costs").NetworkCost(edge, 5, n_filters=4, latent_dim=16)
    assert cost.n_parameters() == sum(p.numel() for p in network.parameters())
    volumes = torch.randn(3, 1, edge, edge, edge)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(volumes)
    assert cost.forward_flops(3) == counter.get_total_flops()
    optimizer = torch.optim.Adam(network.parameters())
    with FlopCounterMode(display=False) as counter:
        reference.train_step(network, optimizer, volumes, torch.arange(3))
    assert cost.training_flops(3) == counter.get_total_flops()


def test_parts_add_up(performance):
    costs = performance("_costs")
    blocks = {"code": False, "classifier": False, "decoder": False}
    flops = {
        part: costs.NetworkCost(28, **{**blocks, part: True}).forward_flops(1) for part in blocks
    }
    encoder = costs.NetworkCost(28, **blocks).forward_flops(1)
    whole = costs.NetworkCost(28).forward_flops(1)
    assert whole == encoder + sum(value - encoder for value in flops.values())


def test_bytes_of_one_dense_layer(performance):
    costs = performance("_costs")
    # One voxel, one filter, no blocks: the dense layer of the code with its ReLU is all there is.
    parts = {"classifier": False, "decoder": False}
    cost = costs.NetworkCost(1, n_filters=1, latent_dim=1, n_blocks=0, **parts)
    assert cost.n_parameters() == 2
    assert cost.forward_bytes(10) == 4 * (10 * 4 + 2)
    assert cost.training_bytes(10) == 4 * (10 * 2 * (3 + 2) + 2 * 10)


def test_exponent_of_a_power_law(performance):
    values = (2, 3, 5)
    seconds = [7 * value**1.5 for value in values]
    assert performance("_scaling_case").fit_exponent(values, seconds) == pytest.approx(1.5)


# --- Rows ----------------------------------------------------------------------------------------


def test_row_and_resumption(performance, options, launched, capsys):
    chosen = options("--cases", "train_joint_28", "paper_real", "--rounds", "2")
    performance("run").run(chosen, launched)
    assert launched.calls == ["_peaks.py", *["_worker.py", "_reference.py"] * 2]
    assert "paper_real: left out, needs a GPU" in capsys.readouterr().out
    (row,) = rows_of(chosen)
    assert (row["case"], row["profile"], row["rounds"]) == ("train_joint_28", "smoke", "2")
    assert row["commit"]
    assert row["cpu"]
    low, ratio, high = (float(row[f"to_reference{end}"]) for end in ("_low", "", "_high"))
    assert 0 < low <= ratio <= high
    share = float(row["gflops"]) / PEAKS["peak_float32_gflops"]
    assert float(row["share_of_peak"]) == pytest.approx(share, rel=1e-2)
    launched.calls.clear()
    performance("run").run(chosen, launched)
    assert launched.calls == []
    assert len(rows_of(chosen)) == 1
    performance("run").run(options("--cases", "train_joint_28", "--again"), launched)
    assert len(rows_of(chosen)) == 2


def test_ratios_are_of_rounds(performance):
    harness = performance("_harness")
    case = performance("_cases").make_case("augment", "smoke", "cpu")
    # The second round was on a machine that was busy ten times over.
    reports = [
        {"ours": [2.0], "bare": [1.0], "reference": [4.0]},
        {"ours": [20.0], "bare": [10.0], "reference": [40.0]},
    ]
    row = harness.make_row("augment", case, reports, Namespace(profile="smoke"), "abc", PEAKS)
    assert row["to_reference"] == row["to_reference_low"] == row["to_reference_high"] == 0.5
    assert row["to_bare"] == 2.0
    assert (row["seconds"], row["reference_seconds"]) == (11.0, 22.0)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_every_case_gives_a_row(performance, options, launched, name):
    chosen = options("--cases", name)
    performance("run").run(chosen, launched)
    (row,) = rows_of(chosen)
    assert float(row["seconds"]) > 0
    assert ("_reference.py" in launched.calls) == bool(row["to_reference"])
    if name.startswith("train_") and name != "train_multi_reference":
        assert float(row["to_bare"]) > 0
    if name.startswith("memory"):
        assert float(row["peak_mib"]) >= float(row["before_mib"])
    if name.startswith("scaling"):
        assert np.isfinite(float(row["exponent"]))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("train_")][:-1])
def test_steps_of_an_epoch(performance, name):
    case = performance("_cases").make_case(name, "smoke", "cpu")
    case.setup()
    optimizer = case._fit(1).net_.optimizer_
    assert {int(state["step"]) for state in optimizer.state.values()} == {case._n_batches()}


def test_paper_case_on_few_volumes(performance, monkeypatch):
    cases = performance("_cases")
    case = performance("_paper_case").PaperCase(
        performance("_profiles").PROFILES["smoke"], "cpu", n=16, edge=8
    )
    monkeypatch.setattr(case, "max_epochs", 1)
    assert cases.CASES["paper_real"].make.keywords == {"n": 1400, "edge": 28}
    report = case.report()
    assert len(report["ours"]) == 1
    assert case.n_samples == 16


@pytest.mark.slow
def test_processes(performance, options):
    harness = performance("_harness")
    chosen = options("--cases", "extract_round")
    performance("run").run(
        chosen, lambda *given: PEAKS if "_peaks.py" in given else harness.launch(*given)
    )
    assert float(rows_of(chosen)[0]["gb_s"]) > 0


@pytest.mark.slow
def test_process_that_fails_is_told(performance):
    with pytest.raises(SystemExit, match=r"_reference\.py --edge none .* failed \(exit 2\)"):
        performance("_harness").launch("_reference.py", {"edge": "none"}, 1, "cpu")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--rounds", "0"), "--rounds must be at least 1"),
        (("--threads", "0"), "--threads must be at least 1"),
        (("--cases", "nonsense"), "invalid choice"),
    ],
)
def test_bad_arguments_are_refused(options, capsys, words, message):
    with pytest.raises(SystemExit):
        options(*words)
    assert message in capsys.readouterr().err


# --- Rendering -----------------------------------------------------------------------------------


def test_tables_and_figure(performance, options, launched):
    run = performance("run")
    chosen = options("--cases", "train_joint_28", "scaling_n_classes", "memory_1e3")
    run.run(chosen, launched)
    text = performance("_render").render(chosen.results)
    rows = {row["case"]: row for row in rows_of(chosen)}
    ratio = performance("_render").with_spread(rows["train_joint_28"], "to_reference")
    assert f"| {ratio} |" in text
    for title in ("Times", "How an epoch grows", "Memory of a fit"):
        assert f"### {title}" in text
    assert chosen.results.with_suffix(".md").read_text() == text
    performance("_draw").draw(chosen.results)
    assert chosen.results.with_suffix(".png").stat().st_size > 1000


def test_latest_row_of_a_case_is_shown(performance, tmp_path):
    path = tmp_path / "rows.csv"
    columns = "case,profile,cpu,instructions,device,precision,threads,seconds"
    same = "augment,fast,a processor,AVX2,cpu"
    rows = ("float32,2,1.0", "float32,2,2.0", "float32,1,3.0", "bfloat16,2,4.0")
    path.write_text("\n".join([columns, *(f"{same},{row}" for row in rows), ""]))
    groups = performance("_render").latest(path)
    found = [[row["seconds"] for row in rows] for rows in groups.values()]
    assert found == [["2.0"], ["3.0"], ["4.0"]]


def test_rows_say_the_precision_that_networks_compute_in(performance):
    machine = performance("_machine").machine
    assert machine(2, "cpu", "auto")["precision"] == "float32"
    assert machine(2, "cpu", "bfloat16")["precision"] == "bfloat16"
    case = performance("_cases").make_case("train_joint_28", "smoke", "cpu", "bfloat16")
    case.setup()
    case.warm_up()
    assert case.fitted.precision_ == "bfloat16"
