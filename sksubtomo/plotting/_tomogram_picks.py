"""Picks on slices of a tomogram."""

from __future__ import annotations

import os

import numpy as np
from scipy import ndimage
from sklearn.utils.validation import check_consistent_length

from sksubtomo.io import open_volume
from sksubtomo.plotting._images import bar_length, contrast_limits
from sksubtomo.plotting._scale_bar import add_scale_bar
from sksubtomo.plotting._style import (
    GRAY,
    class_name,
    class_style,
    column_style,
    grid_axes,
)

# Pixels of an image, at most: more would not be seen.
_MOST_PIXELS = 600
_PLANES_AT_ONCE = 8


class TomogramPicksDisplay:
    """Particles of a tomogram on slices of it, with a color and a shape for each class.

    A slice is the mean of a few planes across the beam, which a Gaussian smooths; it shows the
    particles whose center is within. It is recommended to use :meth:`from_predictions`.

    Parameters
    ----------
    slices : ndarray of shape (n_slices, height, width)
        Images, axes y, x.
    planes : ndarray of shape (n_slices, 2)
        First plane z of each slice, and the one after its last.
    step : int
        Voxels a pixel of the slices.
    coordinates : ndarray of shape (n_particles, 3)
        Centers z, y, x in voxels of the tomogram.
    predicted : ndarray of shape (n_particles,)
        Class of each, as an index into `classes`, -1 without one.
    classes : array-like of shape (n_classes,)
        Labels of the classes.
    box_size : float
        Edge of the boxes in voxels; marks are as large.
    voxel_size_angstrom : float, optional
        Edge of a voxel of the tomogram, for a scale bar.

    Attributes
    ----------
    axes_ : ndarray of shape (n_slices, 1) of matplotlib Axes
        The slices, from low to high z.
    figure_ : matplotlib Figure
        The figure that holds them.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubtomo.plotting import TomogramPicksDisplay
    >>> display = TomogramPicksDisplay(
    ...     np.zeros((1, 40, 40)), np.array([[6, 14]]), 1, np.array([[9, 10, 10], [10, 30, 20]]),
    ...     np.array([0, 1]), classes=["a", "b"], box_size=8,
    ... )
    >>> display.slices.shape
    (1, 40, 40)
    """

    def __init__(
        self,
        slices,
        planes,
        step,
        coordinates,
        predicted,
        *,
        classes,
        box_size,
        voxel_size_angstrom=None,
    ):
        self.slices = slices
        self.planes = planes
        self.step = step
        self.coordinates = coordinates
        self.predicted = predicted
        self.classes = classes
        self.box_size = box_size
        self.voxel_size_angstrom = voxel_size_angstrom

    @classmethod
    def _cut(
        cls,
        tomogram,
        coordinates,
        y_pred,
        *,
        classes=None,
        box_size,
        n_slices=2,
        thickness=None,
        smoothing=1.0,
        voxel_size_angstrom=None,
    ):
        """Cut the slices, without a plot; arguments as :meth:`from_predictions`."""
        coordinates = np.asarray(coordinates, dtype=np.float64)
        if coordinates.ndim != 2 or coordinates.shape[1] != 3 or not len(coordinates):
            raise ValueError(
                f"coordinates has shape {coordinates.shape}; centers (n_particles, 3), z, y, x, "
                "are needed."
            )
        if not (box_size > 0 and n_slices >= 1 and smoothing >= 0):
            raise ValueError(
                f"box_size={box_size!r} and n_slices={n_slices!r} must be positive, and "
                f"smoothing={smoothing!r} not negative."
            )
        if not np.isfinite(coordinates).all():
            raise ValueError("coordinates holds NaN or infinity. Leave such particles out.")
        check_consistent_length(coordinates, y_pred)
        if isinstance(tomogram, (str, os.PathLike)):
            tomogram = open_volume(tomogram)
            stated = tomogram.voxel_size_angstrom
            if voxel_size_angstrom is None and stated is not None:
                voxel_size_angstrom = stated[2]
        if len(np.shape(tomogram)) != 3:
            raise ValueError(f"A tomogram has three axes; this one has {np.shape(tomogram)}.")
        y_pred = np.asarray(y_pred)
        classes = np.unique(y_pred) if classes is None else np.asarray(classes)
        matches = y_pred[:, np.newaxis] == classes
        thickness = max(1, round(box_size if thickness is None else thickness))
        planes = _planes(coordinates[:, 0], np.shape(tomogram)[0], thickness, n_slices)
        # Whole pixels of several voxels: less to read, and less noise.
        step = -(-max(np.shape(tomogram)[1:]) // _MOST_PIXELS)
        slices = [_mean_of_planes(tomogram, first, last, step) for first, last in planes]
        return cls(
            ndimage.gaussian_filter(np.stack(slices), (0, smoothing, smoothing)),
            planes,
            step,
            coordinates,
            np.where(matches.any(axis=1), matches.argmax(axis=1), -1),
            classes=classes,
            box_size=box_size,
            voxel_size_angstrom=voxel_size_angstrom,
        )

    @classmethod
    def from_predictions(
        cls,
        tomogram,
        coordinates,
        y_pred,
        *,
        classes=None,
        box_size,
        n_slices=2,
        thickness=None,
        smoothing=1.0,
        voxel_size_angstrom=None,
        **options,
    ):
        """Plot particles with their classes.

        Parameters
        ----------
        tomogram : path-like or array of shape (depth, height, width)
            A file that can be read in parts (uncompressed MRC, EM or OME-Zarr), or voxels, axes z,
            y, x. Only the planes shown are read.
        coordinates : array-like of shape (n_particles, 3)
            Centers z, y, x in voxels, counted from 0.
        y_pred : array-like of shape (n_particles,)
            Class of each.
        classes : array-like of shape (n_classes,), optional
            All classes, which colors go by; by default those that occur. Particles of no class
            among them are gray.
        box_size : float
            Edge of the boxes in voxels: marks are as large.
        n_slices : int, default=2
            How many slices, where particles are most.
        thickness : float, optional
            Planes of a slice; by default `box_size`.
        smoothing : float, default=1.0
            Standard deviation of the Gaussian, in pixels of the image.
        voxel_size_angstrom : float, optional
            Edge of a voxel, for a scale bar; by default what the file says.
        **options : dict
            As :meth:`plot`.

        Returns
        -------
        display : TomogramPicksDisplay
            With the plot done.

        Raises
        ------
        FileNotFoundError, FileFormatError
            If the file cannot be read in parts.
        ValueError
            If shapes do not match, or an option has no such value.
        """
        display = cls._cut(
            *(tomogram, coordinates, y_pred),
            classes=classes,
            box_size=box_size,
            n_slices=n_slices,
            thickness=thickness,
            smoothing=smoothing,
            voxel_size_angstrom=voxel_size_angstrom,
        )
        return display.plot(**options)

    def plot(self, *, contrast_percentile=(1, 99), class_names=None, axes=None, fig=None):
        """Plot.

        Parameters
        ----------
        contrast_percentile : (float, float), default=(1, 99)
            Percentiles of the slices that are black and white.
        class_names : mapping or sequence, optional
            Names to show, indexed by label.
        axes : array of matplotlib Axes, optional
            Where to plot, one for each slice.
        fig : matplotlib Figure or SubFigure, optional
            Where to make axes; by default in a new figure.

        Returns
        -------
        self : TomogramPicksDisplay
            With ``axes_`` and ``figure_``.
        """
        black, white = contrast_limits(self.slices, contrast_percentile)
        n_slices, height, width = self.slices.shape
        with column_style() as plt:
            self.axes_ = grid_axes(
                *(n_slices, 1),
                axes=axes,
                fig=fig,
                plt=plt,
                height=min(3.3 * height / width, 5.0) * n_slices + 0.5,
            )
            right, top = width * self.step - 0.5, height * self.step - 0.5
            for ax, image, (first, last) in zip(
                self.axes_[:, 0], self.slices, self.planes, strict=True
            ):
                # In voxels of the tomogram, as coordinates are; y points up, as in viewers.
                ax.imshow(
                    image,
                    cmap="gray",
                    vmin=black,
                    vmax=white,
                    origin="lower",
                    extent=(-0.5, right, -0.5, top),
                )
                self._mark(ax, first, last)
                ax.set(xticks=[], yticks=[], xlim=(-0.5, right), ylim=(-0.5, top))
                ax.set_title(f"z = {first} to {last - 1}", fontsize=7, pad=2)
            if self.voxel_size_angstrom is not None:
                size, ax = self.voxel_size_angstrom, self.axes_[0, 0]
                add_scale_bar(ax, size, bar_length(width * self.step, size))
            self.figure_ = self.axes_[0, 0].figure
            self._add_legend(class_names)
        return self

    def _mark(self, ax, first, last):
        from matplotlib.patheffects import withStroke

        # Seen on dark particles and on bright ones.
        outline = [withStroke(linewidth=2.2, foreground="white", alpha=0.7)]
        z = self.coordinates[:, 0]
        inside = (z >= first) & (z < last)
        for index in (-1, *range(len(self.classes))):
            rows = np.flatnonzero(inside & (self.predicted == index))
            if len(rows):
                ax.scatter(
                    *self.coordinates[rows][:, [2, 1]].T,
                    s=self._size(),
                    facecolors="none",
                    linewidths=1.0,
                    path_effects=outline,
                    **self._style(index),
                )

    def _size(self):
        """Return the area of a mark in points, as large as a box where there is room for it."""
        points = 72 * 3.3 * self.box_size / (self.slices.shape[2] * self.step)
        return float(np.clip(points, 5, 14)) ** 2

    def _style(self, index):
        color, marker = (GRAY, "o") if index < 0 else class_style(index)
        # Marks without an inside cannot be hollow.
        return {"edgecolors": color, "marker": marker}

    def _add_legend(self, class_names):
        from matplotlib.lines import Line2D

        handles = []
        for index in (*range(len(self.classes)), -1):
            n = int((self.predicted == index).sum())
            if not n:
                continue
            style = self._style(index)
            name = "no class" if index < 0 else class_name(self.classes[index], class_names)
            handles.append(
                Line2D(
                    *([], []),
                    color=style["edgecolors"],
                    marker=style["marker"],
                    linestyle="none",
                    fillstyle="none",
                    label=f"{name}, {n}",
                )
            )
        self.axes_[-1, 0].legend(
            handles=handles,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.01),
            frameon=False,
            ncols=min(len(handles), 3),
            handletextpad=0.1,
            columnspacing=0.8,
        )


