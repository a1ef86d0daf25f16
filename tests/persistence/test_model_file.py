import importlib
import pickle
import pkgutil
import subprocess
import sys
import timeit
import warnings
import zipfile
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from estimators import ESTIMATORS, METAS, NETWORKS, outputs
from sklearn.base import BaseEstimator, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

import sksubtomo
from sksubtomo import persistence
from sksubtomo._utils._settings import Settings
from sksubtomo.calibration import RejectingClassifier
from sksubtomo.exceptions import FileFormatError
from sksubtomo.networks import Liu2019, NetworkSettings
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.persistence import (
    _allowed,
    _model_file,
    _schema,
    load_model,
    model_info,
    save_model,
)
from sksubtomo.persistence._allowed import name_of_class
from sksubtomo.preprocessing import VolumeFlattener, VolumeNormalizer
from sksubtomo.semi_supervised import FineTunedClassifier, WithUnlabeled

DATA = Path(__file__).parent / "data"
#: Of the table, those that can be stored; a function of the tests cannot.
STORABLE = {
    key: clone(meta).set_params(method="max_probability") if "method" in meta.get_params() else meta
    for key, meta in METAS.items()
}
OF_SCIKIT_LEARN = {
    "knn": KNeighborsClassifier(3),
    "knn-kd-tree": KNeighborsClassifier(3, algorithm="kd_tree"),
    "knn-ball-tree": KNeighborsClassifier(3, algorithm="ball_tree", p=3),
    "pipeline": make_pipeline(StandardScaler(), PCA(3), SVC()),
    "union": make_pipeline(make_union(PCA(2), StandardScaler()), GaussianNB()),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.sksubtomo"


def through_file(model, path):
    save_model(model, path, overwrite=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return load_model(path)


def brief(estimator, **params):
    known = estimator.get_params()
    wanted = {"max_epochs": 2, **params}
    return clone(estimator).set_params(**{k: v for k, v in wanted.items() if k in known})


def assert_same(one, other, X):
    expected, found = outputs(one, X), outputs(other, X)
    assert type(found) is type(expected)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    assert set(vars(one)) == set(vars(other))
    assert repr(one) == repr(other)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_estimator_says_the_same_after_a_round_trip(name, mostly_hidden, path):
    X, y = mostly_hidden
    fitted = brief(ESTIMATORS[name]).fit(X, y)
    assert_same(fitted, through_file(fitted, path), X)


# Labels are few, and some methods say so.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("key", STORABLE, ids="-".join)
def test_every_estimator_around_another_says_the_same(key, mostly_hidden, path):
    X, y = mostly_hidden
    name, inside = key
    if inside == "spreading" or (inside != "network" and name != "MultiReferenceClassifier"):
        X = X.reshape(len(X), -1)[:, ::7]
    rows = slice(None)
    if inside in ("logistic", "transformer") and name != "SelfTrainingClassifier":
        rows = y >= 0
    fitted = brief(STORABLE[key], estimator__max_epochs=2).fit(X[rows], y[rows])
    assert_same(fitted, through_file(fitted, path), X)


@pytest.mark.parametrize("name", OF_SCIKIT_LEARN)
def test_estimators_of_scikit_learn_say_the_same(name, easy_volumes, path):
    X, y = easy_volumes
    rows = X.reshape(len(X), -1)[:, ::7]
    fitted = clone(OF_SCIKIT_LEARN[name]).fit(rows, y)
    found = through_file(fitted, path)
    np.testing.assert_array_equal(found.predict(rows), fitted.predict(rows))
    for method in ("transform", "predict_proba"):
        if hasattr(fitted, method):
            expected = getattr(fitted, method)(rows)
            np.testing.assert_array_equal(getattr(found, method)(rows), expected)


@pytest.mark.parametrize("solver", ["full", "randomized", "arpack"])
def test_components_keep_their_order_in_memory(solver, easy_volumes, path):
    rows = easy_volumes[0].reshape(60, -1)
    fitted = PCA(5, svd_solver=solver, random_state=0).fit(rows)
    np.testing.assert_array_equal(
        through_file(fitted, path).transform(rows), fitted.transform(rows)
    )


def test_a_frozen_search_tree_is_made_once(easy_volumes, path):
    X, y = easy_volumes
    neighbors = KNeighborsClassifier(algorithm="kd_tree").fit(X.reshape(60, -1)[:, ::50], y)
    found = through_file(FrozenEstimator(neighbors), path)
    assert set(vars(found)) == {"estimator"}
    assert found.estimator._tree is not None


@pytest.mark.parametrize("estimator", [*ESTIMATORS.values(), *STORABLE.values()], ids=repr)
def test_unfitted_estimators_keep_their_parameters(estimator, path):
    assert repr(through_file(estimator, path)) == repr(estimator)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("early_stopping", [False, True])
def test_training_goes_on_to_the_same_bits(name, early_stopping, mostly_hidden, path):
    X, y = mostly_hidden
    fitted = brief(NETWORKS[name], warm_start=True, early_stopping=early_stopping).fit(X, y)
    # Of a pickle, the same is true.
    found, expected = through_file(fitted, path), pickle.loads(pickle.dumps(fitted))
    state = torch.get_rng_state()
    assert torch.equal(torch.get_rng_state(), state)
    assert_same(expected.fit(X, y), found.fit(X, y), X)
    assert [e["train_loss"] for e in found.history_] == [e["train_loss"] for e in expected.history_]


def test_partial_fit_goes_on_to_the_same_bits(mostly_hidden, path):
    X, y = mostly_hidden
    fitted = brief(NETWORKS["FixMatchClassifier"], augmentation="rotations").fit(X, y)
    found, expected = through_file(fitted, path), pickle.loads(pickle.dumps(fitted))
    assert_same(expected.partial_fit(X, y), found.partial_fit(X, y), X)


def test_loading_leaves_the_global_random_generator_alone(mostly_hidden, path):
    X, y = mostly_hidden
    save_model(brief(NETWORKS["SemiSupervisedVAEClassifier"]).fit(X, y), path)
    state = torch.get_rng_state()
    load_model(path)
    assert torch.equal(torch.get_rng_state(), state)


def test_networks_of_monai(mostly_hidden, path):
    pytest.importorskip("monai")
    X, y = mostly_hidden
    fitted = CNNClassifier(network="monai:resnet10", max_epochs=1, early_stopping=False)
    fitted.fit(X, y)
    assert_same(fitted, through_file(fitted, path), X)


def test_objects_that_were_one_are_one_again(mostly_hidden, path):
    X, y = mostly_hidden
    autoencoder = brief(ESTIMATORS["Autoencoder"]).fit(X)
    stage = FineTunedClassifier(
        FrozenEstimator(autoencoder), network=autoencoder.network, max_epochs=1
    ).fit(X, y)
    found = through_file(make_pipeline(VolumeNormalizer(), stage), path)[-1]
    assert found.autoencoder.estimator is found.autoencoder_
    assert found.network is found.autoencoder_.network


def test_random_states_go_on_where_they_were(path):
    for state in (np.random.RandomState(3), np.random.default_rng(3)):
        estimator = CNNClassifier(random_state=state)
        state.normal(size=5)
        found = through_file(estimator, path).random_state
        np.testing.assert_array_equal(found.normal(size=700), state.normal(size=700))


def test_requests_of_metadata(path):
    with sklearn_routing():
        asked = CNNClassifier().set_score_request(sample_weight="weights")
        found = through_file(asked, path)
        assert repr(found.get_metadata_routing()) == repr(asked.get_metadata_routing())


def sklearn_routing():
    from sklearn import config_context

    return config_context(enable_metadata_routing=True)


def test_string_labels_and_columns(mostly_hidden, path):
    pd = pytest.importorskip("pandas")
    X, y = mostly_hidden
    frame = pd.DataFrame(X.reshape(len(X), -1)).rename(columns=str)
    fitted = brief(ESTIMATORS["CNNClassifier"], volume_shape=8)
    fitted.fit(frame, np.where(y < 0, None, y.astype(str)))
    found = through_file(fitted, path)
    np.testing.assert_array_equal(found.predict(frame), fitted.predict(frame))
    assert found.feature_names_in_.tolist() == list(frame.columns)


class OwnTransformer(VolumeFlattener):
    """An estimator that is not of the package."""


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (make_pipeline(OwnTransformer()), r"Pipeline\.steps\[0\]\[1\].*OwnTransformer"),
        (make_pipeline(FunctionTransformer(np.log1p)), r"steps\[0\]\[1\].*FunctionTransformer"),
        (RejectingClassifier(LogisticRegression(), method=len), r"method.*len"),
        (CalibratedClassifierCV(LogisticRegression()), "CalibratedClassifierCV"),
        (make_pipeline(VolumeNormalizer(), memory="/tmp"), "memory"),
        (VolumeNormalizer(volume_shape=object()), r"VolumeNormalizer\.volume_shape"),
        ({"a": 1}, "no estimator"),
        (VolumeNormalizer(volume_shape=np.ones(2, np.longdouble)), "volume_shape is an array"),
        (VolumeNormalizer(volume_shape=np.array(["2026"], "M8")), "volume_shape is an array"),
        (WithUnlabeled(LogisticRegression(), np.zeros(2, dtype="O,f4")), "unlabeled"),
    ],
)
def test_what_cannot_be_stored_is_refused_by_name(model, said, path):
    with pytest.raises(ValueError, match=said):
        save_model(model, path)
    assert list(path.parent.iterdir()) == []


