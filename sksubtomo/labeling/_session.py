"""Labeling candidates, with a model that says which to look at next."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sksubtomo._utils._messages import plural
from sksubtomo.labeling._candidates import locate_boxes
from sksubtomo.labeling._export import EXPORTS, Exported
from sksubtomo.labeling._features import radial_features
from sksubtomo.labeling._labels import CandidateLabels
from sksubtomo.labeling._models import check_labels_suffice, quick_classifier, score_candidates
from sksubtomo.labeling._queries import query_candidates
from sksubtomo.labeling._store import load_scores, save_scores
from sksubtomo.labeling._work import Work, WorkStatus

if TYPE_CHECKING:
    from sksubtomo.io import ParticleTable

_BOXES_AT_A_TIME = 32


class LabelingSession(CandidateLabels):
    """Labels of candidates, kept in a folder, with models that choose the next ones.

    Every label is a line of ``journal.jsonl`` in the folder, on the disk before :meth:`label`
    returns. A session of the same candidates and folder goes on where the last one was. Several
    processes, such as the page and a notebook, may share a folder: the last click holds.

    Parameters
    ----------
    folder : path-like
        Where labels are kept; it is made if there is none.
    particles : ParticleTable
        Candidates, as of :func:`sksubtomo.io.read_particles`.
    volumes : array-like of shape (n_candidates, d, h, w)
        Their boxes: an array or a :class:`~sksubtomo.io.SubtomogramStack`.
    class_names : sequence of str, optional
        Names of the classes 1, 2 and so on, at most nine. By default those of the folder, or
        "particle" and "no particle".
    classifier : classifier, optional
        Any that is fitted to `volumes` and labels with -1 for unlabeled. By default a logistic
        regression on :func:`radial_features`, which takes a moment.
    second_classifier : classifier, optional
        Whose disagreement with the first is to be looked at. By default, that of two models of
        half of the labels each.
    tomograms : mapping of str to path-like, optional
        Files by the names in the table, to show where a candidate is.
    voxel_size_angstrom : float, optional
        Of the tomograms; needed for points of copick.
    user : str, default=""
        Who labels.
    pool_size : int, default=5000
        Of more candidates, so many random ones are given to models, and the labeled ones.
    random_state : int, default=0
        Seed of random orders.

    Attributes
    ----------
    folder : Path
        As given.
    particles : ParticleTable
        As given.
    volumes : array-like
        As given.
    class_names : tuple of str
        Names of the classes 1, 2 and so on.
    scores : CandidateScores
        What models say, of the last fit; that of an earlier session, too.

    Raises
    ------
    ValueError
        If an argument is out of range, lengths differ, or the folder is of other candidates.
    FileFormatError
        If the folder cannot be read.

    See Also
    --------
    make_app : The page for a browser.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from sksubtomo.io import make_particle_table
    >>> from sksubtomo.labeling import LabelingSession
    >>> rng = np.random.default_rng(0)
    >>> volumes = rng.normal(size=(40, 8, 8, 8))
    >>> volumes[:20, 3:6, 3:6, 3:6] -= 2  # particles are dark
    >>> particles = make_particle_table(rng.uniform(0, 100, size=(40, 3)))
    >>> folder = tempfile.TemporaryDirectory()
    >>> session = LabelingSession(folder.name, particles, volumes)
    >>> for row in session.query(10):
    ...     session.label(row, 1 if row < 20 else 2)
    >>> session.fit().query(3, "uncertain").shape
    (3,)
    >>> int((session.predicted_classes[:20] == 1).sum())
    20
    >>> folder.cleanup()
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        particles: ParticleTable,
        volumes: Any,
        *,
        class_names: Sequence[str] | None = None,
        classifier: Any = None,
        second_classifier: Any = None,
        tomograms: Mapping[str, str | os.PathLike[str]] | None = None,
        voxel_size_angstrom: float | None = None,
        user: str = "",
        pool_size: int = 5000,
        random_state: int = 0,
    ) -> None:
        if len(particles) != len(volumes) or not len(particles):
            raise ValueError(
                f"{plural(len(particles), 'candidate')} and {plural(len(volumes), 'volume')}: "
                "must be one volume for each candidate, and at least one."
            )
        if int(pool_size) != pool_size or pool_size < 2:
            raise ValueError(f"pool_size={pool_size!r} must be a whole number from 2.")
        super().__init__(folder, particles, class_names, user)
        self.volumes = volumes
        self.classifier, self.second_classifier = classifier, second_classifier
        self.tomograms = {str(name): Path(path) for name, path in (tomograms or {}).items()}
        self.voxel_size_angstrom = voxel_size_angstrom
        self._pool_size, self._random_state = int(pool_size), random_state
        self._reading = threading.Lock()
        self._features: NDArray[np.float32] | None = None
        self._has_features = np.zeros(len(self), dtype=bool)
        self._work = Work()
        self.scores = load_scores(self.folder, len(self), len(self.class_names))

    @classmethod
    def from_tomograms(
        cls,
        folder: str | os.PathLike[str],
        particles: ParticleTable,
        tomograms: Mapping[str, str | os.PathLike[str]],
        box_size: int,
        *,
        border: str = "noise",
        missing_chunks: str = "raise",
        **settings: Any,
    ) -> LabelingSession:
        """Make a session of the candidates in tomograms; boxes are read when they are looked at.

        Parameters
        ----------
        folder : path-like
            As of the class.
        particles : ParticleTable
            Candidates. Those with the center outside their tomogram, or with a box that cannot be
            cut, are left out, with a warning.
        tomograms : mapping of str to path-like
            File of each tomogram that the table names; "" where the table names none.
        box_size : int
            Edge of the boxes in voxels.
        border, missing_chunks : str
            As of :class:`~sksubtomo.io.SubtomogramStack`.
        **settings : object
            Other parameters of the class.

        Returns
        -------
        session : LabelingSession
            Keeps its labels in the folder.

        Raises
        ------
        ValueError, FileNotFoundError, FileFormatError
            If a tomogram cannot be read or is not given, or no candidate is left.
        """
        kept, stack = locate_boxes(
            particles, tomograms, box_size, border=border, missing_chunks=missing_chunks
        )
        return cls(folder, particles.subset(kept), stack, tomograms=tomograms, **settings)

    @property
    def predicted_classes(self) -> NDArray[np.int64]:
        """Most probable class of every candidate, 0 of those that no model was asked about."""
        probabilities = self.scores.probabilities
        if probabilities is None:
            raise ValueError("There is no model. Fit first.")
        asked = ~np.isnan(probabilities[:, 0])
        return np.where(asked, np.nan_to_num(probabilities).argmax(axis=1) + 1, 0)

    @property
    def is_prepared(self) -> bool:
        """Whether :meth:`prepare` has nothing to do."""
        return bool(self._has_features[self._drawn()].all())

    @property
    def status(self) -> WorkStatus:
        """What is done in the background, and how much of it."""
        return self._work.status

    def query(
        self,
        n: int,
        strategy: str = "informative",
        *,
        tomogram: str | None = None,
        seed: int | None = None,
    ) -> NDArray[np.intp]:
        """Return the candidates to label next.

        Parameters
        ----------
        n : int
            How many.
        strategy : str, default="informative"
            See :func:`query_candidates`.
        tomogram : str, optional
            Candidates of this one only.
        seed : int, optional
            Of the random order; by default, that of the session and the number of clicks.

        Returns
        -------
        rows : ndarray of int
            Candidates to label next, the most useful first.

        Raises
        ------
        ValueError
            If the strategy or the tomogram is unknown, or needs a model that there is not.
        """
        among = None
        if tomogram is not None:
            among = self.tomogram_names == tomogram
            if not among.any():
                raise ValueError(f"No candidate is in the tomogram {tomogram!r}.")
        if strategy == "informative" and not self.is_prepared:
            self.prepare()
        labels = self.labels
        return query_candidates(
            n,
            strategy,
            labels,
            scores=self.scores,
            features=self._features,
            among=among,
            random_state=self._random_state + self._n_clicks if seed is None else seed,
        )

    def prepare(self, *, background: bool = False) -> LabelingSession:
        """Compute the features that ``query(n, "informative")`` and the default model need.

        Parameters
        ----------
        background : bool, default=False
            Whether to return at once; :attr:`status` tells how far it is.

        Returns
        -------
        self : LabelingSession
            The same session.
        """
        return self._do("Reading boxes", self._prepare, background=background)

    def fit(self, *, background: bool = False) -> LabelingSession:
        """Fit models to the labels, for queries and predictions.

        Parameters
        ----------
        background : bool, default=False
            Whether to return at once; :attr:`status` tells how far it is, and what went wrong.

        Returns
        -------
        self : LabelingSession
            The same session.

        Raises
        ------
        ValueError
            If there are labels of fewer than two classes, or a fit is in progress.
        """
        check_labels_suffice(self.labels)
        return self._do("Fitting", self._fit, background=background)

    def export(self, kind: str = "star") -> Exported:
        """Write labels into the folder, whole or not at all.

        Parameters
        ----------
        kind : {"star", "napari", "copick", "predictions"}, default="star"
            "star": ``labels.star``, the labeled candidates with their class numbers. "napari": a
            points layer for each tomogram. "copick": a file for each tomogram and class.
            "predictions": ``predictions.star``, all candidates with the probabilities of the
            model, and labels in place of predicted classes.

        Returns
        -------
        exported : Exported
            Files, and how many candidates they hold.

        Raises
        ------
        ValueError
            If there is nothing to write, the kind is unknown, or the voxel size is.
        """
        if kind not in EXPORTS:
            raise ValueError(f"kind={kind!r} must be one of {tuple(EXPORTS)}.")
        with self._lock:
            return EXPORTS[kind](self)

    def wait(self) -> None:
        """Wait for the end of work in the background."""
        self._work.wait()

    def stop(self) -> None:
        """End work in the background after the step that it is at, and wait for it."""
        self._work.stop()

    def boxes(self, rows: ArrayLike) -> NDArray[np.float32]:
        """Return the boxes of some candidates.

        Parameters
        ----------
        rows : array-like of int
            Rows of the candidates.

        Returns
        -------
        boxes : ndarray of shape (n_rows, depth, height, width) of float32
            Volumes, axes z, y, x.
        """
        with self._reading:
            return np.asarray(self.volumes[np.asarray(rows)], dtype=np.float32)

    def _do(self, what: str, work: Any, *, background: bool) -> LabelingSession:
        if background:
            self._work.start(what, work)
        else:
            self._work.run(what, work)
        return self

    def _drawn(self) -> NDArray[np.intp]:
        """Return the random candidates that models are given."""
        if len(self) <= self._pool_size:
            return np.arange(len(self))
        order = np.random.default_rng(self._random_state).permutation(len(self))
        return np.sort(order[: self._pool_size])

    def _pool(self) -> NDArray[np.intp]:
        """Return all candidates that models are given, the labeled ones, too."""
        return np.union1d(self._drawn(), np.flatnonzero(self.labels > 0))

    def _prepare(self, report: Any) -> None:
        # Half a second that the first queue would wait for.
        import sklearn.cluster
        import sklearn.linear_model  # noqa: F401

        if self._features is None:
            edges = (1, *np.shape(self.volumes)[1:])
            n_features = radial_features(np.zeros(edges, dtype=np.float32)).shape[1]
            self._features = np.full((len(self), n_features), np.nan, dtype=np.float32)
        left = self._pool()
        left = left[~self._has_features[left]]
        for start in range(0, len(left), _BOXES_AT_A_TIME):
            report(start, len(left), "Reading boxes")
            rows = left[start : start + _BOXES_AT_A_TIME]
            self._features[rows] = self._features_of(rows, self._features.shape[1])
            self._has_features[rows] = True

    def _features_of(self, rows: NDArray[np.intp], n_features: int) -> NDArray[np.float32]:
        """Return features; NaN of boxes that cannot be used, one of which spoils a reading."""
        try:
            return radial_features(self.boxes(rows))
        except ValueError:
            if len(rows) == 1:
                return np.full((1, n_features), np.nan, dtype=np.float32)
        return np.concatenate([self._features_of(rows[[i]], n_features) for i in range(len(rows))])

    def _fit(self, report: Any) -> None:
        labels = self.labels
        rows = self._pool()
        if self.classifier is None:
            self._prepare(report)
            assert self._features is not None
            rows = rows[np.isfinite(self._features[rows]).all(axis=1)]
        of_features = self.classifier is None
        scores = score_candidates(
            self._features if of_features else self.volumes,
            labels,
            rows,
            quick_classifier() if of_features else self.classifier,
            n_classes=len(self.class_names),
            second_classifier=self.second_classifier,
            with_unlabeled=not of_features,
            report=report,
            random_state=self._random_state,
        )
        save_scores(self.folder, scores)
        self.scores = scores
