"""Subtomograms in the files that RELION's Class3D reads, its command, and its classes."""

import os
import resource
import shutil
import subprocess

import numpy as np
import starfile
from scipy.optimize import linear_sum_assignment

from sksubtomo.io import write_mrc

_PROGRAM = "relion_refine"
_TIMEOUT_S = 6 * 3600


def find_relion():
    """Return the path of ``relion_refine`` and its version.

    Raises
    ------
    SystemExit
        If it is not installed, or does not start.
    """
    program = shutil.which(_PROGRAM)
    if program is None:
        raise SystemExit(
            f"{_PROGRAM} is not on the PATH. Install RELION 3.1 (Debian and Ubuntu: apt install "
            "relion), or add the folder of its programs to PATH."
        )
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    words = (answer.stdout + answer.stderr).split()
    if answer.returncode or "version:" not in words[:-1]:
        raise SystemExit(f"{program} --version failed: {answer.stderr.strip()[-300:]}")
    return program, words[words.index("version:") + 1]


def normalized(X, radius):
    """Return volumes of mean 0 and variance 1 beyond a radius in voxels, and what divided them."""
    center = np.array(X.shape[1:]) // 2
    distance = np.linalg.norm(np.indices(X.shape[1:]).T - center, axis=-1).T
    around = X[:, distance > radius]
    shape = (-1, 1, 1, 1)
    spread = around.std(axis=1)
    return (X - around.mean(axis=1).reshape(shape)) / spread.reshape(shape), spread


def write_job(folder, X, transfer, references, voxel_size_angstrom, microscope):
    """Write subtomograms, what was measured of them, references, and the tables that name them.

    Parameters
    ----------
    folder : Path
        Where; made if it does not exist.
    X : ndarray of shape (n, d, d, d)
        Subtomograms, normalized.
    transfer : ndarray of shape (d, d, d // 2 + 1)
        Contrast transfer times missing wedge, in the layout of ``rfftn``, of all subtomograms.
    references : ndarray of shape (n_classes, d, d, d)
        Maps to begin with.
    voxel_size_angstrom : float
        Edge of a voxel.
    microscope : Microscope
        Whose voltage and aberration the table states.

    Returns
    -------
    particles, references : Path
        STAR files. RELION takes names in them as relative to `folder`, where it has to run.
    """
    for part in ("subtomograms", "references"):
        (folder / part).mkdir(parents=True, exist_ok=True)

    def store(name, volume):
        write_mrc(folder / name, volume.astype(np.float32), voxel_size_angstrom, overwrite=True)
        return name

    transfer_name = store("transfer.mrc", transfer)
    names = [store(f"subtomograms/{k:06d}.mrc", volume) for k, volume in enumerate(X)]
    optics = {
        "rlnOpticsGroup": [1],
        "rlnOpticsGroupName": ["simulated"],
        "rlnVoltage": [microscope.voltage_kv],
        "rlnSphericalAberration": [microscope.spherical_aberration_mm],
        "rlnAmplitudeContrast": [microscope.amplitude_contrast],
        "rlnImagePixelSize": [voxel_size_angstrom],
        "rlnImageSize": [X.shape[1]],
        "rlnImageDimensionality": [3],
    }
    table = {
        "rlnMicrographName": ["simulated"] * len(X),
        "rlnImageName": names,
        "rlnCtfImage": [transfer_name] * len(X),
        "rlnOpticsGroup": [1] * len(X),
    }
    maps = [store(f"references/{k:02d}.mrc", volume) for k, volume in enumerate(references)]
    particles, beginning = folder / "particles.star", folder / "references.star"
    _write_star(particles, optics=optics, particles=table)
    _write_star(beginning, **{"": {"rlnReferenceImage": maps}})
    return particles, beginning


def _write_star(path, **blocks):
    lines = []
    for name, columns in blocks.items():
        lines += [f"data_{name}", "", "loop_", *(f"_{label}" for label in columns)]
        lines += [" ".join(map(str, row)) for row in zip(*columns.values(), strict=True)]
        lines.append("")
    path.write_text("\n".join(lines) + "\n")


def class3d_arguments(settings, seed):
    """Return the arguments of ``relion_refine`` for Class3D, without those that name files."""
    return [
        *("--iter", str(settings.n_iter), "--tau2_fudge", f"{settings.tau2_fudge:g}"),
        *("--ini_high", f"{settings.ini_high_angstrom:g}"),
        *("--strict_highres_exp", f"{settings.limit_angstrom:g}"),
        *("--particle_diameter", f"{settings.diameter_angstrom:g}"),
        *("--healpix_order", str(settings.healpix_order), "--oversampling", "1"),
        *("--offset_range", f"{settings.offset_range:g}", "--offset_step", "2"),
        *(["--firstiter_cc"] if settings.first_cc else []),
        *("--ctf", "--flatten_solvent", "--zero_mask", "--norm", "--scale"),
        *("--pad", "2", "--sym", "C1", "--preread_images", "--pool", "30", "--j", "1"),
        *("--dont_combine_weights_via_disc", "--random_seed", str(seed)),
    ]


def run_class3d(program, folder, particles, references, arguments):
    """Run Class3D; return the class of every particle, from 0, and CPU seconds.

    Raises
    ------
    SystemExit
        If RELION fails; the message has its last words.
    """
    (folder / "Class3D").mkdir(exist_ok=True)
    files = ["--o", "Class3D/run", "--i", particles.name, "--ref", references.name]
    before = _cpu_seconds()
    ended = subprocess.run(
        [program, *files, *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIMEOUT_S,
    )
    if ended.returncode:
        said = (ended.stdout + ended.stderr).strip()[-1000:]
        raise SystemExit(f"{program} ended with exit code {ended.returncode}:\n{said}")
    last = sorted((folder / "Class3D").glob("run_it*_data.star"))[-1]
    return read_classes(last), _cpu_seconds() - before


def read_classes(path):
    """Return the class of every particle, from 0, in the order that they were written in."""
    table = starfile.read(path, always_dict=True)["particles"].sort_values("rlnImageName")
    return table["rlnClassNumber"].to_numpy() - 1


def matched_accuracy(y, found, n_classes):
    """Return the accuracy of classes that were found, named as fits best, one to one."""
    counts = np.zeros((n_classes, n_classes), dtype=int)
    np.add.at(counts, (y, found), 1)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    return counts[rows, columns].sum() / len(y)


def _cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
