"""Damping what lies beyond a resolution."""

from __future__ import annotations

from numbers import Real
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval

from sksubtomo.fourier import gaussian_low_pass
from sksubtomo.preprocessing._base import VolumeTransformer


class GaussianLowPass(VolumeTransformer):
    """Damp details finer than a resolution by a Gaussian filter.

    The gain is 1/2 at the resolution, ``2 ** -(resolution / r)**2`` at resolution r.

    Parameters
    ----------
    resolution_angstrom : float, default=40
        Resolution at which the amplitude is halved.
    voxel_size_angstrom : float, default=10
        Edge of a voxel. Give that of your volumes.
    volume_shape : int or (int, int, int), optional
        Box in voxels, z, y, x, of flat rows. Without it, a flat row is read as one line of voxels.

    Attributes
    ----------
    n_features_in_ : int
        Number of voxels of a volume.
    volume_shape_ : tuple of int
        Box in voxels, z, y, x.

    Raises
    ------
    ValueError
        In ``fit``, if the resolution is finer than two voxels, the finest there is.

    See Also
    --------
    sksubtomo.fourier.gaussian_low_pass : The function behind it.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubtomo.preprocessing import GaussianLowPass
    >>> low_pass = GaussianLowPass(resolution_angstrom=40, voxel_size_angstrom=10)
    >>> noise = np.random.default_rng(0).normal(size=(2, 16, 16, 16))
    >>> bool(low_pass.fit_transform(noise).std() < 0.5 * noise.std())
    True
    """

    _parameter_constraints: ClassVar[dict[str, list]] = {
        **VolumeTransformer._parameter_constraints,
        "resolution_angstrom": [Interval(Real, 0, None, closed="neither")],
        "voxel_size_angstrom": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(self, resolution_angstrom=40.0, voxel_size_angstrom=10.0, *, volume_shape=None):
        super().__init__(volume_shape=volume_shape)
        self.resolution_angstrom = resolution_angstrom
        self.voxel_size_angstrom = voxel_size_angstrom

    def _check_parameters(self) -> None:
        if self.resolution_angstrom < 2 * self.voxel_size_angstrom:
            raise ValueError(
                f"resolution_angstrom={self.resolution_angstrom:g} is finer than "
                f"{2 * self.voxel_size_angstrom:g} A, the finest resolution (two voxels) that "
                f"volumes with voxel_size_angstrom={self.voxel_size_angstrom:g} have."
            )

    def _transform_volumes(self, volumes: NDArray[np.float32]) -> NDArray[np.float32]:
        return gaussian_low_pass(volumes, self.voxel_size_angstrom / self.resolution_angstrom)
