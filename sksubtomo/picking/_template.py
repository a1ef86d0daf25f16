"""Picking what looks like a template in some orientation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any

import joblib
import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from sksubtomo._torch import holding_precision, resolve_device
from sksubtomo._utils._doc_link import DocLinkMixin
from sksubtomo._utils._docs import documented
from sksubtomo._utils._params import NumberInterval
from sksubtomo._utils._settings import store_parameters
from sksubtomo._utils._sklearn import StrOptions
from sksubtomo.geometry import rotation_grid
from sksubtomo.picking._checks import check_tomogram
from sksubtomo.picking._coarse_to_fine import TemplateSearch, match_coarse_to_fine
from sksubtomo.picking._correlation import ball_mask, match_template
from sksubtomo.picking._dog import DifferenceOfGaussiansPicker
from sksubtomo.picking._peaks import Picks, find_peaks, keep_apart
from sksubtomo.picking._plan import SearchPlan, plan_search


@documented
class TemplateMatchingPicker(DocLinkMixin, BaseEstimator):
    """Pick what correlates with a template in any orientation, missing wedge included.

    The score is the correlation coefficient, from -1 to 1, of the turned template without the
    missing wedge with the tomogram, within a ball around the particle.

    Parameters
    ----------
    template : ndarray of shape (n, n, n)
        Map of the particle with the contrast of the tomogram (dense is dark in tomograms as they
        are reconstructed: pass ``-density``), of its voxel size, the center in the voxel ``n //
        2``. :func:`sksubtomo.datasets.load_density` makes one from a file of atoms or of a map.
    radius_voxels : float, optional
        Radius of the ball that counts. By default, the largest that the box holds.
    angular_step_deg : float, default=15
        How far the nearest orientation may be. The time goes with its inverse cube.
    symmetry : str, default="C1"
        Point group of the template, in Schoenflies notation, the main axis along z.
    search : {"coarse_to_fine", "exhaustive"}, default="coarse_to_fine"
        "exhaustive" compares every voxel with every orientation. "coarse_to_fine" does so with a
        binned tomogram and the orientations of a step of 20 to 40 degrees; at the peaks of these
        scores, which are many more than picks, finer steps follow, the last with the voxels of the
        tomogram and `angular_step_deg`. It takes a small part of the time, and finds as much on
        simulated tomograms; peaks and orientations that coarse steps do not lead to are missed.
        Templates below 16 voxels are not binned; with steps above 20 degrees, both are the same.
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
    n_jobs : int, optional
        Threads on the CPU; -1 is one a core. Results do not depend on how many. By default, as many
        as PyTorch has; PyTorch's own in an exhaustive search.

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
        "search": [StrOptions({"coarse_to_fine", "exhaustive"})],
        "threshold": [Real],
        "exclusion_radius_voxels": [NumberInterval(Real, 0, None, closed="neither"), None],
        "max_picks": [NumberInterval(Integral, 1, None, closed="left"), None],
        "device": [str],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        template,
        *,
        radius_voxels=None,
        angular_step_deg=15.0,
        symmetry="C1",
        search="coarse_to_fine",
        tilt_range_deg=60.0,
        threshold=0.0,
        exclusion_radius_voxels=None,
        max_picks=None,
        device="auto",
        n_jobs=None,
    ):
        store_parameters(self, locals())

    def score_map(
        self, tomogram: Any, *, report: Callable[[float], None] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
        """Return the best score at every voxel, and in which orientation.

        This is the exhaustive search, whatever `search` is.

        %(tomogram)s
        report : callable, optional
            Called every now and then with the share of the work that is done, from 0 to 1; what it
            raises ends the search.

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
        tomogram, search = self._checked(tomogram)
        device = resolve_device(self.device, needs_float64=True)
        return match_template(
            tomogram,
            search.template,
            ball_mask(len(search.template), search.radius_voxels),
            search.finest,
            tilt_range_deg=self.tilt_range_deg,
            device=device,
            n_jobs=self._n_threads(device, by_default=False),
            report=report,
        )

    def pick(self, tomogram: Any, *, report: Callable[[float], None] | None = None) -> Picks:
        """Return the places of the particles and their orientations, the best first.

        %(tomogram)s
        report : callable, optional
            As of :meth:`score_map`.

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
        return self._pick(tomogram, None, self.max_picks, report)

    def plan(self, shape: Sequence[int]) -> SearchPlan:
        """Return how many orientations are compared, and an estimate of the time.

        The speed is measured for a moment on random numbers. What else the computer does makes
        the time longer or shorter.

        Parameters
        ----------
        shape : (int, int, int)
            Voxels of a tomogram, z, y, x.

        Returns
        -------
        plan : SearchPlan
            Numbers of orientations, and the estimated time in seconds.

        Raises
        ------
        ValueError
            If a parameter is out of range, or the template no cube.
        """
        self._validate_params()
        device, exhaustive = resolve_device(self.device, needs_float64=True), not self._is_coarse()
        return plan_search(
            self._search(),
            shape,
            exhaustive=exhaustive,
            device=device,
            n_jobs=self._n_threads(device, by_default=not exhaustive),
        )

    def _pick(
        self,
        tomogram: Any,
        allowed: NDArray[np.bool_] | None,
        max_picks: int | None,
        report: Callable[[float], None] | None,
    ) -> Picks:
        """Pick where it is allowed, which is everywhere by default."""
        if not self._is_coarse():
            scores, best = self.score_map(tomogram, report=report)
            peaks = find_peaks(
                scores if allowed is None else np.where(allowed, scores, np.nan),
                self._apart,
                threshold=self.threshold,
                max_peaks=max_picks,
                border_voxels=self._half,
            )
            return self._with_orientations(peaks, best[tuple(peaks.coordinates.astype(int).T)])
        tomogram, search = self._checked(tomogram)
        device = resolve_device(self.device, needs_float64=True)
        with holding_precision("float32", device):
            places, scores, rotations = match_coarse_to_fine(
                tomogram,
                search,
                allowed=allowed,
                device=device,
                n_jobs=self._n_threads(device, by_default=True),
                report=report,
            )
        good = scores[:, 0] >= self.threshold
        good &= ((places >= self._half) & (places < np.array(tomogram.shape) - self._half)).all(1)
        if allowed is not None:
            good &= allowed[tuple(np.clip(places, 0, np.array(tomogram.shape) - 1).T)]
        rows = np.flatnonzero(good)
        rows = rows[np.argsort(-scores[rows, 0], kind="stable")]
        rows = rows[keep_apart(places[rows], self._apart, max_picks)]
        peaks = Picks(places[rows].astype(np.float64), scores[rows, 0].astype(np.float64))
        return self._with_orientations(peaks, rotations[rows, 0])

    def _is_coarse(self) -> bool:
        """Whether to search from coarse to fine, which small templates and large steps are not."""
        self._validate_params()
        return self.search != "exhaustive" and self._search().is_coarse

    def _checked(self, tomogram: Any) -> tuple[NDArray[np.float32], TemplateSearch]:
        self._validate_params()
        tomogram, search = check_tomogram(tomogram), self._search()
        if min(tomogram.shape) < len(search.template):
            raise ValueError(
                f"The tomogram has {tomogram.shape} voxels, the template {search.template.shape}."
            )
        return tomogram, search

    def _search(self) -> TemplateSearch:
        template = self._check_template()
        return TemplateSearch(
            template,
            self._radius(len(template)),
            self.angular_step_deg,
            self.symmetry,
            self.tilt_range_deg,
            self._apart,
        )

    @property
    def _half(self) -> int:
        return len(np.asarray(self.template)) // 2

    @property
    def _apart(self) -> float:
        return self.exclusion_radius_voxels or self._radius(2 * self._half)

    def _n_threads(self, device: str, *, by_default: bool) -> int | None:
        """Return the number of threads that share a search; None where PyTorch or a GPU does it."""
        if torch.device(device).type != "cpu":
            return None
        if self.n_jobs is None:
            return torch.get_num_threads() if by_default else None
        return max(1, self.n_jobs if self.n_jobs > 0 else joblib.cpu_count() + 1 + self.n_jobs)

    def _with_orientations(self, peaks: Picks, rows: NDArray[np.intp]) -> Picks:
        rotations = rotation_grid(self.angular_step_deg, symmetry=self.symmetry)
        return peaks._replace(orientations=rotations[rows].as_quat().reshape(-1, 4))

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
    report: Callable[[float], None] | None = None,
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
    report : callable, optional
        As of :meth:`TemplateMatchingPicker.score_map`.

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
    reach = int(np.ceil(template._apart))
    near = np.zeros(np.shape(tomogram), dtype=bool)
    for center in blobs.astype(int):
        near[tuple(slice(max(0, c - reach), c + reach + 1) for c in center)] = True
    return template._pick(tomogram, near, n_best, report)
