"""Particles among a picker's candidates, by few labels: held-out precision of the classifier.

    python benchmarks/cleaning/run.py                                # all rows
    python benchmarks/cleaning/run.py --sources dog --labels 50 --seeds 0

Each seed simulates two tomograms: a target, one particle in five, among other complexes ("unlike",
or "alike": the target without its activator, another barrel and a ribosome; in "rare", one particle
in twelve, among eight others), gold, vesicles, a membrane and lumps of ice. Candidates are those of
a difference of Gaussians, or of template matching with the true map, with one without its upper
third that is low-passed to 40 A, or with one whose voxels are 4 % too large. Candidates of the one
tomogram are labeled and learned from, those of the other one are ranked.

Labels: 20, 50 or 200, drawn at random, and as many more as it takes for a particle and a false
candidate to be among them; those that the labeling session asks for ("query"), ten at a time, with
its own model between them; or so many clicks on particles only ("particles"), at most half of those
that there are. Methods: the score alone, calibrated by the same labels; the score and image
statistics of the boxes ("figures"); with references, which is the default of the classifier; that
without the score; and, if asked for, that with a network on augmented views.

Settings were chosen on the specimens "tuning_unlike" and "tuning_alike", of other targets and other
seeds (from 1000 on); widths of priors and limits of outliers on "unlike", seeds 100 and 101; those
of the network on blobs of the same, the best of seven for all 50 labels, with a third more epochs
for the parts of them that a fit sees.

One row for each (specimen, source, kind, n_labels, method, seed) goes to the CSV file as soon as it
is there; rows that are there are not computed again. Probabilities of held-out candidates of seed 0
and 50 labels go to a second file, from which curves are drawn. Seconds are CPU seconds of the fit.
"""

import sys
from itertools import product
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

sys.path.append(str(Path(__file__).resolve().parents[1]))

from _arguments import make_parser
from _candidates import SOURCES, SPECIMENS
from _fits import (
    CELL_TITLES,
    CELLS_EXPLAINED,
    DEFAULT_METHODS,
    KEY,
    KINDS,
    METHODS,
    TITLES,
    add_cache,
    cells_of,
    draw_curve,
    run_one,
)
from _results import (
    append_rows,
    ends_in_order,
    keys_to_do,
    markdown_table,
    read_rows,
    write_markdown,
)


def append_curve(path, row, probabilities, is_true):
    """Store the probabilities that curves are drawn from."""
    names = ("specimen", "source", "method")
    append_rows(
        path,
        [
            {**{name: row[name] for name in names}, "is_true": int(t), "probability": f"{p:.5f}"}
            for p, t in zip(probabilities, is_true, strict=True)
        ],
    )


def render(path):
    """Write the tables beside the CSV file and return them."""
    rows = read_rows(path)
    lines = [
        f"Rendered by `python benchmarks/cleaning/run.py` from `{path.name}`: mean ± standard",
        "deviation over the seeds, of candidates of a held-out tomogram.",
        *CELLS_EXPLAINED,
    ]
    for specimen, kind in dict.fromkeys((row["specimen"], row["kind"]) for row in rows):
        table = []
        chosen = [r for r in rows if (r["specimen"], r["kind"]) == (specimen, kind)]
        groups = dict.fromkeys((r["source"], r["n_labels"], r["method"]) for r in chosen)
        for group in sorted(groups, key=lambda g: (SOURCES.index(g[0]), int(g[1]))):
            own = [r for r in chosen if (r["source"], r["n_labels"], r["method"]) == group]
            table.append((*group, *cells_of(own)))
        header = ("source", "labels", "method", *CELL_TITLES)
        lines += ["", f"## {specimen}, {kind} labels", "", *markdown_table(header, table)]
    return write_markdown(path, lines)


def draw(path):
    """Draw precision against recall from the curves beside the CSV file, if there are any."""
    rows = read_rows(path.with_name(f"{path.stem}_curves.csv"))
    specimens = list(dict.fromkeys(row["specimen"] for row in rows))
    if not rows:
        return
    figure, axes = plt.subplots(
        len(specimens),
        len(SOURCES),
        figsize=(3 * len(SOURCES), 3 * len(specimens)),
        squeeze=False,
        layout="constrained",
        sharex=True,
        sharey=True,
    )
    for (specimen, source), ax in zip(product(specimens, SOURCES), axes.flat, strict=True):
        ax.set(title=f"{TITLES[source]}, {specimen}", xlim=(0, 1.02), ylim=(0, 1.02))
        for method in METHODS:
            own = [r for r in rows if (r["specimen"], r["source"]) == (specimen, source)]
            draw_curve(ax, [r for r in own if r["method"] == method], method)
        ax.set_visible(bool(ax.lines))
    lines = {line.get_label(): line for ax in axes.flat for line in ax.lines}
    shown = [method for method in METHODS if method in lines]
    handles = [lines[method] for method in shown]
    figure.legend(handles, shown, loc="outside upper center", ncols=len(shown), fontsize="small")
    figure.supxlabel("recall")
    figure.supylabel("precision")
    figure.savefig(path.with_suffix(".png"), dpi=110)
    plt.close(figure)


@ends_in_order
def main():
    parser = make_parser(__doc__, "cleaning", seeds=[0, 1, 2])
    parser.add_argument(
        "--specimens", nargs="+", choices=SPECIMENS, default=["unlike", "alike", "rare"]
    )
    parser.add_argument("--sources", nargs="+", choices=SOURCES, default=list(SOURCES))
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--labels", type=int, nargs="+", default=[20, 50, 200])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(DEFAULT_METHODS))
    add_cache(parser)
    options = parser.parse_args()
    wanted = [
        (specimen, source, kind, n_labels, method, seed)
        for specimen, seed, source, n_labels, kind, method in product(
            options.specimens,
            options.seeds,
            options.sources,
            options.labels,
            options.kinds,
            options.methods,
        )
    ]
    for key in keys_to_do(options.results, KEY, wanted):
        row, probabilities, is_true = run_one(*key, options.cache)
        if (row["kind"], row["n_labels"], row["seed"]) == ("random", 50, 0):
            curves = options.results.with_name(f"{options.results.stem}_curves.csv")
            append_curve(curves, row, probabilities, is_true)
        append_rows(options.results, [row], KEY)
        print(*key, row["average_precision"], row["precision_at_0.90"], flush=True)
    print(render(options.results))
    draw(options.results)


if __name__ == "__main__":
    main()
