"""Whether probabilities are what they say, as a diagram."""

from __future__ import annotations

import numpy as np

from sksubtomo.metrics import expected_calibration_error, reliability_curve
from sksubtomo.plotting._style import GRAY, OKABE_ITO, column_style, one_axes, plain_text

# Normal deviate of 95 %.
_Z = 1.96


class ReliabilityDisplay:
    """Accuracy against confidence over the labeled rows: a reliability diagram.

    Calibrated probabilities lie on the diagonal. Points below it are overconfident. Vertical lines
    are 95 % intervals of the accuracy, which are wide with few labels. It is recommended to use
    :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    confidence, accuracy : ndarray of shape (n_bins,)
        Of each bin, as of :func:`.reliability_curve`.
    counts : ndarray of shape (n_bins,)
        Labeled rows in each.
    calibration_error : float
        As of :func:`.expected_calibration_error`.
    name : str, optional
        For the legend.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was plotted.
    figure_ : matplotlib Figure
        The figure that holds it.

    References
    ----------
    Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the
    American Statistical Association 22, 1927 (the intervals).

    Examples
    --------
    >>> from sksubtomo.plotting import ReliabilityDisplay
    >>> display = ReliabilityDisplay([0.6, 0.9], [0.5, 1.0], [10, 20], calibration_error=0.1)
    >>> display.intervals().round(2).tolist()
    [[0.24, 0.76], [0.84, 1.0]]
    """

    def __init__(self, confidence, accuracy, counts, *, calibration_error, name=None):
        self.confidence = np.asarray(confidence)
        self.accuracy = np.asarray(accuracy)
        self.counts = np.asarray(counts)
        self.calibration_error = calibration_error
        self.name = name

    @classmethod
    def from_estimator(cls, estimator, X, y, **options):
        """Plot the reliability of a classifier on labeled volumes that it has not learned from.

        Parameters
        ----------
        estimator : classifier
            Fitted, with ``predict_proba``.
        X : array-like of shape (n_samples, ...)
            Volumes.
        y : array-like of shape (n_samples,)
            Labels; unlabeled rows are left out.
        **options : dict
            As :meth:`from_predictions`, but for `labels`.

        Returns
        -------
        display : ReliabilityDisplay
            With the plot done.
        """
        from sksubtomo.metrics import drop_unlabeled

        y, X = drop_unlabeled(y, X)
        proba = estimator.predict_proba(X)
        return cls.from_predictions(y, proba, labels=estimator.classes_, **options)

    @classmethod
    def from_predictions(
        cls, y_true, y_prob, *, labels=None, n_bins=10, strategy="quantile", name=None, ax=None
    ):
        """Plot the reliability of probabilities.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            Labels; unlabeled rows are left out.
        y_prob : array-like of shape (n_samples, n_classes)
            Probabilities, best of classifiers that did not learn from these labels; see
            :func:`sksubtomo.model_selection.cross_val_predict`.
        labels : array-like of shape (n_classes,), optional
            Classes of the columns.
        n_bins : int, default=10
            Bins of confidence.
        strategy : {"uniform", "quantile"}, default="quantile"
            Whether bins have equal widths or equally many rows.
        name : str, optional
            For the legend.
        ax : matplotlib Axes, optional
            Where to plot; by default in a new figure.

        Returns
        -------
        display : ReliabilityDisplay
            With the plot done.

        Raises
        ------
        ValueError
            As :func:`.reliability_curve`.
        """
        options = {"n_bins": n_bins, "strategy": strategy, "labels": labels}
        curve = reliability_curve(y_true, y_prob, **options)
        error = expected_calibration_error(y_true, y_prob, **options)
        display = cls(
            *(curve.confidence, curve.accuracy, curve.counts), calibration_error=error, name=name
        )
        return display.plot(ax=ax)

    def intervals(self):
        """Return 95 % intervals of the accuracy, by Wilson's score.

        Returns
        -------
        intervals : ndarray of shape (n_bins, 2)
            Lower and upper ends.
        """
        n = self.counts
        center = (self.accuracy + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
        inside = self.accuracy * (1 - self.accuracy) / n + _Z**2 / (4 * n**2)
        half = _Z * np.sqrt(inside) / (1 + _Z**2 / n)
        return np.column_stack([center - half, center + half])

    def plot(self, *, color=OKABE_ITO[0], ax=None):
        """Plot.

        Parameters
        ----------
        color : str, default="#0072B2"
            Of the curve.
        ax : matplotlib Axes, optional
            Where to plot, such as those of another display to compare with; by default in a new
            figure.

        Returns
        -------
        self : ReliabilityDisplay
            With ``ax_`` and ``figure_``.
        """
        with column_style() as plt:
            self.ax_ = one_axes(ax, plt, 2.7)
            named = "" if self.name is None else f"{plain_text(self.name)}: "
            n_rows = int(self.counts.sum())
            label = f"{named}error {self.calibration_error:.3f}, n = {n_rows}"
            self.ax_.plot([0, 1], [0, 1], color=GRAY, linestyle=":")
            self.ax_.vlines(self.confidence, *self.intervals().T, color=color, alpha=0.5)
            self.ax_.plot(self.confidence, self.accuracy, marker="o", color=color, label=label)
            self.ax_.set(
                xlabel="confidence (largest probability)", ylabel="accuracy", ylim=(-0.03, 1.03)
            )
            # With two classes, confidence begins at 0.5.
            self.ax_.set_xlim(min(float(self.confidence.min()), 0.5) - 0.03, 1.03)
            self.ax_.legend(loc="lower right", handlelength=1.2)
        self.figure_ = self.ax_.figure
        return self
