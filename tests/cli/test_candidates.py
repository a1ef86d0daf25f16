"""Candidates on the command line: score columns, clicks on particles only, operating points."""

import argparse
import re

import numpy as np
import pytest

from sksubtomo.cli import main
from sksubtomo.cli._candidates import without_duplicates
from sksubtomo.cli._masks import outside_mask
from sksubtomo.cli._model import load_model
from sksubtomo.io import read_particles, write_mrc, write_particles


def write(project, labels=True, **columns):
    """Write the table with other columns, and labels of some; return the true classes."""
    particles = read_particles(project / "particles.star")
    truth = particles.class_numbers
    for name, values in columns.items():
        particles.table[name] = values(truth)
    given = np.where(np.arange(36) % 3 < 2, truth, 0) if labels is True else labels(truth)
    write_particles(project / "particles.star", particles, class_numbers=given, overwrite=True)
    return truth


@pytest.fixture
def fit(project):
    """Function that fits with further options, and returns the exit code."""
    arguments = [
        "fit",
        *("--particles", f"{project}/particles.star", "--tomograms", f"{project}/tomograms"),
        *("--box-size", "12", "--output", f"{project}/model.sksubtomo"),
    ]
    return lambda *more: main([*arguments, *more])


@pytest.fixture
def predict(project):
    arguments = [
        *("predict", "--model", f"{project}/model.sksubtomo", "--output", f"{project}/out.star"),
        *("--particles", f"{project}/particles.star", "--tomograms", f"{project}/tomograms"),
    ]
    return lambda *more: main([*arguments, *more])


def noisy(truth):
    return (truth == 1) + np.random.default_rng(0).normal(size=len(truth))


def test_a_score_makes_candidates_the_default(project, fit, predict, capsys):
    truth = write(project, rlnAutopickFigureOfMerit=noisy)
    assert fit() == 0
    said = capsys.readouterr().err
    assert "Method candidates" in said
    assert "rlnAutopickFigureOfMerit" in said
    assert "Log loss of left-out labels rises without: covariates" in said
    model = load_model(project / "model.sksubtomo")
    assert model.classifier[-1].covariate_names_ == ["rlnAutopickFigureOfMerit"]
    assert model.provenance["method"] == "candidates"
    assert predict("--keep", "1", "--precision", "0.8") == 0
    said = capsys.readouterr().err
    assert "Threshold" in said
    kept = read_particles(project / "out.star")
    assert len(kept) >= 12
    rows = [
        np.flatnonzero((read_particles(project / "particles.star").coordinates == c).all(axis=1))
        for c in kept.coordinates
    ]
    assert np.mean(truth[np.concatenate(rows)] == 1) >= 0.8


def species(truth):
    """Labels of two species, 1 and 2, and of what is neither, 3; a third is unlabeled."""
    given = np.where(np.arange(36) % 3 < 2, truth, 0)
    given[np.flatnonzero(given == 2)[::2]] = 3
    return given


def test_several_species_with_a_labeled_background_are_candidates(project, fit, predict, capsys):
    write(project, species, rlnLCCmax=noisy)
    assert fit("--background", "3", "--score-column", "rlnLCCmax", "--dry-run") == 0
    assert "Method candidates" in capsys.readouterr().err
    assert fit("--background", "3") == 0
    assert "Method candidates" in capsys.readouterr().err
    classifier = load_model(project / "model.sksubtomo").classifier[-1]
    assert classifier.classes_.tolist() == [1, 2, 3]
    assert classifier.background == 3
    assert classifier.covariate_names_ == ["rlnLCCmax"]
    assert predict("--keep", "1", "2", "--min-distance", "3") == 0
    assert set(read_particles(project / "out.star").class_numbers) == {1, 2}


@pytest.mark.parametrize(
    "options",
    [
        # Without labels of its own, without --background, or with what only references have.
        ["--background"],
        [],
        ["--background", "3", "--symmetry", "1=C2"],
        ["--background", "3", "--averages", "there"],
        ["--background", "3", "--preset", "few-labels"],
    ],
)
def test_references_of_several_species(project, fit, capsys, options):
    write(project, species, rlnLCCmax=noisy)
    assert fit(*options, "--dry-run") == 0
    assert "Method references" in capsys.readouterr().err


