"""The benchmark of complications: what is simulated, resumed and rendered."""

import csv
import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from sksubtomo.alignment import Annealing
from sksubtomo.datasets import make_subtomograms
from sksubtomo.fourier import missing_wedge_mask

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module("hard_cases")
    for name in ("hard_cases", "_hard_volumes", "_results"):
        sys.modules.pop(name, None)


@pytest.fixture
def volumes(benchmark):
    return sys.modules["_hard_volumes"]


def test_sets_for_settings_are_other_complexes(volumes):
    reported = {name for key in ("easy", "hard") for name in volumes.SETS[key].names}
    assert not reported & {"1qvr", "1u6g", "3cf3", "3d2f", "3j9i", "6utj"}
    for complexes in volumes.SETS.values():
        assert complexes.novel not in complexes.names


def test_sizes_of_classes(volumes):
    assert volumes.class_sizes(600, 8, 1).tolist() == [75] * 8
    sizes = volumes.class_sizes(600, 8, 20)
    assert sizes.sum() == 600
    assert sizes[0] / sizes[-1] == pytest.approx(20, rel=0.2)
    assert (np.diff(sizes) < 0).all()


@pytest.mark.parametrize(
    "complication", ["none", "wrong_labels", "inverted_contrast", "tilt_axis_x", "hinge"]
)
def test_complications(volumes, shared_data, monkeypatch, complication):
    monkeypatch.setenv("SKSUBTOMO_SHARED_DATA", str(shared_data))
    plain = volumes.make_hard_volumes("hard", "none", 0, n_train=60, n_test=6, labels=0.5)
    data = volumes.make_hard_volumes("hard", complication, 0, n_train=60, n_test=6, labels=0.5)
    assert data.X.shape == (60, 28, 28, 28)
    assert np.bincount(data.y).tolist() == [10] * 6
    known = data.y_given != -1
    wrong = (data.y_given != data.y)[known].mean()
    assert wrong == pytest.approx(0.1 if complication == "wrong_labels" else 0, abs=0.04)
    if complication == "none":
        assert np.array_equal(data.X, plain.X)
    power = (np.abs(np.fft.rfftn(data.X, axes=(1, 2, 3))) ** 2).mean(axis=0)
    missing = ~missing_wedge_mask((28, 28, 28))
    filled = power[missing].mean() / power[~missing].mean()
    assert (filled > 0.5) == (complication == "tilt_axis_x")


def small_volumes(name, complication, seed, *, n_train, n_test):
    volumes = sys.modules["_hard_volumes"]
    X, y = make_subtomograms(
        n_train + n_test + 5,
        classes=2,
        box_size=16,
        voxel_size_angstrom=20.0,
        return_X_y=True,
        random_state=seed,
    )
    given = np.where(np.arange(n_train) < 8, y[:n_train], -1)
    test = slice(n_train, n_train + n_test)
    return volumes.HardVolumes(X[:n_train], y[:n_train], given, X[test], y[test], X[-5:])


def test_rows_are_resumed_and_rendered(benchmark, monkeypatch, tmp_path, capsys):
    quick = {"annealing": Annealing(stages=[(3.0, 60.0, 1, 2), (4.0, 45.0, 1, 3)])}
    monkeypatch.setattr(benchmark, "make_hard_volumes", small_volumes)
    monkeypatch.setitem(benchmark.METHODS, "references", ("References, defaults", quick))
    path = tmp_path / "rows.csv"
    arguments = ["--sets", "easy", "--complications", "none", "hinge", "--seeds", "0"]
    arguments += ["--n-train", "24", "--n-test", "12", "--results", str(path)]
    options = benchmark.parse_arguments(arguments)
    benchmark.run(options)
    assert len(capsys.readouterr().out.splitlines()) == 2
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["complication"] for row in rows] == ["none", "hinge"]
    for row in rows:
        for name in ("balanced_accuracy", "test_accuracy", "calibration_error", "novelty_auroc"):
            assert 0 <= float(row[name]) <= 1
    monkeypatch.setattr(benchmark, "run_one", lambda *_: pytest.fail("computed twice"))
    benchmark.run(options)
    text = benchmark.render(path)
    assert "| easy | hinge | References, defaults | " in text
    assert path.with_suffix(".md").read_text() == text
