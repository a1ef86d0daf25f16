"""Volumes in EM files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sksubtomo._utils._files import errors_of_damage
from sksubtomo.io._raw import Layout

_HEADER_BYTES = 512
# By the code in the header; 8 and 10 are complex.
_TYPES = {1: "i1", 2: "<i2", 4: "<i4", 5: "<f4", 9: "<f8"}


def em_layout(path: Path) -> Layout:
    """Return where the voxels of an EM file are.

    Raises
    ------
    FileFormatError
        If it is no EM file of a volume of real numbers, or its size is not what its header says.
    ImportError
        If emfile is not installed.
    """
    try:
        import emfile
    except ImportError as error:
        raise ImportError(
            f"{path} needs the package emfile: pip install 'sksubtomo[data]'."
        ) from error
    with errors_of_damage(path, "an EM file", "Check that it is complete and was written as EM."):
        header, _ = emfile.read(path, header_only=True)
        depth, height, width = (int(header[name]) for name in ("zdim", "ydim", "xdim"))
        kind = _TYPES.get(int(header["dtype"]))
        if kind is None or min(depth, height, width) < 1:
            raise ValueError(
                f"type {header['dtype']} and {(depth, height, width)} voxels are no real volume"
            )
        layout = Layout((depth, height, width), np.dtype(kind), _HEADER_BYTES)
        expected = _HEADER_BYTES + layout.n_voxels * layout.dtype.itemsize
        size = path.stat().st_size
        if expected != size:
            raise ValueError(
                f"{layout.shape} voxels take {expected} bytes, but the file has {size}"
            )
    return layout
