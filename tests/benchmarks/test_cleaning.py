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
    monkeypatch.setattr(sys.modules["_fits"], "load", lambda *_: (data, data))
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
    # One particle in forty: labels go on until it is found, in the same order.
    rare = candidates._replace(is_true=np.arange(40) == 7)
    y = label_some(rare, "random", 5, 3)
    order = np.random.default_rng(3).permutation(40)
    assert (y >= 0).sum() == 1 + np.flatnonzero(order == 7)[0] > 5
    assert y[7] == 1
    assert (y[order[:5]] >= 0).all()
    clicks = label_some(candidates, "particles", 20, 3)
    assert is_true[clicks == 1].all()
    assert ((clicks == 1).sum(), (clicks == 0).sum()) == (5, 0)


def test_queried_labels(benchmark, candidates):
    y = benchmark("_fits").label_some(candidates, "query", 20, 0)
    assert (y >= 0).sum() == 20
    assert (y[y >= 0] == candidates.is_true[y >= 0]).all()
    # All are labeled where there are fewer.
    assert (benchmark("_fits").label_some(candidates, "query", 50, 0) >= 0).all()


@pytest.mark.parametrize("kind", ["random", "query"])
def test_labels_of_both_kinds(benchmark, candidates, kind):
    """A session that has only one kind asks for more; where there is no other, for all."""
    rare = candidates._replace(is_true=np.arange(40) == 7)
    y = benchmark("_fits").label_some(rare, kind, 2, 3)
    assert (y == 1).sum() == 1
    assert 1 <= (y == 0).sum() < 39
    none = candidates._replace(is_true=np.zeros(40, bool))
    assert (benchmark("_fits").label_some(none, kind, 2, 3) == 0).all()


def test_figures_of_a_fit(benchmark, candidates):
    """Figures are those of the probabilities; counts are those of the threshold."""
    fits = benchmark("_fits")
    noise = 0.4 * np.random.default_rng(1).normal(size=40)
    candidates = candidates._replace(scores=candidates.scores + noise)
    y = fits.label_some(candidates, "random", 30, 0)
    figures, own = fits.judge(candidates, candidates, y, "score", 0)
    is_true = candidates.is_true
    below = candidates.scores < np.sort(candidates.scores[is_true])[1]  # 9 of 10
    assert figures["n_labeled"] == 30
    assert figures["false_removed"] == pytest.approx(below[~is_true].mean(), abs=1e-4)
    assert figures["n_true_kept"] == is_true[np.argsort(-own)[: figures["n_kept"]]].sum()
    within = figures["n_true_low"] <= figures["n_true_kept"] <= figures["n_true_high"]
    assert figures["promise_kept"] == within
    # Where only particles are labeled, nothing judges the threshold.
    clicks = fits.label_some(candidates, "particles", 30, 0)
    assert fits.judge(candidates, candidates, clicks, "score", 0)[0]["promise_kept"] == ""
    row = {name: str(value) for name, value in figures.items()}
    cells = fits.cells_of([row, row])
    assert len(cells) == len(fits.CELL_TITLES)
    counts = [figures[name] for name in fits.COUNTS]
    assert cells[1] == f"{counts[0]}, {counts[1]}"
    assert f"{counts[3]} of {counts[2]} ({counts[4]} to {counts[5]})" in cells
    # Rows of an earlier run may lack columns that came later.
    assert "-, -" in fits.cells_of([dict.fromkeys(row, "") | {"is_certain": "0"}])


@pytest.mark.parametrize("name", ["unlike", "rare"])
def test_shares_of_the_target(benchmark, monkeypatch, name):
    candidates = benchmark("_candidates")
    placed = []
    monkeypatch.setattr(candidates, "load", lambda *_: np.ones((3, 3, 3), np.float32))

    def stop(densities, y, rng):
        placed.append(np.bincount(y))
        raise InterruptedError

    monkeypatch.setattr(candidates, "make_specimen", stop)
    with pytest.raises(InterruptedError):
        candidates.make_contaminated_tomogram(candidates.SPECIMENS[name], 0)
    counts = {"unlike": [30, 30, 30, 30, 30], "rare": [24, *[35] * 4, *[34] * 4]}
    assert placed[0].tolist() == counts[name]


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
    assert "| dog | 50 | score | 1 | 50, 18 | 1.000 | 1.000 | 1.000 |" in table
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