def test_objects_that_hold_themselves_are_refused(path):
    model = VolumeNormalizer()
    model.itself_ = [model]
    with pytest.raises(ValueError, match="VolumeNormalizer holds itself"):
        save_model(model, path)


def test_precomputed_kernels_are_refused_when_they_are_written(path):
    with pytest.raises(ValueError, match="SVC of a kind"):
        save_model(SVC(kernel="precomputed").fit(np.eye(4), [0, 1, 0, 1]), path)


def test_metadata_and_info(path):
    metadata = {
        "method": "joint",
        "labels": {1: 20, 2: 30},
        "tomograms": ["TS_1", "TS_2"],
        "voxel_size_angstrom": 10.0,
        "spectrum": np.arange(3.0),
        "nothing": None,
        "score": float("nan"),
    }
    model = make_pipeline(VolumeNormalizer(), VolumeFlattener(), GaussianNB())
    save_model(model, path, metadata=metadata)
    info = model_info(path)
    np.testing.assert_array_equal(info["metadata"].pop("spectrum"), metadata.pop("spectrum"))
    assert np.isnan(info["metadata"].pop("score"))
    del metadata["score"]
    assert info["metadata"] == metadata
    assert info["estimator"] == "Pipeline(VolumeNormalizer > VolumeFlattener > GaussianNB)"
    assert info["versions"]["sksubtomo"] == sksubtomo.__version__
    assert info["schema"] == _schema.SCHEMA
    assert repr(load_model(path)) == repr(model)


