"""What a row was measured on: machine, versions, commit."""

import platform
import subprocess
from pathlib import Path

import torch
from _shared import BENCHMARKS, environment

from sksubtomo._torch._precision import resolve_precision

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


def instructions():
    """Return the vector instructions of the processor that PyTorch uses."""
    units = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    reduced = [unit.upper() for unit in ("amx_bf16", "avx512_bf16") if units.get(unit)]
    return " ".join([torch.backends.cpu.get_cpu_capability(), *reduced])


def machine(threads, device, precision):
    """Return the columns of a row that tell of machine, precision and versions."""
    columns = environment()
    if device == "cpu":
        columns["device"] = "cpu"
    return {
        "cpu": cpu_model(),
        "instructions": instructions(),
        "precision": resolve_precision(precision, device),
        **columns,
        "threads": threads,
        "python": platform.python_version(),
    }
