"""scikit-learn's checks beyond ``check_estimator``, and data in every form, for all estimators.

scikit-learn's own ``test_common.py`` applies these checks to its estimators.
"""

import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from estimators import ESTIMATORS, NETWORKS, VOLUME_CLASSIFIERS
from sklearn.base import clone, is_classifier
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks, estimator_html_repr

from sksubtomo._utils._doc_link import DOCUMENTATION_URL
from sksubtomo.decomposition import Autoencoder
from sksubtomo.networks import Liu2019
from sksubtomo.preprocessing import (
    CenterCropper,
    FourierBinner,
    GaussianLowPass,
    VolumeFlattener,
    VolumeNormalizer,
)

API_INDEX = Path(__file__).resolve().parents[1] / "docs/api/index.rst"

CHECKS = ["check_dataframe_column_names_consistency", "check_param_validation"]
CHECKS_OF_TRANSFORMERS = [
    "check_get_feature_names_out_error",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_global_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_global_set_output_transform_polars",
]
#: Names and columns do not depend on how well a network is trained.
BRIEF = {"max_epochs": 1, "precision": "float32"}


def brief(estimator, **params):
    """Return a copy that is trained in no time."""
    known = estimator.get_params()
    return clone(estimator).set_params(
        **{name: value for name, value in {**BRIEF, **params}.items() if name in known}
    )


def cases():
    """Every estimator with every check that applies to it; none fails any."""
    # What comes out is smaller than what comes in, or the branch that transforms is missing.
    others = [
        CenterCropper((1, 1, 2)),
        FourierBinner((1, 1, 2)),
        GaussianLowPass(30.0, 10.0),
        brief(ESTIMATORS["AutoencodingClassifier"], alpha=0),
    ]
    pairs = [
        (estimator, check)
        for estimator in [*map(brief, ESTIMATORS.values()), *others]
        for check in CHECKS + CHECKS_OF_TRANSFORMERS * hasattr(estimator, "transform")
    ]
    # scikit-learn repeats this one with those that predict within fit.
    pairs += [(brief(e, early_stopping=True), CHECKS[0]) for e in NETWORKS.values()]
    return [pytest.param(*pair, id=f"{pair[1]}-{type(pair[0]).__name__}") for pair in pairs]


# scikit-learn warns of arrays given to what was fitted to a data frame, and checks with both.
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.filterwarnings("ignore:X has feature names, but")
@pytest.mark.parametrize(("estimator", "check"), cases())
def test_more_of_scikit_learns_checks(estimator, check):
    if "polars" in check:
        pytest.importorskip("polars")
    getattr(estimator_checks, check)(type(estimator).__name__, estimator)


# --- Names of features through scikit-learn's tools ----------------------------------------------


@pytest.fixture
def autoencoder():
    return Autoencoder(**BRIEF, network=Liu2019(n_filters=2), random_state=0)


CODES = [f"autoencoder{number}" for number in range(128)]


@pytest.fixture
def frame(easy_volumes):
    """Flat volumes with an index, and a column that is no voxel."""
    X, _ = easy_volumes
    table = pd.DataFrame(X.reshape(60, -1), index=np.arange(100, 160)).add_prefix("voxel ")
    return table.assign(defocus=np.linspace(1, 5, 60))


def voxels(frame):
    return [name for name in frame.columns if name != "defocus"]


def test_names_through_a_pipeline(easy_volumes, autoencoder):
    X, _ = easy_volumes
    for steps in ([VolumeNormalizer()], [VolumeNormalizer(), CenterCropper(6), FourierBinner(4)]):
        pipeline = make_pipeline(*steps, clone(autoencoder)).fit(X)
        assert pipeline.get_feature_names_out().tolist() == CODES
        table = pipeline.set_output(transform="pandas").transform(X)
        assert table.columns.tolist() == CODES


