"""Compare semi-supervised methods, label fractions, protocols and seeds on one data set.

    python benchmarks/compare.py                                       # made subtomograms
    python benchmarks/compare.py --data volumes.npz                    # arrays X and y
    python benchmarks/compare.py --particles p.star --tomograms A.mrc B.mrc  # test on the last

One row for every (method, fraction, protocol, seed) goes to the CSV file as soon as it is there.
Rows that are there already are not computed again, so a run that was killed goes on where it
stopped. At the end, a table (Markdown) and a figure (PNG) are rendered beside the CSV file.

Protocols:

honest  Early stopping watches labels that the label budget paid for: of a fraction of 5 %, a tenth.
paper   Early stopping watches a tenth of the training volumes, all labeled and on top of the
        fraction, as in the paper's published implementation. The column ``labels`` counts both.
fixed   No early stopping: all labels train, for all epochs.
"""

import textwrap
import time
from itertools import product
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from _arguments import make_parser, positive
from _data import data_name, load
from _methods import DEFAULT, METHODS, Task
from _protocols import keep_labels, take_validation
from _results import (
    append_rows,
    ends_in_order,
    environment,
    keys_to_do,
    markdown_table,
    mean_and_spread,
    missing_keys,
    read_rows,
    write_markdown,
)
from joblib import Parallel, delayed
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score
from sklearn.pipeline import Pipeline

CLASSES = ["apoferritin", "beta_galactosidase", "groel", "ribosome_70s"]
PROTOCOLS = ["honest", "paper", "fixed"]
KEY = (
    *("data", "n_train", "max_epochs", "learning_rate", "threshold"),
    *("method", "fraction", "protocol", "seed"),
)


def parse_arguments(arguments=None):
    parser = make_parser(__doc__, "compare", seeds=[0, 1, 2])
    data = parser.add_argument_group("data set")
    data.add_argument("--data", default="made", help='"made", or a .npz file with X and y')
    data.add_argument("--particles", type=Path, help="STAR file with rlnTomoName, rlnClassNumber")
    data.add_argument("--tomograms", type=Path, nargs="+", help="MRC files; the last is tested on")
    data.add_argument("--box-size", type=positive, default=12)
    data.add_argument(
        "--n-train", type=positive, help="default: 480 made, half a file, all particles"
    )
    data.add_argument(
        "--n-test", type=positive, default=400, help="of made volumes, those to test on"
    )
    data.add_argument("--snr", type=float, default=2.0, help="of made volumes")
    data.add_argument("--classes", nargs="+", default=CLASSES, help="of made volumes")
    runs = parser.add_argument_group("what to run")
    runs.add_argument("--methods", nargs="+", choices=METHODS, default=DEFAULT)
    runs.add_argument("--fractions", type=float, nargs="+", default=[0.05, 0.1, 0.2])
    runs.add_argument("--protocols", nargs="+", choices=PROTOCOLS, default=["honest"])
    runs.add_argument("--max-epochs", type=positive, default=30)
    runs.add_argument("--learning-rate", type=float, default=1e-3)
    runs.add_argument("--threshold", type=float, default=0.95, help="of the self-trained networks")
    runs.add_argument("--jobs", type=positive, default=1, help="fits at a time")
    options = parser.parse_args(arguments)
    if (options.particles is None) != (options.tomograms is None):
        parser.error("--particles and --tomograms go together")
    if options.n_train is None and options.data == "made" and options.particles is None:
        options.n_train = 480
    return options


def run_one(options, method, fraction, protocol, seed):
    """Fit one method and return its row."""
    X, y, X_test, y_test = load(options, seed)
    n_labels = round(fraction * len(y))
    validation, n_validation = {}, 0
    if protocol == "paper":
        X, y, X_val, y_val = take_validation(X, y, seed)
        validation, n_validation = {"X_val": X_val, "y_val": y_val}, len(y_val)
    # All protocols know as many labels to train with.
    y = keep_labels(y, n_labels, seed)
    params = {
        "learning_rate": options.learning_rate,
        "max_epochs": options.max_epochs,
        "early_stopping": protocol != "fixed",
        "random_state": seed,
    }
    estimator = METHODS[method].make(Task(params, options.threshold, len(y), n_labels))
    start = time.perf_counter()
    estimator.fit(X, y, **validation)
    seconds = time.perf_counter() - start
    predicted = estimator.predict(X_test)
    first = estimator[0] if isinstance(estimator, Pipeline) else estimator
    has_error = hasattr(first, "reconstruction_error")
    error = first.reconstruction_error(X_test).mean() if has_error else None
    return {
        **dict(zip(KEY, key_of(options, method, fraction, protocol, seed), strict=True)),
        "labels": int((y != -1).sum()) + n_validation,
        "accuracy": round(accuracy_score(y_test, predicted), 4),
        "balanced_accuracy": round(balanced_accuracy_score(y_test, predicted), 4),
        "f1_macro": round(f1_score(y_test, predicted, average="macro"), 4),
        "mse": "" if error is None else round(float(error), 5),
        "fit_seconds": round(seconds, 2),
        "epochs": getattr(estimator, "n_iter_", ""),
        **environment(),
    }


