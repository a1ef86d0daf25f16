"""Classes and poses of particles from one search, and how tables say them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from sksubtomo._utils._messages import plural
from sksubtomo.cli._options import logger, read_table

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation
    from sklearn.utils import Bunch

    from sksubtomo.io import ParticleTable

_N_NUMBERS = 9
_IMAGES = "rlnImageName"


class PosePredictor(BaseEstimator):
    """Predicts class probabilities and poses at once, as rows of numbers for workers.

    Parameters
    ----------
    classifier : Pipeline
        Fitted, with a classifier by references at its end.
    """

    def __init__(self, classifier: Any) -> None:
        self.classifier = classifier

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, X: Any, y: Any = None) -> PosePredictor:
        """Do nothing: the classifier is fitted."""
        return self

    def predict_poses(self, X: Any) -> NDArray[np.float64]:
        """Return probabilities, reference, contrast, quaternion x, y, z, w and shift z, y, x."""
        found = self.classifier[-1].align(self.classifier[:-1].transform(X), refine=True)
        poses = [found.references, found.contrast, found.rotations.as_quat(), found.shifts]
        return np.column_stack([found.probabilities, *poses])


class Poses(NamedTuple):
    """Poses of all particles; those without one, as of a background, have -1 and stay as they are.

    Parameters
    ----------
    references : ndarray of shape (n,) of int
        Row of the classifier's references.
    contrast : ndarray of shape (n,) of int
        -1 where the particle is the reference with inverted contrast, else 1.
    quaternions : ndarray of shape (n, 4)
        x, y, z, w; they take the reference to the tomogram.
    shifts : ndarray of shape (n, 3)
        z, y, x in voxels, from the center of the box.
    """

    references: NDArray[np.intp]
    contrast: NDArray[np.int8]
    quaternions: NDArray[np.float64]
    shifts: NDArray[np.float64]

    @property
    def rotations(self) -> Rotation:
        """Rotations of all particles."""
        from scipy.spatial.transform import Rotation

        return Rotation.from_quat(self.quaternions)

    def set(self, rows: NDArray[np.intp], some: Poses) -> None:
        """Keep the poses of some particles."""
        self.references[rows], self.contrast[rows] = some.references, some.contrast
        self.quaternions[rows], self.shifts[rows] = some.quaternions, some.shifts

    def subset(self, rows: NDArray[np.intp]) -> Bunch:
        """Return poses of some particles as ``class_averages`` takes them."""
        from sklearn.utils import Bunch

        return Bunch(
            references=self.references[rows],
            contrast=self.contrast[rows],
            rotations=self.rotations[rows],
            shifts=self.shifts[rows],
        )


def no_poses(n: int) -> Poses:
    """Return poses of particles that have none."""
    quaternions = np.tile([0.0, 0.0, 0.0, 1.0], (n, 1))
    return Poses(
        np.full(n, -1, dtype=np.intp), np.ones(n, dtype=np.int8), quaternions, np.zeros((n, 3))
    )


def split_poses(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], Poses]:
    """Return probabilities and poses from the rows of :meth:`PosePredictor.predict_poses`."""
    numbers, poses = rows[:, -_N_NUMBERS:], no_poses(len(rows))
    # The pose of a particle of the background is that of its noise.
    posed = numbers[:, 0] >= 0
    poses.references[posed], poses.contrast[posed] = numbers[posed, :2].T
    poses.quaternions[posed], poses.shifts[posed] = np.split(numbers[posed, 2:], [4], axis=1)
    return rows[:, :-_N_NUMBERS], poses


def have_place(output: Path, particles: ParticleTable, voxel_size: float | None) -> bool:
    """Tell whether poses can be written, and say so if not."""
    from sksubtomo.io import takes_poses

    if not takes_poses(output, particles):
        logger.warning(
            "%s has no place for the poses; write particles of RELION to a STAR file for them.",
            output,
        )
        return False
    if voxel_size is None:
        logger.warning(
            "Poses are not written: neither the model nor the tomograms say the voxel size, "
            "which rlnOriginXAngst needs. Write it to the headers of the tomograms."
        )
        return False
    return True


def table_shifts(
    output: Path,
    particles: ParticleTable,
    poses: Poses,
    options: argparse.Namespace,
) -> NDArray[np.float64]:
    """Return z, y, x in voxels from the coordinates that the output has to the particles.

    Boxes are cut about whole voxels. In a table of images (rlnImageName), which are such boxes,
    shifts are those from their centers.

    Parameters
    ----------
    output : Path
        The table to be written.
    particles : ParticleTable
        As read.
    poses : Poses
        Of all particles.
    options : Namespace
        By which they were read.
    """
    found = poses.references >= 0
    base, earlier = _written_centers(output, particles, options), particles.coordinates
    cut = _nearest_voxel(earlier)
    if _IMAGES in particles.table:
        base, earlier = _nearest_voxel(base), cut
    # Those without a pose stay where they were; those without a place have no shift.
    shifts = np.where(found[:, np.newaxis], cut + poses.shifts, earlier) - base
    return np.nan_to_num(shifts)


def _nearest_voxel(centers: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.floor(centers + 0.5)


def _written_centers(
    output: Path, particles: ParticleTable, options: argparse.Namespace
) -> NDArray[np.float64]:
    """Return where the coordinates are, in voxels, that stay in the table when it is written."""
    from sksubtomo.io import writable_table

    as_read = {str(name) for name in particles.table if "Coordinate" in str(name)}
    stays = as_read == {
        str(name) for name in writable_table(output, particles) if "Coordinate" in str(name)
    }
    if not stays or options.shifts == "ignore":
        return particles.coordinates
    unshifted = argparse.Namespace(**{**vars(options), "shifts": "ignore"})
    return read_table(options.particles, unshifted).coordinates


def tell_poses(poses: Poses) -> None:
    """Say how far particles were off the centers of their boxes."""
    found = poses.references >= 0
    if found.any():
        away = np.linalg.norm(poses.shifts[found], axis=1)
        logger.info(
            "Poses of %s; centers moved by %.2g voxels in the median.",
            *(plural(int(found.sum()), "particle"), float(np.median(away))),
        )
