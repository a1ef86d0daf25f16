"""What every estimator must do, for all of them from one table."""

import importlib
import inspect
import pickle
import pkgutil

import numpy as np
import pytest
import torch
from estimators import (
    ESTIMATORS,
    EXPECTED_FAILURES,
    INTERNAL,
    META_ESTIMATORS,
    NETWORKS,
    VOLUME_CLASSIFIERS,
    outputs,
)
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

import sksubtomo
from sksubtomo.metrics import get_labeled_scorer
from sksubtomo.model_selection import SemiSupervisedSplit
from sksubtomo.networks import Liu2019
from sksubtomo.preprocessing import CenterCropper, VolumeFlattener, VolumeNormalizer
from sksubtomo.training import VolumeNet


def exported_estimators():
    for module in pkgutil.iter_modules(sksubtomo.__path__):
        if module.ispkg and not module.name.startswith("_") and module.name not in INTERNAL:
            package = importlib.import_module(f"sksubtomo.{module.name}")
            for name in package.__all__:
                item = getattr(package, name)
                # Pickers have parameters to get and set, but nothing to fit.
                is_estimator = inspect.isclass(item) and issubclass(item, BaseEstimator)
                # The net is what estimators are made of.
                if is_estimator and hasattr(item, "fit") and item is not VolumeNet:
                    yield item


def test_table_is_complete():
    names = {item.__name__ for item in exported_estimators()}
    # It needs a folder of each test, and is checked in tests/model_selection.
    alone = {"CheckpointedClassifier"}
    assert names == set(ESTIMATORS) | META_ESTIMATORS | alone


def test_constructors_are_short_and_without_mappings():
    for item in exported_estimators():
        given = inspect.signature(item).parameters.values()
        assert len(given) <= 16, item
        assert not [one.name for one in given if isinstance(one.default, dict)], item


#: Others share their base and their checks, and take most of the time of this file.
SLOW_TO_CHECK = {
    *("FineTunedClassifier", "SemiSupervisedVAEClassifier", "FixMatchClassifier"),
    *("MeanTeacherClassifier", "ContrastiveEncoder", "VariationalAutoencoder"),
    "PseudoLabelClassifier",
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in SLOW_TO_CHECK else [])
        for name in ESTIMATORS
    ],
)
def test_scikit_learn_checks(name):
    results = check_estimator(ESTIMATORS[name], on_fail=None, on_skip=None)
    failed = {r["check_name"]: r["exception"] for r in results if r["status"] == "failed"}
    skipped = [r["check_name"] for r in results if r["status"] == "skipped"]
    assert set(failed) == set(EXPECTED_FAILURES.get(name, {})), failed
    assert not skipped
    # A suite that ran next to nothing would pass, too.
    is_both = name in VOLUME_CLASSIFIERS and hasattr(ESTIMATORS[name], "transform")
    assert len(results) >= (60 if is_both else 55 if name in VOLUME_CLASSIFIERS else 45)


# That flat rows give what volumes give is tested for each network elsewhere.
@pytest.fixture(params=["volumes", pytest.param("flat", marks=pytest.mark.slow)])
def data(request, mostly_hidden, easy_volumes):
    """X, y with 80 % of -1, all labels, and parameters that tell the shape of flat rows."""
    X, y = mostly_hidden
    params = {}
    if request.param == "flat":
        X, params = X.reshape(len(X), -1), {"volume_shape": 8}
    return X, y, easy_volumes[1], params


@pytest.fixture(params=VOLUME_CLASSIFIERS)
def classifier(request):
    return clone(VOLUME_CLASSIFIERS[request.param])


def test_perfect_model_scores_one(classifier, data):
    X, y, truth, params = data
    classifier.set_params(**params)
    assert (y == -1).mean() == 0.8
    assert cross_val_score(classifier, X, y, cv=SemiSupervisedSplit(2)).tolist() == [1.0, 1.0]
    assert cross_val_score(classifier, X, y, cv=2).tolist() == [1.0, 1.0]
    assert np.array_equal(cross_val_predict(classifier, X, y, cv=2), truth)


def test_two_workers_give_the_same_scores(classifier, data):
    X, y, _, params = data
    classifier.set_params(**params, max_epochs=2)
    scoring = {name: get_labeled_scorer(name) for name in ("accuracy", "roc_auc", "neg_log_loss")}
    one, two = (
        cross_validate(classifier, X, y, cv=SemiSupervisedSplit(2), scoring=scoring, n_jobs=n_jobs)
        for n_jobs in (1, 2)
    )
    for name in scoring:
        assert one[f"test_{name}"].tolist() == two[f"test_{name}"].tolist()


