"""Simulated tomograms of crowded specimens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from sklearn.utils import Bunch, check_random_state

from sksubtomo._utils._params import NumberInterval
from sksubtomo._utils._sklearn import validate_params
from sksubtomo.datasets._densities import check_boxes, load_densities, map_radius
from sksubtomo.geometry import back_project
from sksubtomo.io import extract_subtomograms
from sksubtomo.simulate import (
    COMPLEXES,
    Microscope,
    TiltScheme,
    add_vesicle,
    embed_particles,
    gold_fiducial,
    image_tilts,
    place_spheres,
    shot_noise,
)

# Particles per cubic angstrom in a solution of one micromole per liter.
_PER_ANGSTROM3 = 6.02214e-10
_VESICLE_MARGIN_ANGSTROM = 30.0

_DESCR = """\
A simulated tomogram: complexes in uniform random orientation, without overlap, in ice; imaged
along a single-axis tilt series with contrast transfer and shot noise, and reconstructed by
weighted back-projection. Dense matter is dark, as recorded."""


@dataclass(frozen=True)
class Distractors:
    """What is in a specimen besides the complexes.

    Parameters
    ----------
    n_fiducials : int
        Balls of gold.
    fiducial_radius_angstrom : float
        Their radius.
    n_vesicles : int
        Vesicles, each a lipid bilayer that no particle crosses or enters.
    vesicle_radius_angstrom : float
        Their radius.

    Raises
    ------
    ValueError
        If a number is negative or a radius not positive.
    """

    n_fiducials: int = 0
    fiducial_radius_angstrom: float = 50.0
    n_vesicles: int = 0
    vesicle_radius_angstrom: float = 300.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (value >= 0 if name.startswith("n_") else value > 0):
                raise ValueError(f"{name}={value!r} is out of range.")


class Simulated(NamedTuple):
    """A tomogram with and without noise, and where its particles are."""

    tomogram: NDArray[np.float32]
    clean: NDArray[np.float32]
    tilt_series: NDArray[np.float32]
    coordinates: NDArray[np.float64]


@validate_params(
    {
        "classes": [list, tuple, Mapping, None],
        "n_particles": [NumberInterval(Integral, 1, None, closed="left"), None],
        "concentration_micromolar": [NumberInterval(Real, 0, None, closed="neither")],
        "shape": ["array-like"],
        "box_size": [NumberInterval(Integral, 2, None, closed="left")],
        "voxel_size_angstrom": [NumberInterval(Real, 0, None, closed="neither")],
        "resolution_angstrom": [NumberInterval(Real, 0, None, closed="neither"), None],
        "snr": [NumberInterval(Real, 0, None, closed="neither")],
        "microscope": [Microscope, None],
        "scheme": [TiltScheme, None],
        "distractors": [Distractors, None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_tomogram(
    classes=None,
    *,
    n_particles=None,
    concentration_micromolar=20.0,
    shape=(96, 256, 256),
    box_size=32,
    voxel_size_angstrom=10.0,
    resolution_angstrom=None,
    snr=0.1,
    microscope=None,
    scheme=None,
    distractors=None,
    random_state=None,
):
    """Simulate a tomogram of many complexes in ice.

    Complexes are placed at random without overlap of the spheres around them, imaged along a tilt
    series, and reconstructed by weighted back-projection. Noise is added to the projections,
    with a variance that goes with the inverse of each tilt's dose.

    Parameters
    ----------
    classes : list of str, or dict of str to source, optional
        Names of embedded complexes (:data:`sksubtomo.simulate.COMPLEXES`), or any names with a PDB,
        mmCIF or MRC file, :class:`~sksubtomo.simulate.Atoms` or an array each. By
        default, all that are embedded: those of the paper.
    n_particles : int, optional
        Particles, split over the classes as evenly as can be. By default, by concentration.
    concentration_micromolar : float, default=20
        Particles per volume that their centers may lie in, in micromole per liter; 20 is that of
        ribosomes in a crowded cell.
    shape : (int, int, int), default=(96, 256, 256)
        Voxels z, y, x.
    box_size : int, default=32
        Edge of the boxes that will be cut, in voxels: particles keep so far from the border that
        their boxes are inside, and the signal-to-noise ratio is measured in them.
    voxel_size_angstrom : float, default=10
        Edge of a voxel.
    resolution_angstrom : float, optional
        Of densities from atoms, see :func:`sksubtomo.simulate.density_from_atoms`.
    snr : float, default=0.1
        Variance of the signal over that of the noise in the reconstruction, each the mean over the
        particles' boxes. See :func:`sksubtomo.simulate.estimate_snr`.
    microscope : Microscope, optional
        Optics and detector; by default 300 kV.
    scheme : TiltScheme, optional
        Tilts, defocus, dose and errors of alignment; by default -60 to 60 degrees by 3.
    distractors : Distractors, optional
        Gold and vesicles; by default none.
    random_state : int, RandomState instance or None, default=None
        Determines everything random.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        The simulation, with the attributes

        tomogram : ndarray of `shape` of float32
            The reconstruction, axes z, y, x; dense is dark. Cut boxes with
            :func:`sksubtomo.io.extract_subtomograms`.
        clean : ndarray of `shape` of float32
            The same without noise.
        tilt_series : ndarray of shape (n_tilts, height, width) of float32
            Projections with noise.
        coordinates : ndarray of shape (n_particles, 3)
            Centers z, y, x in voxels, from 0.
        y : ndarray of shape (n_particles,) of int64
            Classes, as indices of ``class_names``.
        class_names : list of str
            Names of the classes.
        orientations : ndarray of shape (n_particles, 4)
            Unit quaternions x, y, z, w of the rotations that take the (x, y, z) of the
            complex to those of the tomogram.
        concentration_micromolar : float
            Of the particles that are there.
        voxel_size_angstrom, box_size, snr, scheme, microscope
            As given.
        DESCR : str
            What this is.

    Raises
    ------
    ValueError
        If a box is smaller than the largest complex, the tomogram too small for a box, the space
        full before all particles are placed, or a parameter out of range.
    FileNotFoundError, FileFormatError
        If a file of a complex cannot be read.

    Examples
    --------
    >>> from sksubtomo.datasets import make_tomogram
    >>> data = make_tomogram(
    ...     ["groel"], n_particles=3, shape=(40, 64, 64), voxel_size_angstrom=15.0, box_size=16,
    ...     random_state=0,
    ... )
    >>> data.tomogram.shape, data.coordinates.shape
    ((40, 64, 64), (3, 3))
    """
    densities = load_densities(
        list(COMPLEXES) if classes is None else classes,
        voxel_size_angstrom=voxel_size_angstrom,
        resolution_angstrom=resolution_angstrom,
    )
    check_boxes(densities, box_size, voxel_size_angstrom)
    one_micromolar = particles_per_micromolar(shape, box_size, voxel_size_angstrom)
    if n_particles is None:
        n_particles = max(1, round(concentration_micromolar * one_micromolar))
    random_state = check_random_state(random_state)
    y = random_state.permutation(np.arange(n_particles) % len(densities))
    orientations = Rotation.random(n_particles, rng=random_state)
    simulated = simulate_tomogram(
        list(densities.values()),
        y,
        orientations,
        shape=shape,
        box_size=box_size,
        voxel_size_angstrom=voxel_size_angstrom,
        snr=snr,
        microscope=microscope or Microscope(),
        scheme=scheme or TiltScheme(),
        distractors=distractors or Distractors(),
        rng=np.random.default_rng(random_state.randint(2**31)),
    )
    return Bunch(
        **simulated._asdict(),
        y=y,
        class_names=list(densities),
        orientations=orientations.as_quat(),
        concentration_micromolar=n_particles / one_micromolar,
        voxel_size_angstrom=voxel_size_angstrom,
        box_size=box_size,
        snr=snr,
        scheme=scheme or TiltScheme(),
        microscope=microscope or Microscope(),
        DESCR=_DESCR,
    )


def simulate_tomogram(
    densities: Sequence[NDArray[np.float32]],
    y: NDArray[np.intp],
    orientations: Rotation,
    *,
    shape: Sequence[int],
    box_size: int,
    voxel_size_angstrom: float,
    snr: float,
    microscope: Microscope,
    scheme: TiltScheme,
    distractors: Distractors,
    rng: np.random.Generator,
) -> Simulated:
    """Place, image and reconstruct; the parameters are those of :func:`make_tomogram`."""
    specimen = np.zeros(tuple(shape), dtype=np.float32)
    obstacles = _add_distractors(specimen, distractors, voxel_size_angstrom, rng)
    radii = np.array([map_radius(density) for density in densities])
    lower, upper = _bounds(shape, box_size)
    coordinates = place_spheres(radii[y], lower, upper, rng, obstacles=obstacles)
    embed_particles(specimen, densities, y, coordinates, orientations)
    series = image_tilts(
        specimen,
        voxel_size_angstrom=voxel_size_angstrom,
        microscope=microscope,
        scheme=scheme,
        random_state=rng,
    )
    noise = shot_noise(series.shape, scheme, rng)
    clean = back_project(series, scheme.tilts_deg, len(specimen))
    noisy = back_project(noise, scheme.tilts_deg, len(specimen))
    scale = np.float32(
        np.sqrt(_variance(clean, coordinates, box_size) / snr)
        / np.sqrt(_variance(noisy, coordinates, box_size))
    )
    noisy *= scale
    noisy += clean
    series += scale * noise
    return Simulated(noisy, clean, series, coordinates)


def _bounds(shape: Sequence[int], box_size: int) -> tuple[NDArray, NDArray]:
    """Return where centers of boxes may lie so that the boxes are inside."""
    lower = np.full(3, box_size // 2)
    return lower, np.array(shape) - box_size + lower


def particles_per_micromolar(
    shape: Sequence[int], box_size: int, voxel_size_angstrom: float
) -> float:
    """Return how many particles a concentration of one micromole per liter is.

    Counted over the volume that centers of boxes may lie in.

    Raises
    ------
    ValueError
        If the tomogram is smaller than a box.
    """
    if len(shape) != 3 or min(shape) < box_size:
        raise ValueError(f"shape={shape!r} must be three edges, none below box_size={box_size}.")
    lower, upper = _bounds(shape, box_size)
    return float(np.prod(upper - lower + 1) * voxel_size_angstrom**3 * _PER_ANGSTROM3)


def _add_distractors(
    specimen: NDArray[np.float32],
    distractors: Distractors,
    voxel_size_angstrom: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Put gold and vesicles into the specimen; return the spheres that they take."""
    vesicle = distractors.vesicle_radius_angstrom
    radii = np.repeat(
        [vesicle + _VESICLE_MARGIN_ANGSTROM, distractors.fiducial_radius_angstrom],
        [distractors.n_vesicles, distractors.n_fiducials],
    )
    radii = radii / voxel_size_angstrom
    centers = place_spheres(radii, (0, 0, 0), np.array(specimen.shape) - 1, rng)
    for center in centers[: distractors.n_vesicles]:
        add_vesicle(specimen, center, vesicle, voxel_size_angstrom)
    fiducials = centers[distractors.n_vesicles :]
    gold = gold_fiducial(distractors.fiducial_radius_angstrom, voxel_size_angstrom)
    for center in fiducials:
        embed_particles(specimen, [gold], [0], center[np.newaxis], Rotation.identity(1))
    return centers, radii


def _variance(volume: NDArray, coordinates: NDArray, box_size: int) -> float:
    boxes = extract_subtomograms(volume, coordinates, box_size)
    return float(boxes.var(axis=(1, 2, 3), dtype=np.float64).mean())