def key_of(options, method, fraction, protocol, seed):
    """Return what identifies a row, as the CSV file has it."""
    settings = (
        data_name(options),
        options.n_train or "all",
        options.max_epochs,
        options.learning_rate,
        options.threshold,
    )
    return tuple(str(value) for value in (*settings, method, fraction, protocol, seed))


def run(options):
    """Compute the rows that are missing."""
    wanted = {}
    for combination in product(
        options.seeds, options.protocols, options.fractions, options.methods
    ):
        seed, protocol, fraction, method = combination
        if protocol == "paper" and not METHODS[method].watches:
            print(f"{method} does not watch a validation set; left out of the protocol 'paper'.")
        else:
            task = (method, fraction, protocol, seed)
            wanted[key_of(options, *task)] = task
    todo = missing_keys(options.results, KEY, wanted)
    print(f"{len(todo)} of {len(wanted)} rows to compute")
    parallel = Parallel(n_jobs=options.jobs, return_as="generator_unordered")
    tasks = (wanted[key] for key in keys_to_do(options.results, KEY, todo))
    for row in parallel(delayed(run_one)(options, *task) for task in tasks):
        append_rows(options.results, [row], KEY)
        print(*(row[name] for name in KEY[5:]), row["accuracy"], f"{row['fit_seconds']} s")


def sections(rows):
    """Group rows by data set, settings and protocol, in the order of the file."""
    names = (*KEY[:5], "protocol")
    found = dict.fromkeys(tuple(row[name] for name in names) for row in rows)
    for values in found:
        yield (
            values,
            [row for row in rows if tuple(row[name] for name in names) == values],
        )


def table(rows, column):
    """Return a Markdown table of one figure, methods by fractions, mean and standard deviation."""
    fractions = sorted({float(row["fraction"]) for row in rows})
    lines = []
    present = {row["method"] for row in rows}
    for method in (name for name in METHODS if name in present):
        cells = [
            mean_and_spread(
                row[column]
                for row in rows
                if row["method"] == method and float(row["fraction"]) == fraction
            )
            for fraction in fractions
        ]
        if set(cells) != {"-"}:
            lines.append((METHODS[method].title, *cells))
    return markdown_table(("method", *(f"{fraction:.0%} labels" for fraction in fractions)), lines)


def render(path):
    """Write the tables beside the CSV file and return them."""
    lines = [f"Rendered by `python benchmarks/compare.py` from `{path.name}`: mean ± standard"]
    lines += ["deviation over the seeds, on volumes that were not trained on.", ""]
    for (data, n_train, epochs, rate, _, protocol), rows in sections(read_rows(path)):
        seeds = sorted({int(row["seed"]) for row in rows})
        labels = sorted({int(row["labels"]) for row in rows})
        lines += [f"## {data}: protocol `{protocol}`", ""]
        lines += [
            f"{n_train} volumes to train on, {labels} labels used, at most {epochs} epochs, "
            f"learning rate {rate}, seeds {seeds}."
        ]
        for column, title in (
            ("accuracy", "Accuracy"),
            ("balanced_accuracy", "Balanced accuracy"),
            ("f1_macro", "Macro F1"),
            ("mse", "Mean squared error of the reconstruction"),
            ("fit_seconds", "Seconds to fit"),
        ):
            lines += ["", f"### {title}", "", *table(rows, column)]
        lines.append("")
    return write_markdown(path, lines[:-1])


def draw(path):
    """Draw accuracy against the fraction of labels, with error bars, a panel a protocol."""
    groups = list(sections(read_rows(path)))
    figure, axes = plt.subplots(
        1, len(groups), figsize=(5.5 * len(groups), 4), sharey=True, squeeze=False
    )
    for ax, (values, rows) in zip(axes[0], groups, strict=True):
        for method in (name for name in METHODS if name in {row["method"] for row in rows}):
            chosen = [row for row in rows if row["method"] == method]
            fractions = sorted({float(row["fraction"]) for row in chosen})
            groups_of = [
                [float(row["accuracy"]) for row in chosen if float(row["fraction"]) == fraction]
                for fraction in fractions
            ]
            means = [np.mean(group) for group in groups_of]
            spreads = [np.std(group, ddof=1) if len(group) > 1 else 0.0 for group in groups_of]
            ax.errorbar(
                100 * np.array(fractions),
                means,
                spreads,
                capsize=3,
                marker="o",
                label=METHODS[method].title,
            )
        title = textwrap.fill(values[0].replace("+", ", "), 45)
        ax.set_title(f"{title}\nprotocol {values[-1]}", fontsize=9)
        ax.set_xlabel("labels, % of the training volumes")
    axes[0, 0].set_ylabel("test accuracy")
    axes[0, -1].legend(fontsize=7)
    figure.savefig(path.with_suffix(".png"), dpi=120, bbox_inches="tight")


@ends_in_order
def main():
    options = parse_arguments()
    run(options)
    print(render(options.results))
    draw(options.results)


if __name__ == "__main__":
    main()
