"""The folder of class averages, half maps and their correlation."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sksubtomo._utils._destination import destination
from sksubtomo._utils._messages import plural
from sksubtomo.cli._options import check_output_folder, logger

if TYPE_CHECKING:
    from sklearn.utils import Bunch

_TABLE = "averages.star"
_OURS = re.compile(r"(half[12]_)?class\d+(_\d+)?\.mrc|averages\.star")
# RELION's number where there is no resolution.
_NONE_ANGSTROM = 999.0
THRESHOLD = 0.143


def add_averages(parser: argparse.ArgumentParser) -> None:
    """Add the options of where class averages go."""
    group = parser.add_argument_group("class averages (method references)")
    where = group.add_mutually_exclusive_group()
    where.add_argument(
        "--averages",
        type=Path,
        metavar="FOLDER",
        help="folder for class averages, half maps (class001.mrc, half1_class001.mrc...) and their "
        "Fourier shell correlation (averages.star); default: beside the output, as clean_averages "
        "for clean.star",
    )
    where.add_argument("--no-averages", action="store_true", help="write no class averages")


def averages_folder(
    options: argparse.Namespace, classifier: Any = None, *, n_bytes: int = 0
) -> Path | None:
    """Return where class averages go; None where there are none.

    Parameters
    ----------
    options : Namespace
        Of :func:`add_averages`.
    classifier : estimator, optional
        Only one by references makes them.
    n_bytes : int, default=0
        About how large they will be.

    Raises
    ------
    ValueError
        If they are asked for by name of a model that makes none.
    FileExistsError, NotADirectoryError, FileNotFoundError
        If the folder is there and must not be replaced, or has other files, or its folder is not.
    """
    if classifier is not None and not hasattr(classifier, "class_averages"):
        if options.averages is not None:
            raise ValueError("--averages: only models of --method references have averages.")
        return None
    if options.no_averages:
        return None
    folder = options.averages
    if folder is None:
        folder = _default_folder(options)
    # A dry run does not make the folder of a job.
    if getattr(options, "o", None) is None or not options.dry_run:
        _check(folder, overwrite=options.overwrite)
        check_output_folder(folder, overwrite=options.overwrite, n_bytes=n_bytes)
    return folder


def _default_folder(options: argparse.Namespace) -> Path:
    return options.output.with_name(f"{options.output.stem}_averages")


def tell_of_old_averages(options: argparse.Namespace) -> None:
    """Warn of class averages beside an output that has none, which are of an earlier run."""
    folder = _default_folder(options)
    if (folder / _TABLE).is_file():
        logger.warning("%s is of an earlier run: %s has no averages.", folder, options.output)


def _check(folder: Path, *, overwrite: bool) -> None:
    destination(folder)
    if not folder.parent.is_dir() and folder.parent != folder:
        raise FileNotFoundError(f"There is no folder {folder.parent} to write {folder.name} to.")
    if not folder.exists():
        return
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file. Name a folder by --averages.")
    others = [one.name for one in folder.iterdir() if not _OURS.fullmatch(one.name)]
    if others:
        raise FileExistsError(
            f"{folder} has other files than class averages, such as {others[0]!r}, and is not "
            "replaced. Name another folder by --averages."
        )
    if not overwrite:
        raise FileExistsError(
            f"{folder} exists. Choose another name by --averages, or pass --overwrite."
        )


@contextmanager
def written_averages(
    folder: Path | None,
    averages: Bunch | None,
    classes: Any,
    voxel_size: float | None,
    *,
    overwrite: bool,
) -> Iterator[None]:
    """Write class averages; they come into their place once what is inside is done.

    So the output and its averages are both new, or both as they were.

    Parameters
    ----------
    folder : Path or None
        None writes nothing.
    averages : Bunch or None
        As of ``class_averages``.
    classes : ndarray of shape (n_references,)
        Class number of each: ``reference_classes_``. A background has none.
    voxel_size : float or None
        In angstrom.
    overwrite : bool
        Whether to replace the folder.
    """
    from sksubtomo._utils._files import atomic_folder

    if folder is None or averages is None:
        yield
        return
    with atomic_folder(folder, overwrite=overwrite) as temporary:
        _write(temporary, averages, classes, voxel_size)
        yield
    _tell(folder, averages, classes, voxel_size)


def _write(folder: Path, averages: Bunch, classes: Any, voxel_size: float | None) -> None:
    from sksubtomo._version import __version__
    from sksubtomo.io import write_mrc

    for k, (number, stem) in enumerate(zip(classes, _stems(classes), strict=True)):
        maps = {"": averages.averages[k]}
        maps |= {f"half{half + 1}_": one[k] for half, one in enumerate(averages.half_maps)}
        for prefix, one in maps.items():
            what = {"": "average", "half1_": "half map 1", "half2_": "half map 2"}[prefix]
            labels = [
                f"sksubtomo {__version__[:20]}: class {number}, {what} of "
                f"{plural(int(averages.n_volumes[k]), 'particle')}",
                f"Contrast as in the tomograms: particles are {contrast(averages.averages[k])}",
            ]
            write_mrc(folder / f"{prefix}{stem}.mrc", one, voxel_size, labels=labels)
    (folder / _TABLE).write_text(_star(averages, classes, voxel_size), encoding="ascii")


def _stems(classes: Any) -> list[str]:
    """Return file names without ending: class001, or class001_2 where a class has several."""
    own = np.asarray(classes)
    several = [(own == number).sum() > 1 for number in own]
    place = [int((own[:k] == number).sum()) + 1 for k, number in enumerate(own)]
    return [
        f"class{number:03d}" + (f"_{one}" if more else "")
        for number, one, more in zip(own.tolist(), place, several, strict=True)
    ]


def contrast(average: Any) -> str:
    """Return whether a particle is bright or dark: its strongest voxels have its sign."""
    return "bright" if float((np.asarray(average, dtype=float) ** 3).sum()) > 0 else "dark"


def _star(averages: Bunch, classes: Any, voxel_size: float | None) -> str:
    """Return classes and the correlation of their halves in the words of RELION."""
    total = max(int(averages.n_volumes.sum()), 1)
    rows, stems = [], _stems(classes)
    for k, number in enumerate(classes):
        resolution = averages.resolution[k] if np.isfinite(averages.resolution[k]) else None
        rows.append(
            f"{stems[k]}.mrc {number} {averages.n_volumes[k]} "
            f"{averages.n_volumes[k] / total:.6f} "
            f"{_NONE_ANGSTROM if resolution is None or voxel_size is None else resolution:.6f}"
        )
    text = _loop(
        "model_classes",
        "rlnReferenceImage rlnClassNumber sksubtomoNumberOfParticles rlnClassDistribution "
        "rlnEstimatedResolution",
        rows,
    )
    columns = "rlnSpectralIndex rlnResolution rlnAngstromResolution rlnFourierShellCorrelation"
    if voxel_size is None:
        columns = "rlnSpectralIndex rlnFourierShellCorrelation"
    for k, number in enumerate(classes):
        which = stems[k].removeprefix(f"class{number:03d}")
        rows = []
        for index, frequency in enumerate(averages.frequency):
            angstrom = 1 / frequency if index else _NONE_ANGSTROM
            between = "" if voxel_size is None else f"{frequency:.6f} {angstrom:.6f} "
            rows.append(f"{index} {between}{averages.fsc[k, index]:.6f}")
        text += _loop(f"fsc_class_{number}{which}", columns, rows)
    return text


def _loop(name: str, columns: str, rows: list[str]) -> str:
    labels = "\n".join(f"_{label} #{place + 1}" for place, label in enumerate(columns.split()))
    return f"\ndata_{name}\n\nloop_\n{labels}\n" + "\n".join(rows) + "\n"


def _tell(folder: Path, averages: Bunch, classes: Any, voxel_size: float | None) -> None:
    unit = "A" if voxel_size is not None else "voxels"
    for k, (number, stem) in enumerate(zip(classes, _stems(classes), strict=True)):
        which = stem.partition("_")[2]
        resolution = averages.resolution[k]
        found = f"{resolution:.3g} {unit}" if np.isfinite(resolution) else "no resolution"
        logger.info(
            "Class %d%s: average of %s, %s at a Fourier shell correlation of %g.",
            *(number, f", reference {which}" if which else ""),
            *(plural(int(averages.n_volumes[k]), "particle"), found, THRESHOLD),
        )
    logger.info(
        "%s: class averages, half maps and their correlation. Halves were aligned to one "
        "reference: resolutions are no gold standard, and rather too good.",
        folder,
    )
