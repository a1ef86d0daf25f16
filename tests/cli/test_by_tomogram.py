"""Candidates relative to their tomogram on the command line, and what it says of other scales."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from sksubtomo.cli import _by_tomogram, main
from sksubtomo.cli._by_tomogram import check_one_scale, check_scale_of_fit
from sksubtomo.cli._model import load_model
from sksubtomo.cli._sanity import Sanity
from sksubtomo.io import SubtomogramStack, read_particles, write_particles
from sksubtomo.semi_supervised import CandidateClassifier

SCORE = "rlnAutopickFigureOfMerit"


def write(project, offsets, labeled=(1, 2), name="particles.star"):
    """Write a table with scores that are off in each tomogram; return them and the classes."""
    particles = read_particles(project / "particles.star")
    truth = particles.class_numbers
    number = np.char.strip(particles.tomogram_names.astype(str), "TS_.mrc").astype(int)
    scores = (truth == 1) + np.random.default_rng(1).normal(size=36, scale=0.4)
    particles.table[SCORE] = scores + np.asarray(offsets)[number - 1]
    known = (np.arange(36) % 3 < 2) & np.isin(number, labeled)
    write_particles(
        project / name, particles, class_numbers=np.where(known, truth, 0), overwrite=True
    )
    return truth


def run(project, command, *more, particles="particles.star"):
    own = ["--box-size", "6", "--output", f"{project}/model.sksubtomo"]
    if command == "predict":
        own = ["--model", f"{project}/model.sksubtomo", "--output", f"{project}/out.star"]
    where = ["--particles", f"{project}/{particles}", "--tomograms", f"{project}/tomograms"]
    return main([command, *where, *own, *more, "--overwrite"])


def predicted(project):
    return read_particles(project / "out.star").table["sksubtomoProbability1"].to_numpy()


def test_scores_on_two_scales_are_told_and_taken_relative(project, capsys):
    """The first tomogram's are ten higher: within 18 candidates each, they tell all apart."""
    write(project, (10, 0))
    told = "are not on one scale; fit with --by-tomogram"
    assert run(project, "fit", "--strict") == 1
    said = capsys.readouterr().err
    assert f"By {SCORE} alone, left-out labels" in said
    assert told in said
    assert not (project / "model.sksubtomo").exists()
    assert run(project, "fit") == 0
    assert told in capsys.readouterr().err
    assert run(project, "fit", "--by-tomogram", "--strict") == 0
    said = capsys.readouterr().err
    assert "Method candidates" in said
    assert "statistics, relative to the tomogram." in said
    assert told not in said
    write(project, (0, 0))
    assert run(project, "fit") == 0
    assert told not in capsys.readouterr().err


def test_a_prediction_is_that_of_python(project, monkeypatch):
    """Of a tomogram without labels, by the medians of all of its candidates, however many."""
    from sksubtomo.cli import _found

    monkeypatch.setattr(_found, "_ROWS_ALONE", 4)
    truth = write(project, (5, 5), labeled=(1,))
    first = read_particles(project / "particles.star")
    names = first.tomogram_names
    own = names == names[0]
    write_particles(project / "first.star", first.subset(own))
    assert run(project, "fit", "--by-tomogram", particles="first.star") == 0
    classifier = load_model(project / "model.sksubtomo").classifier
    assert len(classifier[-1].tomograms_) == 1
    assert run(project, "predict") == 0
    files = sorted((project / "tomograms").iterdir())
    stack = SubtomogramStack(files, first.coordinates, (~own).astype(int), 6, border="noise")
    for rows in (own, ~own):
        expected = classifier.predict_proba(
            np.asarray(stack)[rows], covariates=first.table[[SCORE]][rows], tomograms=names[rows]
        )
        np.testing.assert_allclose(predicted(project)[rows], expected[:, 0], atol=2e-6)
    # Whatever is added to the scores of the other tomogram.
    moved = []
    for offset in (-100, 1000):
        write(project, (5, offset), labeled=(1,), name="moved.star")
        assert run(project, "predict", particles="moved.star") == 0
        moved.append(predicted(project)[~own])
    np.testing.assert_allclose(*moved, atol=0.01)
    assert np.array_equal(moved[0] > 0.5, truth[~own] == 1)


