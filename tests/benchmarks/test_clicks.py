"""How many labels it takes: when a precision is reached, and rows that are computed once."""

import sys

import numpy as np
import pytest


@pytest.fixture
def clicks(benchmark):
    return benchmark("clicks")


def rows_of(clicks, precisions, *, n_candidates=300):
    steps = clicks.STEPS[: len(precisions)]
    return [
        {
            "n_labels": str(n),
            "n_labeled": str(min(n, n_candidates)),
            "n_candidates_learned": str(n_candidates),
            clicks.FIGURE: str(precision),
        }
        for n, precision in zip(steps, precisions, strict=True)
    ]


@pytest.mark.parametrize(
    ("precisions", "n_labels"),
    [
        ([0.1, 0.95, 0.9], 20),
        ([0.95, 0.5, 0.9, 0.92], 30),  # a single step may be luck
        ([0.1, 0.95], None),  # the next step is not known yet
        ([0.1] * 8, None),
        ([0.1] * 7 + [0.9], 200),
    ],
)
def test_labels_needed(clicks, precisions, n_labels):
    assert clicks.labels_needed(rows_of(clicks, precisions)) == n_labels


def test_all_candidates_are_the_last_step(clicks):
    assert clicks.labels_needed(rows_of(clicks, [0.1, 0.2, 0.3, 0.9], n_candidates=45)) == 45


def test_unfinished_series_say_nothing(clicks):
    assert not clicks.is_finished([])
    assert not clicks.is_finished(rows_of(clicks, [0.1, 0.2, 0.95]))
    assert clicks.is_finished(rows_of(clicks, [0.1, 0.95, 0.95]))
    assert clicks.is_finished(rows_of(clicks, [0.1] * 8))


def test_median_and_range(clicks):
    assert clicks.median_and_range([50, 20, 30]) == "30 (20 to 50)"
    assert clicks.median_and_range([50, None, 30]) == "50 (30 to not by 200)"
    assert clicks.median_and_range([None, None]) == "not by 200"
    assert clicks.median_and_range([20, 20]) == "20"


def test_series_stop_and_go_on(clicks, benchmark, monkeypatch, tmp_path, capsys):
    """Rows stop after two good steps, are not computed again, and are shared with run.py."""
    rng = np.random.default_rng(0)
    is_true = np.arange(120) % 3 == 0
    data = benchmark("_candidates").Candidates(
        rng.normal(size=(120, 6, 6, 6)).astype(np.float32),
        is_true,
        is_true + 0.1 * rng.normal(size=120),
        np.zeros((120, 3)),
        1.0,
    )
    monkeypatch.setattr(benchmark("_fits"), "load", lambda *_: (data, data))
    computed, run_one = [], clicks.run_one

    def counted(*key):
        computed.append(key[:-1])
        return run_one(*key)

    monkeypatch.setattr(clicks, "run_one", counted)
    known, path = tmp_path / "cleaning.csv", tmp_path / "clicks.csv"
    key = ("unlike", "dog", "random", 20, "score", 0)
    clicks.append_rows(known, [run_one(*key)[0]])
    arguments = ["clicks.py", "--results", str(path), "--known", str(known), "--seeds", "0"]
    arguments += ["--sources", "dog", "--methods", "score", "--kinds", "random"]
    monkeypatch.setattr(sys, "argv", arguments)
    clicks.main()
    assert computed == [("unlike", "dog", "random", 10, "score", 0)]
    assert "| unlike | dog | score | 1 | 10 | - |" in path.with_suffix(".md").read_text()
    assert path.with_suffix(".png").exists()
    whole = path.read_text()
    assert len(whole.splitlines()) == 3
    clicks.main()
    assert path.read_text() == whole
    # Killed while it was writing, it goes on.
    path.write_text("".join(whole.splitlines(keepends=True)[:2]))
    clicks.main()
    assert (path.read_text(), len(computed)) == (whole, 1)
    capsys.readouterr()
