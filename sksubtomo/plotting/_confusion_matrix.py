"""The confusion matrix of scikit-learn, of the labeled rows."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay

from sksubtomo.metrics import drop_unlabeled
from sksubtomo.plotting._style import column_style, one_axes, plain_text


class LabeledConfusionMatrixDisplay(ConfusionMatrixDisplay):
    """Confusion matrix of the labeled rows.

    The display is scikit-learn's, which itself would take -1 for one more class. It is recommended
    to use :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    confusion_matrix : ndarray of shape (n_classes, n_classes)
        Rows are labels, columns predictions.
    display_labels : ndarray of shape (n_classes,), optional
        Names of the classes.

    Examples
    --------
    >>> from sksubtomo.plotting import LabeledConfusionMatrixDisplay
    >>> import numpy as np
    >>> LabeledConfusionMatrixDisplay(np.eye(2)).confusion_matrix.shape
    (2, 2)
    """

    @classmethod
    def from_estimator(cls, estimator, X, y, *, cmap="Blues", ax=None, **options):
        """Plot the confusion matrix of labeled volumes, which alone are predicted.

        Parameters
        ----------
        estimator : classifier
            Fitted.
        X : array-like of shape (n_samples, ...)
            Volumes.
        y : array-like of shape (n_samples,)
            Labels; unlabeled rows are left out.
        cmap : str, default="Blues"
            Color map.
        ax : matplotlib Axes, optional
            Where to plot; by default in a new figure.
        **options : dict
            As scikit-learn's ``from_predictions``, such as ``display_labels`` and ``normalize``.

        Returns
        -------
        display : LabeledConfusionMatrixDisplay
            With the plot done.
        """
        y, X = drop_unlabeled(y, X)
        options = {"labels": estimator.classes_, **options}
        return cls.from_predictions(y, estimator.predict(X), cmap=cmap, ax=ax, **options)

    @classmethod
    def from_predictions(cls, y_true, y_pred, *, cmap="Blues", ax=None, **options):
        """Plot the confusion matrix of predictions.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            Labels; unlabeled rows are left out.
        y_pred : array-like of shape (n_samples,)
            Predictions.
        cmap : str, default="Blues"
            Color map.
        ax : matplotlib Axes, optional
            Where to plot; by default in a new figure.
        **options : dict
            As scikit-learn's ``from_predictions``.

        Returns
        -------
        display : LabeledConfusionMatrixDisplay
            With the plot done.
        """
        y_true, y_pred = drop_unlabeled(y_true, y_pred)
        n_classes = len(np.union1d(y_true, y_pred))
        if options.get("display_labels") is not None:
            options["display_labels"] = [plain_text(one) for one in options["display_labels"]]
        with column_style() as plt:
            ax = one_axes(ax, plt, min(1.6 + 0.3 * n_classes, 3.5))
            options = {"colorbar": n_classes > 12, "include_values": n_classes <= 12, **options}
            display = super().from_predictions(y_true, y_pred, cmap=cmap, ax=ax, **options)
            names = [str(one) for one in np.ravel(display.display_labels)]
            if max(map(len, names)) * len(names) > 24:
                ax.tick_params(axis="x", rotation=45)
                for tick in ax.get_xticklabels():
                    tick.set(ha="right", rotation_mode="anchor")
            ax.set(xlabel="predicted", ylabel="label")
        return display
