"""The timed fit to many candidates, on few and small ones."""

import numpy as np
import pytest


def test_row_and_table(benchmark, monkeypatch, tmp_path):
    cost = benchmark("cost")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 8, 8, 8)).astype(np.float32)
    is_true = np.arange(60) % 2 == 0
    X[is_true, 3:5, 3:5, 3:5] += 3
    scores = X.sum(axis=(1, 2, 3))
    monkeypatch.setattr(cost, "make_candidates", lambda n, seed: (X, is_true, scores))
    row = cost.run_one(60, 1, 0)
    assert row["accuracy"] > 0.9
    assert {*cost.KEY, *cost.FIGURES} <= set(row)
    path = tmp_path / "cleaning_cost.csv"
    cost.append_rows(path, [row], cost.KEY)
    assert "| 60 | 1 |" in cost.render(path)


def test_share_of_true_ones(benchmark):
    X, is_true, scores = benchmark("cost").make_candidates(8, 0)
    assert X.shape == (8, 28, 28, 28)
    assert is_true.sum() == 2
    assert scores.shape == (8,)
    assert np.isfinite(X).all()
    assert X.mean() == pytest.approx(0, abs=0.1)