def _planes(z, depth, thickness, n_slices):
    """Return first and last planes of slices that hold the most particles, without an overlap."""
    thickness = min(thickness, depth)
    starts = np.arange(depth - thickness + 1)
    counts = np.array([((z >= first) & (z < first + thickness)).sum() for first in starts])
    found: list[int] = []
    while len(found) < n_slices:
        free = np.array(
            [all(abs(first - other) >= thickness for other in found) for first in starts]
        )
        if not free.any() or (found and not counts[free].any()):
            break
        best = starts[free & (counts == counts[free].max())]
        # Amid those that are equally good, so that particles are not at the edge.
        found.append(int(best[len(best) // 2]))
    return np.array([(first, first + thickness) for first in sorted(found)])


def _mean_of_planes(tomogram, first, last, step):
    """Return the mean of planes, in pixels of step * step voxels."""
    total = np.zeros(np.shape(tomogram)[1:])
    for start in range(first, last, _PLANES_AT_ONCE):
        part = tomogram[start : min(start + _PLANES_AT_ONCE, last), :, :]
        total += np.asarray(part).sum(axis=0, dtype=np.float64)
    mean = total / (last - first)
    if not np.isfinite(mean).all():
        raise ValueError("The tomogram holds NaN or infinity. Mask it with numbers.")
    height, width = (edge // step * step for edge in mean.shape)
    blocks = mean[:height, :width].reshape(height // step, step, width // step, step)
    return blocks.mean(axis=(1, 3))
