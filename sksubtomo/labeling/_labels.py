"""Labels of candidates in a folder."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sksubtomo.labeling._journal import (
    UNLABELED,
    UNSURE,
    Click,
    Journal,
    check_click,
    check_user,
    labels_of,
    standing_clicks,
)
from sksubtomo.labeling._match import match_labels
from sksubtomo.labeling._store import open_folder

if TYPE_CHECKING:
    from sksubtomo.io import ParticleTable


class CandidateLabels:
    """Labels of candidates, each of them on the disk before anybody is told.

    Parameters
    ----------
    folder : path-like
        Where they are kept; it is made if there is none.
    particles : ParticleTable
        The candidates.
    class_names : sequence of str or None
        Names of the classes 1, 2 and so on; None takes those of the folder.
    user : str
        Who labels.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        particles: ParticleTable,
        class_names: Sequence[str] | None,
        user: str,
    ) -> None:
        self.folder, self.particles, self.user = Path(folder), particles, check_user(user)
        self.coordinates = np.asarray(particles.coordinates)
        names = particles.tomogram_names
        self.tomogram_names = np.full(len(particles), "") if names is None else names.astype(str)
        self.class_names = open_folder(
            self.folder, self.coordinates, self.tomogram_names, class_names
        )
        self._journal = Journal(self.folder / "journal.jsonl", len(self), len(self.class_names))
        self._lock = threading.RLock()
        self._labels, self._n_clicks = np.full(len(self), UNLABELED), -1

    def __len__(self) -> int:
        return len(self.particles)

    @property
    def labels(self) -> NDArray[np.int64]:
        """Class number of every candidate, 0 for not sure, -1 for none."""
        with self._lock:
            n_clicks = self._journal.refresh()
            if n_clicks != self._n_clicks:
                self._labels = labels_of(self._journal.clicks, len(self))
                self._n_clicks = n_clicks
            return self._labels.copy()

    @property
    def y(self) -> NDArray[np.int64]:
        """Labels for an estimator: class numbers, and -1 for not sure and for none."""
        labels = self.labels
        return np.where(labels == UNSURE, UNLABELED, labels)

    @property
    def counts(self) -> dict[str, int]:
        """How many labels each class has, by its name."""
        labels = self.labels
        return {
            name: int((labels == number).sum())
            for number, name in enumerate(self.class_names, start=1)
        }

    @property
    def journal_clicks(self) -> list[Click]:
        """All clicks of the journal, in the order of the file."""
        self._journal.refresh()
        return list(self._journal.clicks)

    def label(self, row: int, label: int, *, user: str | None = None) -> None:
        """Label a candidate; on return, the label is on the disk.

        Parameters
        ----------
        row : int
            Which candidate.
        label : int
            Class number from 1, 0 for not sure, -1 for none.
        user : str, optional
            Who; by default, that of the session.

        Raises
        ------
        ValueError
            If there is no such candidate or class.
        OSError
            If it cannot be written. Nothing has changed then.
        """
        self.label_many([row], [label], user=user)

    def label_many(
        self, rows: Iterable[Any], labels: Iterable[Any], *, user: str | None = None
    ) -> None:
        """Label candidates, all or none; see :meth:`label`."""
        chosen, given = (
            [one.item() if isinstance(one, np.generic) else one for one in values]
            for values in (rows, labels)
        )
        if len(chosen) != len(given):
            raise ValueError(f"{len(chosen)} rows and {len(given)} labels must be as many.")
        for row, label in zip(chosen, given, strict=True):
            check_click(row, label, len(self), len(self.class_names))
        self._journal.add(check_user(self.user if user is None else user), chosen, given)

    def undo(self, *, user: str | None = None) -> int | None:
        """Take back the last click of a user, and return which candidate it was of.

        Clicks of others on the same candidate stay. The click stays in the journal, with one that
        takes it back.

        Returns
        -------
        row : int or None
            None where there is nothing to take back.
        """
        user = check_user(self.user if user is None else user)
        with self._lock:
            self._journal.refresh()
            own = [one for one in standing_clicks(self._journal.clicks) if one.user == user]
            if not own:
                return None
            self._journal.add(user, [own[-1].row], [UNLABELED], undoes=own[-1].id)
            return own[-1].row

    def label_places(
        self,
        coordinates: ArrayLike,
        labels: ArrayLike,
        *,
        tomogram_names: ArrayLike | None = None,
        tolerance_voxels: float = 3.0,
        tolerance_option: str = "tolerance_voxels",
    ) -> int:
        """Label the candidates that are nearest to places, such as points clicked in napari.

        Parameters
        ----------
        coordinates : array-like of shape (n_places, 3)
            Centers z, y, x in voxels.
        labels : array-like of shape (n_places,) of int
            Class numbers.
        tomogram_names : array-like of shape (n_places,) of str, optional
            Tomogram of each place. It may be left out where there is one.
        tolerance_voxels : float, default=3.0
            How far the nearest candidate may be.
        tolerance_option : str, default="tolerance_voxels"
            What the tolerance is called in messages.

        Returns
        -------
        n_labels : int
            How many candidates have got a label that they did not have.

        Raises
        ------
        ValueError
            If a place has no candidate, two places of one candidate have different classes, or the
            tomogram is not said.
        """
        known = np.unique(self.tomogram_names)
        if tomogram_names is None and len(known) > 1:
            raise ValueError("Candidates are in several tomograms; say by tomogram_names in which.")
        numbers = np.asarray(labels)
        names = np.full(len(numbers), known[0]) if tomogram_names is None else tomogram_names
        matched = match_labels(
            self.coordinates,
            self.tomogram_names,
            np.asarray(coordinates, dtype=np.float64),
            np.asarray(names, dtype=str),
            numbers,
            tolerance_voxels=tolerance_voxels,
            tolerance_option=tolerance_option,
        )
        rows = np.flatnonzero((matched != UNLABELED) & (matched != self.labels))
        if len(rows):
            self.label_many(rows, matched[rows])
        return len(rows)

    def merge(self, journal: str | os.PathLike[str]) -> int:
        """Add another person's labels of the same candidates.

        Parameters
        ----------
        journal : path-like
            Their ``journal.jsonl``. Both stay in the journal; of a candidate that both have
            labeled, the last click holds.

        Returns
        -------
        n_clicks : int
            How many were new.

        Raises
        ------
        FileNotFoundError, FileFormatError
            If there is no such journal, or it is of other candidates.
        """
        path = Path(journal)
        if not path.is_file():
            raise FileNotFoundError(f"There is no file {path}.")
        return self._journal.merge(path)