def test_several_species_without_a_score_have_references(project, fit, capsys):
    write(project, species)
    assert fit("--background", "3", "--dry-run") == 0
    assert "Method references: --background is for them" in capsys.readouterr().err


def test_a_background_of_several_species_needs_labels(project, fit, capsys):
    write(project, species, rlnLCCmax=noisy)
    assert fit("--background", "--method", "candidates") == 1
    assert "Label some candidates as the background, 4" in capsys.readouterr().err
    assert fit("--method", "candidates", "--positive-only", "--background") == 1
    assert "leave --background out" in capsys.readouterr().err
    assert not (project / "model.sksubtomo").exists()


def test_without_a_score_references_stay_the_default(project, fit, capsys):
    write(project)
    assert fit("--dry-run") == 0
    assert "Method references" in capsys.readouterr().err


def test_a_score_with_missing_values_is_left_out_by_name(project, fit, capsys):
    write(project, rlnLCCmax=lambda truth: np.where(np.arange(36) == 7, np.nan, noisy(truth)))
    assert fit("--dry-run") == 0
    said = capsys.readouterr().err
    assert "Column rlnLCCmax is not judged by: it has no finite number in 1 row" in said


def test_names_of_columns_as_star_files_spell_them(project, fit):
    write(project, rlnLCCmax=noisy)
    columns = ["_rlnLCCmax", "rlnLCCmax", "rlnCoordinateZ"]
    assert fit("--score-column", *columns, "--box-size", "6", "--quiet") == 0
    model = load_model(project / "model.sksubtomo")
    assert model.classifier[-1].covariate_names_ == ["rlnLCCmax", "rlnCoordinateZ"]


def test_a_missing_score_is_told_before_particles_are_classified(project, fit, predict, capsys):
    write(project, rlnLCCmax=noisy)
    assert fit("--box-size", "6", "--quiet") == 0
    write(project, rlnLCCmax=lambda truth: np.where(np.arange(36) == 7, np.nan, noisy(truth)))
    assert predict() == 1
    said = capsys.readouterr().err
    assert "by rlnLCCmax too, but the column has no finite number in 1 row, the first of" in said
    assert "is row 8" in said
    assert "left out" not in said


def test_particles_only(project, fit, predict, capsys):
    write(project, lambda truth: np.where((truth == 1) & (np.arange(36) % 4 == 0), 1, 0))
    assert fit("--positive-only") == 0
    model = load_model(project / "model.sksubtomo")
    assert model.provenance["method"] == "candidates"
    assert model.classifier.classes_.tolist() == [1, 2]
    assert predict("--keep", "1", "--recall", "0.9") == 0
    said = capsys.readouterr().err
    assert "No label was left out of the fit to judge that by" in said
    assert "more, drawn at random" not in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--score-column", "rlnLCCmax"], "no such column; columns of numbers are"),
        (["--score-column", "rlnGroupName"], "holds text"),
        (["--score-column", "none", "rlnCoordinateX"], "give either none or names"),
        (["--score-column", "same"], "column same: the column has the same number, 3, in all rows"),
        (["--score-column", "rlnClassNumber"], "holds the labels themselves"),
        (["--score-column", "filled"], "has -999 in row 5 of column 'filled'"),
        (["--score-column", "broken"], "no finite number in 1 row, the first of which is row 5"),
        (["--positive-only"], "--positive-only is for labels of one class"),
        (["--method", "references", "--positive-only"], "has no use for --positive-only"),
        (["--method", "candidates", "--symmetry", "D7"], "has no use for --symmetry"),
        (["--method", "candidates", "--epochs", "3"], "has no use for --epochs"),
    ],
)
def test_refused_options(project, fit, capsys, options, message):
    write(
        project,
        broken=lambda truth: np.where(np.arange(36) == 4, np.nan, 1.0),
        filled=lambda truth: np.where(np.arange(36) == 4, -999.0, noisy(truth)),
        same=lambda truth: 3.0,
    )
    assert fit(*options) == 1
    assert message in capsys.readouterr().err
    assert not (project / "model.sksubtomo").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--precision", "0.9"], "name it by --keep"),
        (["--keep", "1", "--precision", "0.9", "--threshold", "0.5"], "one of --threshold"),
        (["--keep", "1", "--recall", "1.5"], "between 0 and 1"),
    ],
)
def test_refused_operating_points(project, fit, predict, capsys, options, message):
    write(project, rlnLCCmax=noisy)
    assert fit("--box-size", "6", "--quiet") == 0
    assert predict(*options) == 1
    assert message in capsys.readouterr().err


