"""Recorded steps against steps as ever, with a recording that does the work anew."""

import pickle
import warnings

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from sksubtomo._torch import PlainRecording
from sksubtomo.augmentation import WedgeAwareAugmentation
from sksubtomo.decomposition import VariationalAutoencoder
from sksubtomo.exceptions import RecordedStepWarning
from sksubtomo.networks import GaussianNoise
from sksubtomo.semi_supervised import AutoencodingClassifier, MeanTeacherClassifier
from sksubtomo.training import JointTraining, ViewPolicy, _recorded_step, _volume_net
from sksubtomo.training._recorded_step import RecordedStep, can_be_recorded, recorded_step

# Of the entries of a history, all but the seconds.
FIGURES = ("train_loss", "train_cross_entropy", "train_reconstruction_error", "valid_loss")


def volumes(n=54):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 8, 8, 8)).astype(np.float32)
    return X, np.where(np.arange(n) % 3, -1, np.arange(n) % 2)


def fit(**params):
    settings = {"max_epochs": 4, "batch_size": 8, "random_state": 0, "device": "cpu"}
    return AutoencodingClassifier().set_params(**{**settings, **params}).fit(*volumes())


def weights(estimator):
    return [value.detach().numpy() for value in estimator.net_.module_.state_dict().values()]


class Recorder:
    """Makes the nets of a test record their steps, and keeps what they made."""

    def __init__(self, monkeypatch, recording=PlainRecording):
        self.steps = []
        self.recording = recording
        monkeypatch.setattr(_volume_net, "recorded_step", self)

    def __call__(self, step, views, module, criterion, optimizer, **kwargs):
        made = RecordedStep(step, module, criterion, optimizer, self.recording())
        self.steps.append(made)
        return made


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"training__optimizer": "adamw", "training__weight_decay": 0.1},
        {"training__average_decay": 0.9},
        {"training__labeled_share": 0.5},
        {"early_stopping": False},
    ],
)
def test_recorded_steps_train_to_the_same_bits(monkeypatch, params):
    """A short last batch comes in every epoch, between replays."""
    expected = fit(**params)
    recorder = Recorder(monkeypatch)
    found = fit(**params)
    (made,) = recorder.steps
    assert made.is_recorded
    assert made.n_done > 10
    for one, other in zip(weights(found), weights(expected), strict=True):
        assert np.array_equal(one, other)
    for one, other in zip(found.history_, expected.history_, strict=True):
        assert {name: one.get(name) for name in FIGURES} == {n: other.get(n) for n in FIGURES}
    X, _ = volumes()
    assert np.array_equal(found.predict_proba(X), expected.predict_proba(X))


def test_a_recording_is_no_part_of_a_pickle(monkeypatch):
    Recorder(monkeypatch)
    estimator = fit()
    assert estimator.net_._recorded is None
    X, _ = volumes()
    again = pickle.loads(pickle.dumps(estimator))
    assert np.array_equal(again.predict_proba(X), estimator.predict_proba(X))


def test_an_interrupted_training_lets_go_of_its_recording(monkeypatch):
    recorder = Recorder(monkeypatch)
    taken = RecordedStep.__call__

    def interrupted(self, batch):
        if self.is_recorded:
            raise KeyboardInterrupt
        return taken(self, batch)

    monkeypatch.setattr(RecordedStep, "__call__", interrupted)
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        estimator = fit(training__keep_interrupted=True)
    assert recorder.steps
    assert estimator.net_._recorded is None


class WrongLoss(PlainRecording):
    """Replays a step whose loss is another."""

    def replay(self):
        result = super().replay()
        return {**result, "loss": 1.01 * result["loss"]}


class Nothing(PlainRecording):
    """Replays nothing, as if the graph were empty."""

    def warm_up(self, work):
        self.result = work()
        return self.result

    def replay(self):
        return self.result


class Impossible(PlainRecording):
    """Cannot record, after it has done harm to the sums of the loss."""

    def record(self, work):
        raise RuntimeError("operation not permitted when stream is capturing\nmore")


