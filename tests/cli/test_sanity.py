"""What is suspicious is told, and is an error with --strict before anything is written."""

import argparse
import warnings
from pathlib import Path

import numpy as np
import pytest

from sksubtomo.cli import main
from sksubtomo.cli._box_statistics import box_statistics, compare_boxes
from sksubtomo.cli._model import load_model, save_model
from sksubtomo.cli._outcomes import Outcomes
from sksubtomo.cli._sanity import (
    Sanity,
    check_boxes_inside,
    check_history,
    check_kept,
    check_labels,
    check_predictions,
    check_voxel_sizes,
)
from sksubtomo.exceptions import DeadCodeWarning, FileFormatError
from sksubtomo.io import read_mrc, read_particles, write_mrc, write_particles


def said(check, *arguments, strict=False, **named):
    """Return the warnings of a check."""
    sanity = Sanity(strict)
    check(sanity, *arguments, **named)
    return sanity._found


def history(*losses):
    return [{"train_loss": 1.0, "valid_loss": loss} for loss in losses]


def test_a_loss_of_validation_that_only_rose():
    (message,) = said(check_history, history(1.0, 1.2, 1.1, 1.5))
    assert "loss of validation only rose, from 1 to 1.5" in message
    for fine in (history(1.0, 0.9, 1.5), history(1.0, 1.2), [{"train_loss": 1.0}] * 5):
        assert not said(check_history, fine)


def test_one_label_in_a_class():
    (message,) = said(check_labels, np.array([1, 2, 5]), np.array([1, 7, 1]))
    assert message.startswith("Classes '1', '5' have one label only")
    assert not said(check_labels, np.array([1, 2]), np.array([2, 7]))


def test_nearly_all_or_none_kept():
    for share, n_warnings in ((1.0, 1), (0.99, 1), (0.5, 0), (0.01, 1)):
        assert len(said(check_kept, share, [1])) == n_warnings


def proba(*rows):
    return np.array([row for row, n in rows for _ in range(n)], dtype=float)


def test_predictions_of_one_class_and_saturated_ones():
    classes = np.array([1, 2])
    one = proba(([0.9, 0.1], 99), ([0.1, 0.9], 1))
    (message,) = said(check_predictions, one, classes, by_references=False)
    assert "99 % of the classified particles are of class 1" in message
    sure = proba(([0.9999, 0.0001], 50), ([0.0, 1.0], 50))
    (message,) = said(check_predictions, sure, classes, by_references=False)
    assert "saturated: 100 % of the particles have one above 0.999" in message
    # Of likelihoods, that is no sign of anything.
    assert not said(check_predictions, sure, classes, by_references=True)
    mixed = proba(([0.9, 0.1], 50), ([0.2, 0.8], 50))
    assert not said(check_predictions, mixed, classes, by_references=False)
    assert not said(check_predictions, one[:5], classes, by_references=False)


def test_voxel_sizes_that_nobody_says():
    sizes = {"TS_1": 10.0, "TS_2": None}
    (message,) = said(check_voxel_sizes, sizes, 10.0, of_model=True)
    assert message.startswith("'TS_2': the header does not say")
    (message,) = said(check_voxel_sizes, {"TS_1": 10.0}, None, of_model=True)
    assert message.startswith("The model does not know")
    assert not said(check_voxel_sizes, {"TS_1": 10.0}, 10.0, of_model=True)


def outcomes(coordinates):
    names = np.full(len(coordinates), "TS_1")
    return Outcomes(Path("a.star"), names, coordinates, "noise", {})


