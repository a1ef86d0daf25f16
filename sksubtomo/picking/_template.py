"""Picking what looks like a template in some orientation."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from sksubtomo._torch import resolve_device
from sksubtomo._utils._doc_link import DocLinkMixin
from sksubtomo._utils._params import NumberInterval
from sksubtomo.geometry import rotation_grid
from sksubtomo.picking._checks import check_tomogram
from sksubtomo.picking._correlation import ball_mask, match_template
from sksubtomo.picking._dog import DifferenceOfGaussiansPicker
from sksubtomo.picking._peaks import Picks, find_peaks


class TemplateMatchingPicker(DocLinkMixin, BaseEstimator):
    """Pick what correlates with a template in any orientation, missing wedge included.

    The score is the correlation coefficient, from -1 to 1, of the turned template without the
    missing wedge with the tomogram, within a ball around the particle.

    Parameters
    ----------
    template : ndarray of shape (n, n, n)
        Map of the particle with the contrast of the tomogram (dense is dark in tomograms as they
        are reconstructed: pass ``-density``), of its voxel size, the centre in the voxel ``n //
        2``. :func:`sksubtomo.datasets.load_density` makes one from a file of atoms or of a map.
    radius_voxels : float, optional
        Radius of the ball that counts. By default, the largest that the box holds.
    angular_step_deg : float, default=15
        How far the nearest orientation may be. The time goes with its inverse cube.
    symmetry : str, default="C1"
        Point group of the template, in Schoenflies notation, the main axis along z.
    tilt_range_deg : float or (float, float), default=60
        See :func:`sksubtomo.fourier.missing_wedge_mask`.
    threshold : float, default=0
        Lowest score of a pick.
    exclusion_radius_voxels : float, optional
        Least distance of two picks. By default, the radius.
    max_picks : int, optional
        How many to pick at most, the best first.
    device : str, default="auto"
        "auto" takes a GPU where there is one; or a device of PyTorch.

    References
    ----------
    Roseman, Ultramicroscopy 94, 2003 (local correlation). Frangakis et al., "Identification of
    macromolecular complexes in cryoelectron tomograms of phantom cells", PNAS 99, 2002 (with a
    missing wedge).

    Examples
    --------
    >>> import numpy as np
    >>> from sksubtomo.picking import TemplateMatchingPicker
    >>> template = np.zeros((9, 9, 9))
    >>> template[4, 4, 2:7] = template[4, 2:5, 4] = 1.0
    >>> tomogram = 0.1 * np.random.default_rng(0).normal(size=(24, 24, 24))
    >>> tomogram[7:16, 8:17, 9:18] += template
    >>> picker = TemplateMatchingPicker(
    ...     template, angular_step_deg=60, tilt_range_deg=90, max_picks=1
    ... )
    >>> picker.pick(tomogram).coordinates.tolist()
    [[11.0, 12.0, 13.0]]
    """

    _parameter_constraints: dict = {  # noqa: RUF012 - as in scikit-learn
        "template": ["array-like"],
        "radius_voxels": [NumberInterval(Real, 0, None, closed="neither"), None],
        "angular_step_deg": [NumberInterval(Real, 0, 180, closed="right")],
        "symmetry": [str],
        "threshold": [Real],
        "exclusion_radius_voxels": [NumberInterval(Real, 0, None, closed="neither"), None],
        "max_picks": [NumberInterval(Integral, 1, None, closed="left"), None],
        "device": [str],
    }

    def __init__(
        self,
        template,
        *,
        radius_voxels=None,
        angular_step_deg=15.0,
        symmetry="C1",
        tilt_range_deg=60.0,
        threshold=0.0,
        exclusion_radius_voxels=None,
        max_picks=None,
        device="auto",
    ):
        self.template = template
        self.radius_voxels = radius_voxels
        self.angular_step_deg = angular_step_deg
        self.symmetry = symmetry
        self.tilt_range_deg = tilt_range_deg
        self.threshold = threshold
        self.exclusion_radius_voxels = exclusion_radius_voxels
        self.max_picks = max_picks
        self.device = device

    def score_map(self, tomogram: Any) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
        """Return the best score at every voxel, and in which orientation.

        Parameters
        ----------
        tomogram : ndarray of shape (depth, height, width)
            Axes z, y, x.

        Returns
        -------
        scores : ndarray of the same shape of float32
            Correlation coefficients.
        best : ndarray of the same shape of int
            Rows of ``rotation_grid(angular_step_deg, symmetry=symmetry)``.

        Raises
        ------
        ValueError
            If a parameter is out of range, the tomogram is smaller than the template, or either is
            no volume of finite numbers.
        """
        self._validate_params()
        tomogram, template = check_tomogram(tomogram), self._check_template()
        if min(tomogram.shape) < len(template):
            raise ValueError(
                f"The tomogram has {tomogram.shape} voxels, the template {template.shape}."
            )
        return match_template(
            tomogram,
            template,
            ball_mask(len(template), self._radius(len(template))),
            rotation_grid(self.angular_step_deg, symmetry=self.symmetry),
            tilt_range_deg=self.tilt_range_deg,
            device=resolve_device(self.device),
        )

    def pick(self, tomogram: Any) -> Picks:
        """Return the places of the particles and their orientations, the best first.

        Parameters
        ----------
        tomogram : ndarray of shape (depth, height, width)
            Axes z, y, x.

        Returns
        -------
        picks : Picks
            Coordinates in voxels, correlation coefficients and orientations. Nothing is found
            closer to the border than half a template.

        Raises
        ------
        ValueError
            As :meth:`score_map`.
        """
        scores, best = self.score_map(tomogram)
        half = len(np.asarray(self.template)) // 2
        peaks = find_peaks(
            scores,
            self.exclusion_radius_voxels or self._radius(2 * half),
            threshold=self.threshold,
            max_peaks=self.max_picks,
            border_voxels=half,
        )
        return self._with_orientations(peaks, best)

    def _with_orientations(self, peaks: Picks, best: NDArray[np.intp]) -> Picks:
        rotations = rotation_grid(self.angular_step_deg, symmetry=self.symmetry)
        places = tuple(peaks.coordinates.astype(np.intp).T)
        return peaks._replace(orientations=rotations[best[places]].as_quat().reshape(-1, 4))

    def _check_template(self) -> NDArray[np.float32]:
        template = check_tomogram(self.template)
        if len(set(template.shape)) > 1:
            raise ValueError(f"The template has {template.shape} voxels; it must be a cube.")
        return template

    def _radius(self, size: int) -> float:
        return self.radius_voxels or (size - 1) // 2


def pick_dog_then_template(
    tomogram: Any,
    dog: DifferenceOfGaussiansPicker,
    template: TemplateMatchingPicker,
    *,
    n_best: int = 1000,
) -> Picks:
    """Pick as the paper does: blobs first, of which those that match a template best are kept.

    Blobs are found by difference of Gaussians. Each gets the best score of the template that is
    within the exclusion radius of it, and moves there; of those that meet, one stays. The `n_best`
    are what an expert then goes through.

    Parameters
    ----------
    tomogram : ndarray of shape (depth, height, width)
        Axes z, y, x.
    dog : DifferenceOfGaussiansPicker
        Finds blobs.
    template : TemplateMatchingPicker
        Scores them. Its `threshold` holds.
    n_best : int, default=1000
        How many to keep.

    Returns
    -------
    picks : Picks
        Coordinates in voxels, correlation coefficients and orientations, the best first.

    Raises
    ------
    ValueError
        As the pickers do.

    References
    ----------
    Liu et al., "Semi-supervised macromolecule structural classification in cellular electron
    cryo-tomograms using 3D autoencoding classifier", BMVC 2019, section 4.1.
    """
    blobs = dog.pick(tomogram).coordinates
    scores, best = template.score_map(tomogram)
    size = len(np.asarray(template.template))
    radius = template.exclusion_radius_voxels or template._radius(size)
    near = np.full(scores.shape, np.nan, dtype=np.float32)
    reach = int(np.ceil(radius))
    for centre in blobs.astype(int):
        window = tuple(slice(max(0, c - reach), c + reach + 1) for c in centre)
        near[window] = scores[window]
    peaks = find_peaks(
        near,
        radius,
        threshold=template.threshold,
        max_peaks=n_best,
        border_voxels=size // 2,
    )
    return template._with_orientations(peaks, best)
