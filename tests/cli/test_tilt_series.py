"""Tilts of each tomogram in fit and predict."""

import numpy as np
import pytest

from sksubtomo.cli import main
from sksubtomo.cli._tilt_series import _ranges
from sksubtomo.persistence import load_model
from sksubtomo.semi_supervised import MultiReferenceClassifier

SERIES = """data_global

loop_
_rlnTomoName #1
TS_1
TS_2

data_TS_1

loop_
_rlnTomoNominalStageTiltAngle #1
-60
0
60

data_TS_2

loop_
_rlnTomoNominalStageTiltAngle #1
-40
0
45
"""


@pytest.fixture
def series(project):
    """The tilts of both tomograms of the project."""
    _ranges.cache_clear()
    path = project / "tilts.star"
    path.write_text(SERIES)
    return path


@pytest.fixture
def seen(monkeypatch):
    """Imaging of the stacks that references are fitted to, and that they predict."""
    found = {"fit": [], "align": []}

    def watched(name):
        original = getattr(MultiReferenceClassifier, name)

        def run(self, X, *args, **kwargs):
            found[name].append(getattr(X, "imaging", None))
            return original(self, X, *args, **kwargs)

        return run

    for name in found:
        monkeypatch.setattr(MultiReferenceClassifier, name, watched(name))
    return found


def fit(project, *more):
    return main(
        [
            *("fit", "--particles", f"{project}/particles.star"),
            *("--tomograms", f"{project}/tomograms"),
            *("--box-size", "12", "--output", f"{project}/model.sksubtomo", *more),
        ]
    )


def predict(project, *more):
    return main(
        [
            *("predict", "--model", f"{project}/model.sksubtomo", "--no-averages"),
            *("--particles", f"{project}/particles.star", "--tomograms", f"{project}/tomograms"),
            *("--output", f"{project}/out.star", *more),
        ]
    )


@pytest.mark.slow
def test_tilts_of_each_tomogram_reach_fit_and_predict(project, series, seen, capsys):
    references = ("--method", "references", "--no-averages")
    assert fit(project, *references, "--tilt-series", str(series)) == 0
    (imaging,) = seen["fit"]
    assert imaging.n_kinds == 2
    assert np.bincount(imaging.index).tolist() == [18, 18]
    classifier = load_model(project / "model.sksubtomo")
    assert classifier[-1].n_iter_ > 0
    # What was fitted to tilts of two kinds has to be told those of what it predicts.
    assert predict(project) == 1
    assert "fit was given 2 kinds of imaging" in capsys.readouterr().err
    assert predict(project, "--tilt-series", str(series)) == 0
    assert {len(one) for one in seen["align"] if one is not None} == {18}


def test_a_tomogram_without_tilts_is_named_before_the_work(project, series, capsys, monkeypatch):
    monkeypatch.setattr("sksubtomo.cli._fit._fitted", None)
    series.write_text(SERIES.replace("\nTS_2\n", "\n", 1))
    assert fit(project, "--method", "references", "--tilt-series", str(series)) == 1
    error = capsys.readouterr().err
    assert "has no tilts of 'TS_2'; it has those of 'TS_1'" in error


def test_two_tables_that_differ_are_refused(project, series, capsys):
    other = project / "TS_1.tomostar"
    other.write_text("data_\n\nloop_\n_wrpAngleTilt #1\n-50\n50\n")
    paths = ("--tilt-series", str(series), str(other))
    assert fit(project, "--method", "references", *paths) == 1
    assert "two tables have tilts of 'TS_1', and they differ" in capsys.readouterr().err


def test_only_references_use_tilts(project, series, capsys):
    assert fit(project, "--method", "joint", "--tilt-series", str(series)) == 1
    assert "--method joint has no use for --tilt-series" in capsys.readouterr().err
    both = ("--tilt-series", str(series), "--tilt-range", "50")
    assert fit(project, "--method", "references", *both) == 1
    assert "--tilt-series or --tilt-range, but not both" in capsys.readouterr().err


def test_tilts_ask_for_references(project, series, capsys):
    """By default, too: a network in their place would take no notice of the tilts."""
    assert fit(project, "--tilt-series", str(series), "--dry-run") == 0
    assert "Method references: --tilt-series is for them" in capsys.readouterr().err
