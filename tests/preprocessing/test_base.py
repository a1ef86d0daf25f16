"""What all transformers of volumes must do beyond scikit-learn's checks."""

import contextlib
import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.fixes import parse_version

from sksubtomo.io import SubtomogramStack, write_mrc
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


SHAPE = (8, 7, 6)


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(3.0, 2.0, size=(5, *SHAPE)).astype(np.float32)


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


# --- Names of columns and data frames ------------------------------------------------------------


def named(transformer):
    """A transformer, and the names of its columns where those that come in have none."""
    box = getattr(transformer, "box_size", None)
    shape = SHAPE if box is None else (box,) * 3 if isinstance(box, int) else box
    return [f"voxel_{z}_{y}_{x}" for z, y, x in np.ndindex(*shape)]


ALL = [*TRANSFORMERS, CenterCropper(), FourierBinner(), VolumeFlattener()]


@pytest.fixture
def frame(X):
    index = [f"particle {number}" for number in range(5)]
    return pd.DataFrame(X.reshape(5, -1), index=index).add_prefix("density ")


@pytest.mark.parametrize("transformer", ALL, ids=repr)
def test_names_of_columns(transformer, X, frame):
    volumes = clone(transformer).fit(X)
    assert volumes.get_feature_names_out().tolist() == named(transformer)
    flat = clone(transformer).set_params(volume_shape=SHAPE).fit(frame)
    changes_box = getattr(transformer, "box_size", None) is not None
    expected = named(transformer) if changes_box else frame.columns.tolist()
    assert flat.get_feature_names_out().tolist() == expected
    given = [f"in {number}" for number in range(336)]
    assert volumes.get_feature_names_out(given).tolist() == (expected if changes_box else given)
    with pytest.raises(ValueError, match="input_features should have length equal"):
        volumes.get_feature_names_out(given[1:])
    with pytest.raises(ValueError, match="input_features is not equal to feature_names_in_"):
        flat.get_feature_names_out(given)
    with pytest.raises(NotFittedError):
        clone(transformer).get_feature_names_out()


@pytest.mark.parametrize("container", ["pandas", "polars"])
@pytest.mark.parametrize("how", ["set_output", "config_context"])
@pytest.mark.parametrize("transformer", ALL, ids=repr)
def test_flat_rows_in_data_frames(transformer, how, container, frame):
    library = pytest.importorskip(container)
    flat = clone(transformer).set_params(volume_shape=SHAPE)
    expected = flat.fit_transform(frame)
    assert isinstance(expected, np.ndarray)
    given = frame if container == "pandas" else library.DataFrame(frame)
    context = contextlib.nullcontext()
    if how == "set_output":
        flat = clone(flat.set_output(transform=container))
    else:
        context = sklearn.config_context(transform_output=container)
    with context:
        results = flat.fit_transform(given), flat.transform(given)
        assert isinstance(flat.fit_transform(frame.to_numpy()), library.DataFrame)
    for table in results:
        assert isinstance(table, library.DataFrame)
        assert list(table.columns) == flat.fit(given).get_feature_names_out().tolist()
        assert np.array_equal(table.to_numpy(), expected)
        assert container == "polars" or table.index.tolist() == frame.index.tolist()


@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=repr)
def test_volumes_are_no_tables(transformer, X):
    volumes = clone(transformer).fit_transform(X)
    configured = clone(transformer).set_output(transform="pandas")
    for result in (configured.fit_transform(X), configured.transform(X.tolist())):
        assert isinstance(result, np.ndarray)
        assert np.array_equal(result, volumes)
    assert configured.set_output(transform=None) is configured
    rows = configured.set_params(volume_shape=SHAPE).fit_transform(X.reshape(5, -1))
    assert isinstance(rows, pd.DataFrame)
    configured.set_output(transform="default")
    assert isinstance(configured.fit_transform(X.reshape(5, -1)), np.ndarray)
    with pytest.raises(ValueError, match="output config must be in .* got list"):
        configured.set_output(transform="list").fit_transform(X.reshape(5, -1))


def test_inverses_are_arrays(frame):
    inverter = ContrastInverter(volume_shape=SHAPE).set_output(transform="pandas").fit(frame)
    back = inverter.inverse_transform(inverter.transform(frame))
    assert isinstance(back, np.ndarray)
    assert np.array_equal(back, frame.to_numpy())


def test_names_through_pipelines_and_unions(X, frame):
    pipeline = make_pipeline(GaussianLowPass(30.0, 10.0), CenterCropper(2), VolumeFlattener())
    names = ["voxel_0_0_0", "voxel_0_0_1", "voxel_0_1_0", "voxel_0_1_1"]
    assert pipeline.fit(X).get_feature_names_out().tolist()[:4] == names
    assert pipeline.set_output(transform="pandas").transform(X).columns.tolist()[:4] == names
    union = FeatureUnion(
        [
            ("small", CenterCropper(1, volume_shape=SHAPE)),
            ("all", VolumeNormalizer(volume_shape=SHAPE)),
        ]
    ).set_output(transform="pandas")
    table = union.fit_transform(frame)
    assert table.columns.tolist() == ["small__voxel_0_0_0", *("all__" + frame.columns)]
    assert table.index.tolist() == frame.index.tolist()


@pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.8"), reason="unions check no dimensions"
)
def test_unions_refuse_volumes(X):
    with pytest.raises(ValueError, match="returned an array or dataframe with 4 dimensions"):
        make_union(VolumeNormalizer(), ContrastInverter()).fit_transform(X)


# --- What was fitted counts ----------------------------------------------------------------------