def test_boxes_that_are_mostly_outside():
    inside = np.full((3, 3), 20.0)
    corner = np.array([[0.0, 0, 20], [1, 1, 1]])
    some = np.concatenate([inside, corner])
    (message,) = said(check_boxes_inside, outcomes(some), some, {"TS_1": (40, 40, 40)}, 16)
    assert message.startswith("2 of 5 boxes are mostly outside the tomogram, such as that of row 4")
    # At a face, half of a box is inside.
    face = np.array([[0.0, 20, 20]])
    assert not said(check_boxes_inside, outcomes(face), face, {"TS_1": (40, 40, 40)}, 16)
    with pytest.raises(ValueError, match="2 of 2 boxes of 16 voxels are mostly outside"):
        said(check_boxes_inside, outcomes(corner), corner, {"TS_1": (40, 40, 40)}, 16)


def boxes(sign=1.0, n=40, smooth=False, seed=0):
    rng = np.random.default_rng(seed)
    grid = np.indices((12, 12, 12)) - 6
    ball = np.exp(-(grid**2).sum(axis=0) / 6)
    found = rng.normal(size=(n, 12, 12, 12))
    if smooth:
        for axis in (1, 2, 3):
            found = found + np.roll(found, 1, axis) + np.roll(found, -1, axis)
    return 3.0 + 100 * (found + 2 * sign * ball)


@pytest.mark.parametrize("scale", [1.0, -1.0])
def test_contrast_that_is_opposite_to_that_of_the_training(scale):
    known = box_statistics(boxes(scale))
    (message,) = said(compare_boxes, known, box_statistics(boxes(-scale, seed=1)))
    expected = "centers are bright" if scale > 0 else "centers are dark"
    assert message.startswith("Contrast is opposite to that of the training boxes")
    assert expected in message
    # Whatever the scale and the level of the tomogram.
    assert not said(compare_boxes, known, box_statistics(boxes(scale, seed=1) / 7 + 5))


def test_boxes_without_a_sign_say_nothing():
    both = np.concatenate([boxes(1.0), boxes(-1.0, seed=2)])
    assert not said(compare_boxes, box_statistics(both), box_statistics(boxes(-1.0, seed=1)))
    assert box_statistics(boxes(n=3)) is None
    assert not said(compare_boxes, None, box_statistics(boxes()))
    flat = np.zeros((9, 8, 8, 8))
    assert not said(compare_boxes, box_statistics(flat), box_statistics(flat))


def test_another_filter_is_told():
    known = box_statistics(boxes())
    (message,) = said(compare_boxes, known, box_statistics(boxes(smooth=True)))
    assert message.startswith("The power spectrum of the boxes differs")


def test_strict_makes_an_error_of_the_first():
    sanity = Sanity(strict=True)
    sanity.enforce()
    check_kept(sanity, 1.0, [1])
    check_labels(sanity, np.array([3]), np.array([1]))
    with pytest.raises(ValueError, match="--strict: 2 warnings, the first of which is: 100 % of"):
        sanity.enforce()
    Sanity(strict=False).enforce()


