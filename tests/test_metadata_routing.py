"""Metadata reach the estimator inside of every other one: the right rows of them, and on request.

After scikit-learn's own tests of its meta-estimators.
"""

from typing import ClassVar

import numpy as np
import pytest
import sklearn
from estimators import METAS, ROUTING_META_ESTIMATORS
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.utils.metadata_routing import MetadataRouter

from sksubtomo.calibration import RejectingClassifier, TemperatureScaledClassifier
from sksubtomo.model_selection import SemiSupervisedSplit
from sksubtomo.semi_supervised import (
    MultiReferenceClassifier,
    SelfTrainingClassifier,
    WithUnlabeled,
)

N, N_UNLABELED = 60, 24
KNOWN = ("sample_weight", "tilt_ranges_deg", "groups")


class Recorder(ClassifierMixin, TransformerMixin, BaseEstimator):
    """Semi-supervised classifier that keeps what it is given; the first column of X is the row."""

    calls: ClassVar[list] = []

    def __init__(self, shift=0.0):
        self.shift = shift

    def _record(self, method, X, given):
        Recorder.calls.append((method, X[:, 0].astype(int), given))
        return X[:, 1:] + self.shift

    def fit(
        self, X, y, sample_weight=None, tilt_ranges_deg=None, groups=None, X_val=None, y_val=None
    ):
        given = dict(
            zip(
                (*KNOWN, "X_val", "y_val"),
                (sample_weight, tilt_ranges_deg, groups, X_val, y_val),
                strict=True,
            )
        )
        features = self._record("fit", X, {k: v for k, v in given.items() if v is not None})
        labeled = np.asarray(y) >= 0
        self.inner_ = LinearDiscriminantAnalysis().fit(features[labeled], np.asarray(y)[labeled])
        self.classes_ = self.inner_.classes_
        return self

    def predict(self, X, flavor=None):
        return self.inner_.predict(self._record("predict", X, {"flavor": flavor}))

    def predict_proba(self, X, flavor=None):
        return self.inner_.predict_proba(self._record("predict_proba", X, {"flavor": flavor}))

    def predict_log_proba(self, X, flavor=None):
        return self.inner_.predict_log_proba(
            self._record("predict_log_proba", X, {"flavor": flavor})
        )

    def decision_function(self, X, flavor=None):
        return self.inner_.decision_function(
            self._record("decision_function", X, {"flavor": flavor})
        )

    def transform(self, X, flavor=None):
        return self.inner_.transform(self._record("transform", X, {"flavor": flavor}))


def metadata_of(rows):
    """What belongs to rows of these numbers."""
    rows = np.asarray(rows)
    return {
        "sample_weight": rows + 0.5,
        "tilt_ranges_deg": np.stack([-40 - rows / 10, 40 + rows / 10], axis=1),
        "groups": rows % 6,
    }


@pytest.fixture
def routing():
    Recorder.calls.clear()
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.fixture(scope="module")
def data():
    """Rows whose first column is their number, labels of two thirds, and unlabeled rows."""
    rng = np.random.default_rng(0)
    y = np.arange(N + N_UNLABELED) % 3
    X = np.column_stack([np.arange(N + N_UNLABELED), 6 * np.eye(3)[y] + rng.normal(size=(84, 3))])
    hidden = np.where(np.arange(N) < 40, y[:N], -1)
    return X[:N], hidden, X[N:]


def metas(data):
    return {
        "MultiReferenceClassifier": lambda inner: MultiReferenceClassifier(inner, random_state=0),
        "RejectingClassifier": RejectingClassifier,
        "SelfTrainingClassifier": SelfTrainingClassifier,
        "TemperatureScaledClassifier": TemperatureScaledClassifier,
        "WithUnlabeled": lambda inner: WithUnlabeled(
            inner, data[2], unlabeled_metadata=metadata_of(np.arange(N, N + N_UNLABELED))
        ),
    }


