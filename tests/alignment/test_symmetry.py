"""Point groups of references."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from sksubtomo.alignment import Symmetrizer, check_symmetry
from sksubtomo.alignment._symmetry import average_over, frame_of
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


@pytest.mark.parametrize("shift", [(0, 0, 0), (1.3, -0.8, 0.6)])
@pytest.mark.parametrize(
    ("group", "points"),
    [("C4", [(4.0, 0, -1), (0, 0, 3.5)]), ("D3", [(3.5, 1, 1.5)]), ("O", [(2.0, 2.6, 0.5)])],
)
def test_axes_are_found_in_any_pose(group, points, shift):
    rotations = point_group(group)
    whole = blobs(np.concatenate([rotations.apply(point) for point in points]))
    turn = Rotation.from_euler("xyz", [50, -70, 20], degrees=True)
    turned = rotate_volume(whole, turn, shift=shift)
    before = correlation(average_over(turned, rotations), turned)
    assert before < 0.99
    # In its frame, the map is its own average, wherever it was.
    frame = frame_of(turned, rotations)
    upright = rotate_volume(turned, frame.rotation, shift=frame.shift)
    assert correlation(average_over(turned, rotations, frame), upright) > max(0.98, before)


def test_references_are_brought_into_the_frame_once(ring):
    turn = Rotation.from_euler("xyz", [50, -70, 20], degrees=True)
    turned = rotate_volume(ring, turn, shift=(1, 0, -1))
    symmetrizer = Symmetrizer([point_group("C1"), point_group("C4")])
    maps = torch.from_numpy(np.stack([turned, turned]))
    symmetrizer.find_axes(maps)
    plain, symmetric = symmetrizer.apply(maps, [0, 1]).numpy()
    assert (plain == turned).all()
    assert symmetrizer.orders.tolist() == [1.0, 4.0]
    # What is left of the same sums without a volume is in the same frame as these are.
    again, same = symmetrizer.apply(maps, [1, 1]).numpy()
    assert (again == symmetric).all()
    assert (same == symmetric).all()
    # The next ones are in that frame already, and one that is not is not turned.
    symmetrizer.find_axes(torch.from_numpy(np.stack([turned, symmetric])))
    again, other = symmetrizer.apply(torch.from_numpy(np.stack([symmetric, turned])), [1, 1])
    assert correlation(again.numpy(), symmetric) > 0.999
    assert correlation(other.numpy(), average_over(turned, point_group("C4"))) > 0.999999


def test_a_map_of_nothing_stays():
    symmetrizer = Symmetrizer([point_group("D2")])
    nothing = torch.zeros(1, 6, 6, 6)
    symmetrizer.find_axes(nothing)
    assert not symmetrizer.apply(nothing, [0]).any()


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
