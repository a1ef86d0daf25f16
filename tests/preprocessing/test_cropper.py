import numpy as np
import pytest

from sksubtomo.preprocessing import CenterCropper


@pytest.mark.parametrize("old", [8, 9])
@pytest.mark.parametrize("new", [1, 4, 5, 8])
def test_center_voxel_stays_the_center(old, new):
    X = np.zeros((1, old, old, old))
    X[0, old // 2, old // 2, old // 2] = 1.0
    cropped = CenterCropper(new).fit_transform(X)
    assert cropped.shape == (1, new, new, new)
    assert cropped[0, new // 2, new // 2, new // 2] == 1.0


def test_axes_are_cropped_by_their_own_size():
    X = np.arange(4 * 6 * 8.0).reshape(1, 4, 6, 8)
    assert np.array_equal(CenterCropper((2, 6, 4)).fit_transform(X)[0], X[0, 1:3, :, 2:6])


def test_no_size_changes_nothing():
    X = np.arange(27.0).reshape(1, 3, 3, 3)
    assert np.array_equal(CenterCropper().fit_transform(X), X)


@pytest.mark.parametrize(
    ("box_size", "message"),
    [(9, r"box_size=9 .* larger than the volumes"), ((4, 4), "box_size=.* must be a positive")],
)
def test_bad_sizes(box_size, message):
    with pytest.raises(ValueError, match=message):
        CenterCropper(box_size).fit(np.zeros((1, 8, 8, 8)))
