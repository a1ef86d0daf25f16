"""Labels from tables of their own, such as points clicked in a viewer."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._messages import plural, shorten
from sksubtomo.cli._options import (
    add_conventions,
    check_decided,
    logger,
    positive_float,
    read_table,
)
from sksubtomo.cli._tomograms import locate_tomograms

if TYPE_CHECKING:
    from sksubtomo.io import ParticleTable

UNLABELED = -1


class Labels(NamedTuple):
    """Labeled particles.

    Parameters
    ----------
    coordinates : ndarray of shape (n_labels, 3)
        Centers z, y, x in voxels.
    names : ndarray of shape (n_labels,) of str
        Tomograms, as the table of particles spells them.
    numbers : ndarray of shape (n_labels,) of int
        Class numbers, from 1.
    """

    coordinates: NDArray[np.float64]
    names: NDArray
    numbers: NDArray[np.int64]


def add_labels(parser: argparse.ArgumentParser) -> None:
    """Add the options of where labels are."""
    group = parser.add_argument_group("labels")
    group.add_argument(
        "--labels",
        nargs="+",
        metavar="[CLASS=]FILE",
        help="tables of particles with known rlnClassNumber, or, as 1=FILE, all of class 1, such "
        "as points clicked in napari (.csv) or TomoTwin's (.coords); each stands for the nearest "
        "of --particles. By default, the class numbers of --particles",
    )
    group.add_argument(
        "--label-tolerance",
        type=positive_float,
        default=3.0,
        metavar="VOXELS",
        help="how far a label may be from its particle; default: 3",
    )
    add_conventions(group, of="labels")


def read_labels(options: argparse.Namespace, files: dict[str, Path]) -> Labels:
    """Return the labels of all tables of ``--labels``.

    Parameters
    ----------
    options : Namespace
        With ``labels``: tables with class numbers, or, as ``NUMBER=FILE``, of one class.
    files : dict of str to Path
        File of each tomogram, by the names in the table of particles.

    Returns
    -------
    labels : Labels

    Raises
    ------
    FileNotFoundError, FileFormatError, ValueError
        If a table cannot be read, or does not say classes.
    """
    parts = [_read(str(one), options, files) for one in options.labels]
    return Labels(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def _read(given: str, options: argparse.Namespace, files: dict[str, Path]) -> Labels:
    text, equals, rest = given.partition("=")
    of_one_class = bool(equals) and text.isdecimal() and not os.path.exists(given)
    path = Path(rest if of_one_class else given)
    of_all = _class_number(text, given) if of_one_class else 0
    labels = read_table(path, options, of="labels")
    check_decided(path, labels, options, of="labels")
    numbers = labels.class_numbers
    if of_one_class:
        numbers = np.full(len(labels), of_all)
    elif numbers is None:
        raise ValueError(
            f"{path} has no class numbers. Add a column rlnClassNumber, or say which class all of "
            f"its particles are of, by --labels 1={path}."
        )
    elif not (numbers > 0).any():
        raise ValueError(f"{path} has no particle with an rlnClassNumber above 0.")
    names, label_files, absent = locate_tomograms(path, labels, options)
    # Two tables may spell the name of a tomogram in two ways.
    name_of = {os.path.realpath(file): name for name, file in files.items()}
    spelled = {
        name: name_of.get(os.path.realpath(file), name) for name, file in label_files.items()
    }
    known = numbers > 0
    # A tomogram that is there but cannot be read may leave them without a place.
    lost = known & (np.isin(names, list(absent)) | ~np.isfinite(labels.coordinates).all(axis=1))
    if lost.any():
        why = next(iter(absent.values()), "They cannot be read.")
        logger.warning(
            "%s: left out with their tomograms: %s. %s",
            *(path, plural(int(lost.sum()), "label"), shorten(why, 300)),
        )
    kept = known & ~lost
    own_names = np.array([spelled[name] for name in names[kept]], dtype=str)
    return Labels(labels.coordinates[kept], own_names, numbers[kept])


def _class_number(text: str, given: str) -> int:
    """Return a number that tables have a place for as a class."""
    from sksubtomo.io import check_new_classes

    try:
        number = int(check_new_classes([int(text)], 1)[0])
    # Of thousands of digits, too.
    except ValueError:
        number = 0
    if number < 1:
        raise ValueError(
            f"--labels {shorten(given, 200)}: classes are numbered from 1, to 100000 at most."
        )
    return number


def particle_labels(
    particles: ParticleTable,
    names: NDArray,
    files: dict[str, Path],
    options: argparse.Namespace,
) -> NDArray[np.int64]:
    """Return class numbers of particles, -1 where unknown.

    Parameters
    ----------
    particles : ParticleTable
        As read.
    names : ndarray of shape (n_particles,) of str
        Tomogram of each.
    files : dict of str to Path
        File of each tomogram.
    options : Namespace
        Of :func:`add_labels`; without ``--labels``, the table itself has to have class numbers.

    Raises
    ------
    FileNotFoundError, FileFormatError, ValueError
        If a table cannot be read, or a label has no particle.
    """
    if options.labels is None:
        numbers = particles.class_numbers
        if numbers is None:
            raise ValueError(
                f"{options.particles} has no rlnClassNumber. Give labeled particles by --labels."
            )
        return np.where(numbers > 0, numbers, UNLABELED)
    from sksubtomo.labeling import match_labels

    labels = read_labels(options, files)
    # Of a tomogram that cannot be read, no particle may have a place.
    placed = np.isfinite(particles.coordinates).all(axis=1)
    kept = ~np.isin(labels.names, names[~placed])
    if not kept.all():
        logger.warning("Left out with their tomograms: %s.", plural(int((~kept).sum()), "label"))
    y = np.full(len(names), UNLABELED)
    try:
        y[placed] = match_labels(
            particles.coordinates[placed],
            names[placed],
            labels.coordinates[kept],
            labels.names[kept],
            labels.numbers[kept],
            tolerance_voxels=options.label_tolerance,
            tolerance_option="--label-tolerance",
        )
    except ValueError as error:
        raise ValueError(f"{', '.join(options.labels)}: {error}") from error
    return y
