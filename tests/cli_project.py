"""Two tomograms of noise with two kinds of blobs, and tables of them."""

import numpy as np
from scipy.spatial.transform import Rotation

from sksubtomo.fourier import missing_wedge_mask
from sksubtomo.geometry import rotate_volume
from sksubtomo.io import make_particle_table, write_mrc, write_particles

VOXEL = 10.0
MOLECULES_VOXEL, MOLECULES_BOX, N_MOLECULES, N_EMPTY = 8.0, 16, 24, 15
_ATOMS = (
    [(0, 0, -4), (0, 0, 0), (0, 3, 3), (3, -2, 3)],
    [(0, 4, 0), (0, 1.5, 0), (0, -1.8, 3.1), (3.5, 0, 0)],
)
CENTERS = np.array([[z, y, x] for z in (8, 20) for y in (8, 22, 36) for x in (8, 22, 36)], float)


def make_project(tmp_path):
    """Make a folder with tomograms TS_1 and TS_2, and particles.star: 18 particles in each."""
    (tmp_path / "tomograms").mkdir()
    rng = np.random.default_rng(0)
    names, classes = [], []
    for name in ("TS_1", "TS_2"):
        tomogram = rng.normal(scale=0.2, size=(28, 44, 44)).astype(np.float32)
        for number, (z, y, x) in enumerate(CENTERS.astype(int)):
            kind = number % 2
            tomogram[z - 2 : z + 2 + kind, y - 2 : y + 2, x - 2 : x + 2] -= 2.0 - 4.0 * kind
            names.append(name)
            classes.append(kind + 1)
        write_mrc(tmp_path / f"tomograms/{name}.mrc", tomogram, VOXEL)
    table = make_particle_table(
        np.tile(CENTERS, (2, 1)), tomogram_names=names, columns={"rlnGroupName": "one group"}
    )
    write_particles(tmp_path / "particles.star", table, class_numbers=np.array(classes))
    return tmp_path


def fit_arguments(project):
    """Return the arguments of a short fit."""
    return [
        "fit",
        *("--particles", f"{project}/particles.star", "--tomograms", f"{project}/tomograms"),
        *("--box-size", "12", "--output", f"{project}/model.sksubtomo", "--method", "supervised"),
        *("--epochs", "12", "--learning-rate", "0.003", "--batch-size", "12"),
        *("--no-early-stopping", "--quiet"),
    ]


def molecule(kind):
    """Return a dark molecule without symmetry."""
    grid = np.stack(np.indices((MOLECULES_BOX,) * 3), axis=-1) - MOLECULES_BOX // 2
    squares = ((grid[..., np.newaxis, :] - np.array(_ATOMS[kind])) ** 2).sum(axis=-1)
    return -np.exp(-squares / 2.4).sum(axis=-1).astype(np.float32)


def make_molecules(folder, first_class=1, *, n_labeled=10, with_empty=False):
    """Make a tomogram of two kinds of molecules off the centers in a table.

    Some of 24 are labeled, by `first_class` and the number after it. With `with_empty`, 15 places
    of noise follow in the table.

    Returns
    -------
    places, rotations, shifts
        Centers in the table but for the quarter of a voxel that is added, and poses, of all rows.
    """
    n, half = N_MOLECULES, MOLECULES_BOX // 2
    rng = np.random.default_rng(0)
    places = [[12, y, x] for y in range(12, 100, 20) for x in range(12, 100, 20)][:n]
    width = 104
    if with_empty:
        places += [[12, y, x] for y in range(12, 100, 20) for x in range(112, 160, 20)]
        width = 164
    places = np.array(places)
    tomogram = rng.normal(scale=0.1, size=(24, 104, width)).astype(np.float32)
    rotations = Rotation.random(len(places), random_state=1)
    shifts = rng.uniform(-1, 1, (len(places), 3))
    for number, (z, y, x) in enumerate(places[:n]):
        box = rotate_volume(molecule(number % 2), rotations[number], shift=shifts[number])
        tomogram[z - half : z + half, y - half : y + half, x - half : x + half] += box
    spectrum = np.fft.rfftn(tomogram) * missing_wedge_mask(tomogram.shape, 60.0)
    (folder / "tomograms").mkdir()
    tomogram = np.fft.irfftn(spectrum, tomogram.shape, axes=(0, 1, 2)).astype(np.float32)
    write_mrc(folder / "tomograms/TS_1.mrc", tomogram, MOLECULES_VOXEL)
    # Fractions, so that a box is not about the coordinate, but about the nearest voxel.
    table = make_particle_table(places + 0.25, tomogram_names=["TS_1"] * len(places))
    numbers = np.arange(len(places))
    known = np.where(numbers < n_labeled, numbers % 2 + first_class, 0)
    write_particles(folder / "particles.star", table, class_numbers=known)
    return places, rotations, shifts
