"""How orientations are distributed."""

from __future__ import annotations

import numpy as np

from sksubtomo._utils._rotations import rows_with_pose
from sksubtomo._utils._steps import input_of_last_step
from sksubtomo.plotting._estimators import with_attribute
from sksubtomo.plotting._style import class_name, column_style, grid_axes

# Particles that a bin would have of a uniform distribution, at least.
_LEAST_EXPECTED = 3
_FEWEST_TILTS, _MOST_TILTS = 3, 12
_TILT_TICKS_DEG = (0, 45, 90, 135, 180)


class OrientationDisplay:
    """From which directions the particles of every class are seen.

    The direction of the beam in the frame of the reference, by RELION's angles rot and tilt, on an
    equal-area map: tilt is spaced by its cosine, so that a uniform distribution has one color. That
    is the number of particles over the one expected of a uniform distribution. A panel for each
    class, since each has a frame of its own. It is recommended to use :meth:`from_estimator` or
    :meth:`from_rotations`.

    Parameters
    ----------
    rot_deg, tilt_deg : ndarray of shape (n_samples,)
        Azimuth and polar angle of the direction, in degrees.
    labels : array-like of shape (n_samples,), optional
        Class or reference of each.

    Attributes
    ----------
    axes_ : ndarray of shape (n_rows, n_columns) of matplotlib Axes
        A panel for each class; those without one are hidden.
    figure_ : matplotlib Figure
        The figure that holds them.

    Notes
    -----
    Where all particles of a class have nearly one orientation, so has their missing wedge in the
    frame of the reference: the average is smeared along the beam. Symmetric references are in one
    of several equivalent orientations, so that a part of the map may be empty.

    Examples
    --------
    >>> from sksubtomo.plotting import OrientationDisplay
    >>> display = OrientationDisplay([0.0, 90.0, -90.0], [10.0, 90.0, 170.0])
    >>> display.tilt_deg.max()
    np.float64(170.0)
    """

    def __init__(self, rot_deg, tilt_deg, *, labels=None):
        self.rot_deg = np.asarray(rot_deg, dtype=np.float64)
        self.tilt_deg = np.asarray(tilt_deg, dtype=np.float64)
        self.labels = np.zeros(len(self.rot_deg)) if labels is None else np.asarray(labels)
        self.has_labels = labels is not None
        shapes = {self.rot_deg.shape, self.tilt_deg.shape, self.labels.shape}
        if len(shapes) != 1 or self.rot_deg.ndim != 1 or not len(self.rot_deg):
            raise ValueError(
                "One rot, tilt and label are needed for every particle; their shapes are "
                f"{self.rot_deg.shape}, {self.tilt_deg.shape} and {self.labels.shape}."
            )

    @classmethod
    def _directions(cls, rotations, *, labels=None):
        """Find the directions of rotations, without a plot; see :meth:`from_rotations`."""
        if rotations.single:
            raise ValueError("A stack of rotations is needed, one for each particle.")
        beam = rotations.inv().apply([0.0, 0.0, 1.0])
        rot = np.degrees(np.arctan2(beam[:, 1], beam[:, 0]))
        tilt = np.degrees(np.arccos(np.clip(beam[:, 2], -1, 1)))
        return cls(rot, tilt, labels=labels)

    @classmethod
    def from_estimator(cls, estimator, X=None, **options):
        """Plot orientations that a classifier by references found.

        Parameters
        ----------
        estimator : MultiReferenceClassifier, or pipeline or meta-estimator around one
            Fitted.
        X : array-like of shape (n_samples, d, d, d), optional
            Volumes to align. Without them, the volumes of ``fit`` are shown. Those of a background,
            which have no pose, are left out.
        **options : dict
            As :meth:`plot`.

        Returns
        -------
        display : OrientationDisplay
            With the plot done.

        Raises
        ------
        ValueError
            If the estimator knows no poses, or all volumes are of a background.
        """
        inner = with_attribute(estimator, "poses_")
        poses = inner.poses_ if X is None else inner.align(input_of_last_step(estimator, X))
        rows = rows_with_pose(poses)
        if not len(rows):
            raise ValueError("All volumes are of the background, which has no poses.")
        labels = np.asarray(poses["labels"])[rows]
        return cls.from_rotations(poses["rotations"][rows], labels=labels, **options)

    @classmethod
    def from_rotations(cls, rotations, *, labels=None, **options):
        """Plot orientations.

        Parameters
        ----------
        rotations : Rotation
            A stack of them, of vectors x, y, z, from the reference to the tomogram; see
            :func:`.relion_rotations`.
        labels : array-like of shape (n_samples,), optional
            Class of each.
        **options : dict
            As :meth:`plot`.

        Returns
        -------
        display : OrientationDisplay
            With the plot done.
        """
        return cls._directions(rotations, labels=labels).plot(**options)

    def plot(self, *, class_names=None, cmap="viridis", axes=None, fig=None):
        """Plot.

        Parameters
        ----------
        class_names : mapping or sequence, optional
            Names to show, indexed by label.
        cmap : str, default="viridis"
            Color map.
        axes : array of matplotlib Axes, optional
            Where to plot, one for each class.
        fig : matplotlib Figure or SubFigure, optional
            Where to make axes; by default in a new figure.

        Returns
        -------
        self : OrientationDisplay
            With ``axes_`` and ``figure_``.
        """
        labels = np.unique(self.labels)
        n_columns = 1 if len(labels) == 1 else 2
        n_rows = -(-len(labels) // n_columns)
        if axes is not None:
            n_rows, n_columns = 1, len(labels)
        with column_style() as plt:
            self.axes_ = grid_axes(
                *(n_rows, n_columns),
                axes=axes,
                fig=fig,
                plt=plt,
                height=(1.7 if n_columns == 1 else 1.45) * n_rows + 0.2,
            )
            panels = self.axes_.ravel()
            shown = [self._draw(ax, label, cmap) for ax, label in zip(panels, labels, strict=False)]
            highest = max(mesh.get_array().max() for mesh in shown)
            for mesh, ax, label in zip(shown, panels, labels, strict=False):
                mesh.set_clim(0, max(highest, 1))
                n = int((self.labels == label).sum())
                named = f"{class_name(label, class_names)}, " if self.has_labels else ""
                ax.set_title(f"{named}n = {n}", fontsize=7, pad=3)
            for ax in panels[len(labels) :]:
                ax.set_axis_off()
            for ax in self.axes_[-1]:
                ax.set_xlabel("rot (°)")
            for ax in self.axes_[:, 0]:
                ax.set_ylabel("tilt (°)")
            self.figure_ = panels[0].figure
            bar = self.figure_.colorbar(shown[0], ax=panels[: len(labels)].tolist(), pad=0.02)
            bar.set_label("particles / uniform", fontsize=7)
        return self

    def _draw(self, ax, label, cmap):
        """Draw the map of a class; its color scale is set later, with those of the others."""
        rows = self.labels == label
        n_tilts = int(np.sqrt(rows.sum() / _LEAST_EXPECTED / 2))
        n_tilts = min(max(n_tilts, _FEWEST_TILTS), _MOST_TILTS)
        counts, rot_edges, height_edges = np.histogram2d(
            self.rot_deg[rows],
            # From -1 up, so that tilt falls along the axis as it does on a globe.
            np.cos(np.radians(self.tilt_deg[rows])),
            bins=(2 * n_tilts, n_tilts),
            range=((-180, 180), (-1, 1)),
        )
        relative = counts.T * counts.size / rows.sum()
        ax.set(
            xticks=[-180, 0, 180],
            yticks=np.cos(np.radians(_TILT_TICKS_DEG)),
            yticklabels=[str(tilt) for tilt in _TILT_TICKS_DEG],
        )
        return ax.pcolormesh(rot_edges, height_edges, relative, cmap=cmap)
