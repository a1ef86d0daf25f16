import numpy as np
import pandas as pd
import pytest
import torch

from sksubtomo._utils._volumes import check_volume_shape, check_volumes


class Owner:
    """What check_volumes sets its attributes on."""

    def __sklearn_tags__(self):
        from sklearn.utils import InputTags, Tags, TargetTags

        return Tags(
            estimator_type=None, target_tags=TargetTags(required=False), input_tags=InputTags()
        )


class Lazy:
    """What check_volumes knows of a stack that reads volumes when they are needed."""

    lazy_volumes, ndim, dtype = True, 4, np.dtype(np.float32)

    def __init__(self, *shape):
        self.shape = shape

    def __len__(self):
        return self.shape[0]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (8, (8, 8, 8)),
        (np.uint8(200), (200, 200, 200)),
        ((1, 2, 3), (1, 2, 3)),
        ([1, np.int64(2), 3], (1, 2, 3)),
        (np.array([4, 5, 6]), (4, 5, 6)),
        (torch.zeros(4, 5, 6).shape, (4, 5, 6)),
    ],
)
def test_shapes(given, expected):
    shape = check_volume_shape(given)
    assert shape == expected
    assert {type(edge) for edge in shape} == {int}


@pytest.mark.parametrize(
    "given",
    [
        *(0, -8, (1, 2), (1, 2, 3, 4), (1, 2, -3), (1, 2, 2.5), "abc", (1, 2, "x"), None),
        *(8.0, np.float64(8), (8.0, 8.0, 8.0), np.array([4.0, 5.0, 6.0]), "888"),
        *(
            True,
            np.bool_(True),
            (True, 2, 3),
            np.ones(3, bool),
            {4, 5, 6},
            {"z": 1, "y": 2, "x": 3},
        ),
        *(np.array(8), np.full((3, 3), 8), list(range(100_000)), np.arange(100_000)),
    ],
)
def test_bad_shapes(given):
    with pytest.raises(ValueError, match="volume_shape=.* must be a positive integer") as error:
        check_volume_shape(given)
    assert len(str(error.value)) < 300


X = np.random.default_rng(0).normal(size=(4, 2, 3, 2)).astype(np.float32)
FRAME = pd.DataFrame(X.reshape(4, -1)).add_prefix("voxel ")


@pytest.mark.parametrize("other", [X, X.tolist(), X.reshape(4, -1), Lazy(4, 2, 3, 2)])
def test_names_of_columns_do_not_outlive_the_next_fit(other):
    owner = Owner()
    check_volumes(owner, FRAME, volume_shape=(2, 3, 2), reset=True)
    assert owner.feature_names_in_.tolist() == FRAME.columns.tolist()
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        check_volumes(owner, other, reset=False)
    check_volumes(owner, other, volume_shape=(2, 3, 2), reset=True)
    assert not hasattr(owner, "feature_names_in_")
    assert owner.volume_shape_ == (2, 3, 2)
    assert owner.n_features_in_ == 12


@pytest.mark.parametrize(
    ("other", "volume_shape", "message"),
    [
        (np.zeros((4, 7)), 2, "volume_shape="),
        (X, 5, "volume_shape="),
        (Lazy(4, 2, 3, 2), 5, "volume_shape="),
        (np.full((4, 8), np.nan), 2, "contains NaN"),
        (pd.DataFrame({"a": ["text"]}), 1, "holds text"),
    ],
)
def test_a_refused_fit_leaves_the_last_one_as_it_was(other, volume_shape, message):
    owner = Owner()
    check_volumes(owner, FRAME, volume_shape=(2, 3, 2), reset=True)
    before = dict(vars(owner))
    with pytest.raises(ValueError, match=message):
        check_volumes(owner, other, volume_shape=volume_shape, reset=True)
    assert vars(owner) == before


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (None, "got a single NoneType"),
        ("volumes.mrc", "got a single str"),
        ((volume for volume in X), "got a single generator"),
        ({"X": X}, "got a single dict"),
        ([{"a": 1}], "got objects of type dict"),
        ([None, None], "got objects of type NoneType"),
        (np.arange(900.0), r"got 1 dimensions: \(900,\)\. Reshape your data"),
        (X[0], r"got 3 dimensions: \(2, 3, 2\)\. For a single volume, pass X_val\[np.newaxis\]"),
        (X[None], "got 5 dimensions"),
        ([], r"0 sample\(s\)"),
        (X[:0], r"0 sample\(s\)"),
        (Lazy(0, 2, 3, 2), r"0 sample\(s\)"),
        (np.zeros((4, 2, 0, 2)), r"volumes without voxels: their shape is \(2, 0, 2\)"),
        (X * 1j, "X_val holds complex numbers"),
        (np.full((2, 2), "secret" * 10_000), "X_val holds text"),
        (np.where(X > 1, np.nan, X), r"Input X_val contains NaN(.*\n)*The first .* index \d"),
        (np.float64(1e300) * X, r"X_val contains infinity(.*\n)*The first .* index 0"),
    ],
)
def test_bad_volumes(bad, message):
    with pytest.raises(ValueError, match=message) as error:
        check_volumes(Owner(), bad, reset=True, input_name="X_val")
    assert len(str(error.value)) < 800
    assert error.value.__cause__ is None
