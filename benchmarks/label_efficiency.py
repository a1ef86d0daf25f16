"""How few labels are enough: methods, terms and labels on eight complexes, with the oracle.

    python benchmarks/label_efficiency.py                        # what the user guide shows
    python benchmarks/label_efficiency.py --methods recommended joint oracle --seeds 0

Subtomograms of eight complexes, simulated from density maps (``density_maps_10A`` of the data
beside the project): 28 voxels of 10 Angstrom, any orientation, shifts up to 2 voxels, contrast
transfer, tilts of 60 degrees, half to train on and half to test on. What does not fit into the
sphere that the box holds is cut off, which is the 26S proteasome's ends.

One row for every (method, SNR, labels, seed) goes to the CSV file as soon as it is there. Rows
that are there already are not computed again, so a run that was killed goes on where it stopped. At
the end, tables (Markdown) and a figure (PNG) are rendered beside the CSV file.

Hidden labels and the test set are used to count right answers, and for nothing else; only the
oracle knows the maps. Settings were chosen on volumes of other seeds (from 100 on).
"""

import time
from itertools import product

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from _arguments import make_parser, positive
from _label_efficiency_methods import METHODS
from _results import (
    append_rows,
    ends_in_order,
    environment,
    keys_to_do,
    markdown_table,
    mean_and_spread,
    read_rows,
    write_markdown,
)
from _simulated_maps import make_volumes
from sklearn.pipeline import Pipeline

from sksubtomo.metrics import expected_calibration_error
from sksubtomo.model_selection import mask_labels

KEY = ("seed", "snr", "labels", "method", "n_train")
#: SNR and labels: one a class, or a fraction of the training volumes.
CONDITIONS = [(0.1, "5%"), (0.03, "5%"), (0.1, "1 per class")]