@pytest.mark.parametrize("container", ["default", "pandas", "polars"])
def test_names_through_a_column_transformer(frame, autoencoder, container):
    if container != "default":
        library = pytest.importorskip(container)
    autoencoder.set_params(volume_shape=8)
    volumes = make_pipeline(VolumeNormalizer(volume_shape=8), autoencoder)
    columns = ColumnTransformer(
        [("volume", volumes, voxels(frame)), ("meta", StandardScaler(), ["defocus"])]
    ).set_output(transform=container)
    table = columns.fit_transform(frame)
    expected = [*(f"volume__{name}" for name in CODES), "meta__defocus"]
    assert columns.get_feature_names_out().tolist() == expected
    assert table.shape == (60, 129)
    if container != "default":
        assert isinstance(table, library.DataFrame)
        assert list(table.columns) == expected
        values = table.to_numpy()[:, :128]
        rows = frame[voxels(frame)].to_numpy()
        assert np.array_equal(
            values, np.asarray(clone(volumes).set_output(transform="default").fit_transform(rows))
        )
    if container == "pandas":
        assert table.index.tolist() == frame.index.tolist()


def test_names_through_a_union(easy_volumes, autoencoder):
    X, _ = easy_volumes
    union = FeatureUnion(
        [("codes", autoencoder), ("voxels", make_pipeline(CenterCropper(2), VolumeFlattener()))]
    )
    table = union.set_output(transform="pandas").fit_transform(X)
    corner = [f"voxels__voxel_{z}_{y}_{x}" for z, y, x in np.ndindex(2, 2, 2)]
    expected = [*(f"codes__{name}" for name in CODES), *corner]
    assert table.columns.tolist() == union.get_feature_names_out().tolist() == expected
    assert np.array_equal(table.to_numpy()[:, 128:], X[:, 3:5, 3:5, 3:5].reshape(60, -1))


@pytest.mark.parametrize("name", sorted(n for n, e in NETWORKS.items() if hasattr(e, "transform")))
@pytest.mark.parametrize(
    ("container", "error", "message"),
    [("nonsense", ValueError, "output config must be in"), ("polars", ImportError, "polars")],
)
def test_a_container_that_there_is_not_is_found_before_training(
    name, container, error, message, mostly_hidden, monkeypatch
):
    monkeypatch.setitem(sys.modules, "polars", None)  # as where it is not installed
    estimator = brief(NETWORKS[name]).set_output(transform=container)
    with pytest.raises(error, match=message):
        estimator.fit_transform(*mostly_hidden)
    assert not hasattr(estimator, "net_")


# --- Data in every form --------------------------------------------------------------------------


def outputs(estimator, X):
    """What an estimator says of volumes."""
    return estimator.predict_proba(X) if is_classifier(estimator) else estimator.transform(X)


def tensors(X):
    return [torch.from_numpy(volume.copy()) for volume in X]


def objects(X):
    array = np.empty(len(X), dtype=object)
    array[:] = list(X)
    return array