def requesting(names=KNOWN, value=True):
    return Recorder().set_fit_request(**dict.fromkeys(names, value))


@pytest.fixture(params=sorted(ROUTING_META_ESTIMATORS))
def make(request, data):
    """Function that puts a classifier into another one."""
    return metas(data)[request.param]


quiet = pytest.mark.filterwarnings(
    "ignore:All .* labeled volumes", "ignore:y contains no unlabeled samples"
)


def recorded_fits():
    fits = [(rows, given) for method, rows, given in Recorder.calls if method == "fit"]
    assert fits
    return fits


# --- In fit --------------------------------------------------------------------------------------


@quiet
def test_every_fit_gets_the_metadata_of_its_rows(make, data, routing):
    X, y, _ = data
    make(requesting()).fit(X, y, **metadata_of(range(N)))
    for rows, given in recorded_fits():
        expected = metadata_of(rows)
        assert set(given) == set(KNOWN)
        for name in KNOWN:
            assert np.array_equal(given[name], expected[name]), name


@quiet
def test_lists_and_an_alias(data, routing):
    X, y, _ = data
    inner = Recorder().set_fit_request(sample_weight="importance")
    TemperatureScaledClassifier(inner, cv=2).fit(X, y, importance=list(range(N)))
    for rows, given in recorded_fits():
        assert np.array_equal(given["sample_weight"], rows)


