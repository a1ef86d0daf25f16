"""Two tomograms of noise with two kinds of blobs, and tables of them."""

import numpy as np

from sksubtomo.io import make_particle_table, write_mrc, write_particles

VOXEL = 10.0
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
