"""Find candidate particles in tomograms by size, by a template, or by one after the other."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._interrupts import Interrupted, uninterrupted
from sksubtomo._utils._messages import plural, shorten
from sksubtomo._utils._progress import Progress, clock
from sksubtomo.cli._model import check_voxel_size
from sksubtomo.cli._options import (
    OK,
    PARTIAL,
    add_missing_chunks,
    add_output,
    add_tomograms,
    check_output,
    logger,
    positive_float,
    positive_int,
)
from sksubtomo.cli._relion import PARTICLES, write_output_nodes
from sksubtomo.cli._tomograms import given_tomograms, over_tomograms

if TYPE_CHECKING:
    from sksubtomo.picking import DifferenceOfGaussiansPicker, Picks, TemplateMatchingPicker

EPILOG = (
    "With --diameter, blobs of that size; with --template, what looks like it in any orientation; "
    "with both, blobs that look like it. Tomograms of one run have one voxel size. The score of a "
    "pick is its rlnAutopickFigureOfMerit."
)


JOB_OUTPUT = PARTICLES
SEARCHES = ("coarse-to-fine", "exhaustive")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this subcommand."""
    where = parser.add_argument_group("tomograms")
    add_tomograms(where.add_mutually_exclusive_group(required=True), required=False)
    add_missing_chunks(where)
    parser.add_argument(
        "--voxel-size",
        type=positive_float,
        metavar="ANGSTROM",
        help="by default, what the headers of the tomograms say",
    )
    parser.add_argument("--diameter", type=positive_float, metavar="ANGSTROM", help="of blobs")
    parser.add_argument(
        "--bright", action="store_true", help="particles are bright; by default, they are dark"
    )
    _add_matching(parser.add_argument_group("template matching"))
    parser.add_argument(
        "--threshold",
        type=float,
        help="least score: standard deviations for blobs (default 3), correlation for a template "
        "(default 0)",
    )
    parser.add_argument(
        "--max-picks", type=positive_int, default=1000, metavar="N", help="a tomogram; default 1000"
    )
    parser.add_argument(
        "--j",
        type=positive_int,
        metavar="N",
        help="threads; candidates do not depend on how many. By default one a core",
    )
    add_output(parser, "STAR or CSV file to write", required=False)


def _add_matching(parser: argparse._ArgumentGroup) -> None:
    parser.add_argument(
        "--template",
        "--in_3dref",
        metavar="FILE",
        help="an MRC map with a voxel size, a PDB or mmCIF file, or the name of an embedded "
        "complex; dense is positive",
    )
    parser.add_argument("--symmetry", default="C1", help="of the template, such as D7; default: C1")
    parser.add_argument(
        "--angular-step", type=positive_float, default=15.0, metavar="DEG", help="default: 15"
    )
    parser.add_argument(
        "--tilt-range", type=positive_float, default=60.0, metavar="DEG", help="default: 60"
    )
    parser.add_argument(
        "--search",
        choices=SEARCHES,
        default="coarse-to-fine",
        help="for a template: coarse steps in a binned tomogram, then fine steps at the peaks "
        "(coarse-to-fine), or all voxels in all orientations (exhaustive); default: coarse-to-fine",
    )
    parser.add_argument("--device", default="auto", help="of template matching; default: auto")


def run(options: argparse.Namespace) -> int:
    """Run the subcommand and return the exit code."""
    from sksubtomo.io import read_volume

    if options.diameter is None and options.template is None:
        raise ValueError("Give --diameter, --template, or both.")
    check_output(options.output, overwrite=options.overwrite, in_job=options.o is not None)
    files = _by_name(options)
    voxel_size = options.voxel_size or _first_voxel_size(files)
    pickers = _pickers(options, voxel_size)
    if not options.dry_run:
        _announce(files, pickers)
    picks: dict[str, Any] = {}
    failed: list[str] = []
    bar = Progress("Picking", len(files), "tomogram", shown=not options.quiet)

    def pick(name: str, path: Path) -> None:
        check_voxel_size(path, None if options.voxel_size else voxel_size)
        n_before = bar.done
        if not options.dry_run:
            volume = read_volume(path, missing_chunks=options.missing_chunks).data
            report = lambda share: bar.update_to(n_before + share)  # noqa: E731
            picks[name] = _find(volume, pickers, options.max_picks, report)
        bar.update_to(n_before + 1)

    def fail(name: str, error: Exception) -> None:
        failed.append(name)
        logger.error("%s is left out: %s", name, shorten(error))

    try:
        with bar:
            over_tomograms(files, pick, fail)
    except Interrupted as interrupt:
        _keep(picks, len(files), voxel_size, options, interrupt)
        raise
    if len(failed) == len(files):
        raise ValueError(f"None of {plural(len(files), 'tomogram')} could be used; see above.")
    code = PARTIAL if failed else OK
    if options.dry_run:
        logger.info(
            "%s of %g A voxels; nothing written.", plural(len(files), "tomogram"), voxel_size
        )
        return code
    n_found = _write(options.output, picks, voxel_size, overwrite=options.overwrite)
    if not n_found:
        raise ValueError("Nothing was found. Lower --threshold, or check contrast and size.")
    logger.info("%s: %s.", options.output, n_found)
    if options.o is not None:
        write_output_nodes(options.o, options.output)
    return code


