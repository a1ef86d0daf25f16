"""Tables and figure of the results."""

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
from _cases import CASES
from _harness import peak_column
from _results import markdown_table, read_rows, write_markdown
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

#: What tells one set of rows from another: hardware and precision.
SERIES = ("device", "cpu", "instructions", "precision", "threads")
# Okabe and Ito's palette, which is safe for color-blind readers; markers differ as well, and
# pairs repeat only after 35 series.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "black")
_MARKERS = ("o", "s", "D", "^", "v")
_TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
_INTRODUCTION = """\
Rendered by `python benchmarks/performance/run.py` from `{name}`: the newest row of every
case, medians over the rounds; quartiles in brackets where there were several.

- *Speedup*: seconds of the reference by ours. The reference is the paper's network in plain
  PyTorch, float32 (on GPUs with PyTorch's default, TF32 in convolutions); for predictions it runs
  the whole network.
- *Overhead*: seconds of ours by those of a bare loop of the estimator's own network, loss and
  optimizer.
- *Share of peak, of copying*: operations and bytes per second by the measured peaks of the
  precision. Operations are those of direct convolutions and dense layers, bytes those of float32
  layers that read and write once; faster algorithms, fused layers and caches can exceed 100 %.

![Speedup over plain PyTorch]({name_of_figure})
"""


def latest(path, columns):
    """Return the newest row of every case, grouped by the values of some columns.

    Rows of the smoke profile, whose sizes are tiny, count only where there are no others.

    Returns
    -------
    groups : dict
        Rows in the order of the cases, by tuples of values.
    """
    rows = [row for row in read_rows(path) if row["case"] in CASES]
    rows = [row for row in rows if row["profile"] != "smoke"] or rows
    groups = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in columns), {})[row["case"]] = row
    return {key: [rows[name] for name in CASES if name in rows] for key, rows in groups.items()}


def render(path):
    """Write the tables beside the CSV file and return them."""
    figure = path.with_suffix(".png").name
    lines = _INTRODUCTION.format(name=path.name, name_of_figure=figure).splitlines()
    for key, rows in latest(path, (*SERIES, "profile")).items():
        lines += ["", *section(dict(zip((*SERIES, "profile"), key, strict=True)), rows)]
    return write_markdown(path, lines)


def section(group, rows):
    """Return the lines of one profile on one device."""
    newest = max(rows, key=lambda row: row["date"])
    versions = ", ".join(f"{name} {newest[name]}" for name in ("python", "torch", "skorch"))
    peaks = "; ".join(
        f"{_number(newest, column)} {unit}"
        for column, unit in (
            ("peak_float32_gflops", "GFLOP/s in float32"),
            ("peak_bfloat16_gflops", "in bfloat16"),
            ("peak_copy_gb_s", "GB/s copying"),
        )
    )
    lines = [
        f"## {label_of(group)}, profile `{group['profile']}`",
        "",
        f"{newest['cores']} cores; {versions}; {newest['date']}. Measured peaks: {peaks}.",
    ]
    growth = [row for row in rows if row["exponent"]]
    memory = [row for row in rows if row["peak_mib"]]
    times = [row for row in rows if not row["exponent"] and not row["peak_mib"]]
    for title, chosen, columns in (
        ("Times", times, TIMES),
        ("Growth of an epoch", growth, GROWTH),
        ("Memory of a fit", memory, MEMORY),
    ):
        if chosen:
            cells = [[cell(row) for cell in columns.values()] for row in chosen]
            lines += ["", f"### {title}", "", *markdown_table(list(columns), cells)]
    return lines


def label_of(group):
    """Return how a set of rows is called."""
    if group["device"] != "cpu":
        return f"{group['device']}, {group['precision']}"
    cpu = " ".join(filter(None, (group["cpu"], group["instructions"].replace(" ", "+"))))
    threads = f"{group['threads']} thread{'s' * (group['threads'] != '1')}"
    return f"{cpu}, {group['precision']}, {threads}"


def speedup(row):
    """Return the speedup over the reference, and its quartiles; None without a reference."""
    if not row["to_reference"]:
        return None
    ends = ("to_reference", "to_reference_high", "to_reference_low")
    return tuple(1 / float(row[name]) for name in ends)


def _edge(row):
    return int(dict(word.split("=") for word in row["parameters"].split())["edge"])


def _number(row, name):
    if not row[name]:
        return "-"
    value = float(row[name])
    return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"


def _spread(row, middle, low, high):
    quartiles = f" ({low:.3g}-{high:.3g})" if row["rounds"] != "1" else ""
    return f"{middle:.3g}{quartiles}"


def _quartiles(row, name):
    if not row[name]:
        return "-"
    return _spread(row, *(float(row[name + end]) for end in ("", "_low", "_high")))


def _share(row, rate, peak):
    return f"{float(row[rate]) / float(row[peak]):.0%}" if row[rate] else "-"