def test_columns_of_the_fit_are_needed(project, fit, predict, capsys):
    write(project, rlnLCCmax=noisy)
    assert fit("--box-size", "6", "--quiet") == 0
    particles = read_particles(project / "particles.star")
    del particles.table["rlnLCCmax"]
    write_particles(project / "particles.star", particles, overwrite=True)
    predict()
    assert "no such column" in capsys.readouterr().err
    assert not (project / "out.star").exists()


# --- Masks ---------------------------------------------------------------------------------------


@pytest.fixture
def lamella(project):
    """A mask of the upper half of all tomograms, where half of the particles are."""
    mask = np.zeros((28, 44, 44), np.float32)
    mask[:14] = 1
    write_mrc(project / "lamella.mrc", mask, 10.0)
    return project / "lamella.mrc"


def test_particles_outside_of_a_mask_are_left_out(project, fit, predict, lamella, capsys):
    write(project, rlnLCCmax=noisy)
    assert fit("--mask", str(lamella), "--box-size", "6") == 0
    said = capsys.readouterr().err
    assert "18 of 36 particles are outside of --mask and left out: rows 10, 11" in said
    assert load_model(project / "model.sksubtomo").provenance["n_boxes"] == 18
    assert predict("--mask", f"TS_2={lamella}") == 0
    found = read_particles(project / "out.star")
    outside = (found.tomogram_names == "TS_2") & (found.coordinates[:, 0] > 14)
    assert (found.class_numbers[outside] == 0).all()
    assert (found.class_numbers[~outside] > 0).all()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: [f"TS_9={path}"], "TS_9=.*tomograms are TS_1, TS_2"),
        (lambda path: [f"TS_1={path}", str(path)], "give one mask for all"),
        (lambda path: [str(path.with_name("no.mrc"))], "no.mrc"),
        (lambda path: written(path, (28, 44, 22), 1), r"shape \(28, 44, 22\).*has \(28, 44, 44\)"),
        (lambda path: written(path, (28, 44, 44), 0), "covers nothing"),
    ],
)
def test_refused_masks(project, fit, lamella, capsys, spoil, message):
    write(project)
    assert fit("--mask", *spoil(lamella), "--dry-run") == 1
    assert re.search(message, capsys.readouterr().err)


def written(path, shape, value):
    write_mrc(path, np.full(shape, value, np.float32), 10.0, overwrite=True)
    return [str(path)]


def test_names_and_paths_of_masks_may_be_spelled_in_other_ways(project, lamella, capsys):
    folder = project / "session=2"
    folder.mkdir()
    mask = folder / "lamella.mrc"
    lamella.rename(mask)
    particles = read_particles(project / "particles.star")
    particles.table["rlnTomoName"] = [f"tomograms/{n}.mrc" for n in particles.tomogram_names]
    write_particles(project / "particles.star", particles, overwrite=True)
    files = {f"tomograms/TS_{k}.mrc": project / f"tomograms/TS_{k}.mrc" for k in (1, 2)}
    for given, n_outside in (([f"TS_2={mask}"], 9), ([f"TS_1.mrc={mask}"], 9), ([str(mask)], 18)):
        options = argparse.Namespace(mask=given)
        outside = outside_mask(options, particles.tomogram_names, particles.coordinates, files)
        assert outside.sum() == n_outside
    options = argparse.Namespace(mask=[f"TS_1={mask}", f"TS_1.mrc={mask}"])
    with pytest.raises(ValueError, match="one for each as NAME=FILE"):
        outside_mask(options, particles.tomogram_names, particles.coordinates, files)


