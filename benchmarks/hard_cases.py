"""References on volumes with one complication of real data each.

    python benchmarks/hard_cases.py                                     # all rows, hours
    python benchmarks/hard_cases.py --sets hard --complications wrong_labels --seeds 0

Subtomograms of complexes from density maps (``density_maps_10A`` and ``density_maps_10A_more`` of
the data beside the project): 28 voxels of 10 Angstrom, any orientation, contrast transfer, tilts of
60 degrees; 600 to train on, 5 % of them labeled, and 300 to test on, as many of each class. The
set "easy" has eight complexes at SNR 0.1, "hard" six small or similar ones at SNR 0.05. Settings
were chosen on the sets "tuning_easy" and "tuning_hard", of other complexes and other seeds (from
100 on).

Complications:

- ``none``; ``uneven_classes``: sizes in geometric progression, the first 20 times the last;
- ``wrong_labels``: one in ten; ``one_label_a_class``;
- ``colored_noise``: four times the power at low frequencies that there is at high ones;
- ``tilt_axis_x``: instead of y; ``inverted_contrast``: one volume in four;
- ``hinge``: half of each complex turned by 30 degrees in half of the volumes;
- ``shifts_4``: shifts up to 4 voxels, where 2 are searched; ``tilts_45``: fitted as 60 degrees.

One row for every (set, complication, method, seed) goes to the CSV file as soon as it is there;
rows that are there are not computed again. Novelty is the area under the ROC curve of
``score_samples`` between the volumes to test on and 100 of a complex that no label names. Seconds
are CPU seconds of the fit. At the end, a table (Markdown) is rendered beside the CSV file.
"""

import argparse
import time
import warnings
from itertools import product
from pathlib import Path

import numpy as np
from _hard_volumes import COMPLICATIONS, SETS, make_hard_volumes
from _results import append_rows, environment, mean_and_spread, read_rows
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.pipeline import make_pipeline

from sksubtomo.metrics import expected_calibration_error
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import MultiReferenceClassifier

RESULTS = Path(__file__).parent / "results/hard_cases.csv"
KEY = ("set", "complication", "method", "seed")
#: Title, and parameters that are not the defaults.
METHODS = {
    "references": ("References, defaults", {}),
    "shells": ("References, noise by shell", {"noise": "shells"}),
    "three_inits": ("References, three initializations", {"n_init": 3}),
    "two_references": ("References, two a class", {"n_references": 2}),
    "uniform": ("References, equal class proportions", {"class_prior": "uniform"}),
}


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", nargs="+", choices=SETS, default=["easy", "hard"])
    parser.add_argument("--complications", nargs="+", choices=COMPLICATIONS, default=COMPLICATIONS)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=["references"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--n-train", type=int, default=600)
    parser.add_argument("--n-test", type=int, default=300)
    parser.add_argument("--results", type=Path, default=RESULTS, help="the CSV file")
    return parser.parse_args(arguments)


def fit(method, X, y_given, seed):
    """Return the fitted pipeline, the names of its warnings, and CPU seconds."""
    references = MultiReferenceClassifier(**METHODS[method][1], random_state=seed)
    start = time.process_time()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pipeline = make_pipeline(VolumeNormalizer(), references).fit(X, y_given)
    names = sorted({warning.category.__name__ for warning in caught})
    return pipeline, " ".join(names), time.process_time() - start


def run_one(options, name, complication, method, seed):
    """Fit one method to one set and return its row."""
    data = make_hard_volumes(
        name, complication, seed, n_train=options.n_train, n_test=options.n_test
    )
    fitted, warned, seconds = fit(method, data.X, data.y_given, seed)
    probabilities = fitted.predict_proba(data.X_test)
    predicted = fitted.classes_[probabilities.argmax(axis=1)]
    hidden = data.y_given == -1
    known = fitted[-1].transduction_[hidden]
    scores = [fitted.score_samples(X) for X in (data.X_test, data.X_novel)]
    novelty = roc_auc_score(np.repeat([1, 0], [len(s) for s in scores]), np.concatenate(scores))
    return {
        "set": name,
        "complication": complication,
        "method": method,
        "seed": seed,
        "n_train": options.n_train,
        "n_labels": int((~hidden).sum()),
        "balanced_accuracy": round(float(balanced_accuracy_score(data.y[hidden], known)), 4),
        "test_accuracy": round(float((predicted == data.y_test).mean()), 4),
        "calibration_error": round(expected_calibration_error(data.y_test, probabilities), 4),
        "novelty_auroc": round(float(novelty), 4),
        "label_agreement": round(fitted[-1].label_agreement_, 4),
        "warnings": warned,
        "fit_cpu_seconds": round(seconds, 1),
        **environment(),
    }


def run(options):
    """Compute the rows that are missing."""
    done = {tuple(row[name] for name in KEY) for row in read_rows(options.results)}
    for seed, *case in product(options.seeds, options.sets, options.complications, options.methods):
        if (*case, str(seed)) in done:
            continue
        row = run_one(options, *case, seed)
        append_rows(options.results, [row], KEY)
        print(*case, seed, row["balanced_accuracy"], f"{row['fit_cpu_seconds']} s", flush=True)


def render(path):
    """Write the table beside the CSV file and return it."""
    rows = read_rows(path)
    figures = ("balanced_accuracy", "test_accuracy", "calibration_error", "novelty_auroc")
    columns = [*figures, "label_agreement", "fit_cpu_seconds"]
    titles = ["set", "complication", "method", *(name.replace("_", " ") for name in columns)]
    lines = [
        f"Rendered by `python benchmarks/hard_cases.py` from `{path.name}`: mean ± standard",
        "deviation over the seeds. Balanced accuracy is that of the unlabeled volumes trained on.",
        "",
        "| " + " | ".join([*titles, "seeds", "warnings"]) + " |",
        "|---" * (len(titles) + 2) + "|",
    ]
    for case in dict.fromkeys(tuple(row[name] for name in KEY[:3]) for row in rows):
        own = [row for row in rows if tuple(row[name] for name in KEY[:3]) == case]
        cells = [mean_and_spread(row[name] for row in own) for name in columns]
        warned = sorted({name for row in own for name in row["warnings"].split()})
        title = METHODS[case[2]][0]
        cells = [*case[:2], title, *cells, str(len(own)), ", ".join(warned) or "-"]
        lines.append("| " + " | ".join(cells) + " |")
    text = "\n".join([*lines, ""])
    path.with_suffix(".md").write_text(text)
    return text


def main():
    options = parse_arguments()
    run(options)
    print(render(options.results))


if __name__ == "__main__":
    main()