def test_grid_search(classifier, data):
    X, y, truth, params = data
    classifier.set_params(**params, max_epochs=2)
    grid = {"learning_rate": [1e-30, 3e-3], "max_epochs": [15]}
    search = GridSearchCV(classifier, grid, cv=SemiSupervisedSplit(2)).fit(X, y)
    assert search.best_params_["learning_rate"] == 3e-3
    assert search.best_score_ == search.score(X, y) == 1.0
    assert np.array_equal(search.predict(X), truth)


def test_grid_over_loss_and_network(mostly_hidden):
    grid = {
        "alpha": [0.0, 1.0],
        "beta": [0.0, 1.0],
        "network": [Liu2019(n_filters=2, latent_dim=3), Liu2019(n_blocks=2, n_filters=4)],
    }
    search = GridSearchCV(
        clone(ESTIMATORS["AutoencodingClassifier"]), grid, cv=SemiSupervisedSplit(2)
    )
    search.fit(*mostly_hidden)
    assert search.best_params_["beta"] == 1.0
    assert search.best_score_ == 1.0


def test_halving_grows_the_epochs(classifier, data):
    X, y, _, params = data
    search = HalvingGridSearchCV(
        classifier.set_params(**params),
        {"learning_rate": [1e-30, 3e-3]},
        resource="max_epochs",
        min_resources=8,
        max_resources=16,
        factor=2,
        cv=SemiSupervisedSplit(2),
        random_state=0,
    ).fit(X, y)
    assert search.n_resources_ == [8, 16]
    assert search.best_params_ == {"learning_rate": 3e-3, "max_epochs": 16}


def test_learning_curve(classifier, data):
    X, y, _, params = data
    classifier.set_params(**params, classes=[0, 1, 2])
    sizes, _, scores = learning_curve(
        classifier, X, y, cv=SemiSupervisedSplit(2), train_sizes=[0.8, 1.0]
    )
    assert sizes.tolist() == [43, 54]
    assert scores[-1].tolist() == [1.0, 1.0]


def test_pipeline(classifier, data):
    X, y, truth, params = data
    pipeline = make_pipeline(
        VolumeNormalizer(**params), CenterCropper(6, **params), classifier
    ).set_params(**({f"{type(classifier).__name__.lower()}__volume_shape": 6} if params else {}))
    assert cross_val_score(pipeline, X, y, cv=SemiSupervisedSplit(2)).tolist() == [1.0, 1.0]
    assert np.array_equal(pipeline.fit(X, y).predict(X), truth)


@pytest.mark.parametrize("name", NETWORKS)
def test_clone_and_pickle(name, data):
    X, y, _, params = data
    estimator = clone(NETWORKS[name]).set_params(**params, max_epochs=2).fit(X, y)
    expected = outputs(estimator, X)
    assert np.array_equal(outputs(pickle.loads(pickle.dumps(estimator)), X), expected)
    fresh = clone(estimator)
    assert not hasattr(fresh, "net_")
    assert np.array_equal(outputs(fresh.fit(X, y), X), expected)


@pytest.mark.parametrize("name", NETWORKS)
def test_fit_leaves_parameters_and_global_state_alone(name, data):
    X, y, _, params = data
    estimator = clone(NETWORKS[name]).set_params(**params, max_epochs=1)
    before = pickle.dumps(estimator.get_params())
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    outputs(estimator.fit(X, y), X)
    assert pickle.dumps(estimator.get_params()) == before
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize(
    "name", sorted(n for n, e in NETWORKS.items() if not is_classifier(e) and hasattr(e, "score"))
)
def test_search_by_the_score_of_reconstructions(name, data):
    X, _, _, params = data
    grid = {"learning_rate": [1e-30, 3e-3]}
    estimator = clone(NETWORKS[name]).set_params(**params)
    one, two = (GridSearchCV(estimator, grid, cv=2, n_jobs=n_jobs).fit(X) for n_jobs in (1, 2))
    assert one.best_params_ == {"learning_rate": 3e-3}
    assert one.best_score_ == two.best_score_ < 0
    expected = -np.mean((one.best_estimator_.reconstruct(X) - X) ** 2)
    assert one.score(X) == pytest.approx(expected, rel=1e-5)


def test_feature_extractors_feed_scikit_learn(mostly_hidden):
    from sklearn.decomposition import PCA
    from sklearn.semi_supervised import LabelSpreading

    X, y = mostly_hidden
    pipeline = make_pipeline(VolumeFlattener(), PCA(4, random_state=0), LabelSpreading(gamma=1.0))
    assert cross_val_score(
        pipeline, X, y, cv=SemiSupervisedSplit(2), error_score="raise"
    ).tolist() == [1.0, 1.0]
