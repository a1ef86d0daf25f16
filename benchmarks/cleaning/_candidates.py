"""Simulated tomograms with contamination, and candidates of five pickers in them."""

import os
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy.optimize import linear_sum_assignment
from scipy.spatial.transform import Rotation

from sksubtomo.datasets import load_density
from sksubtomo.fourier import fourier_crop, gaussian_low_pass
from sksubtomo.geometry import back_project
from sksubtomo.io import extract_subtomograms
from sksubtomo.picking import DifferenceOfGaussiansPicker, TemplateMatchingPicker
from sksubtomo.simulate import (
    Microscope,
    TiltScheme,
    add_vesicle,
    embed_particles,
    gold_fiducial,
    image_tilts,
    place_spheres,
    shot_noise,
)

ROOT = Path(__file__).resolve().parents[2]
BOX = 28
VOXEL = 13.0
SHAPE = (64, 300, 300)
SNR = 0.1
GOLD_ANGSTROM = 50.0
#: Of tomograms for template matching; and what a homolog's map is low-passed to.
BINNING = 2
RESOLUTION_ANGSTROM = 40.0
#: Pairs of a candidate and a particle are at most this far apart, in voxels.
TOLERANCE = 5.0
#: Of a specimen, unless it says otherwise.
TARGET_SHARE = 0.2
N_PARTICLES = 150
N_CANDIDATES = 220
_EMBEDDED = ("glutamine_synthetase", "aspartate_transcarbamoylase", "ubid", "ribosome_70s")


class Specimen(NamedTuple):
    """A target with its symmetry, the other complexes, and how many particles there are of each.

    ``target_share``: of all particles. ``n_candidates``: at most, of every source.
    """

    target: str
    symmetry: str
    others: tuple[str, ...]
    target_share: float = TARGET_SHARE
    n_particles: int = N_PARTICLES
    n_candidates: int = N_CANDIDATES


#: "unlike", "alike" and "rare" are reported. Settings were chosen on the other two.
SPECIMENS = {
    "unlike": Specimen("proteasome_20s_pa26", "D7", _EMBEDDED),
    "alike": Specimen("proteasome_20s_pa26", "D7", ("proteasome_20s", "groel", "ribosome_70s")),
    "rare": Specimen(
        "proteasome_20s_pa26", "D7", (*_EMBEDDED, "1bxn", "4pe5", "5kxi", "5wek"), 0.08, 300, 300
    ),
    "tuning_unlike": Specimen("groel", "D7", ("1qvr", "3d2f", "1u6g", "3cf3")),
    "tuning_alike": Specimen("glutamine_synthetase", "D6", ("3cf3", "1qvr", "groel")),
}
SOURCES = ("dog", "true", "truncated", "wrong_pixel")


class Candidates(NamedTuple):
    """Boxes, whether they are the target, the picker's score, and centers z, y, x in voxels.

    ``found``: share of the particles that are among the candidates, None where that has no meaning.
    """

    X: np.ndarray
    is_true: np.ndarray
    scores: np.ndarray
    coordinates: np.ndarray
    found: float | None


def source_of(name):
    """Return what loads the map of a complex: an embedded name, or the path of a density map."""
    folder = Path(os.environ.get("SKSUBTOMO_SHARED_DATA", ROOT / "../shared/data"))
    for part in ("density_maps_10A", "density_maps_10A_more"):
        if (folder / part / f"{name}.mrc").exists():
            return folder / part / f"{name}.mrc"
    return name


def load(name, voxel_size=VOXEL):
    """Return the map of a complex, cut to the box."""
    density = load_density(source_of(name), voxel_size_angstrom=voxel_size)
    excess = max(0, len(density) - BOX + 2)
    low = excess // 2
    return density[(slice(low, len(density) - (excess - low)),) * 3]


def radius_of(density):
    """Return the radius of a map in voxels, beyond which there is next to nothing."""
    center = np.array(density.shape) // 2
    inside = np.argwhere(density > 0.1 * density.max()) - center
    return float(np.percentile(np.linalg.norm(inside, axis=1), 99))


def ice_chunk(rng):
    """Return the potential of a lump of crystalline ice, 200 to 400 angstrom across, in volt."""
    half = int(rng.uniform(8, 16))
    noise = ndimage.gaussian_filter(rng.normal(size=(2 * half + 1,) * 3), 3.0)
    distance = np.linalg.norm(np.indices(noise.shape).T - half, axis=-1).T / half
    lump = 1 - distance + 0.8 * noise / noise.std() * 0.3
    texture = 1 + 0.5 * rng.normal(size=noise.shape)
    return (3.0 * np.clip(4 * lump, 0, 1) * texture).astype(np.float32)


