"""Tomograms of six species, candidates of a picker that knows none of them, and their figures.

Species, radii and weights are those of the CZII challenge [1]_, part of POPSICLE [2]_. Shapes are
phantoms of the published size, mass and symmetry, and no structures: bodies of average protein, as
:data:`sksubtomo.simulate.COMPLEXES` are, of which the ribosome is one.

References
----------
.. [1] Peck et al., "A realistic phantom dataset for benchmarking cryo-ET data annotation", bioRxiv,
   2024.
.. [2] "POPSICLE: Benchmark datasets for segmentation and localization in cryoET", arXiv:2606.10255,
   2026.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from _candidates import BOX, VOXEL, image_specimen, make_specimen, pair_with_truth
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from sksubtomo.datasets import load_density
from sksubtomo.io import extract_subtomograms
from sksubtomo.picking import DifferenceOfGaussiansPicker, find_peaks
from sksubtomo.simulate import Atoms

NONE, UNLABELED = 0, -1
#: As many voxels of 13 angstrom as there are of 10.012 angstrom in 184 x 630 x 630.
SHAPE = (142, 484, 484)
SNR = 0.05
#: Of the picker, which takes the largest response of any.
DIAMETERS_ANGSTROM = (130.0, 200.0, 420.0)
THRESHOLD = 2.0
MOST_CANDIDATES = 250
# The average amino acid, as in `sksubtomo.simulate.pseudo_atoms`: atoms, and volume at 0.81 dalton
# per cubic angstrom.
_RESIDUE = {"C": 4.9384, "H": 7.7583, "N": 1.3577, "O": 1.4773, "S": 0.0417}
_RESIDUE_ANGSTROM3 = 111.12 / 0.81
_SPACING_ANGSTROM = 4.0


class Species(NamedTuple):
    """Radius in angstrom and weight in the challenge's metric, and particles in a tomogram."""

    radius: float
    weight: float
    n_particles: int


#: Counts are those of the training tomogram TS_5_4. Numbered from 1 in this order.
SPECIES = {
    "apo-ferritin": Species(60.0, 1.0, 46),
    "beta-amylase": Species(65.0, 0.0, 10),
    "beta-galactosidase": Species(90.0, 2.0, 12),
    "ribosome": Species(150.0, 1.0, 31),
    "thyroglobulin": Species(130.0, 2.0, 30),
    "virus-like-particle": Species(135.0, 1.0, 11),
}
NUMBERS = range(1, 1 + len(SPECIES))


def protein(inside, half_edges):
    """Return average protein that fills a shape.

    Parameters
    ----------
    inside : callable
        Takes points x, y, z in angstrom, an array of shape (n, 3); returns which are in the shape.
    half_edges : (float, float, float)
        Half the edges of a box about the origin that holds the shape.
    """
    axes = [np.arange(-half, half + 1, _SPACING_ANGSTROM) for half in half_edges]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    points = points[inside(points)]
    n_residues = np.full(len(points), _SPACING_ANGSTROM**3 / _RESIDUE_ANGSTROM3)
    occupancies = np.multiply.outer(list(_RESIDUE.values()), n_residues).ravel()
    elements = np.repeat(list(_RESIDUE), len(points))
    return Atoms(elements, np.tile(points, (len(_RESIDUE), 1)), occupancies).centered()


def in_balls(points, centers, radii, symmetry="C1"):
    """Return which points are in one of the balls, repeated by a point group."""
    turns = Rotation.create_group(symmetry)
    found = np.zeros(len(points), bool)
    for center, radius in zip(centers, np.broadcast_to(radii, len(centers)), strict=True):
        distances, _ = cKDTree(turns.apply(np.asarray(center, float))).query(points)
        found |= distances < radius
    return found


def in_shell(points, inner, outer):
    """Return which points are between two spheres."""
    radius = np.linalg.norm(points, axis=1)
    return (radius > inner) & (radius < outer)


