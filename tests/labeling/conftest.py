"""Candidates of which half have a dark blob, in arrays and in two tomograms."""

import numpy as np
import pytest

from sksubtomo.io import make_particle_table, write_mrc
from sksubtomo.labeling import LabelingSession

VOXEL = 10.0
N = 60


@pytest.fixture(scope="session")
def truth():
    """Class of each candidate: 1 with a blob, 2 without."""
    return np.random.default_rng(1).permutation(np.arange(N) % 2) + 1


@pytest.fixture(scope="session")
def volumes(truth):
    X = np.random.default_rng(0).normal(size=(N, 10, 10, 10)).astype(np.float32)
    X[truth == 1, 4:7, 4:7, 4:7] -= 2.0
    return X


@pytest.fixture(scope="session")
def particles():
    places = np.stack([np.full(N, 8.0), *np.divmod(np.arange(N), 10)], axis=1)
    return make_particle_table(
        places * [1, 12, 12] + [0, 8, 8], tomogram_names=np.repeat(["TS_1", "TS_2"], N // 2)
    )


@pytest.fixture
def session(tmp_path, particles, volumes):
    return LabelingSession(tmp_path / "session", particles, volumes, voxel_size_angstrom=VOXEL)


@pytest.fixture
def labeled(session, truth):
    """A session in which ten of each class are labeled."""
    rows = np.concatenate([np.flatnonzero(truth == number)[::3] for number in (1, 2)])
    session.label_many(rows, truth[rows])
    return session


@pytest.fixture
def tomograms(tmp_path, particles, volumes):
    """Files of two tomograms that hold the volumes."""
    files = {}
    for name in ("TS_1", "TS_2"):
        tomogram = np.zeros((17, 80, 128), dtype=np.float32)
        for row in np.flatnonzero(particles.tomogram_names == name):
            z, y, x = particles.coordinates[row].astype(int) - 5
            tomogram[z : z + 10, y : y + 10, x : x + 10] = volumes[row]
        files[name] = tmp_path / f"{name}.mrc"
        write_mrc(files[name], tomogram, VOXEL)
    return files
