"""Damping what lies beyond a resolution."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from numbers import Real
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._docs import documented
from sksubtomo._utils._params import NumberInterval
from sksubtomo.fourier import gaussian_low_pass
from sksubtomo.preprocessing._base import VolumeTransformer


@documented
class GaussianLowPass(VolumeTransformer):
    """Damp details finer than a resolution by a Gaussian filter.

    The gain is 1/2 at the resolution, ``2 ** -(resolution / r)**2`` at resolution r, and 1 for the
    mean. The filter is periodic: what leaves the box on one side comes back on the other.

    Parameters
    ----------
    resolution_angstrom : float, optional
        Resolution at which the amplitude is halved, two voxels or coarser. By default nothing is
        damped.
    voxel_size_angstrom : float, optional
        Edge of a voxel of the volumes given here; after :class:`FourierBinner`, of the binned.
        Needed with `resolution_angstrom`: nothing in an array tells it, and a guess would be
        wrong in silence.
    %(volume_shape)s

    %(fitted_transformer)s
    cutoff_ : float or None
        Frequency at which the amplitude is halved, in cycles per voxel.

    Raises
    ------
    ValueError
        In ``fit``, if the voxel size is missing, or if the resolution is finer than two voxels, the
        finest there is: mostly a sign of a wrong voxel size.

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
        "resolution_angstrom": [None, NumberInterval(Real, 0, None, closed="neither")],
        "voxel_size_angstrom": [None, NumberInterval(Real, 0, None, closed="neither")],
    }

    def __init__(self, resolution_angstrom=None, voxel_size_angstrom=None, *, volume_shape=None):
        super().__init__(volume_shape=volume_shape)
        self.resolution_angstrom = resolution_angstrom
        self.voxel_size_angstrom = voxel_size_angstrom

    def _fit_parameters(self) -> None:
        self.cutoff_ = None
        if self.resolution_angstrom is None:
            return
        if self.voxel_size_angstrom is None:
            raise ValueError(
                f"GaussianLowPass(resolution_angstrom={self.resolution_angstrom:g}) needs "
                "voxel_size_angstrom, the edge of a voxel in angstrom."
            )
        # In double precision, whatever NumPy type they have.
        resolution, voxel_size = float(self.resolution_angstrom), float(self.voxel_size_angstrom)
        if resolution < 2 * voxel_size:
            raise ValueError(
                f"resolution_angstrom={resolution:g} is finer than {2 * voxel_size:g} A, the "
                "finest resolution (two voxels) that volumes with "
                f"voxel_size_angstrom={voxel_size:g} have."
            )
        self.cutoff_ = voxel_size / resolution

    def _function(self) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        if self.cutoff_ is None:
            return np.asarray
        return partial(gaussian_low_pass, cutoff=self.cutoff_)
