import csv
from pathlib import Path

import numpy as np
import pytest

from sksubtomo.networks import Liu2019

RESULTS = Path(__file__).parents[2] / "benchmarks/results/live_code.csv"


@pytest.fixture
def live_code(benchmark):
    return benchmark("live_code")


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    clean = rng.normal(size=(80, 6, 6, 6))
    noisy = clean + rng.normal(size=clean.shape)
    return (noisy / noisy.std()).astype(np.float32), clean, np.arange(80) % 2


def test_correlation_is_that_of_numpy_and_zero_of_a_constant(live_code):
    first, second = np.random.default_rng(0).normal(size=(2, 3, 4, 4, 4))
    expected = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(first, second, strict=True)]
    assert live_code.correlation(first, second) == pytest.approx(np.mean(expected))
    assert live_code.correlation(np.ones_like(second), second) == 0


def test_rows_have_all_figures_and_are_computed_once(live_code, data, monkeypatch, tmp_path):
    original, calls = live_code.run_one, []

    def run_one(*key):
        calls.append(key)
        small = {"network": Liu2019(n_filters=2, latent_dim=4), "max_epochs": 1}
        return original(*key, n_train=60, data=data, **small)

    monkeypatch.setattr(live_code, "run_one", run_one)
    arguments = ["--seeds", "0", "--snrs", "0.5", "--sparsity", "relative", "0.0001"]
    arguments += ["--results", str(tmp_path / "r.csv")]
    live_code.main(arguments)
    live_code.main(arguments)
    assert calls == [("relative", "fast", 0.5, 0), (1e-4, "fast", 0.5, 0)]
    text = (tmp_path / "r.md").read_text()
    assert "| 0.0001 | 0.001 | 0.5 | 0 | 1 |" in text
    assert "| relative | 0.001 | 0.5 | 0 | 1 |" in text


def test_stored_rows_bear_out_what_the_guide_says():
    with open(RESULTS, newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["sparsity"] == "relative"]
    assert {(row["snr"], row["seed"]) for row in rows} >= {
        (snr, seed) for snr in ("0.5", "0.1") for seed in "012"
    }
    for row in rows:
        assert row["live_units"] == "128"
        assert float(row["spread"]) >= {"0.5": 0.1, "0.1": 0.02}[row["snr"]]
        assert float(row["error"]) < float(row["error_pca32"]) < float(row["error_mean"])
        assert float(row["correlation"]) < float(row["correlation_low_pass"])
