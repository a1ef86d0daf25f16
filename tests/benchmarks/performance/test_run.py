import numpy as np
import pytest
import torch

# On the CPU all but the paper's trainings, in turn with what they stand for.
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
def run(benchmark):
    return benchmark("run")


def test_row_and_resumption(run, options, launched, peaks, rows_of, capsys):
    chosen = options("--cases", "train_joint_28", "paper_real", "--rounds", "2")
    run.run(chosen, launched)
    assert launched.calls == ["_roofline", *["_cases", "_reference"] * 2]
    assert "paper_real: left out" in capsys.readouterr().out
    (row,) = rows_of(chosen)
    assert (row["case"], row["profile"], row["rounds"]) == ("train_joint_28", "smoke", "2")
    assert row["commit"]
    assert row["cpu"]
    low, ratio, high = (float(row[f"to_reference{end}"]) for end in ("_low", "", "_high"))
    assert 0 < low <= ratio <= high
    share = float(row["gflops"]) / peaks["peak_float32_gflops"]
    assert float(row["share_of_peak"]) == pytest.approx(share, rel=1e-2)
    launched.calls.clear()
    run.run(chosen, launched)
    assert launched.calls == []
    assert len(rows_of(chosen)) == 1
    run.run(options("--cases", "train_joint_28", "--again"), launched)
    assert len(rows_of(chosen)) == 2


def test_no_case_starts_after_the_minutes(run, options, launched, capsys):
    run.run(options("--cases", "augment", "extract_round", "--minutes", "0"), launched)
    assert launched.calls == []
    assert "augment and what follows: left out, the time is over" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "device", "more", "expected"),
    [
        ("augment", "cpu", (), 3),
        ("augment", "cuda", (), 1),
        ("augment", "cuda", ("--rounds", "2"), 2),
        ("memory_1e3", "cpu", ("--rounds", "2"), 1),
    ],
)
def test_rounds(benchmark, run, options, monkeypatch, name, device, more, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    chosen = options("--profile", "regular", "--device", device, *more)
    assert run.n_rounds_of(benchmark("_cases").CASES[name], chosen) == expected


def test_interrupted_run_continues_with_the_next_case(run, options, launched, rows_of):
    def interrupted(module, threads, **arguments):
        if arguments.get("case") == "augment":
            raise KeyboardInterrupt
        return launched(module, threads, **arguments)

    chosen = options("--cases", "extract_round", "augment")
    with pytest.raises(KeyboardInterrupt):
        run.run(chosen, interrupted)
    assert [row["case"] for row in rows_of(chosen)] == ["extract_round"]
    launched.calls.clear()
    run.run(chosen, launched)
    assert launched.calls == ["_roofline", "_cases"]
    assert [row["case"] for row in rows_of(chosen)] == ["extract_round", "augment"]


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_every_case_gives_a_row(run, options, launched, rows_of, name):
    chosen = options("--cases", name)
    run.run(chosen, launched)
    (row,) = rows_of(chosen)
    assert float(row["seconds"]) > 0
    assert ("_reference" in launched.calls) == bool(row["to_reference"])
    if name.startswith("train_") and name != "train_multi_reference":
        assert float(row["to_bare"]) > 0
    if name.startswith("memory"):
        assert float(row["peak_mib"]) >= float(row["before_mib"])
    if name.startswith("scaling"):
        assert np.isfinite(float(row["exponent"]))


def test_rows_say_the_precision_that_networks_compute_in(run):
    assert run.hardware(2, "cpu", "auto")["precision"] == "float32"
    assert run.hardware(2, "cpu", "bfloat16")["precision"] == "bfloat16"
    assert run.hardware(2, "cpu", "auto")["device"] == "cpu"


def test_cases_of_a_profile(options):
    regular, full = (options("--profile", name).cases for name in ("regular", "full"))
    assert set(full) - set(regular) == {"epoch_joint_32", "epoch_joint_64", "transform_lazy"}
    assert options().cases == full
    assert regular[:2] == ["train_joint_28", "predict_proba_28"]
    assert "paper_real" not in regular


def test_cases_of_a_gpu(run, options, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    cases = options("--profile", "regular", "--device", "cuda").cases
    assert {"paper_real", "paper_simulated"} < set(cases)
    assert not [name for name in cases if name.startswith(("extract", "simulate"))]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--rounds", "0"), "--rounds: must be at least 1"),
        (("--threads", "0"), "--threads: must be at least 1"),
        (("--cases", "nonsense"), "invalid choice"),
        (("--profile", "fast"), "invalid choice"),
    ],
)
def test_bad_arguments_are_refused(options, capsys, words, message):
    with pytest.raises(SystemExit):
        options(*words)
    assert message in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_missing_gpu_is_reported(options, capsys):
    with pytest.raises(SystemExit):
        options("--device", "cuda")
    assert "--device cuda needs a GPU" in capsys.readouterr().err
