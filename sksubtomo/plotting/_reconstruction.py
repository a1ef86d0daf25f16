"""Central slices of volumes and of what the network makes of them."""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sksubtomo.plotting._style import class_name, import_pyplot


class ReconstructionDisplay:
    """Central slices of volumes above those of their reconstructions.

    It is recommended to use :meth:`from_estimator`.

    Parameters
    ----------
    volumes : ndarray of shape (n_volumes, depth, height, width)
        Input volumes, axes z, y, x.
    reconstructions : ndarray of shape (n_volumes, depth, height, width)
        Their reconstructions.
    titles : list of str, optional
        A title for every volume.

    Attributes
    ----------
    axes_ : ndarray of shape (2, n_volumes) of matplotlib Axes
        Inputs in the first row, reconstructions in the second.
    figure_ : matplotlib Figure
        The figure that holds them.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubtomo.plotting import ReconstructionDisplay
    >>> display = ReconstructionDisplay(np.zeros((3, 8, 8, 8)), np.ones((3, 8, 8, 8)))
    >>> display.volumes.shape
    (3, 8, 8, 8)
    """

    def __init__(self, volumes, reconstructions, *, titles=None):
        if np.ndim(volumes) != 4 or np.shape(volumes) != np.shape(reconstructions):
            raise ValueError(
                "volumes and reconstructions must both be of shape (n_volumes, depth, height, "
                f"width), got {np.shape(volumes)} and {np.shape(reconstructions)}."
            )
        if titles is not None and len(titles) != len(volumes):
            raise ValueError(f"There are {len(titles)} titles for {len(volumes)} volumes.")
        self.volumes = volumes
        self.reconstructions = reconstructions
        self.titles = titles

    @classmethod
    def from_estimator(cls, estimator, X, y=None, *, class_names=None, fig=None):
        """Plot volumes as a fitted estimator classifies and reconstructs them.

        Parameters
        ----------
        estimator : AutoencodingClassifier or the like
            Fitted, with ``predict_proba`` and ``reconstruct``.
        X : ndarray of shape (n_volumes, depth, height, width)
            A few volumes.
        y : array-like of shape (n_volumes,), optional
            True labels, shown beside wrong predictions.
        class_names : mapping or sequence, optional
            Names to show, indexed by label.
        fig : matplotlib Figure, optional
            Where to plot; by default a new one.

        Returns
        -------
        display : ReconstructionDisplay
            With the plot done.
        """
        check_is_fitted(estimator)
        probabilities = estimator.predict_proba(X)
        predicted = estimator.classes_[probabilities.argmax(axis=1)]
        titles = []
        for row, label in enumerate(predicted):
            title = f"{class_name(label, class_names)}\np = {probabilities[row].max():.2f}"
            if y is not None and y[row] != label:
                title += f"\n(is {class_name(y[row], class_names)})"
            titles.append(title)
        return cls(np.asarray(X), estimator.reconstruct(X), titles=titles).plot(fig=fig)

    def plot(self, *, fig=None, cmap="gray"):
        """Plot.

        Parameters
        ----------
        fig : matplotlib Figure, optional
            Where to plot; by default a new one.
        cmap : str, default="gray"
            Color map.

        Returns
        -------
        self : ReconstructionDisplay
            With ``axes_`` and ``figure_``.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        plt = import_pyplot()
        n_volumes = len(self.volumes)
        if fig is None:
            fig = plt.figure(figsize=(1.6 * n_volumes + 0.6, 4.1), layout="constrained")
        self.axes_ = fig.subplots(2, n_volumes, squeeze=False)
        rows = (("input", self.volumes), ("reconstruction", self.reconstructions))
        for axes, (label, volumes) in zip(self.axes_, rows, strict=True):
            slices = np.asarray(volumes)[:, np.shape(volumes)[1] // 2]
            for ax, image in zip(axes, slices, strict=True):
                # One scale a row: reconstructions that differ little shall look alike.
                ax.imshow(image, cmap=cmap, vmin=slices.min(), vmax=slices.max())
                ax.set(xticks=[], yticks=[])
            axes[0].set_ylabel(label)
        for ax, title in zip(self.axes_[0], self.titles or (), strict=False):
            ax.set_title(title, fontsize="small")
        self.figure_ = fig
        return self
