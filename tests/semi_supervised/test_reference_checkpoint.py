"""References that were interrupted and go on end with the bits of those that were not."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sksubtomo.alignment import Annealing
from sksubtomo.exceptions import FileFormatError, ImagingWarning
from sksubtomo.networks import Liu2019
from sksubtomo.persistence import Checkpoint
from sksubtomo.preprocessing import VolumeFlattener
from sksubtomo.semi_supervised import (
    AutoencodingClassifier,
    MultiReferenceClassifier,
    SelfTrainingClassifier,
)
from sksubtomo.semi_supervised._em_record import EMRecord

STAGES = Annealing(stages=[(3, 60, 1, 3), (4, 60, 1, 2)], n_frozen_iter=1)
QUICK = {"annealing": STAGES, "random_state": 0}
NETWORK = AutoencodingClassifier(
    network=Liu2019(n_filters=2), max_epochs=2, batch_size=16, precision="float32", random_state=0
)
CASES = {
    "plain": MultiReferenceClassifier(**QUICK),
    "several": MultiReferenceClassifier(**QUICK, n_init=3),
    "symmetric": MultiReferenceClassifier(**QUICK, symmetry={0: "C2"}, n_init=2),
    "conformations": MultiReferenceClassifier(**QUICK, n_references=2, class_prior="uniform"),
    "colored": MultiReferenceClassifier(**QUICK, noise="shells", class_prior=None),
    "network": MultiReferenceClassifier(NETWORK, **QUICK),
}
LEFT_OUT = ("estimator_",)


class Ended(KeyboardInterrupt):
    pass


@pytest.fixture(scope="module")
def data(easy_volumes):
    X, y = easy_volumes
    return X[:30], np.where(np.arange(30) < 12, y[:30], -1)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "fit.checkpoint"


def interrupted(monkeypatch, estimator, path, n_kept, data):
    """Fit, and interrupt as soon as an EM has been kept so many times."""
    keep, kept = EMRecord._keep, []

    def end(self, **changes):
        keep(self, **changes)
        kept.append(1)
        if len(kept) == n_kept:
            raise Ended

    with monkeypatch.context() as patched:
        patched.setattr(EMRecord, "_keep", end)
        with pytest.raises(Ended):
            estimator.fit(*data, checkpoint=path)
    assert path.exists()


def described(fitted):
    """Return all that a fit set, times aside, as text."""
    own = {}
    for name, value in vars(fitted).items():
        if name == "history_":
            entries = [{k: v for k, v in entry.items() if k != "seconds"} for entry in value]
            own[name] = repr(entries)
        elif name == "poses_":
            arrays = {k: one.as_quat() if k == "rotations" else one for k, one in value.items()}
            own[name] = {key: repr(np.asarray(one).tolist()) for key, one in arrays.items()}
        elif name.endswith("_") and name not in LEFT_OUT:
            own[name] = repr(value.tolist() if isinstance(value, np.ndarray) else value)
    return own


@pytest.fixture(scope="module")
def whole(data):
    """What fits that nobody interrupts give, each made once."""
    made = {}

    def fitted(case):
        if case not in made:
            made[case] = described(clone(CASES[case]).fit(*data))
        return made[case]

    return fitted


@pytest.mark.filterwarnings("ignore::sksubtomo.exceptions.ImagingWarning")
@pytest.mark.parametrize(
    ("case", "n_kept"),
    [
        *(("plain", n) for n in (1, 2, 3, 5, 6)),
        *(("several", n) for n in (1, 5, 6, 8, 13, 18)),
        *(("symmetric", n) for n in (1, 3, 9)),
        *(("conformations", n) for n in (2, 4)),
        ("colored", 3),
        ("network", 2),
    ],
)
def test_it_goes_on_with_the_same_bits(data, whole, path, monkeypatch, case, n_kept):
    interrupted(monkeypatch, clone(CASES[case]), path, n_kept, data)
    resumed = clone(CASES[case]).fit(*data, checkpoint=path)
    assert described(resumed) == whole(case)
    assert list(path.parent.iterdir()) == []


@pytest.mark.filterwarnings("ignore::sksubtomo.exceptions.ImagingWarning")
def test_it_may_be_interrupted_every_iteration(data, whole, path, monkeypatch):
    for _ in range(7):
        interrupted(monkeypatch, clone(CASES["several"]), path, 1, data)
    assert described(clone(CASES["several"]).fit(*data, checkpoint=path)) == whole("several")


@pytest.mark.filterwarnings("ignore::sksubtomo.exceptions.ImagingWarning")
@pytest.mark.parametrize("random_state", [None, np.random.RandomState(5)])
def test_random_numbers_are_those_of_the_first_run(data, path, monkeypatch, random_state):
    clf = MultiReferenceClassifier(annealing=STAGES, n_init=2)
    given = random_state
    before = None if given is None else given.get_state()
    first = clone(clf).set_params(random_state=given)
    first.fit(*data, checkpoint=Checkpoint(path, keep=True, interval_s=0))
    drawn = None if given is None else given.randint(1000)
    if given is not None:
        given.set_state(before)
    again = clone(clf).set_params(random_state=given).fit(*data, checkpoint=path)
    assert described(again) == described(first)
    if given is not None:  # what is drawn later is the same, too
        assert given.randint(1000) == drawn


@pytest.mark.filterwarnings("ignore::sksubtomo.exceptions.ImagingWarning")
def test_another_fit_is_refused_by_what_differs(data, path, monkeypatch):
    X, y = data
    interrupted(monkeypatch, clone(CASES["plain"]), path, 2, data)
    other = Annealing(stages=[(3, 60, 1, 3), (4, 60, 1, 3)], n_frozen_iter=1)
    refused = [
        ({"max_shift_voxels": 1.0}, X, y, "max_shift_voxels was 'auto' and is 1"),
        ({"annealing": other}, X, y, "annealing__stages was "),
        ({"n_init": 2}, X, y, "n_init was 'auto' and is 2"),
        ({"estimator": NETWORK}, X, y, "estimator was None and is"),
        ({}, X + 1, y, "X was shape"),
        ({}, X, np.roll(y, 1), "y was shape"),
    ]
    for params, volumes, labels, message in refused:
        with pytest.raises(ValueError, match=f"of another fit: {message}"):
            clone(CASES["plain"]).set_params(**params).fit(volumes, labels, checkpoint=path)
    MultiReferenceClassifier(**QUICK, verbose=1).fit(X, y, checkpoint=path)


@pytest.mark.filterwarnings("ignore::sksubtomo.exceptions.ImagingWarning")
def test_a_classifier_that_says_something_else_is_refused(data, path, monkeypatch):
    # One without a seed and without a checkpoint of its own.
    class Random(LogisticRegression):
        calls = 0

        def predict_proba(self, X):
            Random.calls += 1
            return np.random.default_rng(Random.calls).dirichlet(np.ones(3), len(X))

    inner = SelfTrainingClassifier(make_pipeline(VolumeFlattener(), Random()), max_iter=0)
    clf = MultiReferenceClassifier(inner, **QUICK)
    interrupted(monkeypatch, clone(clf), path, 2, data)
    with pytest.raises(ValueError, match="predict_proba of estimator was shape"):
        clone(clf).fit(*data, checkpoint=path)


@pytest.mark.filterwarnings("ignore::sksubtomo.exceptions.ImagingWarning")
def test_a_state_of_other_references_is_refused(data, path, monkeypatch):
    interrupted(monkeypatch, clone(CASES["plain"]), path, 2, data)
    monkeypatch.setattr("sksubtomo._utils._checkpoint.differences", lambda before, now: [])
    clf = clone(CASES["plain"]).set_params(n_references=2)
    with pytest.raises(FileFormatError, match="its maps are not those of this fit"):
        clf.fit(*data, checkpoint=path)
    assert not hasattr(clf, "references_")


def test_inverted_references_are_warned_of_again(data, path, monkeypatch):
    X, y = data
    fitted = MultiReferenceClassifier(**QUICK).fit(X, y)
    clf = MultiReferenceClassifier(**QUICK, n_init=2, references_init=-fitted.references_)
    with pytest.warns(ImagingWarning, match="inverted contrast"):
        interrupted(monkeypatch, clone(clf), path, 7, data)
    with pytest.warns(ImagingWarning, match="inverted contrast"):
        resumed = clone(clf).fit(X, y, checkpoint=path)
    with pytest.warns(ImagingWarning, match="inverted contrast"):
        assert described(resumed) == described(clone(clf).fit(X, y))
