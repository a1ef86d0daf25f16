"""What a threshold keeps: precision and recall, beside those of the picker's score."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_curve
from sklearn.utils.validation import check_consistent_length

from sksubtomo._utils._labels import labeled_rows
from sksubtomo.plotting._style import GRAY, OKABE_ITO, RED, column_style, one_axes, plain_text


class PrecisionRecallDisplay:
    """Precision and recall of a class over the labeled rows, with the operating point.

    The curve of the picker's own score, if given, is beside: what the classifier adds is the
    distance between the two. A dotted line is the precision of all candidates. Recall is of the
    candidates: a particle that was not picked is not counted. It is recommended to use
    :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    truth : ndarray of shape (n_labeled,) of bool
        Which rows are of the class.
    scores : ndarray of shape (n_labeled,)
        Probability of the class.
    picker_scores : ndarray of shape (n_labeled,), optional
        Score that the picker gave, higher for what is more probably a particle.
    threshold : float, default=0.5
        Operating point: rows are kept whose probability is at least this.
    name : str, optional
        Of the class, for the axes.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was plotted.
    figure_ : matplotlib Figure
        The figure that holds it.

    See Also
    --------
    sklearn.metrics.PrecisionRecallDisplay : Of rows that are all labeled; takes -1 for a class.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubtomo.plotting import PrecisionRecallDisplay
    >>> display = PrecisionRecallDisplay(np.array([1, 1, 0]) == 1, np.array([0.9, 0.4, 0.6]))
    >>> display.operating_point
    (0.5, 0.5)
    """

    def __init__(self, truth, scores, *, picker_scores=None, threshold=0.5, name=None):
        check_consistent_length(truth, scores, picker_scores)
        self.truth = np.asarray(truth, dtype=bool)
        if not self.truth.any():
            raise ValueError("No labeled row is of the class, so it has no recall.")
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold={threshold!r} must be a probability, from 0 to 1.")
        self.scores = np.asarray(scores, dtype=np.float64)
        self.picker_scores = picker_scores
        self.threshold = threshold
        self.name = name

    @classmethod
    def from_estimator(cls, estimator, X, y, *, pos_label=None, **options):
        """Plot precision and recall on labeled volumes that the classifier has not learned from.

        Parameters
        ----------
        estimator : classifier
            Fitted, with ``predict_proba``.
        X : array-like of shape (n_samples, ...)
            Volumes.
        y : array-like of shape (n_samples,)
            Labels; unlabeled rows are left out.
        pos_label : int or str, optional
            The class that is kept; by default the first of ``classes_``.
        **options : dict
            As :meth:`from_predictions`.

        Returns
        -------
        display : PrecisionRecallDisplay
            With the plot done.

        Raises
        ------
        ValueError
            If `pos_label` is no class of the estimator.
        """
        classes = np.asarray(estimator.classes_)
        pos_label = classes[0] if pos_label is None else pos_label
        if pos_label not in classes.tolist():
            raise ValueError(f"pos_label={pos_label!r} is none of {classes.tolist()}.")
        proba = estimator.predict_proba(X)[:, classes.tolist().index(pos_label)]
        return cls.from_predictions(y, proba, pos_label=pos_label, **options)

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_score,
        *,
        pos_label,
        picker_scores=None,
        threshold=0.5,
        name=None,
        ax=None,
    ):
        """Plot precision and recall of probabilities.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            Labels; unlabeled rows are left out.
        y_score : array-like of shape (n_samples,)
            Probability of `pos_label`, best of classifiers that did not learn from these labels.
        pos_label : int or str
            The class that is kept.
        picker_scores : array-like of shape (n_samples,), optional
            Score that the picker gave to each, the higher the better.
        threshold : float, default=0.5
            Operating point.
        name : str, optional
            Name of the class to show; by default its label.
        ax : matplotlib Axes, optional
            Where to plot; by default in a new figure.

        Returns
        -------
        display : PrecisionRecallDisplay
            With the plot done.

        Raises
        ------
        ValueError
            If no row is of the class, lengths differ, or a score of a labeled row is not finite.
        """
        check_consistent_length(y_true, y_score, picker_scores)
        rows, labels = labeled_rows(y_true)
        scores = _finite(y_score, rows, "y_score")
        picked = None if picker_scores is None else _finite(picker_scores, rows, "picker_scores")
        display = cls(
            labels == pos_label,
            scores,
            picker_scores=picked,
            threshold=threshold,
            name=str(pos_label) if name is None else name,
        )
        return display.plot(ax=ax)

    @property
    def operating_point(self):
        """Recall and precision at the threshold; precision is NaN if nothing is kept."""
        kept = self.scores >= self.threshold
        hits = int((kept & self.truth).sum())
        precision = hits / kept.sum() if kept.any() else np.nan
        return hits / int(self.truth.sum()), float(precision)

    def plot(self, *, ax=None):
        """Plot.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to plot; by default in a new figure.

        Returns
        -------
        self : PrecisionRecallDisplay
            With ``ax_`` and ``figure_``.
        """
        with column_style() as plt:
            self.ax_ = one_axes(ax, plt, 2.7)
            self._draw(self.scores, "classifier", color=OKABE_ITO[0])
            if self.picker_scores is not None:
                self._draw(self.picker_scores, "picker's score", color=OKABE_ITO[1], linestyle="--")
            base = float(self.truth.mean())
            self.ax_.axhline(base, color=GRAY, linestyle=":", label=f"all candidates, {base:.2f}")
            recall, precision = self.operating_point
            if np.isfinite(precision):
                label = f"p ≥ {self.threshold:.2g}: {precision:.2f} at {recall:.2f}"
                style = {"linestyle": "none", "marker": "D", "markersize": 6, "zorder": 3}
                self.ax_.plot([recall], [precision], color=RED, label=label, **style)
            named = "" if self.name is None else f" of {plain_text(self.name)}"
            self.ax_.set(
                xlabel=f"recall{named}",
                ylabel=f"precision{named}",
                xlim=(-0.02, 1.02),
                ylim=(-0.02, 1.05),
            )
            self.ax_.legend(loc="lower left", handlelength=1.4, framealpha=0.8)
        self.figure_ = self.ax_.figure
        return self

    def _draw(self, scores, name, **style):
        precision, recall, _ = precision_recall_curve(self.truth, scores)
        average = average_precision_score(self.truth, scores)
        label = f"{name}, AP {average:.2f}"
        self.ax_.plot(recall, precision, drawstyle="steps-post", label=label, **style)


def _finite(scores, rows, name):
    """Return the scores of labeled rows."""
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 1:
        raise ValueError(f"{name} has shape {scores.shape}; one number a row is needed.")
    if not np.isfinite(scores[rows]).all():
        raise ValueError(f"{name} has no finite number for a labeled row.")
    return scores[rows]