#: Transformers, and parameters that change what they do.
LATER = [
    (CenterCropper(6), {"box_size": 4}),
    (CenterCropper((2, 3, 4)), {"box_size": None}),
    (FourierBinner(6), {"box_size": (4, 3, 2)}),
    (VolumeNormalizer(), {"region": "background"}),
    (VolumeNormalizer("background"), {"region": "volume"}),
    (GaussianLowPass(30.0, 10.0), {"resolution_angstrom": 50.0}),
    (GaussianLowPass(30.0, 10.0), {"voxel_size_angstrom": 5.0}),
    (GaussianLowPass(), {"resolution_angstrom": 50.0, "voxel_size_angstrom": 10.0}),
    (GaussianLowPass(30.0, 10.0), {"resolution_angstrom": None}),
    (ContrastInverter(), {"volume_shape": (6, 7, 8)}),
    (VolumeFlattener(), {"volume_shape": (6, 7, 8)}),
]


@pytest.mark.parametrize(("transformer", "params"), LATER)
def test_parameters_count_from_the_next_fit_on(transformer, params, X):
    fitted = clone(transformer).fit(X)
    expected, names = fitted.transform(X), fitted.get_feature_names_out()
    fitted.set_params(**params)
    assert np.array_equal(fitted.transform(X), expected)
    assert np.array_equal(pickle.loads(pickle.dumps(fitted)).transform(X), expected)
    assert np.array_equal(fitted.get_feature_names_out(), names)
    if "volume_shape" not in params:
        assert not np.array_equal(fitted.fit_transform(X), expected)


@pytest.mark.parametrize(("transformer", "params"), LATER[:-2])
def test_lazy_stacks_keep_what_they_were_given(transformer, params, X, tmp_path):
    write_mrc(tmp_path / "tomogram.mrc", np.pad(X[0], 8), 10.0)
    stack = SubtomogramStack([tmp_path / "tomogram.mrc"], [[12, 11, 11], [10, 11, 13]], [0, 0], 8)
    expected = clone(transformer).fit_transform(np.asarray(stack))
    fitted = clone(transformer).set_output(transform="pandas").fit(stack)
    lazy = fitted.transform(stack)
    fitted.set_params(**params).fit(stack)
    assert isinstance(lazy, SubtomogramStack)
    assert np.array_equal(lazy, expected)
    assert np.array_equal(pickle.loads(pickle.dumps(lazy)), expected)


# --- Parameters ----------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [CenterCropper, FourierBinner])
def test_edges_are_integers(make, X):
    expected = make(6).fit_transform(X)
    for edges in (np.int64(6), np.uint8(6), [6, 6, 6], np.array([6, 6, 6]), (np.int8(6), 6, 6)):
        transformer = make(edges).fit(X)
        assert transformer.box_size_ == (6, 6, 6)
        assert np.array_equal(clone(transformer).fit_transform(X), expected)
    for edges in (6.0, np.float64(6), [6.0, 6.0, 6.0], np.full(3, 6.0), True, [True] * 3, "6"):
        with pytest.raises(ValueError, match="box_size"):
            make(edges).fit(X)


@pytest.mark.parametrize("transformer", ALL, ids=repr)
def test_volume_shape_is_of_integers(transformer, X):
    rows = X.reshape(5, -1)
    expected = clone(transformer).fit_transform(X).reshape(5, -1)
    for shape in (list(SHAPE), np.array(SHAPE), tuple(np.array(SHAPE, np.uint8))):
        flat = clone(transformer).set_params(volume_shape=shape)
        assert np.array_equal(flat.fit_transform(rows), expected)
    for shape in ((8.0, 7.0, 6.0), np.array(SHAPE, float), True, (8, 7), 336.0, "876"):
        with pytest.raises(ValueError, match="volume_shape"):
            clone(transformer).set_params(volume_shape=shape).fit(rows)


def test_resolution_in_any_type_of_number(X):
    expected = GaussianLowPass(30.0, 10.0).fit_transform(X)
    for make in (int, np.int16, np.float64, np.float32, np.float16, np.longdouble):
        assert np.array_equal(GaussianLowPass(make(30), make(10)).fit_transform(X), expected)
    for resolution in (True, np.nan, np.inf, "30", np.array([30.0])):
        with pytest.raises(ValueError, match="'resolution_angstrom' parameter"):
            GaussianLowPass(resolution, 10.0).fit(X)


def test_the_last_fit_counts(X, frame):
    cropper = CenterCropper(4, volume_shape=SHAPE).fit(frame)
    assert cropper.feature_names_in_.tolist() == frame.columns.tolist()
    cropper.set_params(box_size=2, volume_shape=None).fit(X[:, :6])
    assert not hasattr(cropper, "feature_names_in_")
    assert cropper.volume_shape_ == (6, 7, 6)
    assert cropper.transform(X[:, :6]).shape == (5, 2, 2, 2)
    low_pass = GaussianLowPass(30.0, 10.0).fit(X)
    assert low_pass.cutoff_ == 1 / 3
    assert low_pass.set_params(resolution_angstrom=None).fit(X).cutoff_ is None


@pytest.mark.parametrize(
    ("transformer", "smaller"),
    [
        (CenterCropper(6), (5, 4, 4, 4)),
        (FourierBinner(6), (5, 4, 4, 4)),
        (VolumeNormalizer("background"), (5, 1, 1, 5)),
    ],
)
def test_a_refused_fit_leaves_the_last_one_as_it_was(transformer, smaller, X):
    fitted = clone(transformer).fit(X)
    expected = fitted.transform(X)
    with pytest.raises(ValueError, match="larger than the volumes|no voxel outside"):
        fitted.fit(np.zeros(smaller))
    assert np.array_equal(fitted.transform(X), expected)
