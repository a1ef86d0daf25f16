"""Volumes in files of any known kind."""

from __future__ import annotations

import os
from pathlib import Path

from sksubtomo._utils._files import check_is_file, errors_of_damage
from sksubtomo.exceptions import FileFormatError
from sksubtomo.io._em import em_layout
from sksubtomo.io._mrc import Volume, read_header, read_mrc, warn_odd
from sksubtomo.io._ome_zarr import ZarrVolume, zarr_frame
from sksubtomo.io._raw import RawVolume, read_voxels
from sksubtomo.io._scale import VoxelSize

_WHOLE = (slice(None),) * 3


def read_volume(
    path: str | os.PathLike[str], *, level: int = 0, missing_chunks: str = "raise"
) -> Volume:
    """Read a volume from a file of any known kind, told by its ending.

    Parameters
    ----------
    path : path-like
        ``.em`` (EM), ``.zarr`` (a folder, OME-Zarr 0.4 or 0.5); all else is taken for MRC or CCP4,
        see :func:`read_mrc`.
    level : int, default=0
        Of OME-Zarr, which of the resolutions, the finest being 0.
    missing_chunks : {"raise", "fill"}, default="raise"
        What to do about chunks of an OME-Zarr that have no file: refuse, since a copy may be
        incomplete; or take the fill value, which is what writers mean that leave out empty chunks.

    Returns
    -------
    volume : Volume
        Voxels, axes z, y, x, and the voxel size. EM files do not say it.

    Raises
    ------
    FileNotFoundError
        If there is no such file or folder.
    FileFormatError
        If it cannot be read, is damaged or incomplete, or holds no volume of real numbers.
    ImportError
        If the package for this kind is not installed; they come with ``pip install
        'sksubtomo[data]'`` (EM) and ``'sksubtomo[zarr]'`` (OME-Zarr).
    ValueError
        If `missing_chunks` is neither.

    Warns
    -----
    UserWarning
        If an OME-Zarr does not say the unit of its scale, which is then taken for angstrom, or
        states a voxel size that is not plausible; and as :func:`read_mrc`.
    """
    path = _existing(path)
    check_missing_chunks(missing_chunks)
    if path.suffix.lower() == ".em":
        layout = em_layout(path)
        with errors_of_damage(path, "an EM file", "Check that it is complete."):
            return Volume(read_voxels(path, layout, mmap=False), None)
    if path.suffix.lower() == ".zarr":
        volume = ZarrVolume(path, level, missing_chunks)
        return Volume(volume[_WHOLE], volume.voxel_size_angstrom)
    return read_mrc(path)


def open_volume(
    path: str | os.PathLike[str], *, level: int = 0, missing_chunks: str = "raise"
) -> RawVolume | ZarrVolume:
    """Open a volume to read blocks of it, as :class:`SubtomogramStack` does.

    Parameters
    ----------
    path : path-like
        As of :func:`read_volume`, but not compressed.
    level : int, default=0
        Of OME-Zarr, which of the resolutions.
    missing_chunks : {"raise", "fill"}, default="raise"
        As of :func:`read_volume`.

    Returns
    -------
    volume : object
        With ``shape`` (z, y, x), ``dtype`` and ``voxel_size_angstrom``; indexed by three slices
        without steps, it reads a block.

    Raises
    ------
    FileNotFoundError, FileFormatError, ImportError, ValueError
        As :func:`read_volume`; and if the file is compressed.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from sksubtomo.io import open_volume, write_mrc
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_mrc(Path(folder) / "TS_01.mrc", np.ones((20, 30, 40), dtype=np.float32), 10.0)
    ...     volume = open_volume(Path(folder) / "TS_01.mrc")
    ...     volume.shape, volume[4:8, :3, 10:20].shape
    ((20, 30, 40), (4, 3, 10))
    """
    path = _existing(path)
    check_missing_chunks(missing_chunks)
    if path.suffix.lower() == ".em":
        return RawVolume(path, em_layout(path), None)
    if path.suffix.lower() == ".zarr":
        return ZarrVolume(path, level, missing_chunks)
    header = read_header(path)
    if header.opener is not None:
        raise FileFormatError(f"{path} is compressed and cannot be read in parts; unpack it.")
    warn_odd(path, header.oddities, stacklevel=3)
    return RawVolume(path, header.layout, header.voxel_size_angstrom)


def read_voxel_size(path: str | os.PathLike[str]) -> VoxelSize | None:
    """Return what a volume's header says of the edges of a voxel, without reading voxels.

    Parameters
    ----------
    path : path-like
        As of :func:`read_volume`; compressed, too.

    Returns
    -------
    voxel_size_angstrom : (float, float, float) or None
        Edges z, y, x; None where the file does not say.

    Raises
    ------
    FileNotFoundError, FileFormatError, ImportError
        As :func:`read_volume`.
    """
    return read_frame(_existing(path))[1]


def read_frame(path: Path) -> tuple[tuple[int, ...], VoxelSize | None]:
    """Return a volume's edges z, y, x in voxels, and those of a voxel in angstrom or None.

    Only what the header says is read: no voxels, and no chunks of an OME-Zarr.

    Raises
    ------
    FileNotFoundError, FileFormatError, ImportError
        As :func:`read_volume`.
    """
    if path.suffix.lower() == ".em":
        return em_layout(path).shape, None
    if path.suffix.lower() == ".zarr":
        return zarr_frame(path)
    header = read_header(path)
    layout = header.layout
    return tuple(layout.shape[axis] for axis in layout.order), header.voxel_size_angstrom


def check_missing_chunks(missing_chunks: str) -> str:
    """Return what is to be done about missing chunks, after checking it.

    Raises
    ------
    ValueError
        If it is not known.
    """
    if missing_chunks not in ("raise", "fill"):
        raise ValueError(f"missing_chunks={missing_chunks!r} must be 'raise' or 'fill'.")
    return missing_chunks


def _existing(path: str | os.PathLike[str]) -> Path:
    path = Path(path)
    if not (path.suffix.lower() == ".zarr" and path.is_dir()):
        check_is_file(path)
    return path