def test_scores_far_from_those_of_the_fit_are_told(project, capsys, monkeypatch):
    monkeypatch.setattr(_by_tomogram, "_LEAST_CANDIDATES", 18)
    told = "or fit with --by-tomogram"
    write(project, (0, 0))
    assert run(project, "fit") == 0
    assert run(project, "predict") == 0
    assert told not in capsys.readouterr().err
    write(project, (0, 40), name="moved.star")
    assert run(project, "predict", particles="moved.star") == 0
    said = capsys.readouterr().err
    assert f"{SCORE} of TS_2" in said
    assert f"{SCORE} of TS_1" not in said
    assert told in said
    before = (project / "out.star").read_bytes()
    assert run(project, "predict", "--strict", particles="moved.star") == 1
    assert (project / "out.star").read_bytes() == before
    capsys.readouterr()
    assert run(project, "fit", "--by-tomogram") == 0
    assert run(project, "predict", particles="moved.star") == 0
    assert told not in capsys.readouterr().err


def test_only_particles_are_labeled(project):
    truth = write(project, (10, 0))
    particles = read_particles(project / "particles.star")
    clicked = np.where(particles.class_numbers == 1, 1, 0)
    write_particles(project / "particles.star", particles, class_numbers=clicked, overwrite=True)
    assert run(project, "fit", "--positive-only", "--by-tomogram", "--score-column", SCORE) == 0
    assert run(project, "predict") == 0
    assert roc_auc_score(truth == 1, predicted(project)) > 0.95


@pytest.mark.parametrize("method", ["references", "supervised", "joint"])
def test_other_methods_have_no_use_for_it(project, capsys, method):
    assert run(project, "fit", "--method", method, "--by-tomogram") == 1
    said = capsys.readouterr().err
    assert f"--method {method} has no use for --by-tomogram" in said


def simulated(rng, share, offset, n=60):
    """Scores of the candidates of a tomogram, and which are true."""
    is_true = rng.permutation(n) < share * n
    return 3 * is_true + rng.normal(size=n) + offset, is_true


@pytest.mark.parametrize(
    ("shares", "offsets", "warned"),
    [
        ((0.3, 0.3, 0.3), (0, 0, 0), False),
        ((0.1, 0.3, 0.6), (0, 0, 0), False),
        ((0.3, 0.3, 0.3), (0, 4, 8), True),
        ((0.2, 0.3, 0.4), (0, 50, -50), True),
    ],
)
def test_one_scale_is_judged_by_labels(shares, offsets, warned):
    """Tomograms whose shares of particles differ have other medians, but one scale."""
    n_warned = 0
    for seed in range(5):
        rng = np.random.default_rng(seed)
        parts = [simulated(rng, *one) for one in zip(shares, offsets, strict=True)]
        columns = pd.DataFrame({"score": np.concatenate([scores for scores, _ in parts])})
        y = np.concatenate([1 + ~is_true for _, is_true in parts])
        y[rng.permutation(180)[60:]] = -1
        sanity = Sanity(strict=False)
        check_one_scale(sanity, columns, np.repeat(["a", "b", "c"], 60), y, None)
        n_warned += bool(sanity.found)
    assert n_warned == (5 if warned else 0)


def test_nothing_to_judge_a_scale_by():
    sanity = Sanity(strict=False)
    y = np.array([1, 2] * 10)
    check_one_scale(sanity, None, np.repeat(["a", "b"], 10), y, None)
    columns = pd.DataFrame({"score": np.arange(20.0)})
    check_one_scale(sanity, columns, np.repeat("a", 20), y, None)
    only_particles = np.where(y == 1, 1, -1)
    check_one_scale(sanity, columns, np.repeat(["a", "b"], 10), only_particles, 2)
    check_scale_of_fit(sanity, CandidateClassifier(), None, np.array([]), np.array([], dtype=bool))
    assert sanity.found == []