@quiet
def test_what_is_refused_is_not_passed(make, data, routing):
    X, y, _ = data
    made = make(requesting(["sample_weight"]).set_fit_request(groups=False))
    if isinstance(made, WithUnlabeled):
        made.set_params(unlabeled_metadata=None)
    splits = {"groups": np.arange(N) // 4} if hasattr(made, "cv") else {}
    made.fit(X, y, sample_weight=np.ones(N), **splits)
    assert all(set(given) == {"sample_weight"} for _, given in recorded_fits())


def test_requests_have_to_be_made(make, data, routing):
    X, y, _ = data
    with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
        make(Recorder()).fit(X, y, sample_weight=np.ones(N))
    with pytest.raises(TypeError, match="color"):
        make(Recorder()).fit(X, y, color=np.ones(N))
    assert not Recorder.calls


def test_without_routing_metadata_are_refused(make, data):
    X, y, _ = data
    with pytest.raises(ValueError, match=r"enable_metadata_routing=True.*sample_weight=True"):
        make(Recorder()).fit(X, y, sample_weight=np.ones(N))


@quiet
def test_without_metadata_routing_changes_nothing(make, data):
    X, y, _ = data
    plain = make(Recorder())
    if isinstance(plain, WithUnlabeled):
        plain.set_params(unlabeled_metadata=None)
    plain.fit(X, y)
    with sklearn.config_context(enable_metadata_routing=True):
        routed = clone(plain).fit(X, y)
    assert np.array_equal(plain.predict(X), routed.predict(X))


@quiet
def test_validation_volumes_are_handed_on_whole(make, data, routing):
    X, y, _ = data
    made = make(Recorder().set_fit_request(X_val=True, y_val=True))
    if isinstance(made, WithUnlabeled):
        made.set_params(unlabeled_metadata=None)
    # As many as there are volumes, which is no reason to take some of them.
    made.fit(X, y, X_val=X[::-1], y_val=y[::-1])
    for _, given in recorded_fits():
        assert np.array_equal(given["X_val"], X[::-1])
        assert np.array_equal(given["y_val"], y[::-1])


def test_requests_are_empty_by_default(make, routing):
    routing = make(Recorder()).get_metadata_routing()
    assert isinstance(routing, MetadataRouter)
    assert not routing.consumes("fit", [*KNOWN[:2], "X_val"])
    # scikit-learn's splitters that know groups request them, and so does ours.
    splits = hasattr(make(Recorder()), "cv")
    assert routing.consumes("fit", ["groups"]) == ({"groups"} if splits else set())
    assert requesting().get_metadata_routing().consumes("fit", KNOWN) == set(KNOWN)
    assert make(requesting()).get_metadata_routing().consumes("fit", KNOWN) == set(KNOWN)


@pytest.mark.parametrize("key", METAS, ids="-".join)
def test_every_meta_estimator_is_a_router(key):
    assert isinstance(METAS[key].get_metadata_routing(), MetadataRouter)


# --- Groups --------------------------------------------------------------------------------------


@quiet
@pytest.mark.parametrize("meta", [TemperatureScaledClassifier, RejectingClassifier])
@pytest.mark.parametrize("enabled", [False, True])
def test_groups_go_to_the_splitter(data, meta, enabled):
    X, y, _ = data
    groups = np.arange(N) // 4  # of the labels, ten groups
    Recorder.calls.clear()
    with sklearn.config_context(enable_metadata_routing=enabled):
        inner = Recorder().set_fit_request(groups=False) if enabled else Recorder()
        meta(inner, cv=2).fit(X, y, groups=groups)
    _, *folds = recorded_fits()
    assert len(folds) == 2
    for rows, given in folds:
        assert not given
        tested = np.setdiff1d(np.arange(40), rows)
        assert not set(groups[tested]) & set(groups[np.intersect1d(rows, np.arange(40))])


@quiet
def test_groups_go_to_splitters_at_all_depths(data, routing):
    X, y, _ = data
    groups = np.arange(N) // 4
    inner = TemperatureScaledClassifier(requesting(["groups"]), cv=2)
    search = GridSearchCV(
        RejectingClassifier(inner, cv=2), {"quantile": [0.1]}, cv=SemiSupervisedSplit(2)
    )
    search.fit(X, y, groups=groups)
    for rows, given in recorded_fits():
        assert np.array_equal(given["groups"], groups[rows])
        # Rows of one group are in a fit together, or not at all.
        left_out = np.setdiff1d(np.arange(40), rows)
        assert not set(groups[left_out]) & set(groups[rows[rows < 40]])


# --- In predictions and scores -------------------------------------------------------------------


@quiet
@pytest.mark.parametrize(
    "method",
    ["predict", "predict_proba", "predict_log_proba", "decision_function", "transform"],
)
def test_metadata_of_predictions(data, make, method, routing):
    X, y, _ = data
    inner = Recorder()
    for name in {"predict_proba", method}:
        getattr(inner, f"set_{name}_request")(flavor=True)
    made = make(inner)
    if isinstance(made, MultiReferenceClassifier) or (
        isinstance(made, RejectingClassifier) and method == "predict"
    ):
        return  # these have none
    if isinstance(made, WithUnlabeled):
        made.set_params(unlabeled_metadata=None)
    made.fit(X, y)
    Recorder.calls.clear()
    flavor = np.arange(N)
    getattr(made, method)(X, flavor=flavor)
    [(called, _, given)] = Recorder.calls
    # Logarithms of calibrated probabilities come from the probabilities.
    assert called == method or isinstance(made, TemperatureScaledClassifier)
    assert given["flavor"] is flavor
    with sklearn.config_context(enable_metadata_routing=False):
        plain = getattr(made, method)(X)
        with pytest.raises(ValueError, match="enable_metadata_routing=True"):
            getattr(made, method)(X, flavor=flavor)
    assert len(plain) == N


@quiet
def test_weights_of_scores_are_a_request_of_the_meta_estimator(make, data, routing):
    X, y, _ = data
    made = make(Recorder().set_fit_request(sample_weight=False))
    if isinstance(made, WithUnlabeled):
        made.set_params(unlabeled_metadata=None)
    weight = np.where(np.arange(N) % 2, 1.0, 0.0)
    with pytest.raises(ValueError, match="score"):
        cross_validate(made, X, y, cv=2, params={"sample_weight": weight}, error_score="raise")
    made.set_score_request(sample_weight=True)
    found = cross_validate(
        made,
        X,
        y,
        cv=SemiSupervisedSplit(2),
        params={"sample_weight": weight},
        return_estimator=True,
        return_indices=True,
    )
    for score, fitted, test in zip(
        found["test_score"], found["estimator"], found["indices"]["test"], strict=True
    ):
        right = fitted.predict(X[test]) == y[test]
        assert score == pytest.approx(np.average(right, weights=weight[test]))


# --- In scikit-learn's tools ---------------------------------------------------------------------


@quiet
def test_through_pipelines_searches_and_voting(data, routing):
    X, y, _ = data
    metadata = metadata_of(range(N))
    del metadata["groups"]
    meta = TemperatureScaledClassifier(requesting(metadata), cv=2)
    scoring = get_scorer("accuracy").set_score_request(sample_weight=True)
    pipeline = make_pipeline("passthrough", meta)
    grid = {"temperaturescaledclassifier__estimator__shift": [0.0, 1.0]}
    search = GridSearchCV(
        pipeline, grid, cv=SemiSupervisedSplit(2), scoring=scoring, error_score="raise"
    )
    search.fit(X, y, **metadata)
    voting = VotingClassifier([("a", SelfTrainingClassifier(requesting(metadata)))])
    voting.fit(X[:40], y[:40], **metadata_of_first(40, metadata))
    for rows, given in recorded_fits():
        for name in metadata:
            assert np.array_equal(given[name], metadata[name][rows])


def metadata_of_first(n, metadata):
    return {name: values[:n] for name, values in metadata.items()}


# --- Unlabeled rows ------------------------------------------------------------------------------


def test_weights_of_unlabeled_rows_are_one_by_default(data, routing):
    X, y, unlabeled = data
    weight = np.arange(N) + 2.0
    WithUnlabeled(requesting(["sample_weight"]), unlabeled).fit(X, y, sample_weight=weight)
    [(rows, given)] = recorded_fits()
    assert rows.tolist() == list(range(N + N_UNLABELED))
    assert given["sample_weight"].tolist() == [*weight, *[1.0] * N_UNLABELED]


def test_other_metadata_of_unlabeled_rows_have_to_be_given(data, routing):
    X, y, unlabeled = data
    outer = WithUnlabeled(requesting(), unlabeled)
    tilts = metadata_of(range(N))["tilt_ranges_deg"]
    message = r"for the 24 unlabeled ones. Pass theirs as unlabeled_metadata=\{'tilt_ranges_deg'"
    with pytest.raises(ValueError, match=message):
        outer.fit(X, y, tilt_ranges_deg=tilts)
    outer.set_params(unlabeled_metadata={"tilt_ranges_deg": tilts[:5]})
    with pytest.raises(ValueError, match=r"has 5 rows, but there are 24 unlabeled"):
        outer.fit(X, y, tilt_ranges_deg=tilts)
    with pytest.raises(ValueError, match=r"\['tilt_ranges_deg'\], which fit has not been given"):
        outer.fit(X, y)
    assert not Recorder.calls
    # Without unlabeled volumes, there is nothing to know.
    WithUnlabeled(requesting()).fit(X, y, tilt_ranges_deg=tilts)


def test_logistic_regression_weights(data, routing):
    # A classifier of scikit-learn: weights of 0 are as good as no row.
    X, y, _ = data
    weight = (np.arange(40) % 4 > 0).astype(float)
    inner = LogisticRegression().set_fit_request(sample_weight=True)
    weighed = WithUnlabeled(inner).fit(X[:40], y[:40], sample_weight=weight)
    rows = weight > 0
    expected = LogisticRegression().fit(X[:40][rows], y[:40][rows])
    np.testing.assert_allclose(weighed.predict_proba(X), expected.predict_proba(X), atol=1e-3)
