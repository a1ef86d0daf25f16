"""Small densities that references tell apart: sums of a few Gaussians."""

import numpy as np

#: Of equal mass, z, y, x from the center: a rod, a triangle and a ball.
POINTS = (
    [(0, 0, -3), (0, 0, -1), (0, 0, 1), (0, 0, 3)],
    [(0, 2.4, 0), (0, -1.2, 2.1), (0, -1.2, -2.1), (1.5, 0, 0)],
    [(0.6, 0, 0), (-0.6, 0, 0), (0, 0.6, 0), (0, -0.6, 0)],
)


def density(points, size):
    """Return a cube with a Gaussian at each point."""
    grid = np.stack(np.indices((size,) * 3), axis=-1) - size // 2
    squares = ((grid[..., np.newaxis, :] - np.array(points)) ** 2).sum(axis=-1)
    return np.exp(-squares / 2.4).sum(axis=-1).astype(np.float32)
