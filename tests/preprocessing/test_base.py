"""What all transformers of volumes must do beyond scikit-learn's checks."""

import pickle

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from sksubtomo.preprocessing import (
    CenterCropper,
    ContrastInverter,
    FourierBinner,
    GaussianLowPass,
    VolumeFlattener,
    VolumeNormalizer,
)

TRANSFORMERS = [
    CenterCropper(4),
    ContrastInverter(),
    FourierBinner((4, 3, 5)),
    GaussianLowPass(30.0, 10.0),
    VolumeNormalizer(),
    VolumeNormalizer("background"),
]


# Configured so that they do something to the rows of scikit-learn's suite, too. It has rows of one
# voxel, which leaves no smaller box and no background: those are tested on volumes below.
CHECKED = [
    CenterCropper(1),
    CenterCropper(),
    ContrastInverter(),
    FourierBinner(1),
    FourierBinner(),
    GaussianLowPass(30.0, 10.0),
    VolumeFlattener(),
    VolumeNormalizer(),
]


@pytest.mark.parametrize("transformer", CHECKED, ids=repr)
def test_scikit_learn_checks(transformer):
    results = check_estimator(transformer, on_fail="raise", on_skip=None)
    assert {result["status"] for result in results} == {"passed"}
    assert len(results) >= 45


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(3.0, 2.0, size=(5, 8, 7, 6)).astype(np.float32)


@pytest.mark.parametrize("transformer", TRANSFORMERS)
def test_flat_rows_equal_volumes(transformer, X):
    volumes = clone(transformer).fit_transform(X)
    flat = clone(transformer).set_params(volume_shape=(8, 7, 6)).fit_transform(X.reshape(5, -1))
    assert volumes.ndim == 4
    assert volumes.dtype == np.float32
    assert np.array_equal(flat, volumes.reshape(5, -1))


@pytest.mark.parametrize("transformer", TRANSFORMERS)
def test_input_is_not_changed_and_volumes_are_independent(transformer, X):
    before = X.copy()
    fitted = clone(transformer).fit(X)
    together = fitted.transform(X)
    assert np.array_equal(X, before)
    np.testing.assert_allclose(fitted.transform(X[2:3]), together[2:3], rtol=1e-6)
    assert np.array_equal(pickle.loads(pickle.dumps(fitted)).transform(X), together)


@pytest.mark.parametrize("transformer", TRANSFORMERS)
def test_other_shapes_are_refused(transformer, X):
    fitted = clone(transformer).fit(X)
    with pytest.raises(ValueError, match=r"shape \(7, 8, 6\), but .* fitted on .*\(8, 7, 6\)"):
        fitted.transform(X.reshape(5, 7, 8, 6))
    with pytest.raises(ValueError, match=r"got 3 dimensions.*newaxis"):
        clone(transformer).fit(X[0])
    with pytest.raises(ValueError, match="got 5 dimensions"):
        clone(transformer).fit(X[np.newaxis])
    with pytest.raises(ValueError, match="means 512 voxels a volume, but X has 336"):
        clone(transformer).set_params(volume_shape=8).fit(X.reshape(5, -1))
    X[3, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"contains NaN.\n(.*\n)*.*index 3"):
        clone(transformer).fit(X)


def test_pipeline_to_pandas(X):
    pipeline = make_pipeline(VolumeNormalizer(), CenterCropper(2), VolumeFlattener())
    frame = pipeline.set_output(transform="pandas").fit_transform(X)
    assert frame.shape == (5, 8)
    assert frame.columns[1] == "voxel_0_0_1"
    expected = CenterCropper(2).fit_transform(VolumeNormalizer().fit_transform(X)).reshape(5, -1)
    assert np.array_equal(frame.to_numpy(), expected)


def test_global_pandas_output_leaves_volumes_alone(X):
    with sklearn.config_context(transform_output="pandas"):
        assert isinstance(VolumeNormalizer().fit_transform(X), np.ndarray)
        pipeline = make_pipeline(GaussianLowPass(30.0, 10.0), FourierBinner(3), VolumeFlattener())
        assert pipeline.fit_transform(X).shape == (5, 27)


def test_pipeline_of_flat_rows(X):
    steps = [CenterCropper((6, 6, 6)), FourierBinner(4), VolumeFlattener()]
    expected = make_pipeline(*steps).fit_transform(X)
    flat = make_pipeline(*(clone(step) for step in steps))
    for step, shape in zip(flat, [(8, 7, 6), 6, 4], strict=True):
        step.set_params(volume_shape=shape)
    assert np.array_equal(clone(flat).fit_transform(X.reshape(5, -1)), expected)
    fitted = pickle.loads(pickle.dumps(flat.fit(X.reshape(5, -1))))
    assert np.array_equal(fitted.transform(X.reshape(5, -1)), expected)


def test_pipeline_into_a_classifier_of_scikit_learn(easy_volumes):
    X, y = easy_volumes
    pipeline = make_pipeline(
        ContrastInverter(), FourierBinner(4), VolumeFlattener(), LogisticRegression()
    )
    assert pipeline.fit(X, y).score(X, y) == 1.0