FORMS = {
    "nested lists": lambda X: X.tolist(),
    "list": list,
    "tuple": tuple,
    "list of tensors": tensors,
    "tensor": lambda X: torch.from_numpy(X.copy()),
    "tensor with a gradient": lambda X: torch.from_numpy(X.copy()).requires_grad_(),
    "object array": objects,
    "double": lambda X: X.astype(np.float64),
    "big endian": lambda X: X.astype(">f4"),
    "fortran order": np.asfortranarray,
    "strided": lambda X: np.repeat(X, 2, axis=-1)[..., ::2],
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_data_in_every_form(name, mostly_hidden):
    X, y = mostly_hidden
    estimator = brief(ESTIMATORS[name])
    expected = outputs(estimator.fit(X, y), X)
    for form, make in FORMS.items():
        assert np.array_equal(outputs(estimator, make(X)), expected), form
    for form in ("nested lists", "list of tensors", "tensor with a gradient"):
        again = clone(estimator).fit(FORMS[form](X), y)
        assert np.array_equal(outputs(again, X), expected), form
        if hasattr(estimator, "score"):
            assert again.score(FORMS[form](X), y) == estimator.score(X, y)
    if hasattr(estimator, "reconstruct"):
        expected = estimator.reconstruct(X)
        assert np.array_equal(estimator.reconstruct(X.tolist()), expected)
        assert np.array_equal(estimator.reconstruct(tensors(X)), expected)
        flat = estimator.reconstruct(torch.from_numpy(X.reshape(60, -1)))
        assert np.array_equal(flat, expected.reshape(60, -1))


@pytest.mark.parametrize("dtype", ["float16", "int16", "uint8", "bool"])
@pytest.mark.parametrize("name", ["CNNClassifier", "Autoencoder", "VolumeNormalizer"])
def test_types_of_numbers(name, dtype, mostly_hidden):
    X, y = mostly_hidden
    values = (10 * np.abs(X)).astype(dtype)
    single = values.astype(np.float32)
    first, second = (brief(ESTIMATORS[name]).fit(x, y) for x in (values, single))
    assert np.array_equal(outputs(first, values), outputs(second, single))


@pytest.mark.parametrize("name", VOLUME_CLASSIFIERS)
def test_validation_volumes_in_every_form(name, mostly_hidden):
    X, y = mostly_hidden
    estimator = brief(VOLUME_CLASSIFIERS[name], early_stopping=True)
    losses = [
        clone(estimator).fit(X, y, X_val=form(X[:12]), y_val=y[:12]).history_[0]["valid_loss"]
        for form in (np.asarray, tensors, np.ndarray.tolist)
    ]
    assert losses[0] == losses[1] == losses[2]
    with pytest.raises(ValueError, match="X_val holds volumes of different shapes"):
        clone(estimator).fit(X, y, X_val=[X[0], X[1, 1:]], y_val=y[:2])


# --- Parameters ----------------------------------------------------------------------------------

ENCODERS = sorted(name for name, e in NETWORKS.items() if not is_classifier(e))
INTEGERS = [
    *("batch_size", "max_epochs", "network__n_filters", "network__latent_dim"),
    *("network__n_blocks", "training__n_iter_no_change", "training__n_workers"),
    *("augmentation__oversampling", "augmentation__n_test_rotations"),
]


@pytest.mark.parametrize("bad", [True, 2.0, np.float64(2), "2", np.array([2])])
@pytest.mark.parametrize("name", ENCODERS)
def test_integers_are_meant(name, bad, mostly_hidden):
    for param in INTEGERS:
        estimator = brief(NETWORKS[name], augmentation="rotations").set_params(**{param: bad})
        key = param.partition("__")[2] or param
        with pytest.raises(ValueError, match=f"'{key}' parameter .* must be .*an int"):
            estimator.fit(*mostly_hidden)


@pytest.mark.parametrize("shape", [True, 8.0, (8.0, 8.0, 8.0), [8, 8, True], {6, 7, 8}, "888"])
@pytest.mark.parametrize("name", [*ENCODERS, "CNNClassifier", "VolumeFlattener"])
def test_volume_shape_is_of_integers(name, shape, mostly_hidden):
    X, y = mostly_hidden
    estimator = brief(ESTIMATORS[name], volume_shape=shape)
    for data in (X, X.reshape(60, -1)):
        with pytest.raises(ValueError, match="volume_shape"):
            estimator.fit(data, y)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_names_of_columns_do_not_outlive_the_next_fit(name, frame, mostly_hidden):
    X, y = mostly_hidden
    rows = frame[voxels(frame)]
    estimator = brief(ESTIMATORS[name], volume_shape=8).fit(rows, y)
    assert estimator.feature_names_in_.tolist() == voxels(frame)
    expected = outputs(estimator, rows)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        volumes = outputs(estimator, X)
    assert np.array_equal(volumes.reshape(60, -1), expected)
    assert not hasattr(estimator.fit(X, y), "feature_names_in_")
    outputs(estimator, X)


# --- Representation ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ESTIMATORS)
def test_links_are_to_pages_of_the_api_reference(name, mostly_hidden):
    estimator = brief(ESTIMATORS[name])
    assert estimator._doc_link_module == "sksubtomo"
    listed = re.findall(r"^   (sksubtomo\.\S+)", API_INDEX.read_text(), re.M)
    for page in (
        estimator_html_repr(estimator),
        estimator_html_repr(estimator.fit(*mostly_hidden)),
    ):
        assert name in page
        links = re.findall(rf'href="{DOCUMENTATION_URL}/[^/"]+/api/([^"]*)\.html[^"]*"', page)
        assert f"sksubtomo.{type(estimator).__module__.split('.')[1]}.{name}" in links
        assert set(links) <= set(listed)
