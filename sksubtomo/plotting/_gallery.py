"""Boxes by class and probability."""

from __future__ import annotations

import numpy as np

from sksubtomo._utils._steps import targets_among
from sksubtomo.plotting._estimators import check_proba
from sksubtomo.plotting._images import (
    bar_length,
    box_images,
    check_boxes,
    check_view,
    contrast_limits,
    read_boxes,
)
from sksubtomo.plotting._scale_bar import add_scale_bar
from sksubtomo.plotting._style import RED, class_name, column_style, grid_axes


class GalleryDisplay:
    """Boxes of every predicted class, from the most to the least probable.

    A row of images for each class; columns are evenly spaced ranks of probability among the
    particles of that class. The number above an image is the probability. A box whose label is of
    another class has a red frame, and the name of its label. It is recommended to use
    :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    images : ndarray of shape (n_shown, height, width)
        Images, axes y, x.
    rows : ndarray of shape (n_shown,)
        Which rows of the data they are of.
    predicted : ndarray of shape (n_shown,)
        Predicted class, as an index into `classes`.
    probabilities : ndarray of shape (n_shown,)
        Probability of the predicted class.
    classes : array-like of shape (n_classes,)
        Labels of the classes.
    counts : ndarray of shape (n_classes,)
        How many particles are predicted to be of each class.
    targets : ndarray of shape (n_shown,), optional
        Given label as an index into `classes`, -1 without one.
    voxel_size_angstrom : float, optional
        Edge of a voxel, for a scale bar.

    Attributes
    ----------
    axes_ : ndarray of shape (n_classes, n_columns) of matplotlib Axes
        Those without an image are hidden.
    figure_ : matplotlib Figure
        The figure that holds them.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubtomo.plotting import GalleryDisplay
    >>> display = GalleryDisplay(
    ...     np.zeros((2, 8, 8)), np.array([4, 7]), np.array([0, 1]), np.array([0.9, 0.6]),
    ...     classes=["a", "b"], counts=np.array([5, 1]),
    ... )
    >>> display.images.shape
    (2, 8, 8)
    """

    def __init__(
        self,
        images,
        rows,
        predicted,
        probabilities,
        *,
        classes,
        counts,
        targets=None,
        voxel_size_angstrom=None,
    ):
        self.images = images
        self.rows = rows
        self.predicted = predicted
        self.probabilities = probabilities
        self.classes = classes
        self.counts = counts
        self.targets = targets
        self.voxel_size_angstrom = voxel_size_angstrom

    @classmethod
    def _select(
        cls,
        X,
        y_proba,
        y=None,
        *,
        classes,
        n_columns=6,
        view="slice",
        low_pass=0.25,
        voxel_size_angstrom=None,
    ):
        """Choose and read the boxes, without a plot; arguments as :meth:`from_predictions`."""
        proba, classes = check_proba(y_proba, classes)
        shape = check_boxes(X)
        check_view(view, low_pass)
        if shape[0] != len(proba):
            raise ValueError(f"X has {shape[0]} boxes, but y_proba {len(proba)} rows.")
        if not n_columns >= 1:
            raise ValueError(f"n_columns={n_columns!r} must be 1 or more.")
        targets = targets_among(y, classes, len(proba))
        best = proba.argmax(axis=1)
        rows = np.concatenate(
            [_ranks(np.flatnonzero(best == k), proba[:, k], n_columns) for k in range(len(classes))]
        )
        return cls(
            box_images(read_boxes(X, rows, shape), view, low_pass),
            rows,
            best[rows],
            proba[rows, best[rows]],
            classes=classes,
            counts=np.bincount(best, minlength=len(classes)),
            targets=targets[rows],
            voxel_size_angstrom=voxel_size_angstrom,
        )

    @classmethod
    def from_estimator(cls, estimator, X, y=None, **options):
        """Plot boxes as a fitted classifier sorts them.

        Parameters
        ----------
        estimator : classifier
            Fitted, with ``predict_proba``.
        X : array-like of shape (n_samples, depth, height, width)
            Boxes; of a lazy stack, those that are shown are read once more.
        y : array-like of shape (n_samples,), optional
            Labels, -1 where unknown.
        **options : dict
            As :meth:`from_predictions`, but for `classes`.

        Returns
        -------
        display : GalleryDisplay
            With the plot done.
        """
        proba = estimator.predict_proba(X)
        return cls.from_predictions(X, proba, y, classes=estimator.classes_, **options)

    @classmethod
    def from_predictions(
        cls,
        X,
        y_proba,
        y=None,
        *,
        classes,
        n_columns=6,
        view="slice",
        low_pass=0.25,
        voxel_size_angstrom=None,
        contrast_percentile=(1, 99),
        class_names=None,
        axes=None,
        fig=None,
    ):
        """Plot boxes by probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, depth, height, width)
            Boxes, of which only those shown are read.
        y_proba : array-like of shape (n_samples, n_classes)
            Probabilities.
        y : array-like of shape (n_samples,), optional
            Labels, -1 where unknown.
        classes : array-like of shape (n_classes,)
            Labels of the columns of `y_proba`.
        n_columns : int, default=6
            Boxes of each class, at most.
        view : {"slice", "projection"}, default="slice"
            Central slice across the beam, or mean along it.
        low_pass : float or None, default=0.25
            Frequency of half amplitude of a Gaussian filter in cycles per voxel; None shows boxes
            as they are.
        voxel_size_angstrom : float, optional
            Edge of a voxel, for a scale bar.
        contrast_percentile : (float, float), default=(1, 99)
            Percentiles of all images that are black and white.
        class_names : mapping or sequence, optional
            Names to show, indexed by label.
        axes : array of matplotlib Axes, optional
            Where to plot, n_classes * n_columns of them.
        fig : matplotlib Figure or SubFigure, optional
            Where to make axes; by default in a new figure.

        Returns
        -------
        display : GalleryDisplay
            With the plot done.

        Raises
        ------
        ValueError
            If shapes do not match, or an option has no such value.
        """
        display = cls._select(
            *(X, y_proba, y),
            classes=classes,
            n_columns=n_columns,
            view=view,
            low_pass=low_pass,
            voxel_size_angstrom=voxel_size_angstrom,
        )
        return display.plot(
            contrast_percentile=contrast_percentile, class_names=class_names, axes=axes, fig=fig
        )

    def plot(
        self,
        *,
        contrast_percentile=(1, 99),
        class_names=None,
        cmap="gray",
        axes=None,
        fig=None,
    ):
        """Plot.

        Parameters
        ----------
        contrast_percentile : (float, float), default=(1, 99)
            As :meth:`from_predictions`.
        class_names : mapping or sequence, optional
            As :meth:`from_predictions`.
        cmap : str, default="gray"
            Color map.
        axes : array of matplotlib Axes, optional
            As :meth:`from_predictions`.
        fig : matplotlib Figure or SubFigure, optional
            As :meth:`from_predictions`.

        Returns
        -------
        self : GalleryDisplay
            With ``axes_`` and ``figure_``.
        """
        n_classes = len(self.classes)
        names = [class_name(label, class_names) for label in self.classes]
        n_columns = max(int(np.bincount(self.predicted).max()), 1)
        black, white = contrast_limits(self.images, contrast_percentile)
        with column_style() as plt:
            self.axes_ = grid_axes(
                *(n_classes, n_columns),
                axes=axes,
                fig=fig,
                plt=plt,
                height=0.72 * n_classes + 0.1,
            )
            for k, axes_of_class in enumerate(self.axes_):
                shown = np.flatnonzero(self.predicted == k)
                for ax, which in zip(axes_of_class, shown, strict=False):
                    ax.imshow(self.images[which], cmap=cmap, vmin=black, vmax=white)
                    self._tell(ax, which, names)
                for ax in axes_of_class:
                    ax.set(xticks=[], yticks=[])
                for ax in axes_of_class[len(shown) :]:
                    ax.spines[:].set_visible(False)
                axes_of_class[0].set_ylabel(f"{names[k]}\nn = {self.counts[k]}", fontsize=7)
            if self.voxel_size_angstrom is not None:
                ax, width = self.axes_[self.predicted[0], 0], self.images.shape[2]
                add_scale_bar(
                    ax, self.voxel_size_angstrom, bar_length(width, self.voxel_size_angstrom)
                )
        self.figure_ = self.axes_[0, 0].figure
        return self

    def _tell(self, ax, which, names):
        title = f"{self.probabilities[which]:.2f}"
        target = -1 if self.targets is None else self.targets[which]
        if target >= 0 and target != self.predicted[which]:
            title += f"\nis {names[target]}"
            ax.spines[:].set(color=RED, linewidth=1.8)
        ax.set_title(title, fontsize=6.5, pad=2)


def _ranks(rows, probabilities, n_columns):
    """Return rows at evenly spaced ranks of falling probability."""
    ordered = rows[np.argsort(-probabilities[rows], kind="stable")]
    if len(ordered) <= n_columns:
        return ordered
    return ordered[np.linspace(0, len(ordered) - 1, n_columns).round().astype(int)]
