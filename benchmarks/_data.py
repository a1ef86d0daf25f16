"""The data sets that ``compare.py`` knows, split into volumes to train on and to test on."""

from pathlib import Path

import numpy as np
from sklearn.model_selection import train_test_split

from sksubtomo.datasets import make_subtomograms
from sksubtomo.io import extract_subtomograms, read_mrc, read_particles
from sksubtomo.preprocessing import VolumeNormalizer


def data_name(options):
    """Return a name that tells data sets apart in the CSV file."""
    if options.particles is not None:
        return f"{options.particles.stem}, boxes of {options.box_size}"
    if options.data == "made":
        return (
            f"made {'+'.join(options.classes)}, box {options.box_size}, SNR {options.snr:g}, "
            f"{options.n_test} to test"
        )
    return Path(options.data).stem


def load(options, seed):
    """Return normalized volumes and labels: X_train, y_train, X_test, y_test.

    Unlabeled volumes (-1) are trained on, and never tested on.
    """
    if options.particles is not None:
        return load_tomograms(options, seed)
    if options.data == "made":
        X, y = make_subtomograms(
            options.n_train + options.n_test,
            classes=options.classes,
            box_size=options.box_size,
            voxel_size_angstrom=320.0 / options.box_size,
            snr=options.snr,
            return_X_y=True,
            random_state=seed,
        )
    else:
        with np.load(options.data) as data:
            missing = {"X", "y"} - set(data.files)
            if missing:
                raise SystemExit(f"{options.data} has no array {' and '.join(sorted(missing))}.")
            X, y = data["X"], data["y"]
    X = VolumeNormalizer().fit_transform(X)
    labeled, unlabeled = np.flatnonzero(y != -1), np.flatnonzero(y == -1)
    n_train = len(labeled) // 2 if options.n_train is None else options.n_train
    if n_train >= len(labeled):
        raise SystemExit(
            f"--n-train {n_train} leaves none of {len(labeled)} labeled volumes to test on."
        )
    train, test = train_test_split(
        labeled, train_size=n_train, stratify=y[labeled], random_state=seed
    )
    train = np.concatenate([train, unlabeled])
    return X[train], y[train], X[test], y[test]


def load_tomograms(options, seed):
    """Cut boxes; particles with a class in the last tomogram are the test set."""
    particles = read_particles(options.particles)
    names, numbers = particles.tomogram_names, particles.class_numbers
    if names is None or numbers is None:
        raise SystemExit(f"{options.particles} needs rlnTomoName and rlnClassNumber.")
    labels = np.where(numbers > 0, numbers, -1)
    parts = []
    for path in options.tomograms:
        rows = np.flatnonzero((names == path.name) | (names == path.stem))
        if not len(rows):
            raise SystemExit(f"{options.particles} has no particle in {path.stem}.")
        tomogram = read_mrc(path).data
        X = extract_subtomograms(tomogram, particles.coordinates[rows], options.box_size)
        parts.append((VolumeNormalizer().fit_transform(X), labels[rows]))
    X_train, y_train = (np.concatenate(arrays) for arrays in zip(*parts[:-1], strict=True))
    chosen = np.random.default_rng(seed).permutation(len(X_train))[: options.n_train]
    X_test, y_test = parts[-1]
    known = y_test != -1
    return X_train[chosen], y_train[chosen], X_test[known], y_test[known]
