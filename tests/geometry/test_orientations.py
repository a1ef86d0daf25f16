import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sksubtomo.geometry import rotation_grid


def nearest_deg(grid, rotations, group):
    """Angle from each rotation to the nearest of the grid, of those that look the same."""
    distances = [grid.as_quat() @ (rotations * element).as_quat().T for element in group]
    return 2 * np.degrees(np.arccos(np.clip(np.abs(distances).max(axis=(0, 1)), 0, 1)))


@pytest.mark.parametrize("step", [60.0, 30.0, 20.0])
def test_every_rotation_is_within_a_step(step):
    rotations = Rotation.random(1000, rng=np.random.default_rng(0))
    assert nearest_deg(rotation_grid(step), rotations, Rotation.identity(1)).max() < step


@pytest.mark.parametrize("symmetry", ["C3", "D2", "D7"])
def test_symmetry_leaves_one_of_those_that_look_the_same(symmetry):
    group = Rotation.create_group(symmetry)
    whole, part = rotation_grid(20.0), rotation_grid(20.0, symmetry=symmetry)
    assert len(part) == pytest.approx(len(whole) / len(group), rel=0.1)
    rotations = Rotation.random(500, rng=np.random.default_rng(1))
    assert nearest_deg(part, rotations, group).max() < 1.2 * 20


def test_spread_evenly():
    matrices = rotation_grid(20.0).as_matrix()
    # Mean 0, second moments 1/3: as of uniform rotations.
    np.testing.assert_allclose(matrices.mean(axis=0), 0, atol=0.01)
    np.testing.assert_allclose((matrices**2).mean(axis=0), 1 / 3, atol=0.01)


def test_bad_input():
    with pytest.raises(ValueError, match="step_deg=0 must be above 0"):
        rotation_grid(0)
    with pytest.raises(ValueError, match="symmetry='X9' is no point group"):
        rotation_grid(30.0, symmetry="X9")
