"""Candidates of simulated tomograms, figures of held-out ones, and rows that survive."""

import importlib.util
import sys

import numpy as np
import pytest


@pytest.fixture
def cleaning(benchmark):
    """The script, which has the name of another one."""
    candidates = benchmark("_candidates")
    path = candidates.ROOT / "benchmarks/cleaning/run.py"
    spec = importlib.util.spec_from_file_location("cleaning_run", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def stubbed(cleaning, monkeypatch):
    """Candidates whose score is nearly perfect, without simulation."""
    rng = np.random.default_rng(0)
    is_true = np.arange(60) % 3 == 0
    data = sys.modules["_candidates"].Candidates(
        rng.normal(size=(60, 6, 6, 6)).astype(np.float32),
        is_true,
        is_true + 0.1 * rng.normal(size=60),
        np.zeros((60, 3)),
        1.0,
    )
    monkeypatch.setattr(cleaning, "load", lambda *_: (data, data))
    return cleaning


def test_precision_at_recall(benchmark):
    precision_at = benchmark("_fits").precision_at
    # Of four true ones, three are among the best four, and the last is the sixth.
    is_true = np.array([1, 1, 0, 1, 0, 1], bool)
    scores = -np.arange(6)
    assert precision_at(is_true, scores, 0.75) == 0.75
    assert precision_at(is_true, scores, 0.9) == pytest.approx(4 / 6)


@pytest.fixture
def candidates(benchmark):
    """Twice as many small blobs as there are labels; one in four is a particle."""
    rng = np.random.default_rng(0)
    is_true = np.arange(40) % 4 == 0
    X = rng.normal(size=(40, 8, 8, 8)).astype(np.float32)
    X[is_true] += 2.0
    places = np.arange(120.0).reshape(40, 3)
    return benchmark("_candidates").Candidates(X, is_true, 1.0 * is_true, places, None)


def test_labels(benchmark, candidates):
    label_some, is_true = benchmark("_fits").label_some, candidates.is_true
    y = label_some(candidates, "random", 20, 3)
    assert (y >= 0).sum() == 20
    assert (y[y >= 0] == is_true[y >= 0]).all()
    clicks = label_some(candidates, "particles", 20, 3)
    assert is_true[clicks == 1].all()
    assert ((clicks == 1).sum(), (clicks == 0).sum()) == (5, 0)


def test_queried_labels(benchmark, candidates):
    y = benchmark("_fits").label_some(candidates, "query", 20, 0)
    assert (y >= 0).sum() == 20
    assert (y[y >= 0] == candidates.is_true[y >= 0]).all()
    # All are labeled where there are fewer.
    assert (benchmark("_fits").label_some(candidates, "query", 50, 0) >= 0).all()


def test_killed_run_goes_on(stubbed, monkeypatch, tmp_path, capsys):
    path = tmp_path / "results.csv"
    arguments = ["run.py", "--results", str(path), "--specimens", "unlike", "--sources", "dog"]
    arguments += ["--labels", "50", "--seeds", "0", "--methods", "score", "score, figures"]
    arguments += ["--kinds", "random", "particles"]
    monkeypatch.setattr(sys, "argv", arguments)
    stubbed.main()
    whole = path.read_text()
    path.write_text(whole[:-20])
    stubbed.main()
    # Seconds and dates aside.
    assert len(path.read_text().splitlines()) == len(whole.splitlines()) == 5
    table = path.with_suffix(".md").read_text()
    assert "| dog | 50 | score | 1 | 1.000 | 1.000 | 1.000 |" in table
    assert path.with_suffix(".png").exists()
    capsys.readouterr()


def test_contaminated_tomogram(benchmark, monkeypatch):
    candidates = benchmark("_candidates")
    monkeypatch.setattr(candidates, "SHAPE", (60, 110, 110))
    specimen = candidates.SPECIMENS["alike"]._replace(n_particles=5)
    tomogram, centers = candidates.make_contaminated_tomogram(specimen, 0)
    assert tomogram.shape == (60, 110, 110)
    assert centers.shape == (1, 3)
    again, _ = candidates.make_contaminated_tomogram(specimen, 0)
    assert np.array_equal(tomogram, again)


def test_templates(benchmark):
    candidates = benchmark("_candidates")
    specimen = candidates.SPECIMENS["unlike"]
    true, cut, small = (
        -candidates.template_of(specimen, source) for source in ("true", "truncated", "wrong_pixel")
    )
    third = np.argwhere(true > 0.1 * true.max())[:, 0]
    top = round(third.max() - (third.max() - third.min()) / 3)
    assert cut[top + 1 :].sum() < 0.1 * true[top + 1 :].sum()
    # Voxels that are 4 % larger make the map smaller.
    assert candidates.radius_of(small) <= candidates.radius_of(true)
