"""Scale bars in angstrom."""

from __future__ import annotations

from typing import Any


def add_scale_bar(ax: Any, voxel_size_angstrom: float, length_angstrom: float = 100.0) -> Any:
    """Draw a scale bar into the lower left corner of an image of voxels.

    Parameters
    ----------
    ax : matplotlib Axes
        Shows an image whose pixels are voxels, as ``imshow`` draws it.
    voxel_size_angstrom : float
        Edge of a voxel.
    length_angstrom : float, default=100
        Length of the bar.

    Returns
    -------
    bar : matplotlib Rectangle
        The bar; the label above it says its length.

    Raises
    ------
    ValueError
        If a length is not positive, or the bar is longer than the image is wide.
    """
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import withStroke

    if not (voxel_size_angstrom > 0 and length_angstrom > 0):
        raise ValueError(
            f"voxel_size_angstrom={voxel_size_angstrom!r} and length_angstrom={length_angstrom!r} "
            "must be above 0."
        )
    length = length_angstrom / voxel_size_angstrom
    (left, right), (bottom, top) = sorted(ax.get_xlim()), ax.get_ylim()
    if length > right - left:
        raise ValueError(
            f"A bar of {length_angstrom:g} A is longer than the image, which is "
            f"{(right - left) * voxel_size_angstrom:g} A wide. Give a smaller length_angstrom."
        )
    x, y = left + 0.05 * (right - left), bottom + 0.05 * (top - bottom)
    outline = [withStroke(linewidth=1.5, foreground="black")]
    bar = Rectangle((x, y), length, 0.03 * (top - bottom), color="white", path_effects=outline)
    ax.add_patch(bar)
    ax.text(
        x,
        y + 0.05 * (top - bottom),
        f"{length_angstrom:g} Å",
        color="white",
        # Of a small image, the text is wider than the bar.
        ha="left",
        va="bottom",
        fontsize="small",
        path_effects=outline,
    )
    return bar
