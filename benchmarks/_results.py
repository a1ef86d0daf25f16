"""Rows of results in a CSV file, which survive an interrupted run, and their tables."""

import csv
import functools
import io
import os
import platform
import subprocess
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
    """Return the columns of hardware and versions that every row has."""
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


def cpu_model():
    """Return the name of the processor as the operating system reports it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def cpu_instructions():
    """Return the vector instructions of the processor that PyTorch uses."""
    units = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    reduced = [unit.upper() for unit in ("amx_bf16", "avx512_bf16") if units.get(unit)]
    return " ".join([torch.backends.cpu.get_cpu_capability(), *reduced])


def commit(*paths):
    """Return the short hash of the commit, with "+changes" if files under the paths differ."""
    git = ["git", "-C", str(Path(__file__).resolve().parents[1])]
    try:
        short, changed = (
            subprocess.run([*git, *words], check=True, capture_output=True, text=True).stdout
            for words in (("rev-parse", "--short", "HEAD"), ("status", "--porcelain", "--", *paths))
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return short.strip() + "+changes" * bool(changed.strip())


def read_rows(path):
    """Return the rows of a CSV file as dictionaries of strings; none if it does not exist.

    An incomplete last line, from a run that was killed while writing, is removed from the file.
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
    read_rows(path)  # removes an incomplete last line
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


def missing_keys(path, columns, keys):
    """Return the keys, tuples of values of some columns, of which the CSV file has no row.

    Raises
    ------
    SystemExit
        If the file lacks one of the columns.
    """
    rows = read_rows(path)
    if rows and not set(columns) <= set(rows[0]):
        raise SystemExit(f"{path} is no table of this script. Name another --results.")
    done = {tuple(row[column] for column in columns) for row in rows}
    return [key for key in keys if tuple(map(str, key)) not in done]


def mean_and_spread(values):
    """Return mean and standard deviation as text, ``-`` where there is no value."""
    values = np.array([float(value) for value in values if value not in ("", "nan")])
    if not len(values):
        return "-"
    spread = f" ± {values.std(ddof=1):.3f}" if len(values) > 1 else ""
    return f"{values.mean():.3f}{spread}"


def markdown_table(header, rows):
    """Return the lines of a Markdown table, from the cells of the header and of every row."""
    lines = ["| " + " | ".join(map(str, cells)) + " |" for cells in (header, *rows)]
    return [lines[0], "|---" * len(header) + "|", *lines[1:]]


def write_markdown(path, lines):
    """Write lines beside the CSV file, with the extension ``.md``, and return them as one text."""
    text = "\n".join(lines) + "\n"
    Path(path).with_suffix(".md").write_text(text)
    return text
