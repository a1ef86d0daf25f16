import numpy as np

from sksubtomo._utils import _labels
from sksubtomo.model_selection import is_unlabeled


def test_is_the_one_that_everything_uses():
    for y in ([0, -1], ["a", "unlabeled"], np.array(["a", None, -1], object), [1.0, -1.0]):
        assert is_unlabeled(y).tolist() == _labels.is_unlabeled(y).tolist()
