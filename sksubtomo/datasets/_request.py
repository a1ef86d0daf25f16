"""What the makers of subtomograms are told, and where they put the volumes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from tqdm.auto import tqdm

from sksubtomo._utils._files import atomic_path
from sksubtomo._utils._reserve import allocate
from sksubtomo.simulate import Microscope


class Request(NamedTuple):
    """Which volumes to make.

    Parameters
    ----------
    complexes : list
        The classes, as blobs or as maps.
    y : ndarray of shape (n_samples,)
        Class of every volume.
    orientations : scipy.spatial.transform.Rotation
        So many rotations.
    shifts : ndarray of shape (n_samples, 3)
        Shifts z, y, x in voxels.
    random_state : RandomState
        For what is still to be drawn.
    voxel_size_angstrom, snr, tilt_range_deg, microscope, defocus_um : see below
    tomogram_params, n_jobs, verbose : see below
        As of :func:`sksubtomo.datasets.make_subtomograms`.
    """

    complexes: list[Any]
    y: NDArray[np.intp]
    orientations: Rotation
    shifts: NDArray[np.float64]
    random_state: np.random.RandomState
    voxel_size_angstrom: float
    snr: float
    tilt_range_deg: float | tuple[float, float]
    microscope: Microscope
    defocus_um: float
    tomogram_params: Mapping[str, Any]
    n_jobs: int | None
    verbose: int


#: A function that fills an array of volumes, of shape (n_samples, d, d, d) and maybe a memory map,
#: and returns what it then knows of each volume, by name: at least its shift, or whence it was cut.
Maker = Callable[[NDArray[np.float32], Request], dict[str, NDArray]]


@contextmanager
def new_volumes(
    shape: tuple[int, ...], path: str | os.PathLike[str] | None
) -> Iterator[NDArray[np.float32]]:
    """Yield an array to fill, in memory or in a new ``.npy`` file, whole or not at all."""
    if path is None:
        yield np.empty(shape, dtype=np.float32)
        return
    with atomic_path(path, overwrite=False) as temporary:
        volumes = np.lib.format.open_memmap(temporary, "w+", np.float32, shape)
        allocate(temporary)
        yield volumes
        volumes.flush()


def run_seeded(
    job: Callable[[Any, np.random.SeedSequence], Any],
    tasks: Iterable[Any],
    request: Request,
    title: str,
) -> list[Any]:
    """Run a job for every task in threads, each with a seed of its own, whatever their number.

    Threads, since SciPy and NumPy release the interpreter lock while they compute, and the array
    that is filled is shared.

    Parameters
    ----------
    job : callable
        Takes a task and its seed.
    tasks : iterable
        Tasks.
    request : Request
        Random state, number of threads and whether to show a progress bar.
    title : str
        Of the progress bar.

    Returns
    -------
    results : list
        What the job returns, in the order of the tasks.
    """
    tasks = list(tasks)
    seeds = np.random.SeedSequence(request.random_state.randint(2**31)).spawn(len(tasks))
    results = Parallel(n_jobs=request.n_jobs, prefer="threads", return_as="generator")(
        delayed(job)(task, seed) for task, seed in zip(tasks, seeds, strict=True)
    )
    return list(tqdm(results, total=len(tasks), desc=title, disable=not request.verbose))
