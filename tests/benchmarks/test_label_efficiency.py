"""The benchmark of few labels: what is resumed and rendered, and that hidden labels stay hidden."""

import numpy as np
import pytest

from sksubtomo.alignment import Annealing
from sksubtomo.datasets import make_subtomograms

N_TRAIN, N_TEST = 24, 16


@pytest.fixture
def script(benchmark):
    return benchmark("label_efficiency")


def small_volumes(n, snr, seed):
    """Volumes of two complexes, in the place of the eight of the benchmark."""
    return make_subtomograms(
        n, classes=2, box_size=16, voxel_size_angstrom=20.0, snr=snr, random_state=seed
    )


@pytest.fixture
def small(script, benchmark, monkeypatch):
    """The script on small volumes, with little training."""
    methods = benchmark("_label_efficiency_methods")
    monkeypatch.setattr(script, "make_volumes", small_volumes)
    monkeypatch.setattr(script, "CONDITIONS", [(10.0, "2 per class"), (2.0, "25%")])
    for name, value in {"network__n_filters": 4, "augmentation__n_test_rotations": 1}.items():
        monkeypatch.setitem(methods.VIEWS, name, value)
    monkeypatch.setitem(methods.STEPS, "max_epochs", 1)
    monkeypatch.setitem(methods.STEPS, "batch_size", 8)
    monkeypatch.setitem(methods.TRAINING, "training__steps_per_epoch", 2)
    coarse = {"annealing": Annealing(stages=[(3.0, 60.0, 1, 2), (4.0, 45.0, 1, 3)])}
    init = methods.MultiReferenceClassifier
    monkeypatch.setattr(
        methods, "MultiReferenceClassifier", lambda *args, **more: init(*args, **coarse, **more)
    )
    return script


@pytest.fixture
def options(script, tmp_path):
    def parse(*more):
        fixed = ("--n-train", str(N_TRAIN), "--n-test", str(N_TEST))
        return script.parse_arguments([*fixed, "--results", str(tmp_path / "rows.csv"), *more])

    return parse


# --- Hidden labels -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "per_class"), [("1 per class", [1] * 4), ("3 per class", [3] * 4), ("5%", [5] * 4)]
)
def test_labels_that_are_kept(script, labels, per_class):
    y = np.arange(400) % 4
    kept = script.hide(y, labels, 0)
    assert np.bincount(kept[kept != -1]).tolist() == per_class
    np.testing.assert_array_equal(kept[kept != -1], y[kept != -1])
    np.testing.assert_array_equal(kept, script.hide(y, labels, 0))
    assert (kept != script.hide(y, labels, 1)).any()


# Of networks that were hardly trained, references may find nothing.
@pytest.mark.filterwarnings(
    "ignore:Hardly any unlabeled volumes:sksubtomo.exceptions.LabelAgreementWarning"
)
@pytest.mark.parametrize(
    "method",
    ["recommended", "seeded", "labeled_only", "fix_match", "mean_teacher", "joint_on_copies"],
)
def test_methods_do_not_see_hidden_labels(small, options, monkeypatch, method):
    """Labels of hidden and test rows are replaced by others: nothing but the score changes."""
    truth = small_volumes(N_TRAIN + N_TEST, 10.0, 0)
    kept = np.flatnonzero(small.hide(truth.y[:N_TRAIN], "2 per class", 0) != -1)
    wrong = 1 - truth.y
    wrong[kept] = truth.y[kept]
    seen, fit_and_predict = [], small.fit_and_predict

    def hide(y, labels, seed):
        return np.where(np.isin(np.arange(len(y)), kept), y, -1)

    def spy(*args):
        seen.append(fit_and_predict(*args))
        return seen[-1]

    monkeypatch.setattr(small, "hide", hide)
    monkeypatch.setattr(small, "fit_and_predict", spy)
    rows = []
    for y in (truth.y, wrong):
        monkeypatch.setattr(small, "make_volumes", lambda *_, y=y: type(truth)(X=truth.X, y=y))
        rows.append(small.run_one(options(), 10.0, "2 per class", method, 0))
    assert seen[0][1].tobytes() == seen[1][1].tobytes()
    assert rows[0]["n_labels"] == rows[1]["n_labels"] == len(kept) == 4
    # The wrong labels did count where right answers are counted.
    assert rows[0]["accuracy"] + rows[1]["accuracy"] == pytest.approx(1, abs=1e-4)
    known = [row["accuracy_unlabeled"] for row in rows]
    if known != ["", ""]:
        assert sum(known) == pytest.approx(1, abs=2e-4)


