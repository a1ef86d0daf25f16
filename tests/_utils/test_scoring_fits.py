"""Meta-estimators of scikit-learn that encode labels before a classifier sees them."""

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import SequentialFeatureSelector
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.pipeline import make_pipeline

from sksubtomo.calibration import RejectingClassifier, TemperatureScaledClassifier
from sksubtomo.metrics import get_labeled_scorer
from sksubtomo.model_selection import SemiSupervisedSplit
from sksubtomo.networks import Liu2019
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.semi_supervised import (
    AutoencodingClassifier,
    MultiReferenceClassifier,
    SelfTrainingClassifier,
    WithUnlabeled,
)

AROUND = SelfTrainingClassifier(LogisticRegression())
OURS = {
    "autoencoding": AutoencodingClassifier(volume_shape=8),
    "supervised": CNNClassifier(volume_shape=8),
    "references": MultiReferenceClassifier(),
    "self_training": AROUND,
    "with_unlabeled": WithUnlabeled(AROUND),
    "temperature": TemperatureScaledClassifier(AROUND),
    "rejecting": RejectingClassifier(AROUND),
}
METAS = {
    "voting": lambda inner: VotingClassifier([("a", inner)]),
    "stacking": lambda inner: StackingClassifier([("a", inner)], cv=2),
    "bagging": lambda inner: BaggingClassifier(inner, n_estimators=2),
    "boosting": lambda inner: GradientBoostingClassifier(init=inner, n_estimators=1),
    "calibrated": lambda inner: CalibratedClassifierCV(inner, cv=2),
    "calibrated, one": lambda inner: CalibratedClassifierCV(inner, cv=2, ensemble=False),
    "one-vs-rest": OneVsRestClassifier,
    "one-vs-one": OneVsOneClassifier,
    "output code": OutputCodeClassifier,
    "in a pipeline": lambda inner: make_pipeline(VotingClassifier([("a", inner)])),
    "around a pipeline": lambda inner: VotingClassifier([("a", make_pipeline(inner))]),
    "around a search": lambda inner: VotingClassifier([("a", GridSearchCV(inner, {}, cv=2))]),
    "in a search": lambda inner: GridSearchCV(
        VotingClassifier([("a", inner)]), {}, cv=SemiSupervisedSplit(2), error_score="raise"
    ),
}
REFUSED = "would take -1, which means 'unlabeled', for a class.*WithUnlabeled"


@pytest.fixture(scope="module")
def rows(easy_volumes, mostly_hidden):
    """Flat rows of eight mean values, labels of which most are hidden, and the true ones."""
    X, y = easy_volumes
    means = X.reshape(60, 2, 4, 2, 4, 2, 4).mean(axis=(2, 4, 6)).reshape(60, 8)
    return means, mostly_hidden[1], y


@pytest.mark.parametrize("name", OURS)
def test_every_classifier_refuses(easy_volumes, mostly_hidden, name):
    with pytest.raises(ValueError, match="VotingClassifier " + REFUSED):
        VotingClassifier([("a", OURS[name])]).fit(*mostly_hidden)


@pytest.mark.filterwarnings("ignore:y contains no unlabeled samples:UserWarning")
@pytest.mark.parametrize("name", METAS)
def test_every_meta_estimator_is_refused_and_right_with_labels_only(rows, name):
    X, hidden, y = rows
    with pytest.raises(ValueError, match=REFUSED):
        METAS[name](AROUND).fit(X, hidden)
    if name != "output code":  # which hands on -1 for one of its two sides
        labeled = hidden >= 0
        meta = METAS[name](WithUnlabeled(AROUND, X[~labeled])).fit(X[labeled], hidden[labeled])
        assert meta.classes_.tolist() == [0, 1, 2]
        assert get_labeled_scorer("accuracy")(meta, X[labeled], y[labeled]) > 0.5


@pytest.mark.filterwarnings("ignore:y contains no unlabeled samples:UserWarning")
@pytest.mark.parametrize(
    "meta",
    [
        BaggingClassifier(AROUND, n_estimators=2, n_jobs=2),
        OneVsRestClassifier(AROUND, n_jobs=2),
        OneVsOneClassifier(AROUND, n_jobs=2),
    ],
    ids=lambda meta: type(meta).__name__,
)
def test_clones_where_the_frame_of_fit_is_not_seen(rows, meta):
    with parallel_config("threading"), pytest.raises(ValueError, match=REFUSED):
        meta.fit(*rows[:2])


def test_labels_that_are_words(rows):
    X, hidden, _ = rows
    words = np.array(["a", "b", "c", "unlabeled"])[hidden]
    for y in (words, words.tolist(), words.astype(object)):
        with pytest.raises(ValueError, match="would take 'unlabeled', which means"):
            VotingClassifier([("a", AROUND)]).fit(X, y)


def test_frozen_classifiers_are_refused_when_they_predict(rows):
    X, hidden, _ = rows
    frozen = FrozenEstimator(clone(AROUND).fit(X, hidden))
    with pytest.raises(ValueError, match="CalibratedClassifierCV " + REFUSED):
        CalibratedClassifierCV(frozen, cv=2).fit(X, hidden)


def test_partial_fit(mostly_hidden):
    X, hidden = mostly_hidden
    inner = AutoencodingClassifier(network=Liu2019(n_filters=2, latent_dim=2))
    for meta in (OneVsRestClassifier(inner), OneVsOneClassifier(inner)):
        with pytest.raises(ValueError, match=REFUSED):
            meta.partial_fit(X.reshape(60, -1), hidden, classes=np.unique(hidden))


def test_chains_train_on_labels_and_several_outputs_do_not(rows):
    X, hidden, y = rows
    Y = np.column_stack([hidden, hidden])
    with pytest.raises(ValueError, match="ClassifierChain " + REFUSED):
        ClassifierChain(AROUND).fit(X, Y)
    several = MultiOutputClassifier(AROUND).fit(X, Y)
    assert [classes.tolist() for classes in several.classes_] == [[0, 1, 2]] * 2
    assert (several.predict(X) == y[:, np.newaxis]).all()


def test_tools_that_hand_labels_on_are_not_refused(rows):
    X, hidden, y = rows
    cv, scoring = SemiSupervisedSplit(2), get_labeled_scorer("accuracy")
    search = GridSearchCV(make_pipeline(AROUND), {}, cv=cv, scoring=scoring).fit(X, hidden)
    assert search.score(X, y) == 1.0
    assert cross_val_score(AROUND, X, hidden, cv=cv, scoring=scoring).tolist() == [1.0, 1.0]
    selector = SequentialFeatureSelector(AROUND, n_features_to_select=3, cv=cv, scoring=scoring)
    assert selector.fit(X, hidden).get_support().sum() == 3
