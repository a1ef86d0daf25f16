"""Latent codes in two dimensions."""

from __future__ import annotations

import importlib

import numpy as np
from sklearn.decomposition import PCA
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sksubtomo._utils._sklearn import safe_indexing
from sksubtomo._utils._steps import input_of_last_step, last_step, targets_among
from sksubtomo.plotting._style import (
    GRAY,
    class_name,
    class_style,
    column_style,
    one_axes,
    plain_text,
)

COLORS = ("class", "label", "probability", "tomogram")
# Names of tomograms in a legend.
_MOST_NAMED = 10


class LatentMapDisplay:
    """Latent codes in two dimensions, colored by class, label, probability or tomogram.

    Classes that lie apart can be told apart. Colors of tomograms that lie apart tell of a
    difference between tomograms that the network has learned, such as their defocus. It is
    recommended to use :meth:`from_estimator`.

    Parameters
    ----------
    embedding : ndarray of shape (n_samples, 2)
        Where to draw each volume.
    classes : array-like of shape (n_classes,)
        Labels of the classes.
    predicted : ndarray of shape (n_samples,)
        Predicted class, as an index into `classes`.
    probabilities : ndarray of shape (n_samples,)
        Probability of the predicted class.
    targets : ndarray of shape (n_samples,), optional
        Given label as an index into `classes`, -1 without one.
    tomogram_names : array-like of shape (n_samples,), optional
        Tomogram of each volume.
    axis_labels : (str, str), optional
        What the axes are.
    n_total : int, optional
        Of how many volumes these are a random part.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was plotted.
    figure_ : matplotlib Figure
        The figure that holds it.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubtomo.plotting import LatentMapDisplay
    >>> display = LatentMapDisplay(np.zeros((3, 2)), classes=["a", "b"], predicted=np.zeros(3, int),
    ...                            probabilities=np.ones(3))
    >>> display.embedding.shape
    (3, 2)
    """

    def __init__(
        self,
        embedding,
        *,
        classes,
        predicted,
        probabilities,
        targets=None,
        tomogram_names=None,
        axis_labels=("dimension 1", "dimension 2"),
        n_total=None,
    ):
        if np.ndim(embedding) != 2 or np.shape(embedding)[1] != 2:
            raise ValueError(
                f"embedding must be of shape (n_samples, 2), got {np.shape(embedding)}."
            )
        for name, value in (
            ("predicted", predicted),
            ("probabilities", probabilities),
            ("targets", targets),
            ("tomogram_names", tomogram_names),
        ):
            if value is not None and len(value) != len(embedding):
                raise ValueError(f"{name} has {len(value)} rows, the embedding {len(embedding)}.")
        self.embedding = embedding
        self.classes = classes
        self.predicted = predicted
        self.probabilities = probabilities
        self.targets = targets
        self.tomogram_names = tomogram_names
        self.axis_labels = axis_labels
        self.n_total = len(embedding) if n_total is None else n_total

    @classmethod
    def _embed(
        cls,
        estimator,
        X,
        y=None,
        *,
        y_proba=None,
        tomogram_names=None,
        reducer="pca",
        max_samples=2000,
        random_state=0,
    ):
        """Find the map, without a plot; arguments as :meth:`from_estimator`."""
        check_is_fitted(estimator)
        classes, n_total = np.asarray(estimator.classes_), len(X)
        targets = targets_among(y, classes, n_total)
        check_consistent_length(np.empty(n_total), y_proba, tomogram_names)
        if not max_samples >= 1:
            raise ValueError(f"max_samples={max_samples!r} must be 1 or more.")
        rows = np.arange(n_total)
        if n_total > max_samples:
            drawn = check_random_state(random_state).permutation(n_total)[:max_samples]
            rows = np.sort(drawn)
        part = safe_indexing(X, rows)
        proba = estimator.predict_proba(part) if y_proba is None else np.asarray(y_proba)[rows]
        embedding, axis_labels = _reduced(latent_codes(estimator, part), reducer, random_state)
        names = None if tomogram_names is None else np.asarray(tomogram_names)[rows]
        return cls(
            embedding,
            classes=classes,
            predicted=proba.argmax(axis=1),
            probabilities=proba.max(axis=1),
            targets=targets[rows],
            tomogram_names=names,
            axis_labels=axis_labels,
            n_total=n_total,
        )

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y=None,
        *,
        color_by="class",
        y_proba=None,
        tomogram_names=None,
        reducer="pca",
        max_samples=2000,
        random_state=0,
        class_names=None,
        ax=None,
    ):
        """Plot the latent codes of volumes.

        Parameters
        ----------
        estimator : classifier with ``transform`` or ``features``, or a pipeline that ends in one
            Fitted. Latent codes are those of ``transform``; of networks without them, the
            ``features`` that their classifier is given.
        X : array-like of shape (n_samples, depth, height, width)
            Volumes.
        y : array-like of shape (n_samples,), optional
            Labels, -1 where unknown.
        color_by : {"class", "label", "probability", "tomogram"}, default="class"
            What colors tell: the predicted class, the given label, the probability of the predicted
            class, or the tomogram.
        y_proba : array-like of shape (n_samples, n_classes), optional
            Probabilities, if they are known; else predicted.
        tomogram_names : array-like of shape (n_samples,), optional
            Tomogram of each volume.
        reducer : {"pca", "umap"} or transformer, default="pca"
            What makes two dimensions of them, by ``fit_transform``. "umap" needs the package
            umap-learn.
        max_samples : int, default=2000
            Of more volumes, so many are drawn at random.
        random_state : int, RandomState instance or None, default=0
            Draws them.
        class_names : mapping or sequence, optional
            Names to show, indexed by label.
        ax : matplotlib Axes, optional
            Where to plot; by default in a new figure.

        Returns
        -------
        display : LatentMapDisplay
            With the plot done.

        Raises
        ------
        ImportError
            If `reducer` is "umap" and umap-learn is not installed.
        ValueError
            If the estimator has no latent codes, or an option has no such value.
        """
        display = cls._embed(
            *(estimator, X, y),
            y_proba=y_proba,
            tomogram_names=tomogram_names,
            reducer=reducer,
            max_samples=max_samples,
            random_state=random_state,
        )
        return display.plot(color_by=color_by, class_names=class_names, ax=ax)

    def plot(self, *, color_by="class", class_names=None, cmap="viridis", ax=None):
        """Plot.

        Parameters
        ----------
        color_by : {"class", "label", "probability", "tomogram"}, default="class"
            As :meth:`from_estimator`.
        class_names : mapping or sequence, optional
            Names to show, indexed by label.
        cmap : str, default="viridis"
            Color map of probabilities.
        ax : matplotlib Axes, optional
            Where to plot; by default in a new figure.

        Returns
        -------
        self : LatentMapDisplay
            With ``ax_`` and ``figure_``.

        Raises
        ------
        ValueError
            If there is nothing to color by.
        """
        if color_by not in COLORS:
            raise ValueError(f"color_by={color_by!r} must be one of {list(COLORS)}.")
        if color_by == "tomogram" and self.tomogram_names is None:
            raise ValueError("color_by='tomogram' needs tomogram_names.")
        if color_by == "label" and (self.targets is None or not (self.targets >= 0).any()):
            raise ValueError("color_by='label' needs labels: y with at least one that is known.")
        with column_style() as plt:
            self.ax_ = one_axes(ax, plt, 2.6)
            if color_by == "probability":
                self._draw_probabilities(cmap)
            else:
                for rows, name, style in self._groups(color_by, class_names):
                    self._scatter(rows, label=name, **style)
                self.ax_.legend(
                    markerscale=1.6,
                    handletextpad=0.2,
                    borderpad=0.3,
                    loc="center left",
                    bbox_to_anchor=(1.0, 0.5),
                    frameon=False,
                )
            x, y = self.axis_labels
            self.ax_.set(xlabel=x, ylabel=y, xticks=[], yticks=[])
            if self.n_total > len(self.embedding):
                title = f"{len(self.embedding)} of {self.n_total} volumes, drawn at random"
                self.ax_.set_title(title, fontsize=7)
        self.figure_ = self.ax_.figure
        return self

    def _scatter(self, rows, **style):
        size = 4 if len(self.embedding) > 500 else 9
        where = self.embedding[rows]
        return self.ax_.scatter(*where.T, s=size, linewidths=0, rasterized=True, **style)

    def _draw_probabilities(self, cmap):
        # The least probable on top: they are few, and what one looks for.
        order = np.argsort(-np.asarray(self.probabilities), kind="stable")
        lowest = 1 / max(len(self.classes), 1)
        drawn = self._scatter(
            order, c=np.asarray(self.probabilities)[order], cmap=cmap, vmin=lowest, vmax=1
        )
        self.ax_.figure.colorbar(drawn, ax=self.ax_, label="probability")

    def _groups(self, color_by, class_names):
        """Yield rows, name and style of every group, those that matter least first."""
        if color_by == "tomogram":
            names, which = np.unique(
                np.asarray(self.tomogram_names).astype(str), return_inverse=True
            )
            for index, name in enumerate(names):
                color, marker = class_style(index)
                shown = shorten_name(name) if index < _MOST_NAMED else None
                yield which == index, shown, {"color": color, "marker": marker}
            return
        which = self.targets if color_by == "label" else np.asarray(self.predicted)
        if color_by == "label":
            yield which < 0, "unlabeled", {"color": GRAY, "alpha": 0.5, "marker": "."}
        for index, label in enumerate(self.classes):
            color, marker = class_style(index)
            yield (
                which == index,
                class_name(label, class_names),
                {"color": color, "marker": marker},
            )


