"""Options of classification by references: symmetry, references of a class, the background."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sksubtomo.cli._options import positive_int

#: Options that are for references only, as attributes.
OF_REFERENCES = ("symmetry", "tilt_series", "n_references", "background")
# Of --background without a number, which is no class number.
_NEXT = 0


def add_reference_options(group: argparse._ActionsContainer) -> None:
    """Add the options of references."""
    group.add_argument(
        "--symmetry",
        nargs="+",
        metavar="[CLASS=]GROUP",
        help="of references: point group of all classes or, as 1=D7, of one, the main axis along "
        "z: C1, Cn, Dn, T, O, I; default: C1",
    )
    group.add_argument(
        "--n-references",
        type=positive_int,
        metavar="N",
        help="of references: how many of each class, for classes of several conformations; "
        "default: 1",
    )
    group.add_argument(
        "--background",
        nargs="?",
        type=positive_int,
        const=_NEXT,
        metavar="CLASS",
        help="of references: one more class, without a reference, for particles that show none of "
        "the structures, such as ice, membranes and gold. It may have labels, and needs none. "
        "Without a number, the one after the largest of the labels. Of candidates of several "
        "species: the class of what is none of them, which needs labels",
    )


def check_reference_options(options: argparse.Namespace) -> None:
    """Refuse values that are out of range, before anything is read.

    Raises
    ------
    ValueError
        If there are any.
    """
    parse_symmetry(options)
    if options.background not in (None, _NEXT):
        _check_number(options.background)


def _check_number(number: int) -> None:
    """Check that tables have a place for a class of this number."""
    from sksubtomo.io import check_new_classes

    try:
        check_new_classes([number], 1)
    # OverflowError is that of integers of thousands of digits.
    except (ValueError, OverflowError):
        raise ValueError("--background must be a class number, from 1 to 100000.") from None


def parse_symmetry(options: argparse.Namespace) -> str | dict[int, str]:
    """Return the point group of all classes, or that of each class that is named.

    Raises
    ------
    ValueError
        If a group is unknown, or a class is named twice or not by a number.
    """
    from sksubtomo.geometry import point_group

    given = options.symmetry or ["C1"]
    pairs = [text.rpartition("=") for text in given]
    for _, _, group in pairs:
        point_group(group)
    if len(given) == 1 and not pairs[0][1]:
        return given[0]
    odd = [text for text, (number, *_) in zip(given, pairs, strict=True) if not number.isdecimal()]
    if odd:
        raise ValueError(
            f"--symmetry {odd[0]}: give one point group for all classes, or one for each as "
            "1=D7 2=C1."
        )
    numbers = [int(number) for number, *_ in pairs]
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"--symmetry names a class twice: {' '.join(given)}.")
    return dict(zip(numbers, (group for *_, group in pairs), strict=True))


def reference_parameters(options: argparse.Namespace) -> dict[str, Any]:
    """Return what these options say as parameters of the classifier."""
    from sksubtomo.alignment import ClassPrior

    parameters: dict[str, Any] = {"symmetry": parse_symmetry(options)}
    if options.n_references is not None:
        parameters["n_references"] = options.n_references
    if options.background is not None:
        parameters["class_prior"] = ClassPrior(background=options.background)
    return parameters


def resolve_background(options: argparse.Namespace, known: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the background its number, and return the classes that have references.

    Parameters
    ----------
    options : Namespace
        Gets the number, where there is a background without one.
    known : ndarray of int
        Classes of the labels.

    Raises
    ------
    ValueError
        If only the background is labeled, or there is no number left.
    """
    if options.background is None:
        return known
    if options.background == _NEXT:
        options.background = int(known.max(initial=0)) + 1
        _check_number(options.background)
    structures = known[known != options.background]
    if not len(structures):
        raise ValueError(
            f"--background {options.background} is a class without a reference; labels of another "
            f"class are needed, and there are {known.tolist()}."
        )
    return structures


def check_classes(options: argparse.Namespace, structures: NDArray[np.int64]) -> None:
    """Check that symmetries are of classes that have references.

    Parameters
    ----------
    options : Namespace
        With the ``symmetry``.
    structures : ndarray of int
        Classes that have references.

    Raises
    ------
    ValueError
        If one is of another.
    """
    symmetry = parse_symmetry(options)
    unknown = [] if isinstance(symmetry, str) else sorted(set(symmetry) - set(structures.tolist()))
    if not unknown:
        return
    if unknown == [options.background]:
        raise ValueError(
            f"--symmetry names class {options.background}, the background, which has no reference."
        )
    raise ValueError(f"--symmetry names classes {unknown}; labels are of {structures.tolist()}.")