# --- Rows ----------------------------------------------------------------------------------------


def test_rows_are_not_computed_twice(small, options, rows_of, monkeypatch, capsys):
    chosen = options("--methods", "recommended", "labeled_only", "--seeds", "0")
    small.run(chosen)
    whole, text = rows_of(chosen), chosen.results.read_text()
    assert [(row["snr"], row["labels"], row["method"]) for row in whole] == [
        ("10.0", "2 per class", "recommended"),
        ("10.0", "2 per class", "labeled_only"),
        ("2.0", "25%", "recommended"),
        ("2.0", "25%", "labeled_only"),
    ]
    assert [row["n_labels"] for row in whole] == ["4", "4", "6", "6"]
    for row in whole:
        assert 0 <= float(row["accuracy"]) <= 1
        assert 0 <= float(row["calibration_error"]) <= 1
        assert bool(row["accuracy_unlabeled"]) == (row["method"] == "recommended")
    lines = text.splitlines(keepends=True)
    chosen.results.write_text("".join(lines[:3]) + lines[3][:20])  # killed while writing
    capsys.readouterr()
    small.run(chosen)
    assert len(capsys.readouterr().out.splitlines()) == 2
    figures = (*small.KEY, "n_labels", "accuracy", "calibration_error", "accuracy_unlabeled")
    assert [[row[name] for name in figures] for row in rows_of(chosen)] == [
        [row[name] for name in figures] for row in whole
    ]
    monkeypatch.setattr(small, "fit_and_predict", lambda *_: pytest.fail("computed twice"))
    small.run(chosen)
    assert len(rows_of(chosen)) == 4


@pytest.mark.parametrize("more", [("--snr", "2"), ("--labels", "25%")])
def test_conditions_can_be_chosen(small, options, monkeypatch, more):
    asked = []

    def note(options, snr, labels, method, seed):
        asked.append((snr, labels, method, seed))
        return dict(zip(small.KEY, (snr, options.n_train, labels, method, seed), strict=True)) | {
            "accuracy": 0.5,
            "fit_seconds": 0.0,
        }

    monkeypatch.setattr(small, "run_one", note)
    small.run(options("--methods", "supervised", "--seeds", "3", "4", *more))
    assert asked == [(2.0, "25%", "supervised", 3), (2.0, "25%", "supervised", 4)]


# --- Rendering -----------------------------------------------------------------------------------


@pytest.fixture
def rendered(script, benchmark, tmp_path):
    """Rows of two methods, of which the second has one condition and no unlabeled accuracy."""
    common = {"n_train": 24, "calibration_error": 0.125, "fit_seconds": 2.0}
    rows = []
    for (snr, labels), seed in [(c, s) for c in script.CONDITIONS[:2] for s in (0, 1)]:
        for method in ("recommended", "supervised"):
            if method == "recommended" or snr == script.CONDITIONS[0][0]:
                row = {"snr": snr, "labels": labels, "method": method, "seed": seed, **common}
                row["accuracy"] = 0.9 - 0.1 * seed
                row["accuracy_unlabeled"] = 0.75 if method == "recommended" else ""
                rows.append(row)
    benchmark("_results").append_rows(tmp_path / "rows.csv", rows)
    return tmp_path / "rows.csv", script.render(tmp_path / "rows.csv")


def test_tables(script, rendered):
    path, text = rendered
    first, second, left_out = [f"SNR {snr:g}, {labels}" for snr, labels in script.CONDITIONS]
    cell = f"0.850 ± {np.std([0.8, 0.9], ddof=1):.3f}"
    recommended, supervised = (script.METHODS[name].title for name in ("recommended", "supervised"))
    accuracy, unlabeled, *_ = text.split("## ")[1:]
    assert f"| method | {first} | {second} |" in accuracy
    assert left_out not in text
    assert f"| {recommended} | {cell} | {cell} |" in accuracy
    assert f"| {supervised} | {cell} | - |" in accuracy
    assert "0.750" in unlabeled
    assert supervised not in unlabeled
    assert "Seeds of a cell: 2 to 2" in text
    assert path.with_suffix(".md").read_text() == text


def test_figure(script, rendered):
    path, _ = rendered
    script.draw(path)
    assert path.with_suffix(".png").stat().st_size > 1000
