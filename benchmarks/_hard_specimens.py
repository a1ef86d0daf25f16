"""What the volumes of ``hard_cases.py`` show: complexes, hinges, neighbors, and what is none."""

import functools
import os
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from sksubtomo.datasets import load_density
from sksubtomo.geometry import rotate_volume
from sksubtomo.simulate import add_vesicle, gold_fiducial

#: Edge of the box.
FIELD_ANGSTROM = 280.0
#: What may be picked that is no complex.
JUNK = ("noise", "membrane", "gold", "aggregate")
_ROOT = Path(__file__).resolve().parents[1]
_HINGE_DEG = 30.0
_CONCENTRATION_MICROMOLAR = 60.0
# Of a map's density, within the radius that counts for neighbors not to overlap.
_MASS_WITHIN_RADIUS = 0.9


@functools.lru_cache(maxsize=64)
def load_map(name, max_shift, box_size):
    """Return a map without what is beyond the sphere that a shifted box holds."""
    folder = Path(os.environ.get("SKSUBTOMO_SHARED_DATA", _ROOT / "../shared/data"))
    paths = [
        folder / part / f"{name}.mrc" for part in ("density_maps_10A", "density_maps_10A_more")
    ]
    found = [path for path in paths if path.exists()]
    if not found:
        raise SystemExit(f"No map of {name} in {folder}; set SKSUBTOMO_SHARED_DATA.")
    density = load_density(found[0], voxel_size_angstrom=FIELD_ANGSTROM / box_size)
    radius = (box_size - 1) // 2 - max_shift - 1.5
    density = np.where(_distances(density.shape) <= radius, density, 0).astype(np.float32)
    density.flags.writeable = False
    return density


def _distances(shape):
    """Return how far every voxel is from the central one."""
    center = np.array(shape) // 2
    return np.linalg.norm(np.indices(shape).T - center, axis=-1).T


def hinged(density):
    """Turn the upper half of a map by 30 degrees about the first axis of the plane between."""
    turned = rotate_volume(density, Rotation.from_euler("x", _HINGE_DEG, degrees=True))
    upper = np.arange(len(density)) >= len(density) // 2
    return np.where(upper[:, np.newaxis, np.newaxis], turned, density)


def extent(density):
    """Return the radius, in voxels, within which 90 % of a map's density is."""
    distance = _distances(density.shape).ravel()
    order = np.argsort(distance, kind="stable")
    mass = np.cumsum(np.maximum(density, 0).ravel()[order])
    return distance[order][np.searchsorted(mass, _MASS_WITHIN_RADIUS * mass[-1])]


def neighbors_of(density, densities, box_size, rng):
    """Return what lies around a complex at 60 micromolar, in its box.

    Neighbors are drawn from the maps, their number and places at random, those that would reach
    into the complex excepted.
    """
    around = np.zeros((box_size,) * 3, dtype=np.float32)
    reach = extent(density)
    radii = [extent(other) for other in densities]
    half = box_size / 2 + max(radii)
    edge_nm = 2 * half * FIELD_ANGSTROM / box_size / 10
    expected = _CONCENTRATION_MICROMOLAR * 6.022e-7 * edge_nm**3
    for _ in range(rng.poisson(expected)):
        kind = int(rng.integers(len(densities)))
        place = rng.uniform(-half, half, 3)
        if np.linalg.norm(place) >= reach + radii[kind]:
            turned = Rotation.random(rng=rng)
            around += rotate_volume(densities[kind], turned, shift=place, output_shape=around.shape)
    return around


def junk(kind, box_size, rng, densities):
    """Return what is no complex: nothing, a membrane, a gold bead, or two complexes in contact."""
    specimen = np.zeros((box_size,) * 3, dtype=np.float32)
    voxel = FIELD_ANGSTROM / box_size
    direction = rng.standard_normal(3)
    direction /= np.linalg.norm(direction)
    if kind == "membrane":
        radius = rng.uniform(300.0, 1500.0)
        nearest = rng.uniform(-0.1, 0.1) * FIELD_ANGSTROM
        center = box_size // 2 + direction * (radius + nearest) / voxel
        add_vesicle(specimen, center, radius, voxel)
    elif kind == "gold":
        bead = gold_fiducial(rng.uniform(30.0, 60.0), voxel)
        place = rng.uniform(-0.1, 0.1, 3) * box_size
        specimen += rotate_volume(
            bead, Rotation.identity(), shift=place, output_shape=specimen.shape
        )
    elif kind == "aggregate":
        both = [densities[k] for k in rng.integers(len(densities), size=2)]
        apart = sum(map(extent, both)) / 2
        for density, sign in zip(both, (-1, 1), strict=True):
            specimen += rotate_volume(
                density,
                Rotation.random(rng=rng),
                shift=sign * apart * direction,
                output_shape=specimen.shape,
            )
    return specimen
