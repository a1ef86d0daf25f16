"""scikit-learn's callbacks hear of the epochs of a fit."""

import pickle

import numpy as np
import pytest
from estimators import NETWORKS
from sklearn.base import clone, is_classifier

pytest.importorskip("sklearn.callback", reason="scikit-learn < 1.9 has no callbacks")

from sklearn.callback import ScoringMonitor

from sksubtomo.metrics import get_labeled_scorer


class Listener:
    """Writes down the names of tasks, and asks for the end after some epochs."""

    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.heard = []

    def setup(self, estimator, context):
        self.heard.append("setup")

    def teardown(self, estimator, context):
        self.heard.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.heard.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context):
        self.heard.append(f"end {context.task_name}")
        return self.stop_after is not None and self.heard.count("end epoch") >= self.stop_after


@pytest.fixture(params=NETWORKS)
def network(request):
    return clone(NETWORKS[request.param]).set_params(max_epochs=3)


EPOCH = ["begin epoch", "end epoch"]


def test_epochs_are_tasks(network, mostly_hidden):
    listener = Listener()
    network.set_callbacks(listener).fit(*mostly_hidden)
    assert listener.heard == ["setup", "begin fit", *3 * EPOCH, "end fit", "teardown"]
    pickle.dumps(network)


def test_a_callback_can_end_the_fit(network, mostly_hidden):
    listener = Listener(stop_after=2)
    network.set_callbacks(listener).fit(*mostly_hidden)
    assert network.n_iter_ == 2
    assert listener.heard == ["setup", "begin fit", *2 * EPOCH, "end fit", "teardown"]


def test_the_last_epoch_counts_where_a_callback_ends_the_fit(network, mostly_hidden):
    X, y = mostly_hidden
    network.set_params(early_stopping=True)
    response = "predict_proba" if is_classifier(network) else "transform"
    short = clone(network).set_params(max_epochs=2).fit(X, y)
    stopped = clone(network).set_callbacks(Listener(stop_after=2)).fit(X, y)
    assert stopped.history_[-1]["epoch"] == 2
    assert np.array_equal(getattr(stopped, response)(X), getattr(short, response)(X))


def test_callbacks_are_torn_down_after_a_failure(network, mostly_hidden):
    listener = Listener()
    with pytest.raises(ValueError, match="diverged"):
        network.set_params(learning_rate=1e30).set_callbacks(listener).fit(*mostly_hidden)
    assert listener.heard[0] == "setup"
    assert listener.heard[-1] == "teardown"


def test_results_are_the_same_without_callbacks(network, mostly_hidden):
    X, y = mostly_hidden
    heard = clone(network).set_callbacks(Listener()).fit(X, y)
    network.fit(X, y)
    response = "predict_proba" if is_classifier(network) else "transform"
    assert np.array_equal(getattr(heard, response)(X), getattr(network, response)(X))


def test_scores_of_every_epoch(mostly_hidden, easy_volumes):
    X, y = mostly_hidden
    monitor = ScoringMonitor(scoring={"labeled": get_labeled_scorer("accuracy")})
    network = clone(NETWORKS["AutoencodingClassifier"]).set_params(max_epochs=15)
    network.set_callbacks(monitor).fit(X, y)
    found = monitor.get_logs().data
    assert found[-1]["labeled"] == network.score(X, y) == 1.0
