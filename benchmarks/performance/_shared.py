"""What the scripts of the folder above share."""

import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[1]
sys.path.append(str(BENCHMARKS))

from _results import append_rows, ends_in_order, environment, read_rows  # noqa: E402

__all__ = ["BENCHMARKS", "append_rows", "ends_in_order", "environment", "read_rows"]
