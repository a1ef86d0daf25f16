"""Pseudo-atomic stand-ins for the complexes of the paper, for whoever is offline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from sksubtomo.simulate._atoms import Atoms

# The average amino acid, Senko et al., J. Am. Soc. Mass Spectrom. 6, 1995: atoms and mass.
_RESIDUE = {"C": 4.9384, "H": 7.7583, "N": 1.3577, "O": 1.4773, "S": 0.0417}
_RESIDUE_DA = 111.12
# Of a protein's mass per cubic angstrom: Fischer, Polikarpov & Craievich, Protein Sci. 13, 2004.
_DALTON_PER_ANGSTROM3 = 0.81
# How far residues are moved off their lattice along each axis, in angstrom.
_DISORDER = 2.0


@dataclass(frozen=True)
class Complex:
    """A complex as balls of protein, repeated by a point group.

    Parameters
    ----------
    pdb_id : str
        Entry of the Protein Data Bank that it stands for.
    symmetry : str
        Point group in Schoenflies notation, the main axis along z.
    unit : tuple of (x, y, z, mass)
        Balls of one asymmetric unit: centers in angstrom, masses in units of the mean of all.
    mass_kda : float
        Mass of the whole complex.
    size_angstrom : (float, float)
        Largest extent along the main axis and across it.
    source : str
        Where subunits, symmetry, mass and size are from.
    """

    pdb_id: str
    symmetry: str
    unit: tuple[tuple[float, float, float, float], ...]
    mass_kda: float
    size_angstrom: tuple[float, float]
    source: str


def _polar(
    radius: float, angle_deg: float, z: float, mass: float = 1.0
) -> tuple[float, float, float, float]:
    """Cylinder coordinates about the symmetry axis as x, y, z."""
    angle = np.radians(angle_deg)
    return (radius * float(np.cos(angle)), radius * float(np.sin(angle)), z, mass)


# Beta and alpha ring of half a 20S proteasome.
_HALF_20S = (_polar(36, 0, 19), _polar(39, 14, 54))

# Of the small (30S) and of the large (50S) subunit, after the surface views of the source.
_SMALL_SUBUNIT = (
    (-24.0, 20.0, -44.0, 1.0),  # body
    (8.0, 24.0, -50.0, 1.0),
    (-16.0, 26.0, -14.0, 1.0),
    (16.0, 24.0, -16.0, 1.0),
    (40.0, 22.0, 6.0, 0.8),  # platform
    (-4.0, 36.0, 22.0, 0.6),  # neck
    (-12.0, 40.0, 54.0, 1.0),  # head
    (20.0, 42.0, 58.0, 0.9),
    (-44.0, 40.0, 52.0, 0.4),  # beak
    (-34.0, 22.0, -80.0, 0.3),  # spur
)
_LARGE_SUBUNIT = (
    *((x, y, z, 1.0) for x in (-40.0, 0.0, 40.0) for y in (-66.0, -34.0) for z in (-32.0, 8.0)),
    (-26.0, -44.0, 42.0, 0.9),
    (24.0, -44.0, 42.0, 0.9),
    (0.0, -46.0, 74.0, 0.7),  # central protuberance
    (-72.0, -40.0, 42.0, 0.5),  # L1 stalk
    (70.0, -44.0, 30.0, 0.5),  # L7/L12 stalk
    (0.0, -84.0, -12.0, 0.9),
)
# What eukaryotes have more: expansion segments and their proteins.
_EXPANSION = (
    (-70.0, -66.0, -44.0, 0.9),
    (66.0, -70.0, -40.0, 0.9),
    (0.0, -66.0, -78.0, 1.0),
    (40.0, -50.0, -74.0, 0.7),
    (-76.0, -20.0, -8.0, 0.5),
    (10.0, 58.0, -78.0, 0.8),
    (-52.0, 44.0, -60.0, 0.6),
    (52.0, 50.0, -36.0, 0.6),
    (6.0, 64.0, 36.0, 0.5),
)


def _scaled(
    unit: tuple[tuple[float, float, float, float], ...], factor: float
) -> tuple[tuple[float, float, float, float], ...]:
    return tuple((factor * x, factor * y, factor * z, mass) for x, y, z, mass in unit)


#: The complexes of Table 1 of Liu et al., BMVC 2019, in its order.
COMPLEXES: dict[str, Complex] = {
    "proteasome_20s_pa26": Complex(
        "1FNT",
        "D7",
        (*_HALF_20S, _polar(28, 4, 90, 0.5), _polar(25, 4, 110, 0.4)),
        1090.0,
        (250.0, 118.0),
        "20S of 28 subunits, 730 kDa, with a heptamer of PA26, 26 kDa each, on either end: Whitby "
        "et al., Nature 408, 2000",
    ),
    "glutamine_synthetase": Complex(
        "2GLS",
        "D6",
        (_polar(48, 0, 22, 1.2), _polar(34, 24, 20, 0.8), _polar(42, 10, 33, 0.6)),
        622.0,
        (103.0, 143.0),
        "12 subunits of 52 kDa in two rings of six, 143 x 103 A: Almassy et al., Nature 323, 1986",
    ),
    "aspartate_transcarbamoylase": Complex(
        "1F1B",
        "D3",
        (_polar(22, 0, 22), _polar(34, 38, 24), _polar(47, 72, 9, 0.9)),
        306.0,
        (90.0, 130.0),
        "two trimers of 34 kDa chains and three dimers of 17 kDa chains, 130 x 90 A: Kantrowitz & "
        "Lipscomb, Science 241, 1988",
    ),
    "ubid": Complex(
        "2IDB",
        "D3",
        (_polar(30, 0, 17, 1.2), _polar(37, 44, 30, 0.8), _polar(17, 66, 40, 0.4)),
        334.0,
        (108.0, 112.0),
        "hexamer of 55.6 kDa: UniProt P0AAB4; a dimer of trimers, White et al., Nature 522, 2015; "
        "size from the mass at the mean density of protein",
    ),
    "groel": Complex(
        "1KP8",
        "D7",
        (_polar(44, 0, 16), _polar(50, 12, 36, 0.7), _polar(46, 24, 56)),
        802.0,
        (146.0, 137.0),
        "14 subunits of 57 kDa in two rings of seven, 137 x 146 A, cavity 45 A: Braig et al., "
        "Nature 371, 1994",
    ),
    "proteasome_20s": Complex(
        "3DY4",
        "D7",
        _HALF_20S,
        730.0,
        (148.0, 118.0),
        "28 subunits in four rings of seven, 148 x 113 A: Groll et al., Nature 386, 1997",
    ),
    "ribosome_70s": Complex(
        "4V4A",
        "C1",
        _scaled(_SMALL_SUBUNIT + _LARGE_SUBUNIT, 0.93),
        2300.0,
        (210.0, 195.0),
        "30S and 50S, 2.3 MDa, about 210 A across: Frank et al., Nature 376, 1995; Vila-Sanjurjo "
        "et al., Nat. Struct. Mol. Biol. 11, 2004",
    ),
    "ribosome_80s": Complex(
        "5T2C",
        "C1",
        _scaled(_SMALL_SUBUNIT + _LARGE_SUBUNIT, 1.12) + _EXPANSION,
        4300.0,
        (250.0, 240.0),
        "40S and 60S, 4.3 MDa, 250 to 300 A across: Anger et al., Nature 497, 2013; Zhang et al., "
        "Nucleic Acids Res. 44, 2016",
    ),
}


def pseudo_atoms(name: str) -> Atoms:
    """Return a pseudo-atomic stand-in for a complex of the paper.

    Balls of average protein with the subunits, the point group, the mass and the size of the real
    complex; no fold, no nucleic acid. For comparisons of methods; not a model of the molecule.
    Each residue is the average amino acid at one point.

    Parameters
    ----------
    name : str
        A key of :data:`COMPLEXES`.

    Returns
    -------
    atoms : Atoms
        Center of mass at the origin, main axis along z.

    Raises
    ------
    ValueError
        If there is no complex of this name.

    Examples
    --------
    >>> from sksubtomo.simulate import pseudo_atoms
    >>> round(float(pseudo_atoms("groel").masses_da().sum() / 1e3))
    802
    """
    if name not in COMPLEXES:
        raise ValueError(f"There is no complex {name!r}; there are {list(COMPLEXES)}.")
    points, residues = _fill(COMPLEXES[name])
    elements = np.repeat(list(_RESIDUE), len(points))
    occupancies = np.multiply.outer(list(_RESIDUE.values()), residues).ravel()
    return Atoms(elements, np.tile(points, (len(_RESIDUE), 1)), occupancies).centered()


def _fill(complex_: Complex) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return points within the balls, and how many residues each stands for.

    Radii go by mass, all scaled so that the union of the balls has the volume of the mass.
    """
    group = Rotation.create_group(complex_.symmetry)
    unit = np.array(complex_.unit)
    n_residues = 1e3 * complex_.mass_kda / _RESIDUE_DA
    volume = n_residues * _RESIDUE_DA / _DALTON_PER_ANGSTROM3
    share = unit[:, 3] / unit[:, 3].sum() / len(group)
    radii = np.cbrt(3 * volume * share / (4 * np.pi))
    # All balls; those of the unit first, since the group begins with the identity.
    centers = np.concatenate([rotation.apply(unit[:, :3]) for rotation in group])

    def points(scale: float) -> NDArray[np.float64]:
        return _fill_unit(centers, scale * radii, len(group))

    low, high = 1.0, 2.0
    for _ in range(12):
        middle = (low + high) / 2
        if len(points(middle)) * len(group) < n_residues:
            low = middle
        else:
            high = middle
    of_unit = points(high)
    everywhere = np.concatenate([rotation.apply(of_unit) for rotation in group])
    return everywhere, np.full(len(everywhere), n_residues / len(everywhere))


