"""Command-line arguments that the benchmark scripts share."""

import argparse
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"


def make_parser(description, name, *, seeds=None):
    """Return a parser with the arguments ``--results`` and, if wanted, ``--seeds``.

    Parameters
    ----------
    description : str
        Printed as it is, usually the docstring of the script.
    name : str
        Name of the CSV file in ``benchmarks/results``, without its extension.
    seeds : list of int, optional
        Default of ``--seeds``; by default the script has no such argument.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    if seeds is not None:
        help_ = "seeds of data and fits (default: %(default)s)"
        parser.add_argument("--seeds", type=int, nargs="+", default=seeds, help=help_)
    default = RESULTS / f"{name}.csv"
    parser.add_argument("--results", type=Path, default=default, help="CSV file of the rows")
    return parser


def positive(text):
    """Return a positive integer; the ``type`` of arguments that count something."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number
