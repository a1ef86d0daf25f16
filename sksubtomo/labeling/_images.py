"""Slices of boxes and tomograms as images."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sksubtomo.fourier import gaussian_low_pass

# Slices that are averaged around a candidate in its tomogram, on either side.
_SLICES_ASIDE = 2
_LARGEST_SLICE = 512
# Of grid images: brightness from so many standard deviations below to above the mean.
_SPREAD = 3.0
#: Half-amplitude resolutions in voxels that can be asked for; 0 leaves the box as it is.
LOW_PASSES = range(17)


def low_passed(box: NDArray[np.float32], low_pass: int) -> NDArray[np.float32]:
    """Return a box low-passed to a resolution in voxels."""
    if low_pass == 0:
        return box
    return gaussian_low_pass(box, 1.0 / low_pass).astype(np.float32)


def tile_png(box: NDArray[np.float32], low_pass: int) -> bytes:
    """Return the central slice of a box as an image."""
    image = low_passed(box, low_pass)[box.shape[0] // 2]
    mean, spread = float(image.mean()), float(image.std()) or 1.0
    return gray_png(_to_bytes(image, mean - _SPREAD * spread, mean + _SPREAD * spread))


def volume_bytes(box: NDArray[np.float32], low_pass: int) -> bytes:
    """Return a box as 16-bit numbers, little-endian, from its minimum to its maximum.

    The mean comes to lie at 32768, so that whoever draws it knows the middle gray.
    """
    box = low_passed(box, low_pass).astype(np.float64)
    deviation = box - box.mean()
    reach = float(np.abs(deviation).max()) or 1.0
    return np.round(32768 + 32767 * deviation / reach).astype("<u2").tobytes()


def slice_png(tomogram: Any, z: int) -> bytes:
    """Return a slice of a tomogram, averaged with its neighbors and binned to 512 pixels at most.

    Parameters
    ----------
    tomogram : object
        As of :func:`sksubtomo.io.open_volume`.
    z : int
        Which slice.
    """
    depth, height, width = tomogram.shape
    first, last = max(z - _SLICES_ASIDE, 0), min(z + _SLICES_ASIDE + 1, depth)
    slab = np.asarray(tomogram[first:last, 0:height, 0:width], dtype=np.float32)
    image = np.nan_to_num(slab, posinf=0, neginf=0).mean(axis=0)
    factor = -(-max(height, width) // _LARGEST_SLICE)
    if factor > 1:
        height, width = height // factor * factor, width // factor * factor
        blocks = image[:height, :width].reshape(height // factor, factor, width // factor, factor)
        image = blocks.mean(axis=(1, 3))
    low, high = np.percentile(image, [1, 99])
    return gray_png(_to_bytes(image, float(low), float(high)))


def _to_bytes(image: NDArray[np.float32], low: float, high: float) -> NDArray[np.uint8]:
    scaled = (image - low) / (high - low if high > low else 1.0)
    return (255 * np.clip(scaled, 0, 1)).astype(np.uint8)


def gray_png(image: NDArray[np.uint8]) -> bytes:
    """Return an image of 8-bit gray values as a PNG file."""
    height, width = image.shape
    # Each row after the number of its filter, which is none.
    rows = np.zeros((height, width + 1), dtype=np.uint8)
    rows[:, 1:] = image
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 1)), (b"IEND", b""))
    parts = [b"\x89PNG\r\n\x1a\n"]
    for kind, content in chunks:
        checksum = zlib.crc32(kind + content)
        parts += [struct.pack(">I", len(content)), kind, content, struct.pack(">I", checksum)]
    return b"".join(parts)