def test_warnings_of_the_package_count_and_are_passed_on():
    sanity = Sanity(strict=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with sanity.listening():
            warnings.warn("dead", DeadCodeWarning, stacklevel=1)
            warnings.warn("of somebody else", UserWarning, stacklevel=1)
    assert [str(one.message) for one in caught] == ["dead", "of somebody else"]
    with pytest.raises(ValueError, match="--strict: 1 warning, the first of which is: dead"):
        sanity.enforce()


@pytest.fixture
def fitted(project, fit_arguments):
    assert main(fit_arguments) == 0
    return project


def predict(project, *more):
    return main(
        [
            *("predict", "--model", f"{project}/model.sksubtomo", "--quiet"),
            *("--particles", f"{project}/particles.star", "--tomograms", f"{project}/tomograms"),
            *("--output", f"{project}/out.star", *more),
        ]
    )


def test_a_strict_fit_writes_no_model_that_is_suspicious(project, fit_arguments, capsys):
    epochs = fit_arguments.index("--epochs") + 1
    rate = fit_arguments.index("--learning-rate") + 1
    fit_arguments[epochs], fit_arguments[rate] = "1", "1e-9"
    assert main([*fit_arguments, "--strict"]) == 1
    message = capsys.readouterr().err
    assert "ERROR: --strict: 1 warning, the first of which is: Only" in message
    assert not (project / "model.sksubtomo").exists()
    assert main(fit_arguments) == 0


def test_a_strict_fit_ends_before_the_work(project, fit_arguments, capsys, monkeypatch):
    monkeypatch.setattr("sksubtomo.cli._fit._fitted", None)
    for name in ("TS_1", "TS_2"):
        path = project / f"tomograms/{name}.mrc"
        write_mrc(path, read_mrc(path).data, None, overwrite=True)
    assert main([*fit_arguments, "--strict", "--dry-run"]) == 1
    assert "header does not say the voxel size" in capsys.readouterr().err
    assert main([*fit_arguments, "--strict"]) == 1
    assert main([*fit_arguments, "--dry-run"]) == 0


def test_a_strict_predict_keeps_the_table_that_was_there(fitted, capsys):
    (fitted / "out.star").write_text("earlier")
    assert predict(fitted, "--keep", "1", "2", "--overwrite", "--strict") == 1
    assert "--strict:" in capsys.readouterr().err
    assert (fitted / "out.star").read_text() == "earlier"
    assert predict(fitted, "--keep", "1", "2", "--overwrite") == 0
    assert len(read_particles(fitted / "out.star")) == 36


def test_inverted_tomograms_are_told(fitted, capsys):
    """Of a model of one kind of blob and of nothing, so that boxes have a sign."""
    model = load_model(fitted / "model.sksubtomo")
    assert model.box_statistics["n_boxes"] == 36
    path = fitted / "particles.star"
    particles = read_particles(path)
    bright = particles.subset(particles.class_numbers == 2)
    write_particles(path, bright, overwrite=True)
    stack = np.concatenate([boxes(1.0)])
    statistics = box_statistics(stack)
    save_model(
        fitted / "model.sksubtomo",
        model._replace(box_statistics=statistics._asdict()),
        overwrite=True,
    )
    assert predict(fitted) == 0
    assert "Contrast is opposite" not in capsys.readouterr().err
    for name in ("TS_1", "TS_2"):
        tomogram = fitted / f"tomograms/{name}.mrc"
        write_mrc(tomogram, -read_mrc(tomogram).data, 10.0, overwrite=True)
    assert predict(fitted, "--overwrite") == 0
    assert "Contrast is opposite" in capsys.readouterr().err
    assert predict(fitted, "--overwrite", "--strict") == 1


def test_models_of_earlier_versions_are_read(fitted, monkeypatch):
    import joblib

    model = load_model(fitted / "model.sksubtomo")
    content = {"kind": "sksubtomo model", "version": "0.1", **model._asdict()}
    del content["box_statistics"], content["provenance"]
    joblib.dump(content, fitted / "model.sksubtomo")
    with pytest.raises(FileFormatError, match="--allow-pickle"):
        load_model(fitted / "model.sksubtomo")
    assert load_model(fitted / "model.sksubtomo", allow_pickle=True).box_statistics is None
    assert predict(fitted) == 1
    assert predict(fitted, "--allow-pickle") == 0


def test_a_box_larger_than_the_tomogram_is_refused(project, fit_arguments, capsys):
    size = fit_arguments.index("--box-size") + 1
    fit_arguments[size] = "30"
    assert main(fit_arguments) == 1
    assert "30" in capsys.readouterr().err
    assert not (project / "model.sksubtomo").exists()


def test_strict_is_an_option_of_both():
    from sksubtomo.cli._main import _parser

    parser = _parser()
    needed = ["--particles", "a.star"]
    for command in (["fit", *needed, "--box-size", "8"], ["predict", *needed, "--model", "m"]):
        options = parser.parse_args([*command, "--strict"])
        assert isinstance(options, argparse.Namespace)
        assert options.strict
