"""Labels and predictions as tables of other programs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._files import atomic_folder

if TYPE_CHECKING:
    from sksubtomo.labeling._session import LabelingSession


class Exported(NamedTuple):
    """What was written.

    Parameters
    ----------
    files : list of Path
        Tables.
    n_candidates : int
        How many candidates they hold.
    """

    files: list[Path]
    n_candidates: int


def _export_star(session: LabelingSession) -> Exported:
    from sksubtomo.io import write_particles

    labels = session.labels
    rows = _labeled(labels)
    path = session.folder / "labels.star"
    write_particles(
        path, session.particles.subset(rows), class_numbers=labels[rows], overwrite=True
    )
    return Exported([path], len(rows))


def keep_table(session: LabelingSession) -> None:
    """Bring ``labels.star`` to what the journal says; without labels, there is none."""
    if (session.labels > 0).any():
        _export_star(session)
    else:
        (session.folder / "labels.star").unlink(missing_ok=True)


def _export_predictions(session: LabelingSession) -> Exported:
    from sksubtomo.io import write_particles

    classes, labels = session.predicted_classes, session.labels
    probabilities = session.scores.probabilities
    assert probabilities is not None
    path = session.folder / "predictions.star"
    write_particles(
        path,
        session.particles,
        class_numbers=np.where(labels > 0, labels, classes),
        probabilities=np.nan_to_num(probabilities),
        overwrite=True,
    )
    return Exported([path], int(((labels > 0) | (classes > 0)).sum()))


def _export_napari(session: LabelingSession) -> Exported:
    from sksubtomo.io import make_napari_points, write_particles

    labels = session.labels
    rows = _labeled(labels)
    folder = session.folder / "napari"
    files = []
    with atomic_folder(folder, overwrite=True) as temporary:
        for name, inside in _by_tomogram(session, rows):
            numbers = labels[inside]
            points = make_napari_points(
                session.coordinates[inside],
                features={
                    "class": numbers,
                    "class_name": [session.class_names[number - 1] for number in numbers],
                },
            )
            write_particles(temporary / f"{name}.csv", points)
            files.append(folder / f"{name}.csv")
    return Exported(files, len(rows))


def _export_copick(session: LabelingSession) -> Exported:
    from sksubtomo.io import make_copick_points, write_particles

    size = session.voxel_size_angstrom
    if size is None:
        raise ValueError("copick counts in angstrom: give the session voxel_size_angstrom.")
    labels = session.labels
    rows = _labeled(labels)
    folder = session.folder / "copick"
    user = _plain(session.user) or "sksubtomo"
    names = [_plain(name) or "class" for name in session.class_names]
    if len(set(names)) < len(names):
        names = [f"{name}-{number}" for number, name in enumerate(names, start=1)]
    files = []
    with atomic_folder(folder, overwrite=True) as temporary:
        for run, inside in _by_tomogram(session, rows):
            for number in np.unique(labels[inside]):
                chosen = inside[labels[inside] == number]
                name = names[number - 1]
                points = make_copick_points(
                    session.coordinates[chosen],
                    voxel_size_angstrom=size,
                    object_name=name,
                    run_name=run,
                    user_id=user,
                    session_id="labels",
                )
                # As copick lays them out.
                place = Path("ExperimentRuns", run, "Picks", f"{user}_labels_{name}.json")
                (temporary / place).parent.mkdir(parents=True, exist_ok=True)
                write_particles(temporary / place, points)
                files.append(folder / place)
    return Exported(files, len(rows))


#: What a session can write, by kind.
EXPORTS: dict[str, Callable[[LabelingSession], Exported]] = {
    "star": _export_star,
    "napari": _export_napari,
    "copick": _export_copick,
    "predictions": _export_predictions,
}


def _labeled(labels: NDArray[np.int64]) -> NDArray[np.intp]:
    rows = np.flatnonzero(labels > 0)
    if not len(rows):
        raise ValueError("There are no labels to write yet.")
    return rows


def _by_tomogram(
    session: LabelingSession, rows: NDArray[np.intp]
) -> Iterator[tuple[str, NDArray[np.intp]]]:
    """Yield a file name for each tomogram, no two of them alike, and the rows in it."""
    from sksubtomo.io import tomogram_stem

    taken: set[str] = set()
    for name in np.unique(session.tomogram_names[rows]):
        plain = stem = re.sub(r"[^\w.+-]+", "_", tomogram_stem(name)).lstrip(".") or "tomogram"
        number = 1
        while plain in taken:
            number += 1
            plain = f"{stem}_{number}"
        taken.add(plain)
        yield plain, rows[session.tomogram_names[rows] == name]


def _plain(text: str) -> str:
    """Return a name as copick allows it, whose files have underscores between names."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", text).strip("-.")
