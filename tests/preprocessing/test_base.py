"""What all transformers of volumes must do beyond scikit-learn's checks."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

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
    with pytest.raises(ValueError, match="4 dimensions|got 3 dimensions"):
        clone(transformer).fit(X[0])
    with pytest.raises(ValueError, match="means 512 voxels a volume, but X has 336"):
        clone(transformer).set_params(volume_shape=8).fit(X.reshape(5, -1))
    X[3, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="contains NaN.\n(.*\n)*.*index 3"):
        clone(transformer).fit(X)


def test_pipeline_to_pandas(X):
    pipeline = make_pipeline(VolumeNormalizer(), CenterCropper(2), VolumeFlattener())
    frame = pipeline.set_output(transform="pandas").fit_transform(X)
    assert frame.shape == (5, 8)
    assert frame.columns[1] == "voxel_0_0_1"
    expected = CenterCropper(2).fit_transform(VolumeNormalizer().fit_transform(X)).reshape(5, -1)
    assert np.array_equal(frame.to_numpy(), expected)


def test_pipeline_into_a_classifier_of_scikit_learn(easy_volumes):
    X, y = easy_volumes
    pipeline = make_pipeline(
        ContrastInverter(), FourierBinner(4), VolumeFlattener(), LogisticRegression()
    )
    assert pipeline.fit(X, y).score(X, y) == 1.0
