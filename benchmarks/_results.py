"""Rows of results in a CSV file, kept whole whatever happens."""

import csv
import os
import platform
from datetime import date
from pathlib import Path

import numpy as np
import sklearn
import skorch
import torch

import sksubtomo


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
    """Append rows, and a header if the file is new, and wait until they are on the disk.

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
    with open(path, "a", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerows(rows)
        file.flush()
        os.fsync(file.fileno())


def mean_and_spread(values):
    """Return mean and standard deviation as text, ``-`` where there is no value."""
    values = np.array([float(value) for value in values if value not in ("", "nan")])
    if not len(values):
        return "-"
    spread = f" ± {values.std(ddof=1):.3f}" if len(values) > 1 else ""
    return f"{values.mean():.3f}{spread}"
