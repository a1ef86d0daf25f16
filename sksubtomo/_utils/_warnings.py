"""Where a warning points to."""

from __future__ import annotations

import inspect

_LIBRARIES = ("sksubtomo", "sklearn", "joblib", "concurrent", "contextlib", "threading")


def level_of_caller() -> int:
    """Return the ``stacklevel`` by which ``warnings.warn`` points to the code of the user.

    To be called in the arguments of ``warnings.warn``. It is that of the first frame outside of
    this package, scikit-learn and joblib: what warns is reached at many depths, and Python shows
    a warning once for every line that it points to.
    """
    frame, level = inspect.currentframe(), 0
    try:
        while frame is not None:
            if frame.f_globals.get("__name__", "").partition(".")[0] not in _LIBRARIES:
                break
            frame, level = frame.f_back, level + 1
        return level
    finally:
        del frame  # or the frames of all callers would live as long as this one