def parse_arguments(arguments=None):
    parser = make_parser(__doc__, "label_efficiency", seeds=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--snr", type=float, nargs="+", help="only these")
    parser.add_argument("--labels", nargs="+", help='only these, such as "5%%" or "1 per class"')
    parser.add_argument("--n-train", type=positive, default=1400)
    parser.add_argument("--n-test", type=positive, default=1400)
    return parser.parse_args(arguments)


def hide(y, labels, seed):
    """Hide all labels but "1 per class", "5%" or the like."""
    number = float(labels.split()[0].rstrip("%"))
    if labels.endswith("per class"):
        return mask_labels(y, n_per_class=int(number), random_state=seed)
    return mask_labels(y, labeled_fraction=number / 100, random_state=seed)


def fit_and_predict(method, X, y_given, X_test, snr, seed):
    """Return the fitted estimator, test probabilities, and the seconds of fit and prediction.

    This is all that a method gets: no hidden label, and no label of the test set.
    """
    start = time.perf_counter()
    if method == "oracle":
        estimator = METHODS[method].make(snr, seed)
    else:
        estimator = METHODS[method].make(seed).fit(X, y_given)
    fitted = time.perf_counter()
    probabilities = estimator.predict_proba(X_test)
    return estimator, probabilities, (fitted - start, time.perf_counter() - fitted)


def run_one(options, snr, labels, method, seed):
    """Fit one method and return its row."""
    data = make_volumes(options.n_train + options.n_test, snr, seed)
    X, y = data.X[: options.n_train], data.y[: options.n_train]
    X_test, y_test = data.X[options.n_train :], data.y[options.n_train :]
    y_given = hide(y, labels, seed)
    estimator, probabilities, seconds = fit_and_predict(method, X, y_given, X_test, snr, seed)
    predicted = estimator.classes_[probabilities.argmax(axis=1)]
    hidden = y_given == -1
    last = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    known = getattr(last, "transduction_", None)
    return {
        "snr": snr,
        "n_train": options.n_train,
        "labels": labels,
        "method": method,
        "seed": seed,
        "n_labels": int((~hidden).sum()),
        "accuracy": round(float((predicted == y_test).mean()), 4),
        "calibration_error": round(expected_calibration_error(y_test, probabilities), 4),
        "accuracy_unlabeled": ""
        if known is None
        else round(float((known[hidden] == y[hidden]).mean()), 4),
        "fit_seconds": round(seconds[0], 1),
        "predict_seconds": round(seconds[1], 1),
        **environment(),
    }


def run(options):
    """Compute the rows that are missing."""
    wanted = [
        (seed, snr, labels, method, options.n_train)
        for seed, (snr, labels), method in product(options.seeds, CONDITIONS, options.methods)
        if snr in (options.snr or [snr]) and labels in (options.labels or [labels])
    ]
    for key in keys_to_do(options.results, KEY, wanted):
        seed, snr, labels, method, _ = key
        row = run_one(options, snr, labels, method, seed)
        append_rows(options.results, [row], KEY)
        print(*key, row["accuracy"], f"{row['fit_seconds']} s", flush=True)


def render(path):
    """Write the tables beside the CSV file and return them."""
    rows = read_rows(path)
    lines = [
        f"Rendered by `python benchmarks/label_efficiency.py` from `{path.name}`: mean ± standard",
        "deviation over the seeds; columns are signal-to-noise ratios and labels.",
        "",
    ]
    columns = [c for c in CONDITIONS if any(_is_of(row, c) for row in rows)]
    for name, title in (
        ("accuracy", "Accuracy on volumes that were not trained on"),
        ("accuracy_unlabeled", "Accuracy on the unlabeled volumes trained on"),
        ("calibration_error", "Expected calibration error, volumes that were not trained on"),
        ("fit_seconds", "Seconds to fit"),
    ):
        table = []
        for method, entry in METHODS.items():
            chosen = [row for row in rows if row["method"] == method]
            cells = [
                mean_and_spread(row[name] for row in chosen if _is_of(row, column))
                for column in columns
            ]
            if set(cells) != {"-"}:
                table.append((entry.title, *cells))
        header = ("method", *(f"SNR {snr:g}, {labels}" for snr, labels in columns))
        lines += [f"## {title}", "", *markdown_table(header, table), ""]
    counts = {
        len({r["seed"] for r in rows if _is_of(r, c) and r["method"] == m})
        for c in columns
        for m in METHODS
    }
    lines.append(f"Seeds of a cell: {min(counts - {0})} to {max(counts)}, see the CSV file.")
    return write_markdown(path, lines)


def _is_of(row, condition):
    return (float(row["snr"]), row["labels"]) == condition


def draw(path):
    """Draw the accuracy of every method, a panel a condition."""
    rows = read_rows(path)
    columns = [c for c in CONDITIONS if any(_is_of(row, c) for row in rows)]
    figure, axes = plt.subplots(
        1, len(columns), figsize=(3.6 * len(columns) + 2, 4.5), sharey=True, squeeze=False
    )
    names = [name for name in METHODS if any(row["method"] == name for row in rows)]
    for ax, column in zip(axes[0], columns, strict=True):
        for position, name in enumerate(names):
            values = [
                float(r["accuracy"]) for r in rows if r["method"] == name and _is_of(r, column)
            ]
            if values:
                ax.barh(position, np.mean(values), color="tab:blue", alpha=0.6)
                ax.plot(values, [position] * len(values), "k.", markersize=4)
        ax.set_title(f"SNR {column[0]:g}, labels: {column[1]}", fontsize=10)
        ax.set_xlim(0, 1)
        ax.set_xlabel("test accuracy")
    axes[0, 0].set_yticks(range(len(names)), [METHODS[name].title for name in names])
    axes[0, 0].invert_yaxis()
    figure.savefig(path.with_suffix(".png"), dpi=120, bbox_inches="tight")
    plt.close(figure)


@ends_in_order
def main():
    options = parse_arguments()
    run(options)
    print(render(options.results))
    draw(options.results)


if __name__ == "__main__":
    main()