def make_specimen(densities, y, rng, shape=None):
    """Place particles among gold, vesicles, a membrane and ice; return volume and centers."""
    shape = SHAPE if shape is None else shape
    specimen = np.zeros(shape, np.float32)
    far = np.array([shape[0] / 2, -60.0 + 20 * rng.random(), shape[2] * rng.random()])
    add_vesicle(specimen, far, 90 * VOXEL, VOXEL)
    obstacles = [np.array([25.0, 20.0, 20.0, *[4.0] * 8, *[12.0] * 3])]
    centers = place_spheres(obstacles[0], (0, 0, 0), np.array(shape) - 1, rng)
    for center, radius in zip(centers[:3], obstacles[0][:3], strict=True):
        add_vesicle(specimen, center, (radius - 2) * VOXEL, VOXEL)
    gold = gold_fiducial(GOLD_ANGSTROM, VOXEL)
    embed_particles(specimen, [gold], [0] * 8, centers[3:11], Rotation.identity(8))
    for center in centers[11:]:
        turn = Rotation.random(1, rng=rng)
        embed_particles(specimen, [ice_chunk(rng)], [0], center[np.newaxis], turn)
    taken = (np.vstack([centers, far]), np.append(obstacles[0], 92.0))
    radii = np.array([radius_of(density) for density in densities])
    half = BOX // 2
    upper = np.array(shape) - BOX + half
    coordinates = place_spheres(radii[y], [half] * 3, upper, rng, obstacles=taken)
    turns = Rotation.random(len(y), rng=rng)
    embed_particles(specimen, densities, y, coordinates, turns)
    return specimen, coordinates


def image_specimen(volume, coordinates, rng, snr=SNR):
    """Return a reconstruction with noise, of a mean signal-to-noise ratio in boxes of particles."""
    scheme, microscope = TiltScheme(), Microscope()
    series = image_tilts(
        volume,
        voxel_size_angstrom=VOXEL,
        microscope=microscope,
        scheme=scheme,
        random_state=rng,
    )
    clean = back_project(series, scheme.tilts_deg, len(volume))
    noise = back_project(shot_noise(series.shape, scheme, rng), scheme.tilts_deg, len(volume))
    signal, power = (
        extract_subtomograms(part, coordinates, BOX).var(axis=(1, 2, 3)).mean()
        for part in (clean, noise)
    )
    return clean + noise * np.float32(np.sqrt(signal / (snr * power)))


@lru_cache(maxsize=2)
def make_contaminated_tomogram(specimen, seed):
    """Return a reconstruction and the centers of the target, z, y, x in voxels."""
    rng = np.random.default_rng(seed)
    densities = [load(name) for name in (specimen.target, *specimen.others)]
    n_target = round(specimen.target_share * specimen.n_particles)
    y = np.zeros(specimen.n_particles, int)
    y[n_target:] = 1 + np.arange(specimen.n_particles - n_target) % len(specimen.others)
    volume, coordinates = make_specimen(densities, y, rng)
    return image_specimen(volume, coordinates, rng), coordinates[y == 0]


def template_of(specimen, source):
    """Return the map that a picker is given in binned voxels, dark as particles in tomograms."""
    voxel = BINNING * VOXEL
    if source == "wrong_pixel":
        return -load(specimen.target, 1.04 * voxel)
    density = load(specimen.target, voxel)
    if source == "truncated":
        # Without the upper third, as of a homolog without a domain, and low-passed.
        inside = np.argwhere(density > 0.1 * density.max())[:, 0]
        low, high = inside.min(), inside.max()
        density = density.copy()
        density[round(high - (high - low) / 3) :] = 0
        density = gaussian_low_pass(density[np.newaxis], voxel / RESOLUTION_ANGSTROM)[0]
    return -density


def pick(tomogram, specimen, source):
    """Return places in voxels of the tomogram, and scores, of a source of candidates."""
    if source == "dog":
        diameter = 1.6 * radius_of(load(specimen.target)) * VOXEL
        picks = DifferenceOfGaussiansPicker(
            diameter, VOXEL, threshold=1.0, max_picks=specimen.n_candidates
        ).pick(tomogram)
        return picks.coordinates, picks.scores
    # Template matching is done on binned tomograms, as usual.
    binned = fourier_crop(tomogram, [size // BINNING for size in tomogram.shape])
    symmetry = specimen.symmetry
    if source == "truncated":
        # Cut across the main axis, it is left with the rotations about it.
        symmetry = symmetry.replace("D", "C")
    picks = TemplateMatchingPicker(
        template_of(specimen, source),
        angular_step_deg=30.0,
        symmetry=symmetry,
        exclusion_radius_voxels=5.0 / BINNING,
        max_picks=specimen.n_candidates,
    ).pick(binned)
    middle, old = np.array(binned.shape) // 2, np.array(tomogram.shape) // 2
    return (picks.coordinates - middle) * BINNING + old, picks.scores


def pair_with_truth(picked, truth, tolerance=TOLERANCE):
    """Return which places pair, one to one, with a true one."""
    distances = np.linalg.norm(np.asarray(picked)[:, np.newaxis] - np.asarray(truth), axis=2)
    beyond = distances > tolerance
    costs = np.where(beyond, tolerance * (len(truth) + 1), distances)
    rows, columns = linear_sum_assignment(costs)
    paired = np.zeros(len(picked), dtype=bool)
    paired[rows] = ~beyond[rows, columns]
    return paired


def make_candidates(name, source, seed):
    """Simulate one tomogram and pick; candidates too close to the border for a box are dropped."""
    specimen = SPECIMENS[name]
    tomogram, truth = make_contaminated_tomogram(specimen, seed)
    places, scores = pick(tomogram, specimen, source)
    X, kept = extract_subtomograms(tomogram, places, BOX, border="drop", return_index=True)
    is_true = pair_with_truth(places[kept], truth)
    return Candidates(X, is_true, scores[kept], places[kept], is_true.sum() / len(truth))
