"""Bringing volumes to a common scale."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import StrOptions

from sksubtomo.preprocessing._base import VolumeTransformer


def background_mask(shape: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Tell which voxels lie outside the largest centred ellipsoid in a box.

    Parameters
    ----------
    shape : (int, int, int)
        Edges of the box in voxels, z, y, x.

    Returns
    -------
    mask : ndarray of shape `shape` of bool
        True outside the sphere, in a cube; False everywhere in boxes too flat to have an outside.
    """
    axes = [(np.arange(n) - n // 2) / max(n / 2, 1) for n in shape]
    squared = sum(axis**2 for axis in np.meshgrid(*axes, indexing="ij", sparse=True))
    return squared > 1


class VolumeNormalizer(VolumeTransformer):
    """Give every volume mean 0 and standard deviation 1.

    Parameters
    ----------
    region : {"volume", "background"}, default="volume"
        Voxels whose mean and standard deviation are taken: all, or those outside the sphere that
        touches the box's faces, which makes the noise of all volumes alike, whatever the
        particle; this is how RELION normalises.
    volume_shape : int or (int, int, int), optional
        Box in voxels, z, y, x, of flat rows. Without it, a flat row is read as one line of voxels.

    Attributes
    ----------
    n_features_in_ : int
        Number of voxels of a volume.
    volume_shape_ : tuple of int
        Box in voxels, z, y, x.

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

    def _check_parameters(self) -> None:
        if self.region == "background" and not background_mask(self.volume_shape_).any():
            raise ValueError(
                f"Volumes of shape {self.volume_shape_} have no voxel outside the sphere: use "
                "region='volume'."
            )

    def _transform_volumes(self, volumes: NDArray[np.float32]) -> NDArray[np.float32]:
        mask = np.full(self.volume_shape_, True)
        if self.region == "background":
            mask = background_mask(self.volume_shape_)
        chosen = volumes[:, mask]
        mean = chosen.mean(axis=1, dtype=np.float64)
        deviation = chosen.std(axis=1, dtype=np.float64)
        # Equal voxels leave rounding errors of this order, which must not become noise.
        negligible = 10 * np.finfo(np.float32).eps * np.abs(mean)
        gain = np.divide(1.0, deviation, out=np.zeros_like(mean), where=deviation > negligible)
        column = (slice(None), np.newaxis, np.newaxis, np.newaxis)
        return ((volumes - mean[column]) * gain[column]).astype(np.float32)
