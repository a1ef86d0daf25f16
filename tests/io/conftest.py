"""Fixtures that tests of several files use."""

import resource
from pathlib import Path

import numpy as np
import pytest

from sksubtomo.io import write_mrc


@pytest.fixture
def volume():
    return np.random.default_rng(0).normal(10, 3, size=(3, 4, 5)).astype(np.float32)


@pytest.fixture
def header_with():
    """A function that writes a volume, and numbers over its header: (offset, type, values)."""

    def write(path, volume, changes, **params):
        write_mrc(path, volume, 10.0, **params)
        whole = bytearray(path.read_bytes())
        for offset, kind, values in changes:
            content = np.array(values, dtype=kind).tobytes()
            whole[offset : offset + len(content)] = content
        path.write_bytes(whole)
        return path

    return write


@pytest.fixture
def data(tmp_path):
    """Three tomograms with sixteen particles each, of two classes, and their coordinates."""
    rng = np.random.default_rng(0)
    paths, coordinates = [], []
    for number in range(3):
        tomogram = rng.normal(size=(24, 40, 48)).astype(np.float32)
        grid = np.stack(np.meshgrid([8, 16], [6, 14, 22, 30], [8, 20], indexing="ij"), -1)
        centers = grid.reshape(-1, 3) + rng.integers(0, 3, (16, 3))
        for row, (z, y, x) in enumerate(centers):
            tomogram[z - 2 : z + 2, y - 2 : y + 2, x - 2 : x + 2] += 4 * (row % 2)
        paths.append(tmp_path / f"TS_{number:02d}.mrc")
        write_mrc(paths[-1], tomogram, 10.0)
        coordinates.append(centers)
    which = np.repeat(np.arange(3), 16)
    order = rng.permutation(48)
    return paths, np.concatenate(coordinates)[order], which[order], (np.arange(48) % 2)[order]


@pytest.fixture
def little_memory():
    """Let no allocation succeed that takes the process a gibibyte beyond what it has."""
    memory = Path("/proc/self/statm")
    if not memory.exists():
        pytest.skip("needs /proc to know how much memory the process has")
    pages = int(memory.read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = pages * resource.getpagesize() + 2**30
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
