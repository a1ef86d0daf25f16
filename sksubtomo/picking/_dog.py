"""Picking blobs of the right size."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.base import BaseEstimator

from sksubtomo._utils._doc_link import DocLinkMixin
from sksubtomo._utils._docs import documented
from sksubtomo._utils._params import NumberInterval
from sksubtomo._utils._settings import store_parameters
from sksubtomo._utils._sklearn import StrOptions
from sksubtomo.picking._checks import check_tomogram
from sksubtomo.picking._peaks import Picks, find_peaks

# Standard deviation at which the response to a solid ball is largest, in units of its radius: that
# of the Laplacian of a Gaussian in three dimensions.
_SIGMA_PER_RADIUS = 1 / np.sqrt(3)
# Between the standard deviation of a normal distribution and the median of its absolute deviation.
_SIGMA_PER_MAD = 1.4826


def difference_of_gaussians(
    volume: NDArray, sigma_voxels: float, *, ratio: float = 1.1
) -> NDArray[np.float32]:
    """Return the difference of a volume smoothed less and smoothed more.

    ``G(sigma) - G(ratio * sigma)``, positive on bright blobs of about the size of sigma.

    Parameters
    ----------
    volume : ndarray of shape (depth, height, width)
        A volume.
    sigma_voxels : float
        Standard deviation of the narrower Gaussian.
    ratio : float, default=1.1
        That of the wider over that of the narrower.

    Returns
    -------
    difference : ndarray of the same shape of float32
        The response.

    References
    ----------
    Voss, Yoshioka, Radermacher, Potter & Carragher, "DoG Picker and TiltPicker: software tools to
    facilitate particle selection in single particle electron microscopy", Journal of Structural
    Biology 166, 2009.
    """
    volume = np.asarray(volume, dtype=np.float32)
    narrow = ndimage.gaussian_filter(volume, sigma_voxels, mode="nearest")
    return narrow - ndimage.gaussian_filter(volume, ratio * sigma_voxels, mode="nearest")


@documented
class DifferenceOfGaussiansPicker(DocLinkMixin, BaseEstimator):
    """Pick blobs of about the size of a particle, whatever their shape.

    Parameters
    ----------
    diameter_angstrom : float
        Diameter of the particles.
    voxel_size_angstrom : float
        Edge of a voxel.
    contrast : {"dark", "bright"}, default="dark"
        Whether particles are dark, as in tomograms as they are reconstructed, or bright.
    threshold : float, default=3
        Lowest response of a pick, in standard deviations (of the background, by the median absolute
        deviation) above the median.
    exclusion_radius_angstrom : float, optional
        Least distance of two picks. By default, half of the diameter.
    max_picks : int, optional
        How many to pick at most, the best first.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubtomo.picking import DifferenceOfGaussiansPicker
    >>> tomogram = np.random.default_rng(0).normal(size=(24, 24, 24))
    >>> tomogram[8:14, 10:16, 4:10] -= 5.0
    >>> picker = DifferenceOfGaussiansPicker(70.0, 10.0, max_picks=1)
    >>> bool(np.abs(picker.pick(tomogram).coordinates[0] - [10.5, 12.5, 6.5]).max() < 2)
    True
    """

    _parameter_constraints: dict = {  # noqa: RUF012 - as in scikit-learn
        "diameter_angstrom": [NumberInterval(Real, 0, None, closed="neither")],
        "voxel_size_angstrom": [NumberInterval(Real, 0, None, closed="neither")],
        "contrast": [StrOptions({"dark", "bright"})],
        "threshold": [Real],
        "exclusion_radius_angstrom": [NumberInterval(Real, 0, None, closed="neither"), None],
        "max_picks": [NumberInterval(Real, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        diameter_angstrom,
        voxel_size_angstrom,
        *,
        contrast="dark",
        threshold=3.0,
        exclusion_radius_angstrom=None,
        max_picks=None,
    ):
        store_parameters(self, locals())

    def score_map(self, tomogram: Any) -> NDArray[np.float32]:
        """Return the response at every voxel, in standard deviations above the median.

        %(tomogram)s

        Returns
        -------
        scores : ndarray of the same shape of float32
            High where there is a blob of the right size and contrast.

        Raises
        ------
        ValueError
            If a parameter is out of range, or the tomogram is no volume of finite numbers.
        """
        self._validate_params()
        tomogram = check_tomogram(tomogram)
        radius = self.diameter_angstrom / self.voxel_size_angstrom / 2
        # Half-way between the two Gaussians is where the Laplacian would be.
        response = difference_of_gaussians(tomogram, radius * _SIGMA_PER_RADIUS / np.sqrt(1.1))
        response *= -1 if self.contrast == "dark" else 1
        middle = np.median(response)
        spread = _SIGMA_PER_MAD * np.median(np.abs(response - middle))
        return (response - middle) / (spread if spread > 0 else 1)

    def pick(self, tomogram: Any) -> Picks:
        """Return the places of the particles, the best first.

        %(tomogram)s

        Returns
        -------
        picks : Picks
            Coordinates in voxels, and responses in standard deviations.

        Raises
        ------
        ValueError
            As :meth:`score_map`.
        """
        scores = self.score_map(tomogram)
        apart = self.exclusion_radius_angstrom or self.diameter_angstrom / 2
        return find_peaks(
            scores,
            apart / self.voxel_size_angstrom,
            threshold=self.threshold,
            max_peaks=self.max_picks,
        )
