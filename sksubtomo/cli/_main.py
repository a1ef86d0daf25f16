"""Reading arguments, calling a subcommand, and telling how it went."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from sksubtomo._utils._interrupts import has_published
from sksubtomo._version import __version__
from sksubtomo.cli._logs import logging_to
from sksubtomo.cli._relion import (
    ABORTED,
    FAILURE,
    abort_request,
    add_job,
    intended_output,
    job_folders,
    mark,
    relion_job,
    resolve_output,
)

OK, FAILED, INTERRUPTED = 0, 1, 130

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_COMMANDS = (
    *("simulate", "pick", "extract", "label", "fit", "predict", "evaluate", "report", "info"),
)
_EPILOG = """\
A session, from tomograms to clean particles:
  sksubtomo pick --template map.mrc --tomograms tomograms/ --output candidates.star
  sksubtomo fit --particles candidates.star --labels labels.star --tomograms tomograms/ \\
      --box-size 28 --output model.sksubtomo
  sksubtomo predict --model model.sksubtomo --particles candidates.star --tomograms tomograms/ \\
      --keep 1 --output clean.star

Exit codes: 0 done; 1 failed, and nothing written; 2 wrong arguments; 3 done, but some
particles or tomograms could not be used, which are named; 130 interrupted (Ctrl-C, or
RELION_JOB_ABORT_NOW), 143 terminated (SIGTERM), and what was there is kept.
"""

logger = logging.getLogger("sksubtomo")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default, those of the process.

    Returns
    -------
    code : int
        0 where all is done, 1 where nothing is, 3 where particles or tomograms had to be left out,
        130 after an interrupt and 143 after a SIGTERM. Wrong arguments leave by ``SystemExit(2)``.
    """
    if arguments is not None:
        return _main(list(arguments))
    # Before anything heavy is imported, and while Python ends.
    end = _EndAtOnce()
    end.exit_code = _main(sys.argv[1:])
    # Python puts its own handlers away as it ends, but leaves signals alone that are ignored.
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    return end.exit_code


class _EndAtOnce:
    """Ends the process at a signal, without a stack trace, where no work is in progress.

    Attributes
    ----------
    exit_code : int or None
        What the process exits with once it is known; before, what shells make of the signal.
    """

    def __init__(self) -> None:
        self.exit_code: int | None = None
        for number in _SIGNALS:
            signal.signal(number, self._end)

    def _end(self, number: int, frame: FrameType | None) -> None:
        if self.exit_code is None and has_published():
            return  # too late: the process ends by itself
        if self.exit_code is None:
            self.exit_code = 128 + number
            mark(sys.argv[1:], ABORTED)
            name = signal.Signals(number).name
            os.write(2, f"ERROR: Interrupted by {name}; nothing was written.\n".encode())
        sys.stdout.flush()
        os._exit(self.exit_code)


def _main(given: list[str]) -> int:
    try:
        options = _parser().parse_args(given)
    except SystemExit as stop:
        if stop.code:
            mark(given, FAILURE)
        raise
    try:
        with logging_to(options):
            return _printed(_run(options))
    except OSError as error:
        # The log file itself, which nothing can be logged to.
        print(f"ERROR: {error}", file=sys.stderr)
        mark(given, FAILURE)
        return FAILED


def _printed(code: int) -> int:
    """Return the exit code, after what was printed has left this process."""
    try:
        sys.stdout.flush()
    except OSError as error:
        # Python tries again as it ends; and whoever closed a pipe, as head does, wants no more.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        if not isinstance(error, BrokenPipeError):
            logger.error("Standard output cannot be written: %s.", error.strerror)
        return code or FAILED
    return code


def _run(options: argparse.Namespace) -> int:
    from sksubtomo._utils._interrupts import watching
    from sksubtomo._utils._messages import shorten
    from sksubtomo._utils._reserve import reservations

    folders, output = job_folders(options), intended_output(options)
    of_job = output if getattr(options, "o", None) is not None else None
    try:
        with (
            watching(output, abort_request(folders)),
            relion_job(folders, of_job),
            reservations(),
        ):
            resolve_output(options)
            return _command(options.command).run(options)
    except KeyboardInterrupt as interrupt:
        there = output is not None and output.exists()
        kept = f"{output} is as it was" if there else "nothing was written"
        logger.error(
            "%s; %s.", str(interrupt) or "Interrupted", getattr(interrupt, "kept", "") or kept
        )
        return getattr(interrupt, "exit_code", INTERRUPTED)
    except (ValueError, OSError, ImportError, MemoryError) as error:
        said = str(error)
        if isinstance(error, FileExistsError):
            said = said.replace("overwrite=True", "--overwrite")
        logger.error("%s", shorten(said))
        logger.debug("Where it happened:", exc_info=True)
        return FAILED


def _command(name: str) -> Any:
    """Return the module of a subcommand."""
    return importlib.import_module(f"sksubtomo.cli._{name}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sksubtomo",
        description="Classify the particles of cryo-electron tomograms from a few labels.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"sksubtomo {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in _COMMANDS:
        module = _command(name)
        summary = (module.__doc__ or "").splitlines()[0]
        # Without abbreviations: RELION's --o would be taken for the start of --output.
        command = commands.add_parser(
            name, help=summary, description=summary, allow_abbrev=False, epilog=module.EPILOG
        )
        module.add_arguments(command)
        add_job(command, getattr(module, "JOB_OUTPUT", None))
        group = command.add_argument_group("messages")
        group.add_argument("--log", type=Path, metavar="FILE", help="write messages here, too")
        group.add_argument("--quiet", action="store_true", help="warnings and errors only, no bars")
        group.add_argument("--debug", action="store_true", help="also say where an error happened")
    return parser
