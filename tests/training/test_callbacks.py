from types import SimpleNamespace

import pytest

from sksubtomo.training import epoch_figures, kept_epoch
from sksubtomo.training._callbacks import BestWeights, ProgressBar

HISTORY = [
    {"epoch": 1, "train_loss": 3.0, "train_live_units": 9},
    {"epoch": 2, "train_loss": 2.0, "train_live_units": 4},
    {"epoch": 3, "train_loss": 1.0, "train_live_units": 0},
]


def net(best_epoch=None, history=HISTORY):
    callbacks = [("bar", ProgressBar())]
    if best_epoch is not None:
        stopping = BestWeights(5)
        stopping.best_epoch_ = best_epoch
        callbacks.append(("stopping", stopping))
    return SimpleNamespace(history=history, callbacks_=callbacks)


@pytest.mark.parametrize(("best", "expected"), [(None, 3), (2, 2), (3, 3), (0, 3)])
def test_kept_epoch_is_the_best_one_if_early_stopping_went_back(best, expected):
    assert kept_epoch(net(best))["epoch"] == expected


def test_kept_epoch_is_never_a_torn_one():
    torn = [*HISTORY, {"epoch": 4}]
    assert kept_epoch(net(history=torn))["epoch"] == 3


def test_kept_epoch_of_a_training_interrupted_in_its_first_is_empty():
    assert kept_epoch(net(history=[{"epoch": 1}])) == {}


def test_history_keeps_the_figures_of_the_code_and_drops_skorchs():
    entry = {
        "epoch": 1,
        "dur": 0.1,
        "batches": [],
        "train_batch_count": 3,
        "train_live_units": 20,
        "valid_explained_variance": 0.1,
        "valid_reconstruction_spread": 0.3,
    }
    assert epoch_figures(entry) == {
        name: value for name, value in entry.items() if "batch" not in name
    }
