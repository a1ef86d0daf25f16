"""What a row was measured on: machine, versions, commit."""

import platform
import subprocess
from pathlib import Path

from _shared import BENCHMARKS, environment

# Results that are written must not count as changes.
_MEASURED = ("sksubtomo", "benchmarks/performance")


def cpu_model():
    """Return the name of the processor as the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def commit():
    """Return the short hash of the commit, with "+changes" where the code differs from it."""
    root = BENCHMARKS.parent
    try:
        short = _git(root, "rev-parse", "--short", "HEAD")
        changed = _git(root, "status", "--porcelain", "--", *_MEASURED)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return short + "+changes" * bool(changed)


def _git(root, *arguments):
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def machine(threads, device):
    """Return the columns of a row that tell of machine and versions."""
    columns = environment()
    if device == "cpu":
        columns["device"] = "cpu"
    return {
        "cpu": cpu_model(),
        **columns,
        "threads": threads,
        "python": platform.python_version(),
    }
