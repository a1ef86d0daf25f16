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
from sksubtomo._utils._file_lock import locked
from sksubtomo._utils._interrupts import watching

# For another run that is writing its rows.
_SECONDS_TO_WAIT = 60.0


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
    """Return the vector instructions that PyTorch uses, and whether the processor has wider ones.

    The variables of the environment that leave those out do not change what is told of units.
    """
    capability = torch.backends.cpu.get_cpu_capability()
    if os.environ.get("ATEN_CPU_CAPABILITY") or os.environ.get("ONEDNN_MAX_CPU_ISA"):
        return f"limited-to-{capability}"
    units = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    reduced = [unit.upper() for unit in ("amx_bf16", "avx512_bf16") if units.get(unit)]
    return " ".join([capability, *reduced])


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
        # Another run may be about to write the rest of it.
        with _locked(path):
            text = _without_incomplete_line(path)
    return list(csv.DictReader(text.decode().splitlines()))


def _locked(path):
    return locked(path, seconds=_SECONDS_TO_WAIT)


def _without_incomplete_line(path):
    """Return what is in a file, after removing an incomplete last line from it."""
    text = path.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    if len(whole) < len(text):
        os.truncate(path, len(whole))
    return whole


def append_rows(path, rows, key=None):
    """Append rows, all or none, and a header if the file is new; wait until they are on the disk.

    Two runs at once do not come between each other.

    Parameters
    ----------
    path : path-like
        The CSV file.
    rows : list of dict
        All with the same columns.
    key : sequence of str, optional
        Columns by which rows are known. What is in the file already, from another run at the same
        time, is not written again.

    Raises
    ------
    SystemExit
        If the file has other columns.
    """
    path, columns = Path(path), list(rows[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path):
        text = _without_incomplete_line(path).decode() if path.exists() else ""
        header = next(csv.reader(text.splitlines()), None)
        if header not in (None, columns):
            raise SystemExit(f"{path} has other columns: {sorted(set(header) ^ set(columns))}.")
        added = io.StringIO(newline="")
        writer = csv.DictWriter(added, columns, lineterminator="\n")
        writer.writerows(rows)
        lines = list(csv.reader(added.getvalue().splitlines()))
        if key is not None:
            # As text, as it is in the file.
            places = [columns.index(column) for column in key]
            done = {tuple(row[column] for column in key) for row in read_rows(path)}
            lines = [line for line in lines if tuple(line[k] for k in places) not in done]
        if header is None and lines:
            lines.insert(0, columns)
        added = io.StringIO(newline="")
        csv.writer(added, lineterminator="\n").writerows(lines)
        with open(path, "ab", buffering=0) as file:
            file.write(added.getvalue().encode())  # all at once: nothing comes between rows
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


def keys_to_do(path, columns, keys):
    """Yield keys of :func:`missing_keys`, leaving out those that another run has done meanwhile."""
    for key in missing_keys(path, columns, keys):
        if missing_keys(path, columns, [key]):
            yield key


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
