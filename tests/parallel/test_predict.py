import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from joblib import parallel_config
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from sksubtomo._utils._batches import rows_per_batch
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.parallel import parallel_predict
from sksubtomo.parallel._predict import Shard, _default_shard_size
from sksubtomo.preprocessing import CenterCropper, VolumeFlattener, VolumeNormalizer


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function", "features"])
@pytest.mark.parametrize("shard_size", [None, 50, 64, 1000])
def test_shards_put_together_are_the_whole(fitted, many_volumes, method, shard_size):
    expected = getattr(fitted, method)(many_volumes)
    with parallel_config("threading", n_jobs=2):
        rows = parallel_predict(fitted, many_volumes, method=method, shard_size=shard_size)
    assert rows.dtype == expected.dtype
    if shard_size == 50:  # another place in the batch
        np.testing.assert_allclose(rows, expected, atol=1e-5)
    else:
        np.testing.assert_array_equal(rows, expected)


def test_stacks_memory_maps_pipelines_and_lists(fitted, stack, many_volumes, tmp_path):
    expected = fitted.predict_proba(np.asarray(stack))
    np.testing.assert_array_equal(parallel_predict(fitted, stack, shard_size=64), expected)
    np.save(tmp_path / "X.npy", many_volumes)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    np.testing.assert_array_equal(
        parallel_predict(fitted, mapped, shard_size=64), fitted.predict_proba(many_volumes)
    )
    pipeline = make_pipeline(VolumeNormalizer(), CenterCropper(6), VolumeFlattener())
    pipeline.steps.append(("lr", LogisticRegression()))
    pipeline.fit(many_volumes, np.repeat(["a", "bc"], 75))
    expected = pipeline.predict(many_volumes)
    for lists in (list(many_volumes), many_volumes.tolist(), torch.tensor(many_volumes)):
        rows = parallel_predict(pipeline, lists, method="predict", shard_size=70)
        assert rows.tolist() == expected.tolist()


def test_data_frames_keep_their_columns(many_volumes):
    frame = pd.DataFrame(many_volumes[:, 0, 0], columns=[*"abcdefgh"])
    clf = LogisticRegression().fit(frame, np.arange(150) % 3)
    for index in (np.arange(150), np.arange(150) / 10, np.arange(150)[::-1]):
        rows = parallel_predict(clf, frame.set_axis(index), shard_size=40)
        np.testing.assert_allclose(rows, clf.predict_proba(frame))


@pytest.mark.parametrize("method", ["predict_proba", "decision_function", "predict"])
def test_frozen_estimators(many_volumes, method):
    X, y = many_volumes[:, 0, 0], np.arange(150) % 3
    pipeline = make_pipeline(VolumeFlattener(), LogisticRegression()).fit(X.reshape(150, -1), y)
    rows = X.reshape(150, -1)
    expected = getattr(pipeline, method)(rows)
    frozen_inside = make_pipeline(VolumeFlattener(), FrozenEstimator(pipeline))
    for estimator in (FrozenEstimator(pipeline), frozen_inside.fit(rows, y)):
        got = parallel_predict(estimator, rows, method=method, shard_size=40)
        np.testing.assert_allclose(got, expected)


@pytest.mark.parametrize("layout", ["csr", "csc", "coo", "bsr"])
@pytest.mark.parametrize("kind", [scipy.sparse.csr_matrix, scipy.sparse.csr_array])
def test_sparse_rows(layout, kind):
    dense = np.random.default_rng(0).poisson(0.3, size=(90, 6)).astype(float)
    X = kind(dense).asformat(layout)
    classifier = LogisticRegression().fit(X, np.arange(90) % 3)
    for shard_size in (None, 40):
        rows = parallel_predict(classifier, X, shard_size=shard_size)
        np.testing.assert_allclose(rows, classifier.predict_proba(X))
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        parallel_predict(classifier, kind((0, 6)))


@pytest.mark.slow
def test_processes_get_the_same_bits(fitted, stack, many_volumes):
    for X in (stack, many_volumes):
        rows = parallel_predict(fitted, X, n_jobs=2)
        np.testing.assert_array_equal(rows, fitted.predict_proba(X))


def test_a_shard_of_files_is_small_and_one_of_memory_is_itself(stack, many_volumes, tmp_path):
    assert len(pickle.dumps(Shard(stack[10:100]))) < 8000
    np.save(tmp_path / "X.npy", many_volumes)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert len(pickle.dumps(Shard(mapped[10:100]))) < 1000
    assert Shard(many_volumes).rows is many_volumes


def test_default_shards_are_whole_batches_and_a_few_a_worker(fitted, many_volumes):
    edges = (1, 28, 48, 64, 200)
    on_gpu, on_cpu = ([rows_per_batch(e**3, d) for e in edges] for d in ("cuda:1", "cpu"))
    assert on_gpu == [64, 64, 16, 8, 1]
    assert on_cpu == [64, 8, 2, 2, 2]
    X = np.broadcast_to(np.float32(0), (10_000, 8, 8, 8))
    assert _default_shard_size(fitted, X, 2) == 1280
    assert _default_shard_size(fitted, X, 10_000) == 64
    # In memory, no more than about 64 MiB.
    large = np.broadcast_to(np.float32(0), (10_000, 28, 28, 28))
    assert _default_shard_size(LogisticRegression(), large, 1) == 11 * 64


class Echo(BaseEstimator):
    def __sklearn_is_fitted__(self):
        return True

    def fit(self, X, y=None):
        return self

    def total(self, X):
        return X.sum()

    def count(self, X):
        return X[:1]

    def distance(self, X, y):
        return X - y

    def fit_transform(self, X):
        return X


@pytest.mark.parametrize("method", ["total", "count"])
def test_answers_that_are_not_a_row_for_each_sample(method):
    with pytest.raises(ValueError, match=f"Echo.{method} answers 3 samples by an array"):
        parallel_predict(Echo(), np.ones((6, 2)), method=method, shard_size=3)


@pytest.mark.parametrize("method", ["distance", "fit_transform", "predict", "_repr_html_"])
def test_methods_that_do_not_predict(method):
    with pytest.raises(ValueError, match=r"Echo has no method .*; it has \['count', 'total'\]"):
        parallel_predict(Echo(), np.ones((6, 2)), method=method)


def test_what_is_wrong_is_said_before_work(fitted, many_volumes):
    with pytest.raises(NotFittedError, match="CNNClassifier"):
        parallel_predict(CNNClassifier(), many_volumes)
    with pytest.raises(ValueError, match="CNNClassifier has no method 'transform'; it has .'deci"):
        parallel_predict(FrozenEstimator(fitted), many_volumes, method="transform")
    with pytest.raises(ValueError, match="CNNClassifier has no method 'transform'; it has"):
        parallel_predict(fitted, many_volumes, method="transform")
    for size in (0, -3, 2.5, True):
        with pytest.raises(ValueError, match=f"shard_size={size} must be a whole number from 1"):
            parallel_predict(fitted, many_volumes, shard_size=size)
    with pytest.raises(ValueError, match=r"0 sample\(s\) while CNNClassifier"):
        parallel_predict(fitted, many_volumes[:0])
    with pytest.raises(ValueError, match="n_jobs == 0"):
        parallel_predict(fitted, many_volumes, n_jobs=0)
    with pytest.raises(ValueError, match="volumes of shape"):
        parallel_predict(fitted, many_volumes[:, :4])
    knn = KNeighborsClassifier(1).fit(np.eye(3), [0, 1, 2])
    with pytest.raises(TypeError):
        parallel_predict(knn, 3.0)
