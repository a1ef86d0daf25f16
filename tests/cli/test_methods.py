"""Methods of ``fit``, and what it says of a model that has learned nothing."""

import numpy as np
import pytest

from sksubtomo.cli import main
from sksubtomo.cli._methods import LEAST_LABELS_TO_STOP_BY, METHODS
from sksubtomo.cli._model import load_model
from sksubtomo.io import read_particles, write_particles


@pytest.fixture
def arguments(project):
    return [
        "fit",
        *("--particles", f"{project}/particles.star", "--tomograms", f"{project}/tomograms"),
        *("--box-size", "12", "--output", f"{project}/model.joblib"),
    ]


@pytest.fixture
def fewer_labels(project):
    """Labels of the first tomogram only; return the true classes."""
    particles = read_particles(project / "particles.star")
    truth = particles.class_numbers
    write_particles(
        project / "particles.star",
        particles,
        class_numbers=np.where(np.arange(36) < 18, truth, 0),
        overwrite=True,
    )
    return truth


def test_references_come_first():
    assert next(iter(METHODS)) == "references"


def test_references_from_labels_to_a_classified_table(project, arguments, fewer_labels, capsys):
    assert main([*arguments, "--method", "references", "--tilt-range", "60"]) == 0
    assert "100 % of the labeled particles get their own label" in capsys.readouterr().err
    assert load_model(project / "model.joblib").classifier[-1].references_.shape == (2, 12, 12, 12)
    command = [
        *("predict", "--model", f"{project}/model.joblib", "--output", f"{project}/out.star"),
        *("--particles", f"{project}/particles.star", "--tomograms", f"{project}/tomograms"),
    ]
    assert main(command) == 0
    found = read_particles(project / "out.star").class_numbers
    assert found.tolist() == fewer_labels.tolist()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--method", "references", "--epochs", "3"], "references has no use for --epochs"),
        (
            ["--method", "references", "--no-early-stopping", "--equal-weights"],
            "no use for --no-early-stopping, --equal-weights",
        ),
        (["--method", "joint", "--tilt-range", "60"], "joint has no use for --tilt-range"),
        (["--method", "references", "--tilt-range", "95"], "must be at most 90 degrees"),
    ],
)
def test_options_of_other_methods_are_refused(project, arguments, given, message, capsys):
    assert main([*arguments, *given]) == 1
    assert message in capsys.readouterr().err
    assert not (project / "model.joblib").exists()


def test_few_labels_do_not_stop_a_training_early(project, arguments, capsys):
    """36 labels; and a model of one epoch has not learned the classes, which is said."""
    given = ["--method", "supervised", "--epochs", "1", "--learning-rate", "1e-9"]
    assert LEAST_LABELS_TO_STOP_BY > 36
    assert main([*arguments, *given]) == 0
    said = capsys.readouterr().err
    assert "No early stopping: a tenth of 36 labels is too few to stop by" in said
    assert "of the labeled particles get their own label: the model has not learned" in said
    assert "valid_loss" not in load_model(project / "model.joblib").classifier[-1].history_[0]


def test_predict_tells_of_a_share_that_is_nearly_all(project, arguments, capsys):
    given = ["--method", "supervised", "--epochs", "1", "--learning-rate", "1e-9", "--quiet"]
    assert main([*arguments, *given]) == 0
    command = [
        *("predict", "--model", f"{project}/model.joblib", "--output", f"{project}/out.star"),
        *("--particles", f"{project}/particles.star", "--tomograms", f"{project}/tomograms"),
        *("--keep", "1", "2"),
    ]
    assert main(command) == 0
    assert "100 % of the classified particles are of the classes" in capsys.readouterr().err
