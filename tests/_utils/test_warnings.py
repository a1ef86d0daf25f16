import warnings

import pytest
from joblib import Parallel, delayed

from sksubtomo._utils._warnings import level_of_caller

LIBRARY = """
def warn_at(depth):
    if depth:
        return warn_at(depth - 1)
    warnings.warn("here", stacklevel=level_of_caller())
"""


@pytest.mark.parametrize("depth", [0, 1, 7])
def test_points_to_the_caller_whatever_the_depth(depth):
    module = {
        "__name__": "sksubtomo.some",
        "warnings": warnings,
        "level_of_caller": level_of_caller,
    }
    exec(LIBRARY, module)
    with pytest.warns(UserWarning, match="here") as caught:
        module["warn_at"](depth)
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="here") as caught:
        Parallel(n_jobs=1)([delayed(module["warn_at"])(depth)])
    assert caught[0].filename == __file__
