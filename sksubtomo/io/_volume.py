"""Volumes in files of any known kind."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io._mrc import Volume, read_mrc

_EM_HEADER_BYTES = 512
_EM_ITEMSIZE = {1: 1, 2: 2, 4: 4, 5: 4, 9: 8}
_ANGSTROM = {"angstrom": 1.0, "nanometer": 10.0, "micrometer": 1e4}


def read_volume(path: str | os.PathLike[str], *, level: int = 0) -> Volume:
    """Read a volume from a file of any known kind, told by its ending.

    Parameters
    ----------
    path : path-like
        ``.em`` (EM), ``.zarr`` (a folder, OME-Zarr 0.4 or 0.5); all else is taken for MRC or CCP4,
        see :func:`read_mrc`.
    level : int, default=0
        Of OME-Zarr, which of the resolutions, the finest being 0.

    Returns
    -------
    volume : Volume
        Voxels, axes z, y, x, and the voxel size. EM files do not say it.

    Raises
    ------
    FileNotFoundError
        If there is no such file or folder.
    FileFormatError
        If it cannot be read, or holds no volume.
    ImportError
        If the package for this kind is not installed; they come with ``pip install
        'sksubtomo[data]'`` (EM) and ``'sksubtomo[zarr]'`` (OME-Zarr).

    Warns
    -----
    UserWarning
        If an OME-Zarr does not say the unit of its scale, which is then taken for angstrom.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    if path.suffix.lower() == ".em":
        return _read_em(path)
    if path.suffix.lower() == ".zarr":
        return _read_ome_zarr(path, level)
    return read_mrc(path)


def _read_em(path: Path) -> Volume:
    try:
        import emfile
    except ImportError as error:
        raise ImportError(
            f"{path} needs the package emfile: pip install 'sksubtomo[data]'."
        ) from error
    size = path.stat().st_size
    try:
        header, _ = emfile.read(path, header_only=True)
        shape = tuple(int(header[name]) for name in ("zdim", "ydim", "xdim"))
        itemsize = _EM_ITEMSIZE.get(int(header["dtype"]))
        if itemsize is None or min(shape) < 1:
            raise ValueError(f"type {header['dtype']} and {shape} voxels are no real volume")
        expected = _EM_HEADER_BYTES + int(np.prod(shape, dtype=object)) * itemsize
        if expected != size:
            raise ValueError(f"{shape} voxels take {expected} bytes, but the file has {size}")
        _, data = emfile.read(path)
    # emfile lets through whatever struct and NumPy raise.
    except Exception as error:
        raise FileFormatError(f"{path} cannot be read as an EM file: {error}.") from error
    return Volume(data, None)


def _read_ome_zarr(path: Path, level: int) -> Volume:
    try:
        import zarr
    except ImportError as error:
        raise ImportError(
            f"{path} needs the package zarr: pip install 'sksubtomo[zarr]'."
        ) from error
    try:
        group: Any = zarr.open_group(path, mode="r")
        attributes: dict[str, Any] = dict(group.attrs)
        # Version 0.5 moved the metadata one step down.
        (multiscale, *_) = attributes.get("ome", attributes)["multiscales"]
        datasets = multiscale["datasets"]
        if not 0 <= level < len(datasets):
            raise FileFormatError(f"{path} has {len(datasets)} resolutions; there is no {level}.")
        axes = [axis["name"] for axis in multiscale["axes"]]
        data = np.asarray(group[datasets[level]["path"]])
        scale = _scale(multiscale, datasets[level], len(axes))
        if sorted(set(axes) & set("zyx")) != ["x", "y", "z"] or len(axes) != data.ndim:
            raise FileFormatError(f"{path} has axes {axes}, for data of shape {data.shape}.")
    except FileFormatError:
        raise
    # zarr raises of many kinds on what is no group, or a broken one.
    except Exception as error:
        raise FileFormatError(f"{path} cannot be read as OME-Zarr: {error!r}.") from error
    others = [number for number, name in enumerate(axes) if name not in "zyx"]
    if any(data.shape[number] != 1 for number in others):
        raise FileFormatError(f"{path} holds several volumes: axes {axes}, shape {data.shape}.")
    order = [axes.index(name) for name in "zyx"]
    units = [multiscale["axes"][number].get("unit") for number in order]
    data = data.transpose([*others, *order]).reshape([data.shape[number] for number in order])
    return Volume(data, _voxel_size(path, [scale[number] for number in order], units))


def _scale(multiscale: dict[str, Any], dataset: dict[str, Any], n_axes: int) -> np.ndarray:
    """Return the scale of a resolution, which all resolutions' own scale multiplies."""
    scale = np.ones(n_axes)
    for part in (multiscale, dataset):
        for transformation in part.get("coordinateTransformations") or []:
            if transformation["type"] == "scale":
                scale = scale * np.asarray(transformation["scale"], dtype=float)
    return scale


def _voxel_size(
    path: Path, scale: list[float], units: list[str | None]
) -> tuple[float, float, float] | None:
    unknown = sorted({str(unit) for unit in units if unit not in _ANGSTROM})
    if unknown == ["None"]:
        warnings.warn(
            f"{path} does not say the unit of its scale; it is taken for angstrom.",
            UserWarning,
            stacklevel=4,
        )
    elif unknown:
        raise FileFormatError(f"{path} has a scale in {unknown}; known are {sorted(_ANGSTROM)}.")
    z, y, x = (
        float(value) * _ANGSTROM.get(unit or "angstrom", 1.0)
        for value, unit in zip(scale, units, strict=True)
    )
    return (z, y, x) if min(z, y, x) > 0 else None