_CASE = {
    "case": lambda row: f"{CASES[row['case']].title} (`{row['case']}`)",
    "sizes": lambda row: row["parameters"],
}
_SOURCE = {"rounds": lambda row: row["rounds"], "commit": lambda row: row["commit"]}
TIMES = {
    **_CASE,
    "seconds": lambda row: f"{_quartiles(row, 'seconds')} per {row['unit']}",
    "volumes / s": lambda row: _number(row, "volumes_per_second"),
    "speedup": lambda row: _spread(row, *speedup(row)) if speedup(row) else "-",
    "overhead": lambda row: _quartiles(row, "to_bare"),
    "share of peak": lambda row: _share(row, "gflops", peak_column(row["precision"])),
    "share of copying": lambda row: _share(row, "gb_s", "peak_copy_gb_s"),
    **_SOURCE,
}
GROWTH = {
    **_CASE,
    "exponent": lambda row: _quartiles(row, "exponent"),
    "exponent of operations": lambda row: _number(row, "exponent_of_operations"),
    "seconds": lambda row: row["points"].replace(" ", ", ").replace(":", ": "),
    **_SOURCE,
}
MEMORY = {
    **_CASE,
    "peak, MiB": lambda row: _number(row, "peak_mib"),
    "before, MiB": lambda row: _number(row, "before_mib"),
    "data, MiB": lambda row: _number(row, "data_mib"),
    "taken by the fit, MiB": lambda row: _number(row, "fit_mib"),
    "commit": lambda row: row["commit"],
}


def draw(path):
    """Draw speedups over the reference, and write the figure beside the CSV file.

    Training and prediction have a panel each, on one scale.
    """
    panels, styles = _points_of_panels(path)
    if not panels:
        return
    # Points have a line each, cases a gap between them.
    heights = [sum(len(points) + 1 for points in cases.values()) for cases in panels.values()]
    style = {"font.size": 9, "xtick.labelsize": 9, "ytick.labelsize": 9, "legend.fontsize": 9}
    with mpl.rc_context(style):
        figure, axes = plt.subplots(
            *(len(panels), 1),
            figsize=(7, 1.2 + 0.3 * len(styles) + 0.19 * sum(heights)),
            gridspec_kw={"height_ratios": heights},
            layout="constrained",
            sharex=True,
            squeeze=False,
        )
        for ax, (title, cases) in zip(axes[:, 0], panels.items(), strict=True):
            _draw_panel(ax, title, cases, styles)
        axes[-1, 0].set_xlabel("speedup over plain PyTorch (median and quartiles; log scale)")
        handles = [
            plt.Line2D([], [], **style, linestyle="", label=label)
            for label, style in styles.items()
        ]
        figure.legend(handles=handles, loc="outside upper left", frameon=False)
        figure.savefig(path.with_suffix(".png"), dpi=200)
    plt.close(figure)


def _points_of_panels(path):
    """Return rows with a speedup by panel and case, with the label of the series of each; styles.

    Styles are dictionaries by label.
    """
    rows_of = {
        label_of(dict(zip(SERIES, key, strict=True))): [row for row in rows if speedup(row)]
        for key, rows in latest(path, SERIES).items()
    }
    labels = [label for label, rows in rows_of.items() if rows]
    styles = {
        label: {"color": _COLORS[i % len(_COLORS)], "marker": _MARKERS[i % len(_MARKERS)]}
        for i, label in enumerate(labels)
    }
    panels = {"Training": {}, "Prediction": {}}
    for case in CASES:
        title = "Prediction" if case.startswith(("predict", "transform")) else "Training"
        points = [(label, row) for label in labels for row in rows_of[label] if row["case"] == case]
        if points:
            panels[title][case] = points
    return {title: cases for title, cases in panels.items() if cases}, styles


def _draw_panel(ax, title, cases, styles):
    """Draw the points of all cases of a panel, from top to bottom by title and edge."""
    titles = list(dict.fromkeys(CASES[case].title for case in cases))
    edges = {case: _edge(points[0][1]) for case, points in cases.items()}
    place, ticks = 0, {}
    for case in sorted(cases, key=lambda case: (titles.index(CASES[case].title), edges[case])):
        points = cases[case]
        ticks[f"{CASES[case].title}, box {edges[case]}"] = place + (len(points) - 1) / 2
        for label, row in points:
            middle, low, high = speedup(row)
            ax.plot([low, high], [place, place], color=styles[label]["color"])
            ax.plot(middle, place, **styles[label], markersize=5)
            text = f"{middle:.{2 if middle < 1 else 1 if middle < 10 else 0}f}"
            ax.annotate(
                f"{text}x",
                (max(middle, high), place),
                (5, 0),
                textcoords="offset points",
                va="center",
            )
            place += 1
        place += 1
    ax.set_yticks(list(ticks.values()), list(ticks))
    ax.set_ylim(place - 1.25, -0.75)
    ax.set_title(title, fontsize=10, loc="left")
    ax.axvline(1.0, color="black", linewidth=0.8)
    ax.set_xscale("log")
    ax.margins(x=0.12)
    ax.xaxis.set_major_locator(FixedLocator(_TICKS))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}x"))
    ax.grid(axis="x", color="0.9")
    ax.set_axisbelow(True)
