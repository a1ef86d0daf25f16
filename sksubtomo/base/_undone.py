"""What a fit that fails leaves behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sksubtomo._utils._volumes import unchanged_on_error


@contextmanager
def undone_on_error(estimator: Any) -> Iterator[None]:
    """Leave the last fit as it was if this one fails; or none, if its net has gone on."""
    net = getattr(estimator, "net_", None)
    n_epochs = 0 if net is None else len(net.history)
    try:
        with unchanged_on_error(estimator):
            yield
    except BaseException:  # an interrupt, too
        if net is not None and len(net.history) > n_epochs:
            del estimator.net_
        raise
