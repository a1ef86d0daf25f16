"""Subtomograms with one complication each, of complexes from density maps."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from _hard_specimens import FIELD_ANGSTROM, JUNK, hinged, junk, load_map, neighbors_of

from sksubtomo.datasets import make_subtomograms
from sksubtomo.fourier import apply_fourier_filter, missing_wedge_mask, squared_frequencies
from sksubtomo.model_selection import mask_labels
from sksubtomo.simulate import Microscope, volume_transfer

_SMALLEST_BOX = 28
_WRONG_SHARE = 0.1
_INVERTED_SHARE = 0.25
_DEFOCUS_UM = 4.0


class Complexes(NamedTuple):
    """Complexes, noise and labels of a set."""

    names: tuple[str, ...]
    snr: float
    novel: str


#: "easy" and "hard" are reported; settings are chosen on the other two, and on other seeds.
SETS = {
    "easy": Complexes(
        ("2uv8", "3qm1", "5ide", "5vai", "4pe5", "5tqq", "1bxn", "4cr2"), 0.1, "5gjv"
    ),
    "hard": Complexes(("3qm1", "5tj6", "5tqq", "5vai", "5wek", "5kxi"), 0.05, "5ide"),
    "tuning_easy": Complexes(("1qvr", "1u6g", "3cf3", "3d2f", "3j9i", "4cr2", "1bxn"), 0.1, "6utj"),
    "tuning_hard": Complexes(("1qvr", "1u6g", "3cf3", "3d2f", "3j9i", "6utj"), 0.05, "1bxn"),
}


@dataclass(frozen=True, kw_only=True)
class Complication:
    """What differs from clean volumes; `fitted_tilts` are what the fit is told."""

    size_ratio: float = 1.0
    rare_share: float | None = None
    labels_a_class: int | None = None
    wrong_labels: bool = False
    colored_noise: bool = False
    tilt_axis_x: bool = False
    inverted: bool = False
    hinge: bool = False
    neighbors: bool = False
    junk_share: float = 0.0
    max_shift: float = 2.0
    tilts: tuple[float, float] = (-60.0, 60.0)
    fitted_tilts: tuple[float, float] = (-60.0, 60.0)
    defocus_um: tuple[float, ...] = (_DEFOCUS_UM,)
    box_size: int = _SMALLEST_BOX


COMPLICATIONS = {
    "none": Complication(),
    "uneven_classes": Complication(size_ratio=20.0),
    "wrong_labels": Complication(wrong_labels=True),
    "colored_noise": Complication(colored_noise=True),
    "shifts_4": Complication(max_shift=4.0),
    "tilts_45": Complication(tilts=(-45.0, 45.0)),
    "hinge": Complication(hinge=True),
    "one_label_a_class": Complication(labels_a_class=1),
    "five_labels_a_class": Complication(labels_a_class=5),
    "rare_class": Complication(rare_share=0.02),
    "tilt_axis_x": Complication(tilt_axis_x=True),
    "inverted_contrast": Complication(inverted=True),
    "junk_30": Complication(junk_share=0.3),
    "junk_60": Complication(junk_share=0.6),
    "neighbors": Complication(neighbors=True),
    "defocus_spread": Complication(defocus_um=(2.0, 3.0, 4.0, 5.0, 6.0)),
    "asymmetric_tilts": Complication(tilts=(-40.0, 60.0), fitted_tilts=(-40.0, 60.0)),
    "box_32": Complication(box_size=32),
    "box_48": Complication(box_size=48),
    "box_64": Complication(box_size=64),
}


def is_possible(name, complication):
    """Return whether complexes fit into boxes that they are shifted in."""
    # Two complexes of the easy set fill the box, but for the shifts of the clean case.
    return (name, complication) not in {("easy", "shifts_4"), ("tuning_easy", "shifts_4")}


class HardVolumes(NamedTuple):
    """Volumes to train on and to test on; junk is -1 in `y`.

    ``novel`` has volumes that are of no class: of another complex, of membranes, and of noise.
    """

    X: np.ndarray
    y: np.ndarray
    y_given: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    novel: dict[str, np.ndarray]


def class_sizes(n, n_classes, ratio, rare_share=None):
    """Return sizes in geometric progression, the first `ratio` times the last.

    With `rare_share`, the last class has that share, and the others are equal.
    """
    weights = np.geomspace(ratio, 1, n_classes)
    if rare_share is not None:
        weights[-1] = rare_share * (n_classes - 1) / (1 - rare_share)
    sizes = np.maximum(np.floor(n * weights / weights.sum()), 2).astype(int)
    sizes[0] += n - sizes.sum()
    return sizes


def make_hard_volumes(
    name, complication, seed, *, n_train=600, n_test=300, labels=0.05, n_novel=100
):
    """Simulate a set with a complication.

    Parameters
    ----------
    name : str
        One of ``SETS``.
    complication : str
        One of ``COMPLICATIONS``.
    seed : int
        Of everything random.
    n_train, n_test : int
        Volumes, junk included; those to test on are split evenly over the classes.
    labels : float
        Share of labeled volumes, at least one a class.
    n_novel : int
        Volumes of each kind that is of no class.

    Returns
    -------
    data : HardVolumes
        Float32, axes z, y, x.
    """
    set_, how = SETS[name], COMPLICATIONS[complication]
    rng = np.random.default_rng(seed)
    n_junk = round(how.junk_share * n_train)
    sizes = class_sizes(n_train - n_junk, len(set_.names), how.size_ratio, how.rare_share)
    train = [_complexes(set_, c, k, how, rng) for c, k in zip(set_.names, sizes, strict=True)]
    share = -(-n_test // len(set_.names))
    test = [_complexes(set_, c, share, how, rng) for c in set_.names]
    number = list(range(len(set_.names)))
    if n_junk:
        kinds = [JUNK[k % len(JUNK)] for k in range(n_junk)]
        train.append(_junk(set_, kinds, how, rng))
        number.append(-1)
    X, y = _shuffled(train, number, rng)
    X_test, y_test = _shuffled(test, number[: len(test)], rng)
    y_given = _labels(y, how, labels, seed, rng)
    novel = {
        "complex": _complexes(set_, set_.novel, n_novel, how, rng),
        "membrane": _junk(set_, ["membrane"] * n_novel, how, rng),
        "noise": _junk(set_, ["noise"] * n_novel, how, rng),
    }
    return HardVolumes(X, y, y_given, X_test, y_test, novel)


def _labels(y, how, labels, seed, rng):
    """Return labels, most of them hidden, some of them wrong; junk has none."""
    if how.labels_a_class is not None:
        given = mask_labels(y, n_per_class=how.labels_a_class, random_state=seed)
    else:
        given = mask_labels(y, labeled_fraction=labels, random_state=seed)
    if how.wrong_labels:
        known = rng.permutation(np.flatnonzero(given != -1))
        wrong = known[: max(1, round(_WRONG_SHARE * len(known)))]
        n_classes = y.max() + 1
        given[wrong] = (y[wrong] + rng.integers(1, n_classes, len(wrong))) % n_classes
    return given


def _shuffled(parts, number, rng):
    y = np.repeat(number, [len(part) for part in parts])
    order = rng.permutation(len(y))
    return np.concatenate(parts)[order], y[order]


def _complexes(set_, name, n, how, rng):
    """Return n volumes of one complex, with noise."""
    density = load_map(name, how.max_shift, how.box_size)
    states = [density, hinged(density)] if how.hinge else [density]
    clean = np.concatenate(
        [_particles(states, how, k, defocus, rng) for defocus, k in _by_defocus(n, how)]
    )
    around = _surroundings(set_, density, n, how, rng) if how.neighbors else 0
    return _recorded(clean, around, clean.var(axis=(1, 2, 3)), set_, how, rng)


def _by_defocus(n, how):
    """Return how many volumes each defocus has."""
    parts = np.array_split(np.arange(n), len(how.defocus_um))
    return [(d, len(part)) for d, part in zip(how.defocus_um, parts, strict=True) if len(part)]


def _particles(states, how, n, defocus, rng):
    return make_subtomograms(
        max(n, len(states)),
        classes={str(number): state for number, state in enumerate(states)},
        kind="single_particle",
        box_size=how.box_size,
        voxel_size_angstrom=FIELD_ANGSTROM / how.box_size,
        snr=1e9,
        tilt_range_deg=how.tilts,
        max_shift_voxels=how.max_shift,
        defocus_um=defocus,
        random_state=int(rng.integers(2**31)),
    ).X[:n]


def _imaged(specimens, how):
    transfer = volume_transfer(
        how.box_size,
        voxel_size_angstrom=FIELD_ANGSTROM / how.box_size,
        microscope=Microscope(),
        defocus_um=_DEFOCUS_UM,
        tilt_range_deg=how.tilts,
    )
    return apply_fourier_filter(specimens, transfer)


def _surroundings(set_, density, n, how, rng):
    others = [load_map(name, how.max_shift, how.box_size) for name in set_.names]
    specimens = [neighbors_of(density, others, how.box_size, rng) for _ in range(n)]
    return _imaged(np.stack(specimens), how)


def _junk(set_, kinds, how, rng):
    """Return volumes of no complex, in the noise that complexes of the set have on average."""
    densities = [load_map(name, how.max_shift, how.box_size) for name in set_.names]
    specimens = np.stack([junk(kind, how.box_size, rng, densities) for kind in kinds])
    powers = [_particles([d], how, 4, _DEFOCUS_UM, rng).var() for d in densities]
    return _recorded(
        _imaged(specimens, how), 0, np.full(len(kinds), np.mean(powers)), set_, how, rng
    )


def _recorded(clean, around, power, set_, how, rng):
    """Add noise, of the power of the signal over the SNR, and what may be wrong with imaging."""
    shape = (how.box_size,) * 3
    noise = rng.standard_normal(clean.shape, dtype=np.float32)
    noise = apply_fourier_filter(noise, _amplitude(how) * missing_wedge_mask(shape, how.tilts))
    # As much noise in each frequency of the same field, however many there are.
    snr = set_.snr * (_SMALLEST_BOX / how.box_size) ** 3
    level = np.sqrt(power / snr / noise.var(axis=(1, 2, 3)))
    X = clean + around + noise * level[:, np.newaxis, np.newaxis, np.newaxis]
    if how.inverted:
        X[: round(_INVERTED_SHARE * len(X))] *= -1
    if how.tilt_axis_x:
        X = X.swapaxes(2, 3)[:, :, ::-1]  # a rotation, so that hands stay as they are
    return np.ascontiguousarray(X, dtype=np.float32)


def _amplitude(how):
    """Return the amplitude of the noise by frequency."""
    radius = how.box_size * np.sqrt(squared_frequencies((how.box_size,) * 3))
    if not how.colored_noise:
        return np.ones_like(radius, dtype=np.float32)
    return np.sqrt(1 + 3 / (1 + (radius / 4) ** 2)).astype(np.float32)
