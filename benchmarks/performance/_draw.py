"""The figure of the results."""

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from _render import latest

_SIDES = (("to_reference", "reference", "tab:blue"), ("to_bare", "bare loop", "tab:orange"))


def draw(path):
    """Draw ratios, shares of the peak and growth, a row of panels for each set of results."""
    groups = latest(path)
    tallest = max(len(rows) for rows in groups.values())
    figure, axes = plt.subplots(
        len(groups),
        3,
        figsize=(16, len(groups) * (2.5 + 0.35 * tallest)),
        squeeze=False,
        layout="constrained",
    )
    for row_of_axes, (key, rows) in zip(axes, groups.items(), strict=True):
        draw_ratios(row_of_axes[0], rows)
        draw_shares(row_of_axes[1], rows)
        draw_scaling(row_of_axes[2], rows)
        profile, cpu, instructions, device, precision, threads = key
        title = f"{profile}, {device}, {precision}, {threads} threads\n{cpu}, {instructions}"
        shown = next((ax for ax in row_of_axes if ax.get_visible()), None)
        if shown is not None:
            shown.set_title(title, fontsize=9)
    figure.savefig(path.with_suffix(".png"), dpi=120)
    plt.close(figure)


def draw_ratios(ax, rows):
    """Draw times relative to the reference and to the bare loop, with quartiles."""
    rows = [row for row in rows if row["to_reference"] or row["to_bare"]]
    for shift, (name, title, color) in zip((-0.2, 0.2), _SIDES, strict=True):
        chosen = [(place, row) for place, row in enumerate(rows) if row[name]]
        if not chosen:
            continue
        middle = np.array([float(row[name]) for _, row in chosen])
        low = middle - [float(row[name + "_low"]) for _, row in chosen]
        high = [float(row[name + "_high"]) for _, row in chosen] - middle
        places = np.array([place for place, _ in chosen]) + shift
        # Rounding may put a quartile on the wrong side of the median.
        # Lists, because matplotlib 3.10 warns where an array has one column.
        errors = np.clip([low, high], 0, None).tolist()
        ax.barh(places, middle, 0.35, xerr=errors, color=color, alpha=0.7, label=title)
    _name(ax, rows)
    ax.axvline(1.0, color="black", linewidth=0.8)
    ax.set_xlabel("time relative to the other's")
    if rows:
        ax.legend(fontsize=7)
    ax.set_visible(bool(rows))


def draw_shares(ax, rows):
    """Draw shares of the peaks."""
    rows = [row for row in rows if row["share_of_peak"]]
    ax.barh(range(len(rows)), [float(row["share_of_peak"]) for row in rows], color="tab:green")
    _name(ax, rows)
    ax.axvline(1.0, color="black", linewidth=0.8)
    ax.set_xlabel("operations per second, share of a matrix product's")
    ax.set_visible(bool(rows))


def draw_scaling(ax, rows):
    """Draw seconds of an epoch against what grows, relative to the smallest."""
    rows = [row for row in rows if row["exponent"]]
    for row in rows:
        points = np.array([point.split(":") for point in row["points"].split()], dtype=float)
        relative = points / points[0]
        axis = row["case"].removeprefix("scaling_")
        label = f"{axis}: exponent {float(row['exponent']):.2f}"
        ax.loglog(*relative.T, marker="o", label=label)
    ax.set_xlabel("relative to the smallest")
    ax.set_ylabel("seconds of an epoch, relative")
    if rows:
        ax.legend(fontsize=7)
    ax.set_visible(bool(rows))


def _name(ax, rows):
    ax.set_yticks(range(len(rows)), [row["case"] for row in rows], fontsize=7)
    ax.invert_yaxis()
