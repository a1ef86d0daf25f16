import sys

import numpy as np
import pytest

from sksubtomo.picking import evaluate_picks


@pytest.fixture
def clean(benchmark):
    return benchmark("clean_candidates")


def test_removed_at_recall_of_interleaved_scores(clean):
    # True and false take turns from the best down: keeping k of n true ones keeps k - 1 false.
    n = 20
    scores = -np.arange(2 * n)
    is_true = np.arange(2 * n) % 2 == 0
    order = np.random.default_rng(0).permutation(2 * n)
    for recall, kept in [(0.8, 16), (0.9, 18), (0.95, 19), (1.0, 20), (0.01, 1)]:
        removed = clean.removed_at_recall(scores[order], is_true[order], recall)
        assert removed == pytest.approx((n - kept + 1) / n)


@pytest.mark.parametrize(("sign", "removed"), [(1, 1.0), (-1, 0.0), (0, 0.0)])
def test_removed_at_recall_at_the_extremes(clean, sign, removed):
    is_true = np.arange(30) % 3 == 0
    assert clean.removed_at_recall(sign * is_true, is_true, 0.9) == removed


def test_random_scores_remove_what_recall_loses(clean):
    rng = np.random.default_rng(0)
    is_true = rng.random(20_000) < 0.3
    removed = clean.removed_at_recall(rng.random(20_000), is_true, 0.8)
    assert removed == pytest.approx(0.2, abs=0.02)


def test_at_threshold_keeps_the_threshold_itself(clean):
    scores = [0.9, 0.5, 0.4, 0.5, 0.1, 0.2]
    is_true = [True, True, True, False, False, False]
    recall, removed = clean.at_threshold(scores, is_true, 0.5)
    assert (recall, removed) == (pytest.approx(2 / 3), pytest.approx(2 / 3))


def test_pairs_are_those_of_evaluate_picks(clean):
    rng = np.random.default_rng(0)
    picked, truth = rng.uniform(0, 20, (40, 3)), rng.uniform(0, 20, (15, 3))
    paired = clean.pair_with_truth(picked, truth, 4.0)
    expected = evaluate_picks(picked, truth, tolerance_angstrom=40.0, voxel_size_angstrom=10.0)
    assert paired.sum() == expected.n_matched > 0
    twice = clean.pair_with_truth([[0, 0, 1], [0, 0, 2], [9, 9, 9]], [[0, 0, 0]], 4.0)
    assert twice.tolist() == [True, False, False]


def test_labels(clean):
    is_true = np.arange(60) < 20
    y = clean.label_some(is_true, 50, 3)
    labeled = y != -1
    assert labeled.sum() == 50
    assert ((y == 1) == (is_true & labeled)).all()
    assert ((y == 2) == (~is_true & labeled)).all()
    assert (y == clean.label_some(is_true, 50, 3)).all()
    assert (clean.label_some(is_true[15:30], 50, 0) == np.where(is_true[15:30], 1, 2)).all()


@pytest.fixture
def stubbed(clean, monkeypatch):
    """Candidates whose scores and probabilities are perfect, without simulation or a fit."""
    is_true = np.arange(30) % 3 == 0
    data = clean.Candidates(np.zeros((30, 1, 1, 1)), is_true, 1.0 * is_true, 0.75)
    monkeypatch.setattr(clean, "load", lambda data_set, seed: (data, data))
    monkeypatch.setattr(clean, "fit_and_score", lambda *_: np.where(is_true, 0.8, 0.2))
    return clean


def test_killed_run_goes_on_and_tables_are_rendered(stubbed, monkeypatch, tmp_path, capsys):
    path = tmp_path / "results.csv"
    monkeypatch.setenv("SKSUBTOMO_SHARED_DATA", str(tmp_path / "absent"))
    arguments = ["clean_candidates.py", "--results", str(path), "--seeds", "0", "1"]
    monkeypatch.setattr(sys, "argv", arguments)
    stubbed.main()
    assert "microtubules left out" in capsys.readouterr().out
    whole = path.read_text()
    lines = whole.splitlines(keepends=True)
    path.write_text("".join(lines[:3]) + lines[3][:20])  # killed while writing
    stubbed.main()
    assert path.read_text() == whole
    text = path.with_suffix(".md").read_text()
    one = "1.000 ± 0.000"
    assert f"| AutoencodingClassifier | 12 | 2 | {' | '.join([one] * 5)} |" in text
    assert f"| template-matching score | - | 2 | {' | '.join([one] * 3)} | - | - |" in text
    assert "labels: 30." in text


def test_rows(stubbed):
    row = stubbed.run_one("microtubules", "CNNClassifier", 0, epochs=3)
    assert (row["epochs"], row["n_labels"], row["n_labels_particle"]) == (3, 30, 10)
    assert (row["recall_default"], row["removed_default"], row["removed_at_0.95"]) == (1, 1, 1)
    row = stubbed.run_one("unlike", stubbed.SCORE, 0)
    assert (row["epochs"], row["n_labels"], row["removed_default"]) == ("", 0, "")
    assert row["torch"]
