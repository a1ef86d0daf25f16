import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import log_loss

from sksubtomo.decomposition import Autoencoder, ContrastiveEncoder, VariationalAutoencoder
from sksubtomo.networks import Liu2019
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.semi_supervised import (
    AutoencodingClassifier,
    FixMatchClassifier,
    MeanTeacherClassifier,
    PseudoLabelClassifier,
    SemiSupervisedVAEClassifier,
)

QUICK = {
    "learning_rate": 1e-3,
    "max_epochs": 3,
    "batch_size": 20,
    "network": Liu2019(n_filters=4),
    "random_state": 0,
}
SMALL_VAE = VariationalAutoencoder(**QUICK)
CLASSIFIERS = {
    "AutoencodingClassifier": AutoencodingClassifier(**QUICK),
    "CNNClassifier": CNNClassifier(**QUICK),
    "PseudoLabelClassifier": PseudoLabelClassifier(**QUICK, threshold=0.0),
    "SemiSupervisedVAEClassifier": SemiSupervisedVAEClassifier(**QUICK),
    "M1+M2": SemiSupervisedVAEClassifier(SMALL_VAE, **{**QUICK, "network": "liu2019"}),
}
WATCH_LABELS = [
    AutoencodingClassifier(**QUICK, alpha=0),
    CNNClassifier(**QUICK),
    FixMatchClassifier(**QUICK),
    MeanTeacherClassifier(**QUICK),
]


@pytest.fixture(params=CLASSIFIERS)
def classifier(request):
    return clone(CLASSIFIERS[request.param])


def test_trains_on_all_of_X_and_watches_the_rest(classifier, mostly_hidden, easy_volumes):
    (X, y), (_, truth) = mostly_hidden, easy_volumes
    watched = clone(classifier).fit(X[:40], y[:40], X_val=X[40:], y_val=truth[40:])
    alone = clone(classifier).set_params(early_stopping=False).fit(X[:40], y[:40])
    for ours, theirs in zip(watched.history_, alone.history_, strict=True):
        assert ours["train_loss"] == pytest.approx(theirs["train_loss"], rel=1e-5)
        assert "valid_loss" in ours
        assert "valid_loss" not in theirs


def test_validation_loss_is_that_of_the_given_volumes(mostly_hidden, easy_volumes):
    (X, y), (_, truth) = mostly_hidden, easy_volumes
    clf = clone(CLASSIFIERS["CNNClassifier"]).fit(X[:40], y[:40], X_val=X[40:], y_val=truth[40:])
    best = min(epoch["valid_cross_entropy"] for epoch in clf.history_)
    # fit goes back to the best epoch
    assert log_loss(truth[40:], clf.predict_proba(X[40:])) == pytest.approx(best, rel=1e-4)


def test_unlabeled_validation_volumes_count_where_they_are_learned_from(mostly_hidden):
    X, y = mostly_hidden
    joint = clone(CLASSIFIERS["AutoencodingClassifier"])
    history = joint.fit(X[:40], y[:40], X_val=X[40:], y_val=y[40:]).history_
    assert history[0]["valid_reconstruction_error"] > 0


@pytest.mark.parametrize("estimator", WATCH_LABELS, ids=lambda e: type(e).__name__)
def test_hidden_labels_are_nothing_to_watch(estimator, mostly_hidden):
    X, y = mostly_hidden
    with pytest.raises(ValueError, match="y_val holds no label"):
        clone(estimator).fit(X[:40], y[:40], X_val=X[40:], y_val=y[40:])


def test_unlabeled_validation_volumes_are_left_out_where_labels_are_watched(
    mostly_hidden, easy_volumes
):
    (X, y), (_, truth) = mostly_hidden, easy_volumes
    clf = FixMatchClassifier(**QUICK, augmentation="rotations")
    partly, labeled = np.r_[truth[:10], [-1] * 10][::-1], slice(50, 60)
    some = clone(clf).fit(X[:40], y[:40], X_val=X[40:], y_val=partly)
    alone = clone(clf).fit(X[:40], y[:40], X_val=X[labeled], y_val=partly[10:])
    # Were the others copied along, those with labels would be copied in other poses.
    for ours, theirs in zip(some.history_, alone.history_, strict=True):
        assert ours["valid_loss"] == theirs["valid_loss"]


def test_without_labels_for_estimators_that_need_none(easy_volumes):
    X, _ = easy_volumes
    autoencoder = Autoencoder(**QUICK).fit(X[:40], X_val=X[40:])
    assert autoencoder.history_[0]["valid_reconstruction_error"] > 0


def test_flat_rows(classifier, mostly_hidden, easy_volumes):
    (X, y), (_, truth) = mostly_hidden, easy_volumes
    if getattr(classifier, "vae", None) is not None:
        pytest.skip("its first stage has a volume_shape of its own")
    rows = X.reshape(60, -1)
    flat = clone(classifier).set_params(volume_shape=8)
    flat.fit(rows[:40], y[:40], X_val=rows[40:], y_val=truth[40:])
    volumes = classifier.fit(X[:40], y[:40], X_val=X[40:], y_val=truth[40:])
    assert np.array_equal(flat.predict_proba(X), volumes.predict_proba(X))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_val": None}, "y_val is None.* requires y_val to be passed"),
        ({"X_val": None}, "pass X_val with y_val"),
        ({"y_val": [0, 1]}, "inconsistent numbers of samples"),
        ({"y_val": [7] * 20}, r"y_val holds .* not among the classes \[0, 1, 2\]: \[7\]"),
        ({"y_val": [np.nan] * 20}, "Input y_val contains NaN"),
        ({"y_val": np.array([0, "a"] * 10, object)}, "y_val mixes strings and numbers"),
        ({"X_val": np.zeros((20, 4, 4, 4))}, r"X_val has .* \(4, 4, 4\), but .* \(8, 8, 8\)"),
        ({"X_val": np.zeros((20, 511))}, "X_val has 511 features"),
        ({"X_val": np.zeros((20, 8, 8))}, r"expects X_val .* got 3 dimensions.* X_val\[np.newaxis"),
        ({"X_val": [np.zeros((8, 8, 8)), np.zeros((8, 8, 7))]}, "X_val holds volumes of different"),
        ({"X_val": np.full((20, 8, 8, 8), np.nan)}, "Input X_val contains NaN(.|\n)* index 0"),
    ],
)
def test_bad_validation_data(mostly_hidden, change, message):
    X, y = mostly_hidden
    given = {"X_val": X[40:], "y_val": [0] * 20, **change}
    with pytest.raises(ValueError, match=message):
        CNNClassifier(**QUICK).fit(X[:40], y[:40], **given)


def test_validation_data_without_early_stopping(mostly_hidden):
    X, y = mostly_hidden
    with pytest.raises(ValueError, match="set early_stopping=True"):
        CNNClassifier(**QUICK, early_stopping=False).fit(X, y, X_val=X, y_val=y)


def test_one_validation_volume_where_volumes_are_compared(easy_volumes):
    X, _ = easy_volumes
    with pytest.raises(ValueError, match="X_val needs at least 2 of them, but has n_samples=1"):
        ContrastiveEncoder(**QUICK).fit(X[:40], X_val=X[40:41])