def latent_codes(estimator, X):
    """Return latent codes of volumes, else features.

    Raises
    ------
    ValueError
        If the estimator has neither.
    """
    inner = last_step(estimator)
    for name in ("transform", "features"):
        if hasattr(inner, name):
            codes = np.asarray(getattr(inner, name)(input_of_last_step(estimator, X)))
            return codes.reshape(len(codes), -1)
    raise ValueError(
        f"{type(inner).__name__} has neither transform nor features, so it has no latent codes."
    )


def shorten_name(name, limit=18):
    """Return a name for a legend: the end of a long one, where tomograms differ."""
    return plain_text(name if len(name) <= limit else f"…{name[1 - limit :]}")


def _reduced(codes, reducer, random_state):
    """Return two dimensions of latent codes, and what they are called."""
    if isinstance(reducer, str) and reducer == "pca":
        return _principal_components(codes, random_state)
    if isinstance(reducer, str) and reducer == "umap":
        try:
            reducer = importlib.import_module("umap").UMAP(random_state=random_state, n_jobs=1)
        except ImportError as error:
            raise ImportError("reducer='umap' needs the package umap-learn.") from error
        name = "UMAP"
    elif hasattr(reducer, "fit_transform"):
        name = type(reducer).__name__
    else:
        raise ValueError(f"reducer={reducer!r} must be 'pca', 'umap' or have fit_transform.")
    return np.asarray(reducer.fit_transform(codes)), (f"{name} 1", f"{name} 2")


def _principal_components(codes, random_state):
    n_components = min(2, *codes.shape)
    pca = PCA(n_components, random_state=random_state)
    with np.errstate(invalid="ignore"):  # shares of no variance
        found = pca.fit_transform(codes)
    shares = np.nan_to_num(pca.explained_variance_ratio_)
    # Of one volume, or of one unit, there is no second component.
    padded = np.zeros((len(codes), 2))
    padded[:, :n_components] = found
    shares = [*shares, 0.0][:2]
    labels = tuple(f"PC {k + 1} ({share:.0%} of variance)" for k, share in enumerate(shares))
    return padded, labels
