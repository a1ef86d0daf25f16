"""Subtomograms with one complication each, of complexes from density maps."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from sksubtomo.datasets import load_density, make_subtomograms
from sksubtomo.fourier import apply_fourier_filter, missing_wedge_mask, squared_frequencies
from sksubtomo.geometry import rotate_volume
from sksubtomo.model_selection import mask_labels

BOX_SIZE = 28
VOXEL_SIZE_ANGSTROM = 10.0
_ROOT = Path(__file__).resolve().parents[1]
_HINGE_DEG = 30.0
_WRONG_SHARE = 0.1
_INVERTED_SHARE = 0.25
_SIZE_RATIO = 20


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
COMPLICATIONS = (
    "none",
    "uneven_classes",
    "wrong_labels",
    "one_label_a_class",
    "colored_noise",
    "tilt_axis_x",
    "inverted_contrast",
    "hinge",
    "shifts_4",
    "tilts_45",
)


class HardVolumes(NamedTuple):
    """Volumes to train on and to test on; ``novel`` are of a complex without a label."""

    X: np.ndarray
    y: np.ndarray
    y_given: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    X_novel: np.ndarray


def load_map(name, max_shift):
    """Return a map without what is beyond the sphere that a shifted box holds."""
    folder = Path(os.environ.get("SKSUBTOMO_SHARED_DATA", _ROOT / "../shared/data"))
    paths = [
        folder / part / f"{name}.mrc" for part in ("density_maps_10A", "density_maps_10A_more")
    ]
    found = [path for path in paths if path.exists()]
    if not found:
        raise SystemExit(f"No map of {name} in {folder}; set SKSUBTOMO_SHARED_DATA.")
    density = load_density(found[0], voxel_size_angstrom=VOXEL_SIZE_ANGSTROM)
    radius = (BOX_SIZE - 1) // 2 - max_shift - 1.5
    center = np.array(density.shape) // 2
    distance = np.linalg.norm(np.indices(density.shape).T - center, axis=-1).T
    return np.where(distance <= radius, density, 0).astype(np.float32)


def hinged(density):
    """Turn the upper half of a map by 30 degrees about the first axis of the plane between."""
    turned = rotate_volume(density, Rotation.from_euler("x", _HINGE_DEG, degrees=True))
    upper = np.arange(len(density)) >= len(density) // 2
    return np.where(upper[:, np.newaxis, np.newaxis], turned, density)


def class_sizes(n, n_classes, ratio):
    """Return sizes in geometric progression, the first `ratio` times the last."""
    weights = np.geomspace(ratio, 1, n_classes)
    sizes = np.maximum(np.floor(n * weights / weights.sum()), 2).astype(int)
    sizes[0] += n - sizes.sum()
    return sizes


def make_hard_volumes(name, complication, seed, *, n_train=600, n_test=300, labels=0.05):
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
        Volumes; those to test on are split evenly over the classes.
    labels : float
        Share of labeled volumes, at least one a class.

    Returns
    -------
    data : HardVolumes
        Float32, axes z, y, x.
    """
    names, snr, novel = SETS[name]
    rng = np.random.default_rng(seed)
    ratio = _SIZE_RATIO if complication == "uneven_classes" else 1
    sizes = class_sizes(n_train, len(names), ratio)
    train = [_volumes(c, k, complication, snr, rng) for c, k in zip(names, sizes, strict=True)]
    share = -(-n_test // len(names))
    test = [_volumes(c, share, complication, snr, rng) for c in names]
    X, y = _shuffled(train, rng)
    X_test, y_test = _shuffled(test, rng)
    if complication == "one_label_a_class":
        y_given = mask_labels(y, n_per_class=1, random_state=seed)
    else:
        y_given = mask_labels(y, labeled_fraction=labels, random_state=seed)
    if complication == "wrong_labels":
        known = rng.permutation(np.flatnonzero(y_given != -1))
        wrong = known[: max(1, round(_WRONG_SHARE * len(known)))]
        y_given[wrong] = (y[wrong] + rng.integers(1, len(names), len(wrong))) % len(names)
    X_novel = _volumes(novel, 100, complication, snr, rng)
    return HardVolumes(X, y, y_given, X_test, y_test, X_novel)


def _shuffled(parts, rng):
    y = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    order = rng.permutation(len(y))
    return np.concatenate(parts)[order], y[order]


def _volumes(name, n, complication, snr, rng):
    """Return n volumes of one complex, with noise."""
    max_shift = 4.0 if complication == "shifts_4" else 2.0
    density = load_map(name, max_shift)
    states = [density, hinged(density)] if complication == "hinge" else [density]
    tilt_range = 45.0 if complication == "tilts_45" else 60.0
    clean = make_subtomograms(
        max(n, len(states)),
        classes={str(number): state for number, state in enumerate(states)},
        kind="single_particle",
        box_size=BOX_SIZE,
        voxel_size_angstrom=VOXEL_SIZE_ANGSTROM,
        snr=1e9,
        tilt_range_deg=tilt_range,
        max_shift_voxels=max_shift,
        random_state=int(rng.integers(2**31)),
    ).X[:n]
    measured = missing_wedge_mask((BOX_SIZE,) * 3, tilt_range)
    noise = rng.standard_normal(clean.shape).astype(np.float32)
    noise = apply_fourier_filter(noise, _amplitude(complication) * measured)
    level = np.sqrt(clean.var(axis=(1, 2, 3)) / snr / noise.var(axis=(1, 2, 3)))
    X = clean + noise * level[:, np.newaxis, np.newaxis, np.newaxis]
    if complication == "inverted_contrast":
        X[: round(_INVERTED_SHARE * n)] *= -1
    if complication == "tilt_axis_x":
        X = X.swapaxes(2, 3)[:, :, ::-1]  # a rotation, so that hands stay as they are
    return np.ascontiguousarray(X, dtype=np.float32)


def _amplitude(complication):
    """Return the amplitude of the noise by frequency."""
    radius = BOX_SIZE * np.sqrt(squared_frequencies((BOX_SIZE,) * 3))
    if complication != "colored_noise":
        return np.ones_like(radius, dtype=np.float32)
    return np.sqrt(1 + 3 / (1 + (radius / 4) ** 2)).astype(np.float32)
