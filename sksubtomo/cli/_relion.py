"""What RELION expects of a job of type External."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from sksubtomo._utils._destination import check_folder, output_errors
from sksubtomo._utils._files import atomic_path
from sksubtomo._utils._interrupts import Interrupted
from sksubtomo.cli._options import logger

SUCCESS, FAILURE = "RELION_JOB_EXIT_SUCCESS", "RELION_JOB_EXIT_FAILURE"
ABORTED, ABORT_NOW = "RELION_JOB_EXIT_ABORTED", "RELION_JOB_ABORT_NOW"
PARTICLES = "particles.star"
_NODES = "RELION_OUTPUT_NODES.star"
# RELION 3 tells kinds of output by number, RELION 4 and 5 by label. Readers look for their column.
_PARTICLES_NUMBER, _PARTICLES_LABEL = 3, "ParticleGroupMetadata.star.relion"
_INTERRUPTED = 130
# What the tab of inputs of an External job is passed by. Commands take some of them by these names.
_INPUTS = ("--in_movies", "--in_mics", "--in_parts", "--in_coords", "--in_3dref", "--in_mask")


def add_job(parser: argparse.ArgumentParser, output: str | None = None) -> None:
    """Add the options that RELION passes to a job.

    Parameters
    ----------
    parser : ArgumentParser
        Of a subcommand, which has its own options already.
    output : str, optional
        File or folder to write in the job's folder. Without it, the command is no job, but may be
        part of one.
    """
    group = parser.add_argument_group("RELION")
    group.add_argument(
        "--pipeline_control",
        type=Path,
        metavar="FOLDER",
        help="folder of the RELION job that this is part of: it gets RELION_JOB_EXIT_SUCCESS, "
        "_FAILURE or _ABORTED, and the work ends where it has RELION_JOB_ABORT_NOW",
    )
    parser.set_defaults(job_output=output)
    if output is None:
        return
    group.add_argument(
        "--o",
        type=Path,
        metavar="FOLDER",
        help=f"folder of a RELION External job; as --output FOLDER/{output} --pipeline_control "
        "FOLDER",
    )
    parser.set_defaults(unused_inputs=None)
    known = parser._option_string_actions
    for name in _INPUTS:
        if name not in known:
            group.add_argument(name, dest="unused_inputs", action="append", help=argparse.SUPPRESS)
    if "--j" not in known:
        group.add_argument("--j", type=int, help=argparse.SUPPRESS)


def intended_output(options: argparse.Namespace) -> Path | None:
    """Return the file or folder that a command is to write, by --output or by --o."""
    if getattr(options, "o", None) is not None:
        return options.o / options.job_output
    return getattr(options, "output", None)


def resolve_output(options: argparse.Namespace) -> None:
    """Set ``output`` by the job's folder, in which it may replace that of an earlier run.

    Raises
    ------
    ValueError
        If both or neither are given.
    """
    if options.job_output is None:
        return
    if (options.o is None) == (options.output is None):
        raise ValueError("Give either --output, or --o as RELION does.")
    if options.o is not None:
        options.output, options.overwrite = intended_output(options), True
    if options.unused_inputs:
        logger.warning("Inputs that this command has no use for: %s", options.unused_inputs)


def job_folders(options: argparse.Namespace) -> list[Path]:
    """Return the folders of jobs that the options name; none for a dry run."""
    if getattr(options, "dry_run", False):
        return []
    named = (getattr(options, "o", None), options.pipeline_control)
    return list(dict.fromkeys(folder for folder in named if folder is not None))


def abort_request(folders: Sequence[Path]) -> Callable[[], Interrupted | None]:
    """Return a function that tells whether RELION wants one of the jobs to be aborted."""

    def asked_for() -> Interrupted | None:
        for folder in folders:
            if (folder / ABORT_NOW).exists():
                return Interrupted(_INTERRUPTED, f"Aborted, as {folder / ABORT_NOW} asks for")
        return None

    return asked_for


@contextmanager
def relion_job(folders: Sequence[Path], output: Path | None) -> Iterator[None]:
    """Tell RELION by marks in the job's folder how it went.

    Parameters
    ----------
    folders : sequence of Path
        The job's folder, made if it is not there; empty does nothing.
    output : Path or None
        File that the job makes in its folder. If it fails, that of an earlier run is kept under
        another name, as particles_earlier.star; if it is aborted, it stays as it is.
    """
    for folder in folders:
        check_folder(folder, overwrite=True)
        with output_errors(folder, always=True):
            folder.mkdir(parents=True, exist_ok=True)
            for mark in (SUCCESS, FAILURE, ABORTED):
                (folder / mark).unlink(missing_ok=True)
    try:
        yield
    except KeyboardInterrupt:
        for folder in folders:
            # What is wrong with the disk is said already, or else is not why the work ends.
            with suppress(OSError):
                (folder / ABORT_NOW).unlink(missing_ok=True)
                (folder / ABORTED).touch()
        raise
    # Whatever it is, RELION waits for one of these files.
    except BaseException:
        for folder in folders:
            with suppress(OSError):
                # What an earlier run of the job wrote is not what this one did.
                (folder / _NODES).unlink(missing_ok=True)
                (folder / FAILURE).touch()
        if folders and output is not None and output.is_file():
            with suppress(OSError):
                output.replace(output.with_stem(f"{output.stem}_earlier"))
        raise
    for folder in folders:
        with output_errors(folder / SUCCESS, always=True):
            (folder / SUCCESS).touch()


def mark(arguments: Sequence[str], how: str) -> None:
    """Tell RELION how a job ended that has not begun, whatever else its arguments say."""
    for option in ("--o", "--pipeline_control"):
        if option in arguments[:-1]:
            folder = Path(arguments[arguments.index(option) + 1])
            with suppress(OSError):
                if folder.is_dir():
                    (folder / how).touch()


def write_output_nodes(folder: Path, particles: Path) -> None:
    """Tell RELION which file of particles the job made.

    Parameters
    ----------
    folder : Path
        The job's folder.
    particles : Path
        STAR file, relative to the project as RELION named the folder.
    """
    text = (
        "data_output_nodes\n\nloop_\n_rlnPipeLineNodeName #1\n_rlnPipeLineNodeType #2\n"
        f"_rlnPipeLineNodeTypeLabel #3\n{particles} {_PARTICLES_NUMBER} {_PARTICLES_LABEL}\n"
    )
    with atomic_path(folder / _NODES, overwrite=True) as temporary:
        temporary.write_text(text)