def apo_ferritin():
    """Hollow shell of 24 subunits, 12 nm outside and 8 nm inside, of octahedral symmetry."""
    unit = 50 * np.array([[0.86, 0.44, 0.27]]) / np.linalg.norm([0.86, 0.44, 0.27])

    def inside(points):
        return in_shell(points, 40, 60) & in_balls(points, unit, 21, "O")

    return protein(inside, (64,) * 3)


def beta_amylase():
    """Tetramer of 224 kDa, about 12 nm across, of symmetry D2."""
    unit = [(36, 22, 13), (20, 38, -8)]
    return protein(lambda points: in_balls(points, unit, (21, 20), "D2"), (72,) * 3)


def beta_galactosidase():
    """Tetramer of 465 kDa, 17.5 x 13.5 x 9 nm, of symmetry D2."""
    unit = [(22, 24, 20), (44, 42, -4), (66, 26, -14)]
    return protein(lambda points: in_balls(points, unit, (25, 25, 21), "D2"), (100,) * 3)


def thyroglobulin():
    """Bent dimer of 660 kDa, 25 x 16 x 11 nm, of symmetry C2 about z."""
    unit = [(22, 18, -20), (46, -50, -6), (62, 10, 12), (102, 16, 34)]
    return protein(lambda points: in_balls(points, unit, (33, 28, 32, 24), "C2"), (140,) * 3)


def virus_like_particle():
    """Hollow shell of 28 nm and 2.5 MDa: 90 dimers of a phage's coat, T=3, icosahedral symmetry."""
    golden = (1 + np.sqrt(5)) / 2
    fivefold, threefold, twofold = (
        np.array(axis) / np.linalg.norm(axis)
        for axis in ((0, 1, golden), (1, 1, 1), (golden, 1, golden**2))
    )
    between = fivefold + threefold
    unit = 118 * np.array([between / np.linalg.norm(between), twofold])
    return protein(lambda points: in_balls(points, unit, 20, "I"), (144,) * 3)


def densities():
    """Return a map of each species, in the order of their numbers."""
    sources = (
        apo_ferritin(),
        beta_amylase(),
        beta_galactosidase(),
        "ribosome_80s",
        thyroglobulin(),
        virus_like_particle(),
    )
    return [load_density(source, voxel_size_angstrom=VOXEL) for source in sources]


class Tomogram(NamedTuple):
    """A reconstruction, and centers z, y, x in voxels and species of all particles in it."""

    volume: np.ndarray
    coordinates: np.ndarray
    species: np.ndarray


class Candidates(NamedTuple):
    """Boxes of one tomogram, species (0 is none), responses of the picker, and places.

    ``centers``, ``truth``: centers and species of all particles.
    """

    X: np.ndarray
    species: np.ndarray
    scores: np.ndarray
    places: np.ndarray
    centers: np.ndarray
    truth: np.ndarray


@lru_cache(maxsize=1)
def make_species_tomogram(seed):
    """Simulate a tomogram with as many particles of each species as the challenge has."""
    rng = np.random.default_rng(seed)
    kinds = np.repeat(np.arange(len(SPECIES)), [one.n_particles for one in SPECIES.values()])
    volume, coordinates = make_specimen(densities(), kinds, rng, SHAPE)
    return Tomogram(image_specimen(volume, coordinates, rng, SNR), coordinates, kinds + 1)


