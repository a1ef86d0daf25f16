"""Versions of the software that results depend on."""

from __future__ import annotations

import importlib.metadata
import platform

from sksubtomo._version import __version__

_LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch", "skorch")


def software_versions() -> dict[str, str]:
    """Return the versions of sksubtomo, Python and the libraries that compute, by name."""
    versions = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    return {"sksubtomo": __version__, "python": platform.python_version(), **versions}
