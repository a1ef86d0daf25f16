import warnings

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

from sksubtomo._utils._labels import check_labels, encode_labels, labeled_rows, score_labeled
from sksubtomo._utils._near_misses import near_misses, warning_once
from sksubtomo.calibration import TemperatureScaledClassifier
from sksubtomo.exceptions import SuspiciousLabelWarning
from sksubtomo.metrics import (
    drop_unlabeled,
    expected_calibration_error,
    get_labeled_scorer,
)
from sksubtomo.model_selection import (
    SemiSupervisedSplit,
    cross_val_predict,
    is_unlabeled,
    mask_labels,
)
from sksubtomo.networks import Liu2019
from sksubtomo.semi_supervised import AutoencodingClassifier, WithUnlabeled

NEAR = [
    *(
        "unlabelled",
        "Unlabeled",
        "UNLABELED",
        " unlabeled",
        "unlabeled\n",
        "un-labeled",
        "unlabled",
    ),
    *("not labelled", "unlabel", "", "  ", "nan", "NaN", "None", "null", "<NA>", "N/A"),
    *("-1.0", "-1.", " -1", "−1", "'unlabeled'"),
]
# Neuraminidase; a class of its own in many tables; names that only share letters.
FAR = ["NA", "unknown", "labeled", "ribosome", "1", "0", "-2", "-10", "+", "-", "nano", "class_-1"]


@pytest.mark.parametrize("label", NEAR)
def test_near_misses(label):
    assert near_misses(["a", label]) == [label]
    assert near_misses(np.array(["a", label, label], object)) == [label]
    assert near_misses(np.array([label.encode()])) == [label.encode()]
    with pytest.warns(SuspiciousLabelWarning) as caught:
        encode_labels(["a", label])
    assert len(caught) == 1
    assert repr(label) in str(caught[0].message)
    assert "'unlabeled'" in str(caught[0].message)


@pytest.mark.parametrize("labels", [FAR, [0, 1, 5], [0.0, 2.0], [True, False], np.uint8([0, 254])])
def test_what_is_none(labels):
    assert near_misses(labels) == []
    encode_labels(labels)


def test_minus_one_wrapped_around():
    y = np.array([0, 1, -1]).astype(np.uint8)
    with pytest.warns(SuspiciousLabelWarning, match=r"Only -1, in a signed type, .* not 255"):
        assert encode_labels(y)[1].tolist() == [0, 1, 255]


def test_several_are_named_in_one_bounded_message():
    y = ["unlabelled", *(" " * n for n in range(20)), "unlabeled" + "!" * 500] * 3
    with pytest.warns(SuspiciousLabelWarning, match="and 17 more") as caught:
        check_labels(y)
    assert len(caught) == 1
    assert len(str(caught[0].message)) < 400


X = np.random.default_rng(0).normal(size=(12, 3, 3, 3)).astype(np.float32)
Y = np.array(["a", "b", "unlabelled"] * 4)
P = np.full((12, 3), 1 / 3)


class Known(ClassifierMixin, BaseEstimator):
    """A fitted classifier that was told its classes."""

    classes_ = np.array(["a", "b", "unlabelled"])

    def predict(self, X):
        return np.array(["a"] * len(X))


class Stranger(Known):
    classes_ = np.array(["a", "b"])


@pytest.mark.parametrize(
    "read",
    [
        lambda: check_labels(Y),
        lambda: encode_labels(Y),
        lambda: encode_labels(Y.astype(object)),
        lambda: is_unlabeled(Y),
        lambda: mask_labels(Y, n_per_class=2),
        lambda: list(SemiSupervisedSplit(2).split(X, Y)),
        lambda: labeled_rows(Y),
        lambda: drop_unlabeled(Y, X),
        lambda: expected_calibration_error(Y, P),
        lambda: get_labeled_scorer("accuracy")(Stranger(), X, Y),
        lambda: score_labeled(Stranger().predict, X, Y, None),
        lambda: cross_val_predict(
            AutoencodingClassifier(
                max_epochs=1, network=Liu2019(n_filters=2, latent_dim=2), early_stopping=False
            ),
            X,
            Y,
            cv=2,
        ),
        lambda: AutoencodingClassifier(
            max_epochs=1, network=Liu2019(n_filters=2, latent_dim=2), early_stopping=False
        ).fit(X, Y),
    ],
)
def test_every_reader_warns_once_and_names_the_line_of_the_caller(read):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read()
    caught = [w for w in caught if issubclass(w.category, SuspiciousLabelWarning)]
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert "'unlabelled'" in str(caught[0].message)


@pytest.mark.parametrize(
    "read",
    [
        lambda: encode_labels(Y, classes=["a", "b", "unlabelled"]),
        lambda: expected_calibration_error(Y, P, labels=["a", "b", "unlabelled"]),
        lambda: get_labeled_scorer("accuracy")(Known(), X, Y),
        lambda: score_labeled(Known().predict, X, Y, None),
        lambda: AutoencodingClassifier(
            classes=["a", "b", "unlabelled"],
            max_epochs=1,
            network=Liu2019(n_filters=2, latent_dim=2),
            early_stopping=False,
        ).fit(X, Y),
    ],
)
def test_no_warning_of_classes_that_were_named(read):
    read()


def test_a_label_that_is_no_class_is_an_error_with_a_hint():
    with pytest.raises(ValueError, match=r"not among the classes \['a', 'b'\].*Only 'unlabeled'"):
        encode_labels(Y, classes=["a", "b"])


def test_warning_once_spans_nested_calls():
    @warning_once()
    def read_often():
        check_labels(Y)
        with warning_once():
            check_labels(Y)
        encode_labels(Y)
        check_labels(Y, "y_val")

    with pytest.warns(SuspiciousLabelWarning) as caught:
        read_often()
    assert [str(warning.message).partition(" ")[0] for warning in caught] == ["y", "y_val"]
    with pytest.warns(SuspiciousLabelWarning):
        check_labels(Y)


@pytest.mark.filterwarnings("ignore:.*better than by chance:sklearn.exceptions.ConvergenceWarning")
def test_meta_estimators_warn():
    inner = AutoencodingClassifier(
        max_epochs=1, network=Liu2019(n_filters=2, latent_dim=2), early_stopping=False
    )
    for estimator in (WithUnlabeled(inner, X), TemperatureScaledClassifier(inner, cv=2)):
        with pytest.warns(SuspiciousLabelWarning):
            estimator.fit(X, Y)
