"""How a training went."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sksubtomo.plotting._estimators import with_attribute
from sksubtomo.plotting._style import GRAY, OKABE_ITO, RED, column_style, grid_axes

# Below it, MultiReferenceClassifier warns.
_LEAST_AGREEMENT = 0.95


class _Panel(NamedTuple):
    """What is drawn together: the label of the y axis, figures of the history, and their names."""

    label: str
    curves: dict[str, str]


def _both(figure):
    return {f"train_{figure}": "training", f"valid_{figure}": "validation"}


_PANELS = {
    "loss": _Panel("loss", _both("loss")),
    "cross_entropy": _Panel("cross-entropy", _both("cross_entropy")),
    "explained_variance": _Panel("explained\nvariance", _both("explained_variance")),
    "live_units": _Panel("live units\nof the code", _both("live_units")),
    "kept_share": _Panel("pseudo-labels\nkept", {"train_kept_share": "training"}),
    "inconsistency": _Panel("inconsistency", _both("inconsistency")),
    "log_likelihood": _Panel("log-likelihood\nper volume", {"log_likelihood": "all volumes"}),
    "agreement": _Panel("agreement", {"unchanged": "classes unchanged"}),
    "annealing": _Panel("temperature", {"temperature": "temperature"}),
}


class TrainingHistoryDisplay:
    """Losses, life of the latent code and agreement with labels over the training.

    Networks: losses, the cross-entropy of labels, the variance that reconstructions explain and the
    units of the code that differ between volumes; with 0 live units, the code is dead. References:
    the log-likelihood, the share of volumes whose class did not change in an iteration, and the
    agreement with labels that were left out of the references, at the end. It is recommended to use
    :meth:`from_estimator`.

    Parameters
    ----------
    history : list of dict
        As ``history_`` of an estimator, one entry an epoch or iteration.
    label_agreement : float, optional
        Share of labeled volumes that references without them give their own label.

    Attributes
    ----------
    axes_ : ndarray of shape (n_panels, 1) of matplotlib Axes
        Panels that have something to show, from the top.
    figure_ : matplotlib Figure
        The figure that holds them.
    panels : list of str
        What they show: of "loss", "cross_entropy", "explained_variance", "live_units",
        "kept_share", "inconsistency", "log_likelihood", "agreement" and "annealing".

    Examples
    --------
    >>> from sksubtomo.plotting import TrainingHistoryDisplay
    >>> TrainingHistoryDisplay([{"train_loss": 2.0, "valid_loss": 2.1}, {"train_loss": 1.0}]).panels
    ['loss']
    """

    def __init__(self, history, *, label_agreement=None):
        # History_ of references says what changed; beside the agreement, what did not is easier.
        self.history = [
            {**entry, "unchanged": 1 - entry["changed"]} if "changed" in entry else dict(entry)
            for entry in history
        ]
        self.label_agreement = label_agreement
        self.panels = [
            name
            for name, panel in _PANELS.items()
            if any(np.isfinite(self.curve(figure)).any() for figure in panel.curves)
        ]
        if not self.panels:
            raise ValueError("history has no figure that could be shown; was the estimator fitted?")

    @classmethod
    def from_estimator(cls, estimator, **options):
        """Plot the training of a fitted estimator.

        Parameters
        ----------
        estimator : estimator with ``history_``, or pipeline or meta-estimator around one
            Fitted.
        **options : dict
            As :meth:`plot`.

        Returns
        -------
        display : TrainingHistoryDisplay
            With the plot done.

        Raises
        ------
        ValueError
            If the estimator has no ``history_``.
        """
        inner = with_attribute(estimator, "history_")
        agreement = getattr(inner, "label_agreement_", None)
        return cls(inner.history_, label_agreement=agreement).plot(**options)

    def curve(self, figure):
        """Return a figure of every entry of the history.

        Parameters
        ----------
        figure : str
            Its name in ``history_``; or "unchanged", the share of volumes that kept their class.

        Returns
        -------
        values : ndarray of shape (n_entries,)
            NaN where an entry has none.
        """
        return np.array([entry.get(figure, np.nan) for entry in self.history], dtype=np.float64)

    def plot(self, *, axes=None, fig=None):
        """Plot.

        Parameters
        ----------
        axes : array of matplotlib Axes, optional
            Where to plot, one for each of ``panels``.
        fig : matplotlib Figure or SubFigure, optional
            Where to make axes; by default in a new figure.

        Returns
        -------
        self : TrainingHistoryDisplay
            With ``axes_`` and ``figure_``.
        """
        n_panels = len(self.panels)
        with column_style() as plt:
            self.axes_ = grid_axes(
                *(n_panels, 1),
                axes=axes,
                fig=fig,
                plt=plt,
                sharex=True,
                height=0.95 * n_panels + 0.45,
            )
            for name, ax in zip(self.panels, self.axes_[:, 0], strict=True):
                self._draw(_PANELS[name], ax)
                if name == "agreement":
                    self._draw_agreement(ax)
                if name in ("live_units", "explained_variance"):
                    ax.axhline(0, color=RED, linestyle=":", linewidth=1)
                if len(ax.get_lines()) > 1:
                    ax.legend(loc="best", borderpad=0.2, handlelength=1.2, framealpha=0.7)
            by_references = "log_likelihood" in self.panels
            last = self.axes_[-1, 0]
            last.set_xlabel("iteration" if by_references else "epoch")
            last.xaxis.get_major_locator().set_params(integer=True)
        self.figure_ = last.figure
        return self

    def _draw(self, panel, ax):
        numbers = np.arange(1, len(self.history) + 1)
        styles = ((OKABE_ITO[0], "-"), (OKABE_ITO[1], "--"))
        for (figure, name), (color, line) in zip(panel.curves.items(), styles, strict=False):
            values = self.curve(figure)
            if np.isfinite(values).any():
                marker = "o" if np.isfinite(values).sum() < 3 else None
                ax.plot(numbers, values, color=color, linestyle=line, marker=marker, label=name)
        ax.set_ylabel(panel.label, fontsize=7)

    def _draw_agreement(self, ax):
        ax.set_ylim(-0.05, 1.05)
        if self.label_agreement is None or not np.isfinite(self.label_agreement):
            return
        style = {"color": OKABE_ITO[1], "marker": "D", "linestyle": "none"}
        name = f"labels left out, {self.label_agreement:.2f}"
        ax.plot([len(self.history)], [self.label_agreement], label=name, clip_on=False, **style)
        ax.axhline(_LEAST_AGREEMENT, color=GRAY, linestyle=":", linewidth=1)
