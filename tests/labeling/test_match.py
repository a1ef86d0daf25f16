import numpy as np
import pytest

from sksubtomo.labeling import match_labels

PLACES = np.array([[10.0, 10, 10], [10, 10, 20], [10, 10, 10]])
NAMES = np.array(["a", "a", "b"])


def labels(coordinates, names, numbers):
    return match_labels(
        PLACES, NAMES, np.array(coordinates), np.array(names), np.array(numbers), tolerance_voxels=3
    ).tolist()


def test_labels_go_to_the_nearest_particle_of_their_tomogram():
    assert labels([[10, 11, 19.0], [9.0, 10, 10]], ["a", "b"], [2, 1]) == [-1, 2, 1]
    with pytest.raises(ValueError, match="1 of 2 labels has no particle within 3 voxels"):
        labels([[10, 11, 19.0], [9.0, 10, 15]], ["a", "b"], [2, 1])
    with pytest.raises(ValueError, match="1 of 1 label has"):
        labels([[10, 10, 10.0]], ["c"], [2])
    with pytest.raises(ValueError, match="labels of two classes, 2 and 1"):
        labels([[10, 10, 11.0], [10, 10, 9.0]], ["a", "a"], [2, 1])
