"""Shared by the tests of the benchmarks, which are scripts and no package."""

import csv
import importlib
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    """Function that imports a module of the benchmarks by name; all are forgotten afterwards."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.syspath_prepend(str(BENCHMARKS / "cleaning"))
    # Last, since "run" is the one of this folder; that of the other is loaded by its path.
    monkeypatch.syspath_prepend(str(BENCHMARKS / "performance"))
    yield importlib.import_module
    for name, module in list(sys.modules.items()):
        if BENCHMARKS in Path(getattr(module, "__file__", None) or "/").parents:
            del sys.modules[name]


@pytest.fixture
def rows_of():
    """Function that reads the rows of the results that options name."""

    def read(options):
        with open(options.results, newline="") as file:
            return list(csv.DictReader(file))

    return read
