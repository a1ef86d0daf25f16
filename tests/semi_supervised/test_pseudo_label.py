import pickle

import numpy as np
import pytest

from sksubtomo.networks import Liu2019
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.semi_supervised import PseudoLabelClassifier
from sksubtomo.training import PseudoLabelTraining, Training

QUICK = {
    "learning_rate": 3e-3,
    "max_epochs": 12,
    "batch_size": 6,
    "early_stopping": False,
    "network": Liu2019(n_filters=4),
    "random_state": 0,
}


def quick(**params):
    return PseudoLabelClassifier(**{**QUICK, **params})


@pytest.mark.parametrize("early_stopping", [False, True])
def test_without_unlabeled_volumes_is_the_supervised_network(easy_volumes, early_stopping):
    X, y = easy_volumes
    clf = quick(early_stopping=early_stopping).fit(X, y)
    cnn = CNNClassifier(**{**QUICK, "early_stopping": early_stopping}).fit(X, y)
    assert np.array_equal(clf.predict_proba(X), cnn.predict_proba(X))
    assert np.array_equal(clf.transduction_, y)
    assert (clf.labeled_iter_ == 0).all()
    assert clf.termination_condition_ == "all_labeled"


def test_threshold_one_adds_nothing(mostly_hidden):
    X, y = mostly_hidden
    clf, cnn = quick(threshold=1.0).fit(X, y), CNNClassifier(**QUICK).fit(X, y)
    assert np.array_equal(clf.predict_proba(X), cnn.predict_proba(X))
    assert np.array_equal(clf.transduction_, y)
    assert np.array_equal(clf.labeled_iter_, np.where(y == -1, -1, 0))
    assert clf.termination_condition_ == "no_change"


def test_labels_the_unlabeled_rightly(mostly_hidden, easy_volumes):
    X, y = mostly_hidden
    clf = quick(max_epochs=30, threshold=0.8).fit(X, y)
    assert np.array_equal(clf.transduction_, easy_volumes[1])
    assert clf.termination_condition_ == "all_labeled"
    assert set(clf.labeled_iter_[:12]) == {0}
    assert clf.labeled_iter_[12:].min() >= 1


def test_differs_from_the_supervised_network_once_labels_join(mostly_hidden):
    X, y = mostly_hidden
    clf = quick(max_epochs=30, threshold=0.8).fit(X, y)
    cnn = CNNClassifier(**{**QUICK, "max_epochs": 30}).fit(X, y)
    assert not np.array_equal(clf.predict_proba(X), cnn.predict_proba(X))


def rhythm(warm_up_epochs, refresh_interval):
    return PseudoLabelTraining(warm_up_epochs=warm_up_epochs, refresh_interval=refresh_interval)


def test_warm_up_and_refresh_interval_say_when(mostly_hidden):
    X, y = mostly_hidden
    clf = quick(threshold=0.0, training=rhythm(5, 3)).fit(X, y)
    assert set(clf.labeled_iter_[12:]) == {5}
    clf = quick(threshold=0.8, training=rhythm(2, 3), max_epochs=20).fit(X, y)
    assert set(clf.labeled_iter_[12:]) <= {-1, 2, 5, 8, 11, 14, 17}


def test_no_class_gets_more_than_its_cap(mostly_hidden):
    X, y = mostly_hidden
    clf = quick(threshold=0.0, max_per_class=3).fit(X, y)
    added = clf.transduction_[clf.labeled_iter_ > 0]
    assert np.bincount(added, minlength=3).max() == 3
    assert (clf.transduction_ == -1).any()
    assert np.array_equal(quick(threshold=0.0, max_per_class=0).fit(X, y).transduction_, y)


def test_held_out_labels_are_given_ones(mostly_hidden):
    X, y = mostly_hidden
    clf = quick(
        early_stopping=True, training=Training(validation_fraction=0.25), threshold=0.0
    ).fit(X, y)
    assert all("valid_loss" in epoch for epoch in clf.history_)
    assert (clf.labeled_iter_[:12] == 0).all()


def test_condition_when_epochs_run_out(mostly_hidden):
    X, y = mostly_hidden
    clf = quick(threshold=0.0, max_per_class=1, max_epochs=2).fit(X, y)
    assert clf.termination_condition_ == "max_iter"


def test_strings_and_their_sentinel(mostly_hidden):
    X, y = mostly_hidden
    names = np.array(["apoferritin", "groel", "ribosome", "unlabeled"])
    ints, strings = quick(threshold=0.6).fit(X, y), quick(threshold=0.6).fit(X, names[y])
    assert np.array_equal(strings.transduction_, names[ints.transduction_])
    assert ints.transduction_.dtype.kind == "i"
    assert strings.transduction_.dtype == names.dtype


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16])
def test_labels_keep_their_type(easy_volumes, dtype):
    X, y = easy_volumes[0], (easy_volumes[1] % 2).astype(dtype)
    clf = quick(max_epochs=1).fit(X, y)
    assert clf.transduction_.dtype == clf.classes_.dtype == clf.predict(X).dtype == dtype
    assert np.array_equal(clf.transduction_, y)


def test_warm_start_takes_a_changed_threshold(mostly_hidden):
    X, y = mostly_hidden
    clf = quick(threshold=1.0, warm_start=True).fit(X, y)
    clf.set_params(threshold=0.0, max_epochs=1).fit(X, y)
    assert (clf.transduction_ >= 0).all()
    assert set(clf.labeled_iter_) == {0, 12}


def test_leaves_the_labels_of_the_user_alone(mostly_hidden):
    X, y = mostly_hidden
    given = y.copy()
    quick(threshold=0.0).fit(X, given)
    assert np.array_equal(given, y)


def test_pickle_holds_no_volumes(mostly_hidden):
    X, y = mostly_hidden
    few = quick(max_epochs=2, threshold=0.5).fit(X, y)
    many = quick(max_epochs=2, threshold=0.5).fit(np.tile(X, (5, 1, 1, 1)), np.tile(y, 5))
    assert len(pickle.dumps(many)) - len(pickle.dumps(few)) < X.nbytes / 10
