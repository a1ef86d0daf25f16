"""A fit that was interrupted and goes on ends with the bits of one that was not."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import sklearn
from estimators import NETWORKS, QUICK
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

from sksubtomo._utils._fingerprints import state_fingerprint
from sksubtomo._utils._lazy import LazyVolumes
from sksubtomo.decomposition import Autoencoder, VariationalAutoencoder
from sksubtomo.exceptions import FileFormatError
from sksubtomo.networks import Liu2019
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.persistence import Checkpoint
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import (
    AutoencodingClassifier,
    FineTunedClassifier,
    MeanTeacherClassifier,
    PseudoLabelClassifier,
    SemiSupervisedVAEClassifier,
)
from sksubtomo.training import Training, TrainingRecord, training_state

SHORT = {**QUICK, "max_epochs": 4, "precision": "float32"}
CNN = {**SHORT, "network": Liu2019(n_filters=2)}
#: Of the table, and some whose training has more of a state.
CASES = {
    **{name: clone(one).set_params(max_epochs=4) for name, one in NETWORKS.items()},
    "early stopping": AutoencodingClassifier(
        **{**SHORT, "early_stopping": True, "max_epochs": 8},
        training=Training(validation_fraction=0.3, n_iter_no_change=1, average_decay=0.9),
    ),
    "one cycle": CNNClassifier(
        **CNN,
        training=Training(
            optimizer="adamw", weight_decay=0.1, schedule="one_cycle", steps_per_epoch=3
        ),
    ),
    "views": MeanTeacherClassifier(**CNN, augmentation="rotations"),
    "pseudo-labels": PseudoLabelClassifier(**{**CNN, "max_epochs": 6}, threshold=0.5),
    "stacked": SemiSupervisedVAEClassifier(
        VariationalAutoencoder(**SHORT), **{**SHORT, "network": "liu2019"}
    ),
}


class Ended(KeyboardInterrupt):
    pass


def end_after(monkeypatch, n_epochs):
    """Interrupt fits as soon as so many epochs are kept."""
    keep, kept = TrainingRecord.keep, []

    def interrupted(self, *args, **kwargs):
        keep(self, *args, **kwargs)
        kept.append(1)
        if len(kept) == n_epochs:
            raise Ended

    monkeypatch.setattr(TrainingRecord, "keep", interrupted)
    return kept


def interrupted(monkeypatch, estimator, path, n_epochs, *data, **params):
    with monkeypatch.context() as patched:
        end_after(patched, n_epochs)
        with pytest.raises(Ended):
            estimator.fit(*data, checkpoint=path, **params)
    assert path.exists()


def described(fitted):
    """Return all that a fit set, times aside, as text."""
    own = {}
    for name, value in vars(fitted).items():
        if name == "net_":
            state = dict(training_state(value))
            own[name] = state_fingerprint({**state, "history": history(state["history"])})
        elif name == "history_":
            own[name] = repr(history(value))
        elif name in ("autoencoder_", "vae_"):
            own[name] = None if value is None else described(value)
        elif name.endswith("_"):
            own[name] = repr(value.tolist() if isinstance(value, np.ndarray) else value)
    return own


def history(entries):
    return [{k: v for k, v in entry.items() if k != "dur"} for entry in entries]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "fit.checkpoint"


@pytest.mark.parametrize("n_epochs", [1, 3])
@pytest.mark.parametrize("case", CASES)
def test_it_goes_on_with_the_same_bits(mostly_hidden, path, monkeypatch, case, n_epochs):
    X, y = mostly_hidden[0][:40], mostly_hidden[1][:40]
    interrupted(monkeypatch, clone(CASES[case]), path, n_epochs, X, y)
    with monkeypatch.context() as patched:
        kept = end_after(patched, -1)
        resumed = clone(CASES[case]).fit(X, y, checkpoint=path)
    whole = clone(CASES[case]).fit(X, y)
    assert described(resumed) == described(whole)
    assert list(path.parent.iterdir()) == []
    assert len(kept) < 2 * resumed.max_epochs  # not from the beginning


def test_it_may_be_interrupted_every_epoch(mostly_hidden, path, monkeypatch):
    X, y = mostly_hidden
    clf = FineTunedClassifier(**{**SHORT, "max_epochs": 3})
    for _ in range(6):
        interrupted(monkeypatch, clone(clf), path, 1, X, y)
    resumed = clone(clf).fit(X, y, checkpoint=path)
    assert described(resumed) == described(clone(clf).fit(X, y))


def test_the_end_of_early_stopping_is_an_end(path):
    # Of noise, nothing is learned that holds for other volumes.
    X, y = np.random.default_rng(0).normal(size=(40, 8, 8, 8)), np.arange(40) % 2
    training = Training(validation_fraction=0.5, n_iter_no_change=2, average_decay=0.5)
    clf = CNNClassifier(
        **{**CNN, "early_stopping": True, "max_epochs": 60, "learning_rate": 0.02},
        training=training,
    )
    first = clone(clf).fit(X, y, checkpoint=Checkpoint(path, keep=True))
    assert first.n_iter_ < 60
    again = clone(clf).fit(X, y, checkpoint=Checkpoint(path, keep=True))
    assert described(again) == described(first)


@pytest.mark.parametrize("random_state", [None, np.random.RandomState(3)])
def test_seeds_are_those_of_the_first_run(mostly_hidden, path, monkeypatch, random_state):
    # Without a seed, there is no second fit to compare with; the first run must have been as long.
    X, y = mostly_hidden
    clf = CNNClassifier(**{**CNN, "random_state": random_state})
    given = clf.get_params()["random_state"]
    state = None if given is None else given.get_state()
    first = (
        clone(clf)
        .set_params(random_state=given)
        .fit(X, y, checkpoint=Checkpoint(path, keep=True, interval_s=0))
    )
    if given is not None:
        given.set_state(state)
    again = clone(clf).set_params(random_state=given).fit(X, y, checkpoint=path)
    assert described(again) == described(first)


def test_a_fit_that_goes_on_from_another(mostly_hidden, path, monkeypatch):
    X, y = mostly_hidden

    def begun():
        return CNNClassifier(**CNN, warm_start=True).fit(X, y)

    interrupted(monkeypatch, begun(), path, 2, X, y)
    resumed = begun().fit(X, y, checkpoint=path)
    assert resumed.n_iter_ == 8
    assert described(resumed) == described(begun().fit(X, y))
    interrupted(monkeypatch, begun(), path, 2, X, y)
    with pytest.raises(ValueError, match="net_ was"):
        begun().fit(X, y).fit(X, y, checkpoint=path)


CHANGES = {
    "learning_rate": ({"learning_rate": 1e-3}, r"learning_rate was 0\.003 and is 0\.001"),
    "network": ({"network": "resnet"}, "network was 'Liu2019' and is 'ResNet'"),
    "filters": ({"network__n_filters": 3}, "network__n_filters was 2 and is 3"),
    "decay": ({"training": Training(weight_decay=0.1)}, r"training__weight_decay was 0\.0 and is"),
    "random_state": ({"random_state": 1}, "random_state was 0 and is 1"),
    "max_epochs": ({"max_epochs": 5}, "max_epochs was 4 and is 5"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_other_parameters_are_refused_by_name(mostly_hidden, path, monkeypatch, change):
    X, y = mostly_hidden
    params, message = CHANGES[change]
    interrupted(monkeypatch, CNNClassifier(**CNN), path, 1, X, y)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=message):
        CNNClassifier(**CNN).set_params(**params).fit(X, y, checkpoint=path)
    assert path.read_bytes() == before


def test_other_data_are_refused_by_name(mostly_hidden, path, monkeypatch):
    X, y = mostly_hidden
    clf = CNNClassifier(**{**CNN, "early_stopping": True})
    interrupted(monkeypatch, clone(clf), path, 1, X, y)
    changed, relabeled = X.copy(), y.copy()
    changed[7, 1, 2, 3] += 1e-3
    relabeled[0] = 1
    with pytest.raises(ValueError, match="another fit: X was shape"):
        clone(clf).fit(changed, y, checkpoint=path)
    with pytest.raises(ValueError, match=r"another fit: X was shape \(60.*and is shape \(50.*; y "):
        clone(clf).fit(X[:50], y[:50], checkpoint=path)
    with pytest.raises(ValueError, match=r"another fit: y was shape [^;]*\. Fit as then"):
        clone(clf).fit(X, relabeled, checkpoint=path)
    with pytest.raises(ValueError, match="another fit: classes was"):
        clone(clf).fit(X, np.where(y < 0, -1, y + 1), checkpoint=path)
    with pytest.raises(ValueError, match="another fit: X_val was None and is shape"):
        clone(clf).fit(X, y, X_val=X[:9], y_val=y[:9], checkpoint=path)
    with pytest.raises(ValueError, match="kind of fit was 'CNNClassifier' and is 'Pse"):
        PseudoLabelClassifier(**CNN).fit(X, y, checkpoint=path)


def test_another_first_stage_is_refused(mostly_hidden, path, monkeypatch):
    X, y = mostly_hidden
    one, other = (Autoencoder(**SHORT).fit(X[:n]) for n in (60, 50))
    clf = FineTunedClassifier(FrozenEstimator(one), **SHORT)
    interrupted(monkeypatch, clf, path, 1, X, y)
    with pytest.raises(ValueError, match=r"autoencoder\.net_ was digest"):
        FineTunedClassifier(FrozenEstimator(other), **SHORT).fit(X, y, checkpoint=path)


def test_what_has_no_effect_may_change(mostly_hidden, path, monkeypatch):
    X, y = mostly_hidden
    interrupted(monkeypatch, CNNClassifier(**CNN), path, 1, X, y)
    training = Training(verbose=1, keep_interrupted=True)
    CNNClassifier(**CNN, training=training).fit(X, y, checkpoint=path)


def test_other_versions_are_refused(mostly_hidden, path, monkeypatch):
    X, y = mostly_hidden
    interrupted(monkeypatch, CNNClassifier(**CNN), path, 1, X, y)
    monkeypatch.setattr("sksubtomo._utils._versions.__version__", "99.0")
    with pytest.raises(ValueError, match=r"version of sksubtomo was .* and is '99\.0'"):
        CNNClassifier(**CNN).fit(X, y, checkpoint=path)


def test_a_state_of_another_network_is_refused(mostly_hidden, path, monkeypatch):
    # A file whose fingerprints somebody changed.
    X, y = mostly_hidden
    interrupted(monkeypatch, CNNClassifier(**CNN), path, 1, X, y)
    monkeypatch.setattr("sksubtomo._utils._checkpoint.differences", lambda before, now: [])
    clf = CNNClassifier(**{**CNN, "network": Liu2019(n_filters=3)})
    with pytest.raises(FileFormatError, match=r"fit\.checkpoint cannot be read as a checkpoint of"):
        clf.fit(X, y, checkpoint=path)
    assert not hasattr(clf, "net_")


def test_an_interrupted_fit_that_is_kept_keeps_its_checkpoint(mostly_hidden, path, monkeypatch):
    X, y = mostly_hidden
    kept = CNNClassifier(**CNN, training=Training(keep_interrupted=True))
    with monkeypatch.context() as patched:
        end_after(patched, 2)
        kept.fit(X, y, checkpoint=path)
    assert kept.n_iter_ == 2
    assert path.exists()
    resumed = CNNClassifier(**CNN).fit(X, y, checkpoint=path)
    assert described(resumed) == described(CNNClassifier(**CNN).fit(X, y))


class Stack(LazyVolumes):
    def __init__(self, volumes):
        self.volumes, self._edges, self._steps = volumes, volumes.shape[1:], ()

    def __len__(self):
        return len(self.volumes)

    def __getitem__(self, rows):
        return Stack(self.volumes[rows])

    def __array__(self, dtype=None, copy=None):
        return self.volumes


def test_lazy_stacks(mostly_hidden, path, monkeypatch):
    X, y = mostly_hidden
    clf = AutoencodingClassifier(**SHORT)
    interrupted(monkeypatch, clone(clf), path, 2, Stack(X), y)
    resumed = clone(clf).fit(Stack(X), y, checkpoint=path)
    assert described(resumed) == described(clone(clf).fit(X, y))


def test_in_a_pipeline(mostly_hidden, path, monkeypatch):
    X, y = mostly_hidden
    pipeline = make_pipeline(VolumeNormalizer(), CNNClassifier(**CNN))
    with monkeypatch.context() as patched:
        end_after(patched, 2)
        with pytest.raises(Ended):
            pipeline.fit(X, y, cnnclassifier__checkpoint=path)
    with sklearn.config_context(enable_metadata_routing=True):
        clf = CNNClassifier(**CNN).set_fit_request(checkpoint=True)
        resumed = make_pipeline(VolumeNormalizer(), clf).fit(X, y, checkpoint=path)
    assert np.array_equal(resumed.predict_proba(X), clone(pipeline).fit(X, y).predict_proba(X))


def test_transformers_fit_and_transform(mostly_hidden, path):
    X, _ = mostly_hidden
    codes = Autoencoder(**SHORT).fit_transform(X, checkpoint=path)
    assert np.array_equal(codes, Autoencoder(**SHORT).fit_transform(X))


# --- Processes that are killed --------------------------------------------------------------------

SCRIPT = """
import signal
import sys
import numpy as np
from sksubtomo.networks import Liu2019
from sksubtomo.persistence import Checkpoint
from sksubtomo.semi_supervised import FineTunedClassifier