def test_metadata_hold_no_objects(path):
    with pytest.raises(ValueError, match=r"metadata\['model'\]"):
        save_model(VolumeFlattener(), path, metadata={"model": VolumeFlattener()})


def test_an_existing_file_stays(path):
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="overwrite"):
        save_model(VolumeFlattener(), path)
    assert path.read_text() == "mine"


def test_the_same_model_makes_the_same_arrays(path, tmp_path):
    other = tmp_path / "other.sksubtomo"
    for one in (path, other):
        save_model(GaussianNB().fit(np.eye(4), [0, 1, 0, 1]), one)
    with zipfile.ZipFile(path) as one, zipfile.ZipFile(other) as two:
        arrays = [name for name in one.namelist() if name.startswith("arrays/")]
        assert len(arrays) > 2
        assert one.namelist() == two.namelist()
        assert [one.read(name) for name in arrays] == [two.read(name) for name in arrays]


def test_a_file_of_the_first_schema():
    info = model_info(DATA / "schema_1.sksubtomo")
    assert (info["schema"], info["metadata"]) == (1, {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        model = load_model(DATA / "schema_1.sksubtomo")
    rng = np.random.default_rng(0)
    y = np.arange(12) % 2
    X = (rng.normal(size=(2, 4, 4, 4))[y] + rng.normal(size=(12, 4, 4, 4))).astype(np.float32)
    # As it said when it was written.
    expected = np.array(["noise", "ribosome"])[[0, 1, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1]]
    np.testing.assert_array_equal(model.predict(X), expected)


def test_a_newer_schema_is_refused(path, monkeypatch):
    monkeypatch.setattr(_model_file, "envelope", lambda: {**_schema.envelope(), "schema": 3})
    save_model(VolumeFlattener(), path)
    with pytest.raises(FileFormatError, match=r"model\.sksubtomo.*schema 3.*update sksubtomo"):
        load_model(path)


def test_other_versions_of_scikit_learn_are_told(path, monkeypatch):
    save_model(make_pipeline(VolumeFlattener(), GaussianNB()), path)
    monkeypatch.setattr("sklearn.__version__", "99.0")
    with pytest.warns(InconsistentVersionWarning, match="GaussianNB"):
        load_model(path)


def test_pickles_are_refused(tmp_path):
    for name, compress in (("plain.joblib", 0), ("packed.joblib", 3)):
        joblib.dump(VolumeFlattener(), tmp_path / name, compress=compress)
        with pytest.raises(FileFormatError, match=f"{name} is a pickle.*--allow-pickle"):
            load_model(tmp_path / name)


def test_no_file(tmp_path):
    for read in (load_model, model_info):
        with pytest.raises(FileNotFoundError, match="none"):
            read(tmp_path / "none")


def test_the_package_offers_both_without_loading_torch():
    code = (
        "import sys, sksubtomo; assert 'torch' not in sys.modules; "
        "assert 'sksubtomo.persistence' not in sys.modules; "
        "sksubtomo.load_model, sksubtomo.save_model; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert sksubtomo.load_model is persistence.load_model
    with pytest.raises(AttributeError, match="nothing"):
        sksubtomo.nothing  # noqa: B018


def test_every_exported_estimator_and_settings_object_can_be_stored():
    """Abstract bases cannot be made, and shortcuts are the classes themselves."""
    for package in pkgutil.iter_modules(sksubtomo.__path__, "sksubtomo."):
        if package.name.rpartition(".")[2].startswith("_") or package.name == "sksubtomo.base":
            continue
        module = importlib.import_module(package.name)
        for name in getattr(module, "__all__", ()):
            kind = getattr(module, name)
            if not isinstance(kind, type) or not issubclass(kind, BaseEstimator):
                continue
            # Nets and their callbacks are estimators to skorch.
            if issubclass(kind, Settings) or package.name != "sksubtomo.training":
                assert kind is NetworkSettings or name_of_class(kind) == f"{package.name}.{name}", (
                    kind
                )


def test_names_of_the_list_are_those_of_classes():
    for group in (_allowed.ESTIMATORS, _allowed.PARTS):
        for package, names in group.items():
            for name in names:
                kind = _allowed.allowed_class(f"{package}.{name}")
                assert isinstance(kind, type)
                assert name_of_class(kind) == f"{package}.{name}"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["network", "references"])
def test_loading_fifty_megabytes_takes_no_longer_than_joblib(kind, path, tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(8, 32, 32, 32)).astype(np.float32), np.arange(8) % 2
    if kind == "network":
        network = Liu2019(n_filters=64, latent_dim=320)
        model = brief(NETWORKS["AutoencodingClassifier"], network=network, max_epochs=1).fit(X, y)
    else:
        model = clone(METAS["MultiReferenceClassifier", "nothing"]).fit(X[:, :8, :8, :8], y)
        model.references_ = rng.normal(size=(48, 64, 64, 64)).astype(np.float32)
    save_model(model, path)
    joblib.dump(model, tmp_path / "model.joblib")
    assert path.stat().st_size > 4e7
    # The shortest of many, in turn, which other processes disturb least.
    ours, theirs = np.min(
        [
            (
                timeit.timeit(lambda: load_model(path), number=1),
                timeit.timeit(lambda: joblib.load(tmp_path / "model.joblib"), number=1),
            )
            for _ in range(40)
        ],
        axis=0,
    )
    assert ours < 1.2 * theirs + 0.005
