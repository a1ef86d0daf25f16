"""An interrupted fit leaves the estimator as it was."""

import os
import signal

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from sksubtomo.networks import Liu2019
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.training import JointLoss, Training


def small(**params):
    return CNNClassifier(
        **{"network": Liu2019(n_filters=2), "max_epochs": 3, "random_state": 0, **params}
    )


@pytest.fixture
def interrupt(monkeypatch):
    """Let Ctrl-C come in the fifth batch, as Python handles it, outside of the command line."""
    forward, calls = JointLoss.forward, []

    def interrupted(self, *args):
        calls.append(1)
        if len(calls) == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return forward(self, *args)

    def arm():
        calls.clear()
        monkeypatch.setattr(JointLoss, "forward", interrupted)

    # A shell starts what runs in the background with SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield arm
    signal.signal(signal.SIGINT, before)


def test_a_first_fit_stays_unfitted(easy_volumes, interrupt):
    X, y = easy_volumes
    clf = small(batch_size=16)
    interrupt()
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, y)
    with pytest.raises(NotFittedError):
        clf.predict(X)
    assert not hasattr(clf, "classes_")


def test_the_fit_before_is_there_again(easy_volumes, interrupt):
    X, y = easy_volumes
    clf = small(batch_size=16).fit(X, y)
    before = clf.predict_proba(X)
    interrupt()
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X[:, :4], y)
    assert np.array_equal(clf.predict_proba(X), before)
    assert clf.n_iter_ == 3


def test_a_net_that_has_gone_on_is_no_fit(easy_volumes, interrupt):
    X, y = easy_volumes
    clf = small(batch_size=16, warm_start=True).fit(X, y)
    interrupt()
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, y)
    with pytest.raises(NotFittedError):
        clf.predict(X)
    clf.fit(X, y)


def test_early_stopping_ends_a_fit_without_an_interrupt(easy_volumes):
    X, y = easy_volumes
    clf = small(max_epochs=60, learning_rate=0.01, training=Training(n_iter_no_change=1))
    assert clf.fit(X, y).n_iter_ < 60
