"""Bringing volumes to a common scale."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._docs import documented
from sksubtomo._utils._sklearn import StrOptions
from sksubtomo.preprocessing._base import VolumeTransformer


def background_mask(shape: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Tell which voxels lie outside the largest centered ellipsoid in a box.

    Parameters
    ----------
    shape : (int, int, int)
        Edges of the box in voxels, z, y, x.

    Returns
    -------
    mask : ndarray of shape `shape` of bool
        True outside (of a sphere, if the box is a cube); False everywhere in boxes too flat to have
        an outside.
    """
    axes = [(np.arange(n) - n // 2) / max(n / 2, 1) for n in shape]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    return z**2 + y**2 + x**2 > 1


def normalize(volumes: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Shift and scale each volume so that it has mean 0 and standard deviation 1 in a mask.

    Parameters
    ----------
    volumes : ndarray of shape (n, depth, height, width) of float32
        Volumes.
    mask : ndarray of shape (depth, height, width) of bool
        Voxels whose statistics are taken.

    Returns
    -------
    normalized : ndarray of the shape of `volumes` of float32
        Volumes whose voxels are all equal become 0.

    Raises
    ------
    ValueError
        If a volume that is not constant is constant in the mask.
    """
    normalized = np.zeros_like(volumes)
    for index, volume in enumerate(volumes):
        mean = volume[mask].mean(dtype=np.float64)
        deviation = volume[mask].std(dtype=np.float64)
        # A spread below the step between neighboring float32 numbers is rounding, not signal.
        negligible = np.finfo(np.float32).eps * abs(mean)
        if deviation > negligible:
            normalized[index] = (volume - mean) / deviation
        elif volume.std(dtype=np.float64) > negligible:
            raise ValueError(
                f"The background of the volume with index {index} is constant, as after masking, "
                "and gives no scale for the rest: use region='volume', or normalize before masking."
            )
    return normalized


@documented
class VolumeNormalizer(VolumeTransformer):
    """Give every volume mean 0 and standard deviation 1.

    Parameters
    ----------
    region : {"volume", "background"}, default="volume"
        Voxels whose mean and standard deviation are taken: all, or those outside the sphere that
        touches the box's faces (an ellipsoid in boxes that are no cubes), which makes the noise of
        all volumes alike, whatever the particle; RELION normalizes by the background, too.
    %(volume_shape)s

    %(fitted_transformer)s
    region_ : str
        The region that counts in ``transform``.

    Raises
    ------
    ValueError
        If ``region="background"`` and the box has no voxel outside the sphere, or a volume is
        constant there but not inside, as after masking.

    Notes
    -----
    A volume whose voxels are all equal becomes 0.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubtomo.preprocessing import VolumeNormalizer
    >>> X = np.random.default_rng(0).normal(100.0, 5.0, size=(2, 8, 8, 8))
    >>> bool(abs(VolumeNormalizer().fit_transform(X).mean()) < 1e-6)
    True
    """

    _parameter_constraints: ClassVar[dict[str, list]] = {
        **VolumeTransformer._parameter_constraints,
        "region": [StrOptions({"volume", "background"})],
    }

    def __init__(self, region="volume", *, volume_shape=None):
        super().__init__(volume_shape=volume_shape)
        self.region = region

    def _fit_parameters(self) -> None:
        if self.region == "background" and not background_mask(self.volume_shape_).any():
            raise ValueError(
                f"Volumes of shape {self.volume_shape_} have no voxel outside the sphere: use "
                "region='volume'."
            )
        self.region_ = self.region

    def _function(self) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        mask = np.ones(self.volume_shape_, dtype=bool)
        if self.region_ == "background":
            mask = background_mask(self.volume_shape_)
        return partial(normalize, mask=mask)
