"""How many labels it takes until nine in ten of the candidates kept are particles.

    python benchmarks/cleaning/clicks.py

Candidates, methods and labels are those of ``run.py``. Labels grow in eight steps, drawn at random
or as the labeling session asks for them ("query"). A method needs as many labels as the first step
has at which the precision of held-out candidates at recall 0.9 is at least 0.9, and at the next
step, too: a single one of eight steps may be luck. The last step counts alone, and so does that at
which all candidates are labeled. Steps after that are not computed.

One row for each (specimen, source, kind, n_labels, method, seed), with the columns of ``run.py``,
goes to the CSV file; rows that are there are not computed again, and those that ``run.py`` has in
``cleaning.csv`` (``--known``) are taken from there: compute that file first.
"""

import math
import statistics
import sys
from itertools import product
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

sys.path.append(str(Path(__file__).resolve().parents[1]))

from _arguments import RESULTS, make_parser
from _candidates import SOURCES, SPECIMENS
from _fits import KEY, METHODS, TITLES, add_cache, run_one
from _results import append_rows, ends_in_order, markdown_table, read_rows, write_markdown

STEPS = (10, 20, 30, 50, 70, 100, 150, 200)
LEAST = 0.9
FIGURE = "precision_at_0.90"
KINDS = ("random", "query")
DEFAULTS = ("score", "score, figures", "score, figures, references")
SERIES = tuple(name for name in KEY if name != "n_labels")
NEVER = f"not by {STEPS[-1]}"


def labels_needed(rows):
    """Return how many labels it takes to reach the precision; None where it is not reached (yet).

    Parameters
    ----------
    rows : list of dict
        Of one series, by rising number of labels.
    """
    reached = [float(row[FIGURE]) >= LEAST for row in rows]
    for k, row in enumerate(rows):
        if reached[k] and (reached[k + 1] if k + 1 < len(rows) else is_last(row)):
            return int(row["n_labeled"])
    return None


def is_last(row):
    """Return whether no step comes after a row."""
    return row["n_labels"] == str(STEPS[-1]) or row["n_labeled"] == row["n_candidates_learned"]


def is_finished(rows):
    """Return whether no step of a series is left to compute."""
    return bool(rows) and (labels_needed(rows) is not None or is_last(rows[-1]))


def series_of(rows):
    """Return the rows of each series, by rising number of labels."""
    series = {}
    for row in sorted(rows, key=lambda row: int(row["n_labels"])):
        series.setdefault(tuple(row[name] for name in SERIES), []).append(row)
    return series


def grow(path, known, specimen, source, kind, method, seed, cache=None):
    """Add rows of one series to the CSV file until the precision is reached."""
    own = series_of(read_rows(path)).get((specimen, source, kind, method, str(seed)), [])
    for n_labels in STEPS:
        if str(n_labels) in {row["n_labels"] for row in own}:
            continue
        if is_finished(own):
            return
        key = (specimen, source, kind, n_labels, method, seed)
        row = known.get(tuple(map(str, key)))
        if row is None:
            row, _, _ = run_one(*key, cache)
        append_rows(path, [row], KEY)
        own.append({name: str(value) for name, value in row.items()})
        print(*key, row[FIGURE], flush=True)


def median_and_range(numbers):
    """Return median and range as text; None is more than any number."""
    numbers = sorted(math.inf if number is None else number for number in numbers)
    middle, low, high = (
        NEVER if math.isinf(number) else f"{number:g}"
        for number in (statistics.median_high(numbers), numbers[0], numbers[-1])
    )
    return middle if low == high else f"{middle} ({low} to {high})"


def render(path):
    """Write the table beside the CSV file and return it."""
    series = series_of(read_rows(path))
    lines = [
        f"Rendered by `python benchmarks/cleaning/clicks.py` from `{path.name}`: labels until",
        f"the precision of held-out candidates at recall 0.9 is at least {LEAST:g} at two steps in",
        f"a row, of {', '.join(map(str, STEPS))} or all candidates; median over the seeds,",
        "and range.",
    ]
    table = []
    for specimen, source, method in product(SPECIMENS, SOURCES, METHODS):
        cells, n_seeds = [], 0
        for kind in KINDS:
            own = [
                rows
                for key, rows in series.items()
                if key[:4] == (specimen, source, kind, method) and is_finished(rows)
            ]
            n_seeds = max(n_seeds, len(own))
            cells.append(median_and_range(map(labels_needed, own)) if own else "-")
        if n_seeds:
            table.append((specimen, source, method, n_seeds, *cells))
    header = ("specimen", "source", "method", "seeds", "labels at random", "labels by query")
    return write_markdown(path, [*lines, "", *markdown_table(header, table)])


def draw(path, specimen="unlike"):
    """Draw the precision of every series against its labels, one panel for each source."""
    series = {key: rows for key, rows in series_of(read_rows(path)).items() if key[0] == specimen}
    if not series:
        return
    figure, axes = plt.subplots(
        1, len(SOURCES), figsize=(3 * len(SOURCES), 3.2), sharey=True, layout="constrained"
    )
    for (_, source, kind, method, _), rows in series.items():
        axes[SOURCES.index(source)].plot(
            [int(row["n_labeled"]) for row in rows],
            [float(row[FIGURE]) for row in rows],
            "o-" if kind == "random" else "s--",
            color=f"C{list(METHODS).index(method)}",
            ms=2.5,
            lw=0.9,
            alpha=0.8,
        )
    for ax, source in zip(axes, SOURCES, strict=True):
        ax.axhline(LEAST, color="0.6", lw=0.8)
        ax.set(title=TITLES[source], xlabel="labels", xscale="log", ylim=(0, 1.02))
        ax.set_xticks(STEPS[1::2], list(map(str, STEPS[1::2])), minor=False)
        ax.set_xticks([], minor=True)
    shown = [method for method in METHODS if any(key[3] == method for key in series)]
    entries = [
        mpl.lines.Line2D([], [], color=f"C{list(METHODS).index(method)}", label=method)
        for method in shown
    ]
    entries += [
        mpl.lines.Line2D([], [], color="0.3", lw=1, ls=style, label=label)
        for style, label in (("-", "at random"), ("--", "by query"))
    ]
    figure.legend(
        handles=entries,
        loc="outside lower center",
        ncols=len(entries),
        fontsize="small",
        handlelength=3,
    )
    axes[0].set_ylabel("precision at recall 0.9")
    figure.savefig(path.with_suffix(".png"), dpi=110)
    plt.close(figure)


@ends_in_order
def main():
    parser = make_parser(__doc__, "clicks", seeds=[0, 1, 2])
    parser.add_argument("--specimens", nargs="+", choices=SPECIMENS, default=["unlike"])
    parser.add_argument("--sources", nargs="+", choices=SOURCES, default=list(SOURCES))
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(DEFAULTS))
    help_ = "CSV file of rows of run.py that are not computed again (default: %(default)s)"
    parser.add_argument("--known", type=Path, default=RESULTS / "cleaning.csv", help=help_)
    add_cache(parser)
    options = parser.parse_args()
    # Rows of before labels were counted cannot be used.
    rows = [row for row in read_rows(options.known) if row["n_labeled"]]
    known = {tuple(row[name] for name in KEY): row for row in rows}
    # The quick ones of all seeds first.
    for method, specimen, seed, source, kind in product(
        options.methods, options.specimens, options.seeds, options.sources, options.kinds
    ):
        grow(options.results, known, specimen, source, kind, method, seed, options.cache)
    print(render(options.results))
    draw(options.results)


if __name__ == "__main__":
    main()
