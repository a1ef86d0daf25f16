"""Semi-supervised classification of cryo-electron subtomograms, the scikit-learn way.

Public names live in the subpackages, for example
``from sksubtomo.semi_supervised import AutoencodingClassifier``. Importing
``sksubtomo`` itself loads neither PyTorch nor matplotlib. Only :func:`save_model` and
:func:`load_model`, which are for all of them, can also be had from here.
"""

from typing import Any

from sksubtomo._version import __version__

__all__ = ["__version__", "load_model", "save_model"]


def __getattr__(name: str) -> Any:
    """Import what model files need when it is asked for."""
    if name not in ("load_model", "save_model"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sksubtomo import persistence

    return getattr(persistence, name)
