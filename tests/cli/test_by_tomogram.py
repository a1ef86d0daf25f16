"""Candidates relative to their tomogram on the command line, and what it says of other scales."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from sksubtomo.cli import main
from sksubtomo.cli._by_tomogram import check_one_scale, tomogram_keys
from sksubtomo.cli._model import load_model
from sksubtomo.cli._sanity import Sanity
from sksubtomo.io import SubtomogramStack, read_mrc, read_particles, write_mrc, write_particles

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
    told = "Scores of these tomograms are not on one scale"
    assert run(project, "fit", "--strict") == 1
    said = capsys.readouterr().err
    assert f"relative to the median of each, {SCORE} alone predicts left-out labels better" in said
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


def test_scores_that_are_not_as_in_the_fit_are_told(project, capsys):
    """Before the work: of tomograms without labels in a fit, and of any in a prediction."""
    told = f"{SCORE} in TS_2 is not as in tomograms with labels"
    write(project, (0, 0), labeled=(1,))
    assert run(project, "fit") == 0
    assert run(project, "predict") == 0
    assert told not in capsys.readouterr().err
    before = (project / "out.star").read_bytes()
    write(project, (0, 40), labeled=(1,), name="moved.star")
    assert run(project, "predict", particles="moved.star") == 0
    assert told in capsys.readouterr().err
    (project / "out.star").write_bytes(before)
    assert run(project, "predict", "--strict", particles="moved.star") == 1
    assert "Classifying" not in capsys.readouterr().err
    assert (project / "out.star").read_bytes() == before
    model = (project / "model.sksubtomo").read_bytes()
    for more in ((), ("--dry-run",)):
        assert run(project, "fit", "--strict", *more, particles="moved.star") == 1
        assert told in capsys.readouterr().err
    assert (project / "model.sksubtomo").read_bytes() == model
    assert run(project, "fit", "--by-tomogram", particles="moved.star") == 0
    assert run(project, "predict", particles="moved.star") == 0
    assert told not in capsys.readouterr().err


def test_another_tomogram_of_the_same_name_is_told(project, capsys):
    write(project, (0, 3))
    assert run(project, "fit", "--by-tomogram") == 0
    assert run(project, "predict") == 0
    told = f"The median of {SCORE} in TS_1 differs from that in the fit"
    assert told not in capsys.readouterr().err
    write(project, (-10, 3), name="moved.star")
    assert run(project, "predict", particles="moved.star") == 0
    assert told in capsys.readouterr().err


def test_a_factor_is_no_offset(project, capsys):
    write(project, (0, 0))
    assert run(project, "fit", "--by-tomogram") == 0
    particles = read_particles(project / "particles.star")
    particles.table[SCORE] *= np.where(particles.tomogram_names == "TS_2", 20.0, 1.0)
    write_particles(project / "moved.star", particles)
    capsys.readouterr()
    assert run(project, "predict", particles="moved.star") == 0
    assert f"The spread of {SCORE} in TS_2 differs" in capsys.readouterr().err


def test_what_a_model_tells_of_its_fit(project, capsys):
    write(project, (0, 3))
    (project / "tomograms/TS_2.mrc").write_bytes(b"none")
    assert run(project, "fit", "--by-tomogram") == 3
    assert "18 boxes of 6 voxels in 1 tomogram;" in capsys.readouterr().err
    told = load_model(project / "model.sksubtomo").provenance["options"]
    assert told["by_tomogram"] is True
    assert not [name for name in told if name.startswith("_")]
    assert main(["info", f"{project}/model.sksubtomo"]) == 0
    said = capsys.readouterr().out
    assert f"by covariates ({SCORE}), statistics, relative to medians of the tomogram" in said


def test_a_column_that_varies_among_what_is_lost_only(project, capsys):
    write(project, (0, 0))
    particles = read_particles(project / "particles.star")
    first = particles.tomogram_names == "TS_1"
    particles.table[SCORE] = np.where(first, 1.0, particles.table[SCORE])
    write_particles(project / "particles.star", particles, overwrite=True)
    (project / "tomograms/TS_2.mrc").write_bytes(b"none")
    assert run(project, "fit", "--score-column", SCORE) == 1
    assert "has the same number, 1, in all rows" in capsys.readouterr().err


def test_a_report_needs_the_columns_too(project, capsys):
    pytest.importorskip("jinja2")
    write(project, (0, 0))
    assert run(project, "fit") == 0
    particles = read_particles(project / "particles.star")
    del particles.table[SCORE]
    write_particles(project / "without.star", particles)
    arguments = ["--particles", f"{project}/without.star", "--tomograms", f"{project}/tomograms"]
    arguments += ["--model", f"{project}/model.sksubtomo", "--output", f"{project}/report.html"]
    capsys.readouterr()
    assert main(["report", *arguments]) == 1
    said = capsys.readouterr().err
    assert "the table of particles has no such column" in said
    assert "left out" not in said
    write(project, (0, 40), name="without.star")
    assert main(["report", *arguments, "--strict"]) == 1
    assert f"{SCORE} in TS_2 is not as in tomograms with labels" in capsys.readouterr().err
    assert not (project / "report.html").exists()


def test_rows_that_are_not_judged_may_lack_numbers(project):
    write(project, (0, 0))
    assert run(project, "fit") == 0
    particles = read_particles(project / "particles.star")
    particles.table.loc[5, SCORE] = -999.0
    particles.table.loc[6, SCORE] = np.nan
    write_particles(project / "moved.star", particles)
    mask = np.ones_like(read_mrc(project / "tomograms/TS_1.mrc")[0])
    mask[tuple(np.round(particles.coordinates[5:7]).astype(int).T)] = 0
    write_mrc(project / "mask.mrc", mask, 10.0)
    masks = ["--mask", f"TS_1={project}/mask.mrc"]
    assert run(project, "predict", *masks, particles="moved.star") == 0
    assert (read_particles(project / "out.star").class_numbers[5:7] == 0).all()


def test_placeholders_of_a_fit_are_no_other_scale(project, capsys):
    write(project, (0, 0), labeled=(1,))
    particles = read_particles(project / "particles.star")
    second = np.flatnonzero(particles.tomogram_names == "TS_2")
    particles.table.loc[second[:7], SCORE] = -999.0
    write_particles(project / "particles.star", particles, overwrite=True)
    for more in ((), ("--by-tomogram",), ("--dry-run",)):
        assert run(project, "fit", *more) == 1
        said = capsys.readouterr().err
        assert "7 such number(s) may stand for missing ones" in said
        assert "not as in tomograms with labels" not in said
        assert "differs" not in said


def test_placeholders_are_refused_before_the_work(project, capsys):
    write(project, (0, 0))
    assert run(project, "fit") == 0
    particles = read_particles(project / "particles.star")
    particles.table.loc[5, SCORE] = -999.0
    write_particles(project / "moved.star", particles)
    capsys.readouterr()
    assert run(project, "predict", particles="moved.star") == 1
    said = capsys.readouterr().err
    assert f"-999 in row 6 of column '{SCORE}'" in said
    assert "Classifying" not in said
    assert not (project / "out.star").exists()


def test_tomograms_are_called_alike(project, tmp_path):
    """A table may spell them as files."""
    write(project, (0, 20))
    assert run(project, "fit", "--by-tomogram") == 0
    assert run(project, "predict") == 0
    expected = predicted(project)
    particles = read_particles(project / "particles.star")
    second = particles.tomogram_names == "TS_2"
    some = particles.subset(np.flatnonzero(second)[:5])
    some.table["rlnTomoName"] = "TS_2.mrc"
    write_particles(project / "some.star", some)
    assert run(project, "predict", particles="some.star") == 0
    np.testing.assert_allclose(predicted(project), expected[second][:5], atol=2e-6)
    files = {"a/TS_1.mrc": tmp_path / "a/TS_1.mrc", "b/TS_1.mrc": tmp_path / "b/TS_1.mrc"}
    assert tomogram_keys(files) == {name: name for name in files}
    assert tomogram_keys(dict.fromkeys(files, tmp_path)) == dict.fromkeys(files, "TS_1")


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


@pytest.mark.parametrize("option", ["--by-tomogram", "--score-column"])
@pytest.mark.parametrize(
    "of_networks",
    [("--epochs", "2"), ("--preset", "few-labels"), ("--augmentation", "rotations")],
    ids=lambda options: options[0],
)
def test_options_of_candidates_and_of_networks(project, capsys, option, of_networks):
    value = () if option == "--by-tomogram" else ("rlnCoordinateX",)
    assert run(project, "fit", option, *value, *of_networks) == 1
    said = capsys.readouterr().err
    assert f"{option} is for --method candidates, {of_networks[0]}" in said


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
    columns = pd.DataFrame({"score": np.arange(20.0)})
    check_one_scale(sanity, columns, np.repeat("a", 20), y, None)
    only_particles = np.where(y == 1, 1, -1)
    check_one_scale(sanity, columns, np.repeat(["a", "b"], 10), only_particles, 2)
    # Told apart by the offsets of tomograms, but by too few labels.
    two = pd.DataFrame({"score": np.r_[y[:10], y[10:] + 10.0] + 0.1 * np.arange(20) % 0.3})
    few = np.where(np.arange(20) % 10 < 8, y, -1)
    check_one_scale(sanity, two, np.repeat(["a", "b"], 10), few, None)
    assert sanity.found == []