# Processes in the background of a shell ignore it, and so do those that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
rng = np.random.default_rng(0)
y = np.arange(60) % 2
X = rng.normal(size=(60, 8, 8, 8)).astype(np.float32) + y[:, None, None, None]
clf = FineTunedClassifier(
    network=Liu2019(n_filters=4, latent_dim=6), max_epochs=30, batch_size=16, random_state=0,
    precision="float32", learning_rate=1e-3,
)
print("begins", flush=True)
clf.fit(X, np.where(np.arange(60) < 30, y, -1), checkpoint=Checkpoint(sys.argv[1], interval_s=0.1))
print(clf.predict_proba(X).tobytes().hex(), flush=True)
"""


def started(path):
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def killed(path, name, seconds):
    """Run the script, and signal it so long after it has a checkpoint; return what it said."""
    process = started(path)
    process.stdout.readline()
    while not path.exists() and process.poll() is None:
        time.sleep(0.002)
    time.sleep(seconds)
    process.send_signal(getattr(signal, name))  # which does nothing once the process has ended
    out, _ = process.communicate(timeout=300)
    return process.returncode, out.strip()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGINT"])
def test_killed_at_random_moments(path, name):
    rng = np.random.default_rng(getattr(signal, name))
    expected = started(path).communicate(timeout=300)[0].split()[-1]
    n_killed = 0
    for _ in range(2):
        code, said = killed(path, name, rng.uniform(0.0, 0.2))
        if code == 0:
            assert said == expected
            continue
        n_killed += 1
        assert code == (-signal.SIGTERM if name == "SIGTERM" else -getattr(signal, name))
    assert n_killed
    assert started(path).communicate(timeout=300)[0].split()[-1] == expected
    assert os.listdir(path.parent) == []