def test_signed_bytes_of_a_mask(project, lamella):
    mask = np.zeros((28, 44, 44), np.int8)
    mask[:14] = -1  # how 255 reads
    write_mrc(lamella, mask, 10.0, overwrite=True)
    files = {"TS_1": project / "tomograms/TS_1.mrc"}
    options = argparse.Namespace(mask=[str(lamella)])
    places = np.array([[5.0, 5, 5], [20, 5, 5]])
    assert outside_mask(options, np.full(2, "TS_1"), places, files).tolist() == [False, True]


def test_a_mask_does_not_turn_a_broken_tomogram_into_an_error(
    project, fit, predict, lamella, capsys
):
    write(project, rlnLCCmax=noisy)
    assert fit("--box-size", "6", "--quiet") == 0
    (project / "tomograms/TS_2.mrc").write_bytes(b"none" * 100)
    assert predict("--mask", str(lamella)) == 3
    assert "TS_2 is left out" in capsys.readouterr().err
    assert (read_particles(project / "out.star").class_numbers > 0).sum() == 9


def test_one_mask_of_tomograms_of_several_shapes(project, fit, lamella, capsys):
    write(project)
    write_mrc(
        project / "tomograms/TS_2.mrc", np.zeros((40, 44, 44), np.float32), 10.0, overwrite=True
    )
    assert fit("--mask", str(lamella), "--dry-run") == 1
    assert "or give one mask for each tomogram, as NAME=FILE" in capsys.readouterr().err


def test_particles_kept_by_a_threshold_are_of_the_classes_kept(project, fit, predict):
    write(project, rlnLCCmax=noisy)
    assert fit("--box-size", "6", "--quiet") == 0
    assert predict("--keep", "1", "--threshold", "0") == 0
    kept = read_particles(project / "out.star")
    assert kept.class_numbers.tolist() == [1] * 36


def test_a_report_has_the_score(project, fit, predict):
    write(project, rlnLCCmax=noisy)
    report = project / "fit.html"
    assert fit("--box-size", "6", "--quiet", "--report", str(report)) == 0
    assert report.stat().st_size > 0


# --- Duplicates ----------------------------------------------------------------------------------


def test_the_more_probable_of_near_ones_is_kept():
    coordinates = np.array([[0, 0, 0], [0, 0, 3], [0, 0, 6], [0, 0, 3], [0, 0, 9]], float)
    names = np.array(["a", "a", "a", "b", "a"])
    # The second takes the first and the third away, which then cannot take the last.
    probabilities = np.array([0.7, 0.9, 0.8, 0.1, 0.2])
    rows = without_duplicates(np.arange(5), coordinates, names, probabilities, 3.1)
    assert rows.tolist() == [1, 3, 4]
    assert len(without_duplicates(np.arange(5), coordinates, names, probabilities, 3.0)) == 5
    rows = without_duplicates(np.array([0, 2]), coordinates, names, probabilities, 7.0)
    assert rows.tolist() == [2]


def test_min_distance_needs_kept_classes(project, fit, predict, capsys):
    write(project, rlnLCCmax=noisy)
    assert fit("--box-size", "6", "--quiet") == 0
    assert predict("--min-distance", "5") == 1
    assert "give --keep" in capsys.readouterr().err
    assert predict("--min-distance", "15", "--keep", "1", "2") == 0
    kept = read_particles(project / "out.star")
    assert len(kept) < 36
    for name in ("TS_1", "TS_2"):
        places = kept.coordinates[kept.tomogram_names == name]
        distances = np.linalg.norm(places[:, np.newaxis] - places, axis=2)
        assert distances[~np.eye(len(places), dtype=bool)].min() >= 15


def test_what_is_told_of_a_threshold_counts_no_duplicates(project, fit, predict, capsys):
    write(project, rlnLCCmax=noisy)
    assert fit("--box-size", "6", "--quiet") == 0
    particles = read_particles(project / "particles.star")
    twice = particles.subset(np.repeat(np.arange(36), 2))
    write_particles(project / "particles.star", twice, overwrite=True)
    kept = []
    for more in ([], ["--min-distance", "3"]):
        assert predict("--keep", "1", "1", "--precision", "0.8", "--overwrite", *more) == 0
        n_kept = int(re.search(r"(\d+) kept", capsys.readouterr().err).group(1))
        kept.append(n_kept)
        assert len(read_particles(project / "out.star")) == n_kept
    assert kept[0] == 2 * kept[1]
