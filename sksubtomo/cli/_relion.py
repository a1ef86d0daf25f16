"""What RELION expects of a job of type External."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sksubtomo._utils._files import atomic_path

SUCCESS, FAILURE = "RELION_JOB_EXIT_SUCCESS", "RELION_JOB_EXIT_FAILURE"
PARTICLES, EARLIER = "particles.star", "particles_earlier.star"
_NODES = "RELION_OUTPUT_NODES.star"
# RELION 3 tells kinds of output by number, RELION 4 and 5 by label. Readers look for their column.
_PARTICLES_NUMBER, _PARTICLES_LABEL = 3, "ParticleGroupMetadata.star.relion"


@contextmanager
def relion_job(folder: Path | None) -> Iterator[None]:
    """Tell RELION by marks in the job's folder how it went.

    If it fails, particles of an earlier run are kept as particles_earlier.star.

    Parameters
    ----------
    folder : Path or None
        The job's folder, made if it is not there; None does nothing.
    """
    if folder is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    for mark in (SUCCESS, FAILURE, _NODES):
        (folder / mark).unlink(missing_ok=True)
    try:
        yield
    # Whatever it is, RELION waits for one of the two files.
    except BaseException:
        # What an earlier run of the job wrote is not what this one did.
        (folder / _NODES).unlink(missing_ok=True)
        if (folder / PARTICLES).exists():
            (folder / PARTICLES).replace(folder / EARLIER)
        (folder / FAILURE).touch()
        raise
    (folder / SUCCESS).touch()


def mark_failure(arguments: Sequence[str]) -> None:
    """Tell RELION that a job failed whose arguments are wrong; without ``--o``, do nothing."""
    if "--o" in arguments[:-1]:
        folder = Path(arguments[arguments.index("--o") + 1])
        if folder.is_dir():
            (folder / FAILURE).touch()


def write_output_nodes(folder: Path, particles: Path) -> None:
    """Tell RELION which file of particles the job made.

    Parameters
    ----------
    folder : Path
        The job's folder.
    particles : Path
        STAR file, relative to the project as RELION named the folder.
    """
    text = (
        "data_output_nodes\n\nloop_\n_rlnPipeLineNodeName #1\n_rlnPipeLineNodeType #2\n"
        f"_rlnPipeLineNodeTypeLabel #3\n{particles} {_PARTICLES_NUMBER} {_PARTICLES_LABEL}\n"
    )
    with atomic_path(folder / _NODES, overwrite=True) as temporary:
        temporary.write_text(text)
