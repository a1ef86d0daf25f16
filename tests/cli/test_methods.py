"""Methods of ``fit``, and what it says of a model that has learned nothing."""

import numpy as np
import pytest

from sksubtomo.cli import _methods, main
from sksubtomo.cli._method_options import (
    check_method_options,
    check_views,
    choose_method,
)
from sksubtomo.cli._methods import LEAST_LABELS_TO_STOP_BY, METHODS, make_classifier
from sksubtomo.cli._model import load_model
from sksubtomo.cli._reference_options import parse_symmetry
from sksubtomo.io import read_particles, write_particles
from sksubtomo.neural_network import CNNClassifier


@pytest.fixture
def arguments(project):
    return [
        "fit",
        *("--particles", f"{project}/particles.star", "--tomograms", f"{project}/tomograms"),
        *("--box-size", "12", "--output", f"{project}/model.sksubtomo"),
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
    assert load_model(project / "model.sksubtomo").classifier[-1].references_.shape == (
        2,
        12,
        12,
        12,
    )
    command = [
        *("predict", "--model", f"{project}/model.sksubtomo", "--output", f"{project}/out.star"),
        *("--particles", f"{project}/particles.star", "--tomograms", f"{project}/tomograms"),
    ]
    assert main(command) == 0
    found = read_particles(project / "out.star").class_numbers
    assert found.tolist() == fewer_labels.tolist()


@pytest.fixture
def quick_networks(monkeypatch):
    """Networks of few labels take one step."""
    monkeypatch.setitem(_methods._FEW_LABELS, "max_epochs", 1)
    monkeypatch.setitem(_methods._FEW_LABELS_TRAINING, "steps_per_epoch", 1)


@pytest.fixture
def labels_at_random(project):
    particles = read_particles(project / "particles.star")
    numbers = np.random.default_rng(0).permutation(particles.class_numbers)
    write_particles(project / "particles.star", particles, class_numbers=numbers, overwrite=True)


@pytest.mark.usefixtures("quick_networks", "labels_at_random")
def test_references_that_do_not_agree_are_given_up(project, arguments, capsys):
    assert main([*arguments, "--tilt-range", "40"]) == 0
    said = capsys.readouterr().err
    assert "INFO: Method references: " in said
    assert "WARNING: Method supervised instead, a network on rotated views" in said
    # Which labels may be wrong.
    assert "Check the labels of the rows [" in said
    network = load_model(project / "model.sksubtomo").classifier[-1]
    assert isinstance(network, CNNClassifier)
    assert network.augmentation.tilt_range_deg == 40.0
    assert not (project / "model_averages").exists()


@pytest.mark.usefixtures("labels_at_random")
def test_a_strict_fit_does_not_give_references_up(project, arguments, capsys, monkeypatch):
    monkeypatch.setattr(CNNClassifier, "fit", lambda *_: pytest.fail("a network was trained"))
    assert main([*arguments, "--strict"]) == 1
    assert "--strict" in capsys.readouterr().err
    assert not (project / "model.sksubtomo").exists()


@pytest.mark.parametrize(
    ("given", "n_labels"),
    [
        (["--preset", "paper", "--tilt-range", "40"], 50),
        (["--augmentation", "none", "--tilt-range", "40"], 50),
        (["--epochs", "10", "--tilt-range", "40"], 250),
        (["--method", "supervised", "--tilt-range", "40"], 250),
    ],
)
def test_a_tilt_range_that_nothing_uses_is_refused(given, n_labels):
    chosen = options(*given)
    check_method_options(chosen)
    choose_method(chosen, 300, np.array([n_labels // 2] * 2))
    with pytest.raises(ValueError, match="has no use for --tilt-range"):
        check_views(chosen, n_labels)


@pytest.mark.usefixtures("quick_networks", "labels_at_random")
def test_averages_of_an_earlier_run_are_told(project, arguments, capsys):
    assert main([*arguments, "--method", "references"]) == 0
    capsys.readouterr()
    assert main([*arguments, "--overwrite"]) == 0
    assert "model_averages is of an earlier run" in capsys.readouterr().err


@pytest.mark.usefixtures("quick_networks", "labels_at_random")
@pytest.mark.parametrize("given", [["--method", "references"], ["--symmetry", "C1"]])
def test_references_that_are_asked_for_are_kept(project, arguments, given, capsys):
    assert main([*arguments, *given]) == 0
    said = capsys.readouterr().err
    assert "instead" not in said
    assert "label_agreement_" in said
    assert (project / "model_averages/class001.mrc").exists()


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
    assert not (project / "model.sksubtomo").exists()


def test_few_labels_do_not_stop_a_training_early(project, arguments, capsys):
    """36 labels; and a model of one epoch has not learned the classes, which is said."""
    given = ["--method", "supervised", "--epochs", "1", "--learning-rate", "1e-9"]
    assert LEAST_LABELS_TO_STOP_BY > 36
    assert main([*arguments, *given]) == 0
    said = capsys.readouterr().err
    assert "No early stopping: a tenth of 36 labels is too few to stop by" in said
    assert "of the labeled particles get their own label: the model has not learned" in said
    assert "valid_loss" not in load_model(project / "model.sksubtomo").classifier[-1].history_[0]


def test_predict_tells_of_a_share_that_is_nearly_all(project, arguments, capsys):
    given = ["--method", "supervised", "--epochs", "1", "--learning-rate", "1e-9", "--quiet"]
    assert main([*arguments, *given]) == 0
    command = [
        *("predict", "--model", f"{project}/model.sksubtomo", "--output", f"{project}/out.star"),
        *("--particles", f"{project}/particles.star", "--tomograms", f"{project}/tomograms"),
        *("--keep", "1", "2"),
    ]
    assert main(command) == 0
    assert "100 % of the classified particles are of the classes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "method", "reason"),
    [
        ([], "references", "it needs the fewest labels; there are 36 labels of 2 classes"),
        (["--epochs", "3"], "joint", "--epochs is for networks"),
        (["--epochs", "3", "--equal-weights"], "joint", "--epochs, --equal-weights are for"),
        (["--augmentation", "rotations"], "supervised", "--augmentation is for networks"),
        (["--preset", "paper"], "joint", "--preset paper is the autoencoding classifier's"),
        (["--box-size", "6"], "supervised", "boxes of 6 voxels are too small"),
        (["--box-size", "6", "--symmetry", "C2"], "references", "--symmetry is for them"),
    ],
)
def test_the_method_by_default_is_told_with_its_reason(arguments, given, method, reason, capsys):
    assert main([*arguments, *given, "--dry-run"]) == 0
    said = capsys.readouterr().err
    assert f"INFO: Method {method}: " in said
    assert reason in said


def options(*given):
    from sksubtomo.cli._main import _parser

    needed = ["fit", "--particles", "a.star", "--box-size", "24", "--output", "a.sksubtomo"]
    return _parser().parse_args([*needed, *given])


def test_many_comparisons_are_for_a_network_if_labels_do():
    for labels, method in (([150, 150], "supervised"), ([5, 5], "references")):
        chosen = options()
        choose_method(chosen, 600_000, np.array(labels))
        assert chosen.method == method
    chosen = options("--symmetry", "C2")
    assert not choose_method(chosen, 600_000, np.array([150, 150]))
    assert chosen.method == "references"


@pytest.mark.parametrize(
    ("given", "n_labels", "expected"),
    [
        ([], 36, {"network": "resnet", "max_epochs": 10, "batch_size": 32, "learning_rate": 4e-3}),
        ([], 200, {"network": "liu2019", "max_epochs": 100, "augmentation": "none"}),
        (["--epochs", "7"], 36, {"network": "liu2019", "max_epochs": 7, "learning_rate": 1e-4}),
        (["--preset", "few-labels", "--epochs", "7"], 36, {"network": "resnet", "max_epochs": 7}),
        (["--preset", "few-labels"], 5000, {"network": "resnet", "early_stopping": True}),
        (["--preset", "paper"], 36, {"network": "liu2019", "early_stopping": False}),
        (["--equal-weights"], 36, {"class_weight": None, "network": "resnet"}),
    ],
)
def test_presets_of_networks(given, n_labels, expected):
    classifier = make_classifier(options("--method", "supervised", "--quiet", *given), n_labels)
    found = classifier[-1].get_params(deep=False)
    assert {name: found[name] for name in expected} == expected
    assert len(classifier) == (3 if expected["network"] == "resnet" else 2)
    views = found["augmentation"]
    assert (views != "none") == (expected["network"] == "resnet")


def test_presets_of_the_others():
    joint = make_classifier(options("--method", "joint", "--quiet"), 36)[-1]
    assert (joint.network, joint.max_epochs, joint.batch_size) == ("liu2019", 20, 16)
    many = make_classifier(options("--method", "references", "--preset", "few-labels"), 36)[-1]
    assert (many.n_init, many.symmetry) == (3, "C1")
    for n_labels, n_init in [(36, 3), (199, 3), (200, 1)]:
        references = make_classifier(options("--method", "references"), n_labels)[-1]
        assert references.n_init == n_init


@pytest.mark.parametrize(
    ("given", "tilts"),
    [
        (["--method", "supervised", "--augmentation", "rotations", "--tilt-range", "50"], 50.0),
        (["--method", "fix-match", "--tilt-range", "50", "--epochs", "2"], 50.0),
        (["--method", "supervised", "--preset", "few-labels", "--tilt-range", "50"], 50.0),
        (["--method", "supervised", "--augmentation", "rotations"], 60.0),
    ],
)
def test_views_have_the_tilts_that_are_given(given, tilts):
    chosen = options(*given, "--quiet")
    check_method_options(chosen)
    views = make_classifier(chosen, 300)[-1].augmentation
    assert (views.tilt_range_deg, views.n_test_rotations) == (tilts, 8)


def test_no_views_where_none_are_wanted():
    for method in ("fix-match", "supervised"):
        chosen = options("--method", method, "--augmentation", "none", "--quiet")
        assert make_classifier(chosen, 36)[-1].augmentation == "none"


@pytest.mark.parametrize(
    ("given", "expected"),
    [([], "C1"), (["d7"], "d7"), (["1=D7", "2=C1"], {1: "D7", 2: "C1"}), (["2=O"], {2: "O"})],
)
def test_symmetry_of_all_classes_or_of_each(given, expected):
    chosen = options(*(["--symmetry", *given] if given else []))
    assert parse_symmetry(chosen) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--symmetry", "X7"], "'X7' is no point group"),
        (["--symmetry", "C2", "C3"], "give one point group for all classes, or one for each"),
        (["--symmetry", "1=C2", "1=C3"], "names a class twice"),
        (["--symmetry", "9=C2"], "names classes \\[9\\]; labels are of \\[1, 2\\]"),
        (["--symmetry", "C2", "--method", "joint"], "joint has no use for --symmetry"),
        (["--symmetry", "C2", "--epochs", "3"], "--epochs is for networks, --symmetry for"),
        (["--symmetry", "C2", "--preset", "paper"], "--preset paper is for networks, --symmetry"),
        (["--tilt-series", "a.star", "--score-column", "x"], "--tilt-series for references"),
        (["--preset", "paper", "--method", "references"], "no use for --preset paper"),
        (["--averages", "here", "--method", "joint"], "only models of --method references"),
    ],
)
def test_options_that_contradict_are_refused(project, arguments, given, message, capsys):
    import re

    assert main([*arguments, *given]) == 1
    assert re.search(message, capsys.readouterr().err)
    assert not (project / "model.sksubtomo").exists()
