"""Point groups of references."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from sksubtomo.alignment import Symmetrizer, check_symmetry
from sksubtomo.alignment._symmetry import average_over, axes_of
from sksubtomo.geometry import point_group, rotate_volume

SIZE = 14


def blobs(points):
    grid = (np.stack(np.indices((SIZE,) * 3), axis=-1) - SIZE // 2)[..., ::-1]
    squares = ((grid[..., np.newaxis, :] - np.array(points)) ** 2).sum(axis=-1)
    return np.exp(-squares / 3).sum(axis=-1).astype(np.float32)


def correlation(a, b):
    return float(np.corrcoef(np.ravel(a), np.ravel(b))[0, 1])


@pytest.fixture(scope="module")
def ring():
    """Four balls about z, and one on it."""
    turns = point_group("C4")
    return blobs([*turns.apply([4.0, 0, -1]), (0, 0, 3.5)])


def test_an_average_over_the_group_keeps_what_has_the_symmetry(ring):
    assert correlation(average_over(ring, point_group("C4")), ring) > 0.999
    one = blobs([(3.0, 0, -1)])
    expected = blobs(point_group("C4").apply([3.0, 0, -1])) / 4
    np.testing.assert_allclose(average_over(one, point_group("C4")), expected, atol=0.02)


def test_axes_are_found_in_any_orientation(ring):
    turned = rotate_volume(ring, Rotation.from_euler("xyz", [50, -70, 20], degrees=True))
    assert correlation(average_over(turned, point_group("C4")), turned) < 0.8
    upright = rotate_volume(turned, axes_of(turned, point_group("C4")))
    assert correlation(average_over(upright, point_group("C4")), upright) > 0.98


def test_references_are_brought_into_the_frame_once(ring):
    turned = rotate_volume(ring, Rotation.from_euler("xyz", [50, -70, 20], degrees=True))
    symmetrizer = Symmetrizer([point_group("C1"), point_group("C4")])
    maps = torch.from_numpy(np.stack([turned, turned]))
    plain, symmetric = symmetrizer.apply(maps).numpy()
    assert (plain == turned).all()
    assert symmetrizer.orders.tolist() == [1.0, 4.0]
    # The next one is in that frame already.
    again = symmetrizer.apply(torch.from_numpy(symmetric[np.newaxis]), [1]).numpy()[0]
    assert correlation(again, symmetric) > 0.999
    # And one that is not is not turned.
    other = symmetrizer.apply(maps[:1], [1]).numpy()[0]
    assert correlation(other, average_over(turned, point_group("C4"))) > 0.999999


def test_a_map_of_nothing_stays():
    symmetrizer = Symmetrizer([point_group("D2")])
    assert not symmetrizer.apply(torch.zeros(1, 6, 6, 6)).any()


def test_groups_of_classes():
    classes = np.array([1, 2])
    assert [len(group) for group in check_symmetry("D7", classes)] == [14, 14]
    assert [len(group) for group in check_symmetry({2: "o"}, classes)] == [1, 24]
    names = np.array(["a", "b"])
    assert [len(group) for group in check_symmetry({"a": "C2"}, names)] == [2, 1]
    with pytest.raises(ValueError, match="symmetry names \\[3\\], but the classes are"):
        check_symmetry({3: "C2"}, classes)
    for wrong in ("D", "X7", "C0", "c1000", "", "I1", None, 4):
        with pytest.raises(ValueError, match="is no point group"):
            check_symmetry(wrong, classes)
