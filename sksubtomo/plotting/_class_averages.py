"""Class averages as orthogonal slices, with their Fourier shell correlation."""

from __future__ import annotations

import numpy as np

from sksubtomo._utils._steps import input_of_last_step
from sksubtomo.fourier import gaussian_low_pass
from sksubtomo.plotting._estimators import with_attribute
from sksubtomo.plotting._images import bar_length, contrast_limits
from sksubtomo.plotting._scale_bar import add_scale_bar
from sksubtomo.plotting._style import GRAY, OKABE_ITO, class_name, column_style, grid_axes

#: Of half maps that were refined to a common reference.
THRESHOLD = 0.143
_PLANES = ("xy", "xz", "yz")


class ClassAverageDisplay:
    """Three orthogonal central slices of every class average, and how well its halves agree.

    A row for each average: the slices across z, y and x, and the Fourier shell correlation of its
    half maps with the threshold of 0.143. It is recommended to use :meth:`from_estimator` or
    :meth:`from_averages`.

    Parameters
    ----------
    averages : ndarray of shape (n_averages, d, d, d)
        Maps, axes z, y, x.
    classes : array-like of shape (n_averages,)
        Class of each.
    n_volumes : array-like of shape (n_averages,), optional
        How many particles are in each.
    frequency : ndarray of shape (n_shells,), optional
        Of the correlation: cycles per angstrom, or per voxel without a voxel size.
    fsc : ndarray of shape (n_averages, n_shells), optional
        Fourier shell correlations.
    resolution : array-like of shape (n_averages,), optional
        In angstrom, or voxels; infinite where there is none.
    voxel_size_angstrom : float, optional
        Edge of a voxel, for a scale bar.

    Attributes
    ----------
    axes_ : ndarray of shape (n_averages, 3 or 4) of matplotlib Axes
        Slices, and the correlation where there is one.
    figure_ : matplotlib Figure
        The figure that holds them.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubtomo.plotting import ClassAverageDisplay
    >>> display = ClassAverageDisplay(np.zeros((2, 8, 8, 8)), classes=["a", "b"])
    >>> display.averages.shape
    (2, 8, 8, 8)
    """

    def __init__(
        self,
        averages,
        *,
        classes,
        n_volumes=None,
        frequency=None,
        fsc=None,
        resolution=None,
        voxel_size_angstrom=None,
    ):
        if np.ndim(averages) != 4 or len(averages) != len(classes):
            raise ValueError(
                "averages must be of shape (n_averages, depth, height, width), one for each class; "
                f"got {np.shape(averages)} and {len(classes)} classes."
            )
        if fsc is not None and np.shape(fsc) != (len(averages), np.size(frequency)):
            raise ValueError(
                f"fsc has shape {np.shape(fsc)}; a row for each of {len(averages)} averages and a "
                f"column for each of {np.size(frequency)} frequencies are needed."
            )
        self.averages = averages
        self.classes = classes
        self.n_volumes = n_volumes
        self.frequency = frequency
        self.fsc = fsc
        self.resolution = resolution
        self.voxel_size_angstrom = voxel_size_angstrom

    @classmethod
    def from_estimator(
        cls, estimator, X=None, *, poses=None, refine=True, voxel_size_angstrom=None, **options
    ):
        """Plot the references of a fitted classifier, or averages of volumes in their poses.

        Parameters
        ----------
        estimator : MultiReferenceClassifier, or pipeline or meta-estimator around one
            Fitted.
        X : array-like of shape (n_samples, d, d, d), optional
            Volumes to average, see :meth:`.MultiReferenceClassifier.class_averages`. Without them,
            ``references_`` are shown, which have no correlation of halves.
        poses : Bunch, optional
            Poses of `X`, such as ``poses_`` for the volumes of ``fit``.
        refine : bool, default=True
            Whether to improve the poses first.
        voxel_size_angstrom : float, optional
            Edge of a voxel.
        **options : dict
            As :meth:`plot`.

        Returns
        -------
        display : ClassAverageDisplay
            With the plot done.

        Raises
        ------
        ValueError
            If the estimator has no references.
        """
        inner = with_attribute(estimator, "references_")
        if X is None:
            display = cls(
                inner.references_,
                classes=inner.reference_classes_,
                voxel_size_angstrom=voxel_size_angstrom,
            )
            return display.plot(**options)
        averages = inner.class_averages(
            input_of_last_step(estimator, X),
            poses,
            refine=refine,
            voxel_size_angstrom=voxel_size_angstrom,
        )
        return cls.from_averages(
            averages,
            classes=inner.reference_classes_,
            voxel_size_angstrom=voxel_size_angstrom,
            **options,
        )

    @classmethod
    def from_averages(cls, averages, *, classes, voxel_size_angstrom=None, **options):
        """Plot what ``class_averages`` returned.

        Parameters
        ----------
        averages : Bunch
            With ``averages``, ``n_volumes``, ``frequency``, ``fsc`` and ``resolution``.
        classes : array-like of shape (n_averages,)
            Class of each.
        voxel_size_angstrom : float, optional
            Edge of a voxel, where ``class_averages`` was given it.
        **options : dict
            As :meth:`plot`.

        Returns
        -------
        display : ClassAverageDisplay
            With the plot done.
        """
        names = ("n_volumes", "frequency", "fsc", "resolution")
        display = cls(
            averages["averages"],
            classes=classes,
            voxel_size_angstrom=voxel_size_angstrom,
            **{name: averages[name] for name in names},
        )
        return display.plot(**options)

    def plot(
        self,
        *,
        contrast_percentile=(0.5, 99.5),
        class_names=None,
        cmap="gray",
        axes=None,
        fig=None,
    ):
        """Plot; averages are low-pass filtered at their resolution, where there is one.

        Parameters
        ----------
        contrast_percentile : (float, float), default=(0.5, 99.5)
            Percentiles of the slices of an average that are black and white.
        class_names : mapping or sequence, optional
            Names to show, indexed by label.
        cmap : str, default="gray"
            Color map.
        axes : array of matplotlib Axes, optional
            Where to plot: three for each average, and a fourth one with `fsc`.
        fig : matplotlib Figure or SubFigure, optional
            Where to make axes; by default in a new figure.

        Returns
        -------
        self : ClassAverageDisplay
            With ``axes_`` and ``figure_``.
        """
        names = [class_name(label, class_names) for label in self.classes]
        n_rows, n_columns = len(names), 3 if self.fsc is None else 4
        ratios = [1, 1, 1, 1.5][:n_columns]
        with column_style() as plt:
            self.axes_ = grid_axes(
                *(n_rows, n_columns),
                axes=axes,
                fig=fig,
                plt=plt,
                width_ratios=ratios,
                height=(1.15 if n_columns == 3 else 0.95) * n_rows + 0.25,
            )
            for k, row in enumerate(self.axes_):
                self._draw_slices(k, row, names[k], contrast_percentile, cmap)
                if self.fsc is not None:
                    self._draw_fsc(k, row[3], is_last=k == n_rows - 1)
            for ax, plane in zip(self.axes_[0], _PLANES, strict=False):
                ax.set_title(plane, pad=2)
        self.figure_ = self.axes_[0, 0].figure
        return self

    def _draw_slices(self, k, row, name, contrast_percentile, cmap):
        volume = self._filtered(k)
        depth, height, width = volume.shape
        slices = (volume[depth // 2], volume[:, height // 2], volume[:, :, width // 2])
        values = np.concatenate([one.ravel() for one in slices])
        black, white = contrast_limits(values, contrast_percentile)
        for ax, image, plane in zip(row, slices, _PLANES, strict=False):
            # Rows of an image are the second axis of its plane, which points up, as x points right.
            ax.imshow(image, cmap=cmap, vmin=black, vmax=white, origin="lower")
            ax.set(xticks=[], yticks=[], gid=f"{plane}-{k}")
        label = name if self.n_volumes is None else f"{name}\nn = {self.n_volumes[k]}"
        row[0].set_ylabel(label, fontsize=7)
        if k == 0 and self.voxel_size_angstrom is not None:
            size = self.voxel_size_angstrom
            add_scale_bar(row[0], size, bar_length(width, size))

    def _filtered(self, k):
        """Return an average up to its resolution."""
        volume = np.asarray(self.averages[k], dtype=np.float64)
        resolution = np.inf if self.resolution is None else float(self.resolution[k])
        if not np.isfinite(resolution):
            return volume
        size = 1.0 if self.voxel_size_angstrom is None else self.voxel_size_angstrom
        return gaussian_low_pass(volume, size / resolution)

    def _draw_fsc(self, k, ax, *, is_last):
        unit = "voxels" if self.voxel_size_angstrom is None else "Å"
        resolution = np.inf if self.resolution is None else float(self.resolution[k])
        told = f"{resolution:.3g} {unit}" if np.isfinite(resolution) else "no resolution"
        ax.axhline(THRESHOLD, color=GRAY, linestyle=":", linewidth=1)
        ax.axhline(0, color=GRAY, linewidth=0.5)
        ax.plot(self.frequency, self.fsc[k], color=OKABE_ITO[0])
        ax.set(ylim=(-0.15, 1.12), yticks=[0, 0.5, 1], xlim=(0, None))
        ax.set_title("FSC" if k == 0 else "", pad=2)
        ax.text(0.97, 0.95, told, transform=ax.transAxes, ha="right", va="top", fontsize=7)
        if is_last:
            ax.set_xlabel("1/voxel" if self.voxel_size_angstrom is None else "1/Å")