def _fill_unit(centers: NDArray, radii: NDArray, n_views: int) -> NDArray[np.float64]:
    """Return lattice points in the balls of the unit, each in the ball it is deepest in."""
    all_radii = np.tile(radii, n_views)
    kept = []
    for index, radius in enumerate(radii):
        points = centers[index] + _ball(radius)
        depth = cdist(points, centers) - all_radii
        kept.append(points[depth.argmin(axis=1) == index])
    return np.concatenate(kept)


def _ball(radius: float) -> NDArray[np.float64]:
    """Return points within a ball, one a residue's volume.

    A face-centered lattice, which would show as such at high resolution if its points were
    not moved at random, the same way every time.
    """
    edge = (4 * _RESIDUE_DA / _DALTON_PER_ANGSTROM3) ** (1 / 3)
    n = int(np.ceil(radius / edge))
    corners = np.stack(np.meshgrid(*[np.arange(-n, n + 1)] * 3, indexing="ij"), -1).reshape(-1, 3)
    basis = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    lattice = edge * (corners[:, np.newaxis] + basis).reshape(-1, 3)
    lattice += np.random.default_rng(0).uniform(-_DISORDER, _DISORDER, lattice.shape)
    return lattice[np.linalg.norm(lattice, axis=1) <= radius]
