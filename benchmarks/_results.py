"""Rows of results in a CSV file, kept whole whatever happens."""

import csv
import functools
import io
import os
import platform
import sys
from datetime import date
from pathlib import Path

import numpy as np
import sklearn
import skorch
import torch

import sksubtomo
from sksubtomo._utils._interrupts import watching


def ends_in_order(main):
    """Let Ctrl-C and SIGTERM end a script with exit code 130 or 143, a line, and no other output.

    The row in progress is not stored, and tables and figures are not rendered.
    """

    @functools.wraps(main)
    def run(*args, **kwargs):
        try:
            with watching(None):
                return main(*args, **kwargs)
        except KeyboardInterrupt as interrupt:
            said = str(interrupt) or "Interrupted"
            print(f"{said}: what is stored is whole; run again to go on.", file=sys.stderr)
            raise SystemExit(getattr(interrupt, "exit_code", 130)) from None

    return run


def environment():
    """Return what the figures depend on besides the code."""
    return {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "sksubtomo": sksubtomo.__version__,
        "torch": torch.__version__,
        "skorch": skorch.__version__,
        "scikit-learn": sklearn.__version__,
        "numpy": np.__version__,
        "date": date.today().isoformat(),
    }


def read_rows(path):
    """Return the rows of a CSV file as dictionaries of strings, none if it is not there.

    A last line without its end, from a run that was killed while it wrote, is cut off the file.
    """
    path = Path(path)
    if not path.exists():
        return []
    text = path.read_bytes()
    if text and not text.endswith(b"\n"):
        text = text[: text.rfind(b"\n") + 1]
        path.write_bytes(text)
    return list(csv.DictReader(text.decode().splitlines()))


def append_rows(path, rows):
    """Append rows, all or none, and a header if the file is new; wait until they are on the disk.

    Raises
    ------
    SystemExit
        If the file has other columns.
    """
    path, columns = Path(path), list(rows[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    read_rows(path)  # mends a torn end
    new = not path.exists() or not path.stat().st_size
    if not new:
        with open(path, newline="") as file:
            header = next(csv.reader(file))
        if header != columns:
            raise SystemExit(f"{path} has other columns: {sorted(set(header) ^ set(columns))}.")
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    if new:
        writer.writeheader()
    writer.writerows(rows)
    with open(path, "ab", buffering=0) as file:
        file.write(text.getvalue().encode())  # all at once, or an interrupt could come between rows
        os.fsync(file.fileno())


def mean_and_spread(values):
    """Return mean and standard deviation as text, ``-`` where there is no value."""
    values = np.array([float(value) for value in values if value not in ("", "nan")])
    if not len(values):
        return "-"
    spread = f" ± {values.std(ddof=1):.3f}" if len(values) > 1 else ""
    return f"{values.mean():.3f}{spread}"