def _write(path: Path, picks: dict[str, Any], voxel_size: float, *, overwrite: bool) -> str:
    """Write picks, and return how many there are in words; nothing where there are none."""
    from sksubtomo.io import write_particles

    found = {name: part for name, part in picks.items() if len(part.scores)}
    if not found:
        return ""
    table = _table(found, voxel_size)
    write_particles(path, table, overwrite=overwrite)
    return f"{plural(len(table), 'candidate')} in {plural(len(found), 'tomogram')}"


def _keep(
    picks: dict[str, Any],
    n_tomograms: int,
    voxel_size: float,
    options: argparse.Namespace,
    interrupt: Interrupted,
) -> None:
    """Write what there is after an interrupt, beside the output of an earlier run."""
    path = options.output
    if path.exists():
        path = path.with_stem(f"{path.stem}_interrupted")
    with uninterrupted():
        n_found = _write(path, picks, voxel_size, overwrite=True)
    if n_found:
        interrupt.kept = (
            f"{path} has what was done: {n_found}, after {len(picks)} of "
            f"{plural(n_tomograms, 'tomogram')}"
        )


def _announce(files: dict[str, Path], pickers: Pickers) -> None:
    """Tell how many orientations there are, and how long they will take."""
    from sksubtomo.io import open_volume

    if pickers.template is None:
        return
    for path in files.values():
        try:
            shape = open_volume(path).shape
        except (ValueError, OSError):
            continue  # told when its turn comes
        plan = pickers.template.plan(shape)
        how = ""
        if plan.n_everywhere < plan.n_rotations or plan.binning > 1:
            how = f", {plan.n_everywhere} of them at voxels binned by {plan.binning}, then at peaks"
        seconds = plan.seconds
        logger.info(
            "Template matching: %s%s. Estimated time: %s a tomogram, %s for %s.",
            *(plural(plan.n_rotations, "rotation"), how, clock(seconds)),
            *(clock(seconds * len(files)), plural(len(files), "tomogram")),
        )
        return


def _by_name(options: argparse.Namespace) -> dict[str, Path]:
    """Return files by the name that the table will give them, which has to be one file's."""
    from sksubtomo.io import read_tomogram_map, tomogram_stem

    given = given_tomograms(options)
    if given.star is not None:
        return read_tomogram_map(given.star, tomograms=list(given.files.values()))
    if options.tomogram_map is not None:
        return given.files
    files: dict[str, Path] = {}
    for path in given.files.values():
        name = tomogram_stem(path)
        if files.setdefault(name, path) != path:
            raise ValueError(
                f"{files[name]} and {path} have the same name, {name}. Give each a name by "
                "--tomogram-map, or pick one by one."
            )
    return files


def _table(found: dict[str, Any], voxel_size: float) -> Any:
    """Return the table of the picks of several tomograms."""
    from sksubtomo.datasets import relion_angle_columns
    from sksubtomo.io import make_particle_table

    columns = {
        "rlnAutopickFigureOfMerit": np.concatenate([part.scores for part in found.values()]),
        "rlnPixelSize": voxel_size,
    }
    orientations = [part.orientations for part in found.values()]
    if orientations[0] is not None:
        columns |= relion_angle_columns(np.concatenate(orientations))
    return make_particle_table(
        np.concatenate([part.coordinates for part in found.values()]),
        tomogram_names=np.repeat(list(found), [len(part.scores) for part in found.values()]),
        columns=columns,
    )


def _first_voxel_size(files: dict[str, Path]) -> float:
    for path in files.values():
        try:
            found = check_voxel_size(path, None)
        except (ValueError, OSError):
            # Told when its turn comes; the others may be fine.
            continue
        if found is not None:
            return found
    raise ValueError("No tomogram says its voxel size. Give it by --voxel-size.")


class Pickers(NamedTuple):
    """What finds particles: blobs, a template, or both one after the other."""

    dog: DifferenceOfGaussiansPicker | None
    template: TemplateMatchingPicker | None


def _pickers(options: argparse.Namespace, voxel_size: float) -> Pickers:
    """Return the pickers that the options ask for."""
    from sksubtomo.datasets import load_density
    from sksubtomo.picking import DifferenceOfGaussiansPicker, TemplateMatchingPicker

    dog = matching = None
    if options.diameter is not None:
        dog = DifferenceOfGaussiansPicker(
            options.diameter,
            voxel_size,
            contrast="bright" if options.bright else "dark",
            max_picks=None if options.template else options.max_picks,
        )
        if options.template is None and options.threshold is not None:
            dog.set_params(threshold=options.threshold)
    if options.template is not None:
        density = load_density(options.template, voxel_size_angstrom=voxel_size)
        matching = TemplateMatchingPicker(
            density if options.bright else -density,
            angular_step_deg=options.angular_step,
            symmetry=options.symmetry,
            search=options.search.replace("-", "_"),
            tilt_range_deg=options.tilt_range,
            threshold=options.threshold or 0.0,
            max_picks=options.max_picks,
            device=options.device,
            n_jobs=options.j,
        )
    return Pickers(dog, matching)


def _find(
    volume: NDArray, pickers: Pickers, max_picks: int, report: Callable[[float], None]
) -> Picks:
    """Return the picks in a tomogram."""
    from sksubtomo.picking import pick_dog_then_template

    dog, template = pickers
    if template is None:
        assert dog is not None
        return dog.pick(volume)
    if dog is None:
        return template.pick(volume, report=report)
    return pick_dog_then_template(volume, dog, template, n_best=max_picks, report=report)
