"""Reading arguments, calling a subcommand, and telling how it went."""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sksubtomo._utils._messages import shorten
from sksubtomo._version import __version__
from sksubtomo.cli import _evaluate, _extract, _fit, _info, _pick, _predict, _simulate
from sksubtomo.cli._relion import mark_failure

OK, FAILED, INTERRUPTED = 0, 1, 130

_COMMANDS = {
    "simulate": _simulate,
    "pick": _pick,
    "extract": _extract,
    "fit": _fit,
    "predict": _predict,
    "evaluate": _evaluate,
    "info": _info,
}
_EPILOG = """\
A session, from tomograms to clean particles:
  sksubtomo pick --template map.mrc --tomograms tomograms/ --output candidates.star
  sksubtomo fit --particles candidates.star --labels labels.star --tomograms tomograms/ \\
      --box-size 28 --output model.joblib
  sksubtomo predict --model model.joblib --particles candidates.star --tomograms tomograms/ \\
      --keep 1 --output clean.star

Exit codes: 0 done; 1 failed, and nothing written; 2 wrong arguments; 3 done, but some
particles or tomograms could not be used, which are named; 130 interrupted.
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
        130 after an interrupt. Wrong arguments leave by ``SystemExit(2)``.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        options = _parser().parse_args(given)
    except SystemExit as stop:
        if stop.code:
            mark_failure(given)
        raise
    try:
        with _logging(options):
            return _run(options)
    except OSError as error:
        # The log file itself, which nothing can be logged to.
        logging.getLogger(__name__).error("%s", error)
        return FAILED


def _run(options: argparse.Namespace) -> int:
    try:
        return _COMMANDS[options.command].run(options)
    except KeyboardInterrupt:
        logger.error("Interrupted; nothing was written.")
        return INTERRUPTED
    except (ValueError, OSError, ImportError) as error:
        logger.error("%s", shorten(error))
        logger.debug("Where it happened:", exc_info=True)
        return FAILED


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
    for name, module in _COMMANDS.items():
        summary = (module.__doc__ or "").splitlines()[0]
        # Without abbreviations: RELION's --o would be taken for the start of --output.
        command = commands.add_parser(
            name, help=summary, description=summary, allow_abbrev=False, epilog=module.EPILOG
        )
        module.add_arguments(command)
        group = command.add_argument_group("messages")
        group.add_argument("--log", type=Path, metavar="FILE", help="write messages here, too")
        group.add_argument("--quiet", action="store_true", help="warnings and errors only, no bars")
        group.add_argument("--debug", action="store_true", help="also say where an error happened")
    return parser


@contextmanager
def _logging(options: argparse.Namespace) -> Iterator[None]:
    """Send messages to the standard error stream, and to a file if asked."""
    screen = logging.StreamHandler()
    screen.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    screen.setLevel(logging.WARNING if options.quiet else logging.NOTSET)
    handlers: list[logging.Handler] = [screen]
    if options.log is not None:
        to_file = logging.FileHandler(options.log)
        to_file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s: %(message)s"))
        handlers.append(to_file)
    level = logger.level
    logger.setLevel(logging.DEBUG if options.debug else logging.INFO)
    for handler in handlers:
        logger.addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            warnings.showwarning = lambda message, *_args, **_kwargs: logger.warning(
                "%s", shorten(message)
            )
            yield
    finally:
        logger.setLevel(level)
        for handler in handlers:
            logger.removeHandler(handler)
            handler.close()
