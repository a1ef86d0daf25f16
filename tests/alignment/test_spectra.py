import numpy as np
import pytest
import torch

from sksubtomo.alignment import root_mean_square
from sksubtomo.alignment._spectra import _ROWS_PER_BLOCK


@pytest.mark.parametrize("n", [1, _ROWS_PER_BLOCK + 3])
def test_root_mean_square_is_that_of_all_blocks(n):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(n, 5)) + 1j * rng.normal(size=(n, 5))
    given = torch.from_numpy(values.astype(np.complex64))
    expected = np.sqrt(np.mean(np.abs(given.numpy().astype(np.complex128)) ** 2))
    # Absolute values are rounded to float32.
    assert root_mean_square(given) == pytest.approx(expected, rel=1e-6)
    # Squares of which a float32 cannot hold.
    assert root_mean_square(given * 1e30) == pytest.approx(expected * 1e30, rel=1e-6)


def test_root_mean_square_of_nothing():
    assert root_mean_square(torch.zeros(0, 3, dtype=torch.complex64)) == 0