@pytest.mark.parametrize(
    ("recording", "reason"),
    [
        (WrongLoss, "has the loss"),
        (Nothing, "leads to other weights|counts otherwise"),
        (Impossible, r"cannot be recorded \(operation not permitted when stream is capturing\)"),
    ],
)
def test_what_is_recorded_wrongly_is_not_used(monkeypatch, recording, reason):
    expected = fit()
    recorder = Recorder(monkeypatch, recording)
    with pytest.warns(RecordedStepWarning, match=reason) as caught:
        found = fit()
    assert len([one for one in caught if one.category is RecordedStepWarning]) == 1
    assert recorder.steps[0].is_refused
    for one, other in zip(weights(found), weights(expected), strict=True):
        assert np.array_equal(one, other)
    assert [e["train_loss"] for e in found.history_] == [e["train_loss"] for e in expected.history_]


def test_what_can_be_recorded():
    plain = nn.Linear(1, 1)
    assert can_be_recorded(ViewPolicy(), plain)
    assert not can_be_recorded(ViewPolicy(WedgeAwareAugmentation()), plain)
    assert not can_be_recorded(ViewPolicy(corruption=WedgeAwareAugmentation()), plain)
    assert not can_be_recorded(ViewPolicy(teacher="self"), plain)
    assert not can_be_recorded(ViewPolicy(), nn.Sequential(plain, GaussianNoise()))


def test_where_steps_are_recorded(monkeypatch):
    module = nn.Linear(1, 1)
    optimizer = torch.optim.Adam(module.parameters())
    monkeypatch.setattr(_recorded_step, "CudaRecording", lambda device: PlainRecording())
    monkeypatch.delenv("SKSUBTOMO_CUDA_GRAPHS", raising=False)

    def made(views=ViewPolicy(), **changed):  # noqa: B008
        where = {"device": "cuda", "n_steps": 1000, "is_constant": True, **changed}
        return recorded_step(print, views, module, nn.MSELoss(), optimizer, **where)

    assert made() is not None
    assert made(device="cpu") is None
    assert made(n_steps=10) is None
    assert made(is_constant=False) is None
    assert made(ViewPolicy(teacher="average")) is None
    monkeypatch.setenv("SKSUBTOMO_CUDA_GRAPHS", "0")
    assert made() is None


@pytest.mark.parametrize(
    ("estimator", "is_constant"),
    [
        (AutoencodingClassifier(), True),
        (AutoencodingClassifier(training=JointTraining(schedule="one_cycle")), False),
        (MeanTeacherClassifier(), False),
    ],
)
def test_rates_and_weights_that_change_are_told(monkeypatch, estimator, is_constant):
    told = []
    monkeypatch.setattr(
        _volume_net, "recorded_step", lambda *args, **kwargs: told.append(kwargs) or None
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.set_params(max_epochs=3, batch_size=8, random_state=0, device="cpu").fit(
            *volumes()
        )
    assert told[0]["is_constant"] is is_constant
    assert told[0]["n_steps"] >= 3 * (54 // 8)


def test_variational_networks_draw_numbers_and_are_not_recorded():
    X, _ = volumes()
    encoder = VariationalAutoencoder(max_epochs=1, random_state=0, device="cpu").fit(X)
    assert not can_be_recorded(ViewPolicy(), encoder.net_.module_)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["float32", "auto"])
def test_a_cuda_graph_has_the_losses_of_steps_as_ever(monkeypatch, precision):
    X, y = volumes(320)
    losses = []
    for switch in ("0", "1"):
        monkeypatch.setenv("SKSUBTOMO_CUDA_GRAPHS", switch)
        estimator = AutoencodingClassifier(
            max_epochs=10, batch_size=32, device="cuda", precision=precision, random_state=0
        ).fit(X, y)
        losses.append([epoch["train_loss"] for epoch in estimator.history_])
    np.testing.assert_allclose(*losses, rtol=1e-5 if precision == "float32" else 1e-3)