def pick_blobs(tomogram):
    """Return places of blobs of any of the diameters, and their responses at all of them.

    A blob takes away those of lower response within half its own diameter.
    """
    maps = [
        DifferenceOfGaussiansPicker(diameter, VOXEL).score_map(tomogram)
        for diameter in DIAMETERS_ANGSTROM
    ]
    halves = np.array(DIAMETERS_ANGSTROM) / 2 / VOXEL
    peaks = [
        find_peaks(responses, half, threshold=THRESHOLD, border_voxels=BOX // 2)
        for responses, half in zip(maps, halves, strict=True)
    ]
    places = np.concatenate([one.coordinates for one in peaks])
    scores = np.concatenate([one.scores for one in peaks])
    radii = np.repeat(halves, [len(one.scores) for one in peaks])
    free, kept = np.ones(len(places), bool), []
    tree = cKDTree(places)
    for row in np.argsort(-scores, kind="stable"):
        if free[row] and len(kept) < MOST_CANDIDATES:
            kept.append(row)
            free[tree.query_ball_point(places[row], radii[row])] = False
    nearest = tuple(np.round(places[kept]).astype(int).T)
    return places[kept], np.column_stack([responses[nearest] for responses in maps])


def species_of(places, centers, species, chosen=None):
    """Return which species each place is, 0 for none.

    A place pairs, one to one, with a particle within half the radius of its species.

    Parameters
    ----------
    places, centers : ndarray of shape (n, 3)
        Of candidates and of particles, in voxels.
    species : ndarray of int
        Of the particles.
    chosen : ndarray of int, optional
        Of the candidates: only those that are predicted to be a species pair with it.
    """
    found = np.full(len(places), NONE)
    for number, one in zip(NUMBERS, SPECIES.values(), strict=True):
        rows = np.arange(len(places)) if chosen is None else np.flatnonzero(chosen == number)
        paired = pair_with_truth(places[rows], centers[species == number], one.radius / 2 / VOXEL)
        found[rows[paired]] = number
    return found


def make_species_candidates(seed):
    """Simulate one tomogram and pick; candidates too close to the border for a box are dropped."""
    tomogram = make_species_tomogram(seed)
    places, scores = pick_blobs(tomogram.volume)
    X, kept = extract_subtomograms(tomogram.volume, places, BOX, border="drop", return_index=True)
    species = species_of(places[kept], tomogram.coordinates, tomogram.species)
    return Candidates(
        X, species, scores[kept], places[kept], tomogram.coordinates, tomogram.species
    )


def label_species(candidates, kind, n_labels, seed):
    """Return labels of some candidates, -1 elsewhere.

    "random": so many of all candidates. "each": so many of every species, or as many as there are,
    and as many candidates of no species as there are labels of particles.
    """
    order = np.random.default_rng(seed).permutation(len(candidates.species))
    y = np.full(len(order), UNLABELED)
    if kind == "random":
        chosen = order[:n_labels]
    else:
        by_class = [order[candidates.species[order] == number] for number in NUMBERS]
        particles = np.concatenate([rows[:n_labels] for rows in by_class])
        none = order[candidates.species[order] == NONE]
        chosen = np.concatenate([particles, none[: len(particles)]])
    y[chosen] = candidates.species[chosen]
    return y


def with_all_species(proba, classes):
    """Return probabilities with a column for none and for every species; 0 without a label."""
    columns = np.zeros((len(proba), 1 + len(SPECIES)))
    columns[:, classes] = proba
    return columns


def challenge_scores(chosen, candidates, beta=4.0):
    """Return F-beta of each species, and their mean by the weights of the challenge.

    Parameters
    ----------
    chosen : ndarray of int
        Species of each candidate, 0 for none.
    candidates : list of Candidates
        Of the tomograms one after the other; counts are added up over them.
    """
    n_found, ends = np.zeros(1 + len(SPECIES)), np.cumsum([len(one.places) for one in candidates])
    for one, own in zip(candidates, np.split(chosen, ends[:-1]), strict=True):
        found = species_of(one.places, one.centers, one.truth, own)
        n_found += np.bincount(found, minlength=len(n_found))
    n_chosen = np.bincount(chosen, minlength=len(n_found))
    n_true = sum(np.bincount(one.truth, minlength=len(n_found)) for one in candidates)
    # (1 + b2) TP / ((1 + b2) TP + b2 FN + FP) is this.
    scores = (1 + beta**2) * n_found[1:] / (beta**2 * n_true[1:] + n_chosen[1:])
    weights = [one.weight for one in SPECIES.values()]
    return scores, float(np.average(scores, weights=weights))
