"""References, a network, and both, on volumes with one complication of real data each.

    python benchmarks/hard_cases.py                                     # all rows, many hours
    python benchmarks/hard_cases.py --sets hard --complications wrong_labels --seeds 0
    python benchmarks/hard_cases.py --methods references network combined

Subtomograms of complexes from density maps (``density_maps_10A`` and ``density_maps_10A_more`` of
the data beside the project): 28 voxels of 10 Angstrom, any orientation, contrast transfer, tilts of
60 degrees; 600 to train on, 5 % of them labeled, and 300 to test on, as many of each class. The
set "easy" has eight complexes at SNR 0.1, "hard" six small or similar ones at SNR 0.05. Settings
were chosen on the sets "tuning_easy" and "tuning_hard", of other complexes and other seeds (from
100 on).

Complications:

- ``none``; ``uneven_classes``: sizes in geometric progression, the first 20 times the last;
  ``rare_class``: the last class has 2 % of the volumes;
- ``wrong_labels``: one in ten; ``one_label_a_class``; ``five_labels_a_class``;
- ``colored_noise``: four times the power at low frequencies that there is at high ones;
- ``tilt_axis_x``: instead of y; ``inverted_contrast``: one volume in four;
- ``hinge``: half of each complex turned by 30 degrees in half of the volumes;
- ``shifts_4``: shifts up to 4 voxels, where 2 are searched first (not of the easy set, where two
  complexes fill the box); ``tilts_45``: fitted as 60 degrees; ``asymmetric_tilts``: from -40 to 60
  degrees, as stated;
- ``junk_30``, ``junk_60``: so many percent of the volumes to train on, none of those to test on,
  are noise, membranes, gold beads, or two complexes in contact, and have no label; "junk found" is
  how many of these references with a background put there;
- ``neighbors``: other complexes around at 60 micromolar; ``defocus_spread``: 2 to 6 micrometer;
- ``box_32``, ``box_48``, ``box_64``: the same field in smaller voxels, with as much noise in each
  frequency.

One row for every (set, complication, method, seed) goes to the CSV file as soon as it is there;
rows that are there are not computed again. Accuracies are those of the unlabeled volumes trained
on, and of the volumes to test on. Novelty is the area under the ROC curve between the volumes to
test on and 100 each of a complex that no label names, of membranes, and of noise, all imaged alike:
by ``score_samples`` of references, by the largest class probability of a network. Seconds are CPU
seconds of the fit. At the end, a table (Markdown) is rendered beside the CSV file.
"""

import time
import warnings
from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from _arguments import make_parser, positive
from _hard_volumes import COMPLICATIONS, SETS, is_possible, make_hard_volumes
from _label_efficiency_methods import network_on_copies
from _results import (
    append_rows,
    ends_in_order,
    environment,
    markdown_table,
    mean_and_spread,
    missing_keys,
    read_rows,
    write_markdown,
)
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.pipeline import make_pipeline

from sksubtomo.alignment import ClassPrior
from sksubtomo.metrics import expected_calibration_error
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import MultiReferenceClassifier

#: Its volumes have no label; classes of the complexes are numbered from 0.
BACKGROUND = ClassPrior(background=99)
KEY = ("set", "complication", "method", "seed")


def references(tilts, seed, **params):
    clf = MultiReferenceClassifier(tilt_range_deg=tilts, random_state=seed, **params)
    return make_pipeline(VolumeNormalizer(), clf)


def with_params(**params):
    return lambda tilts, seed: references(tilts, seed, **params)


def network(tilts, seed):
    return network_on_copies(seed)


def combined(tilts, seed):
    """References that begin with the classes that the network gives."""
    return references(tilts, seed, estimator=network_on_copies(seed))


class Method(NamedTuple):
    """Title, how to make the estimator from tilts and seed, and whether it gets every label."""

    title: str
    make: Callable[..., Any]
    every_label: bool = False


METHODS = {
    "references": Method("References, defaults", references),
    "two_references": Method("References, two a class", with_params(n_references=2)),
    "every_label": Method("References, every label given", references, every_label=True),
    "background": Method("References and a background", with_params(class_prior=BACKGROUND)),
    "wide_shifts": Method("References, shifts up to 4", with_params(max_shift_voxels=4.0)),
    "three_inits": Method("References, three initializations", with_params(n_init=3)),
    "white": Method("References, white noise", with_params(noise="white")),
    "shells": Method("References, noise by shell", with_params(noise="shells")),
    "uniform": Method("References, equal proportions", with_params(class_prior="uniform")),
    "network": Method("Network, rotation augmentation", network),
    "combined": Method("References that begin with the network", combined),
}


def parse_arguments(arguments=None):
    parser = make_parser(__doc__, "hard_cases", seeds=[0, 1, 2])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=["hard", "easy"])
    names = list(COMPLICATIONS)
    parser.add_argument("--complications", nargs="+", choices=names, default=names)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=["references"])
    parser.add_argument("--n-train", type=positive, default=600)
    parser.add_argument("--n-test", type=positive, default=300)
    return parser.parse_args(arguments)


def fit(estimator, X, y_given):
    """Return the fitted pipeline, the names of its warnings, and CPU seconds."""
    start = time.process_time()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator.fit(X, y_given)
    names = sorted({warning.category.__name__ for warning in caught})
    return estimator, " ".join(names), time.process_time() - start


def familiarity(estimator, X):
    """Return what is low for volumes of no class."""
    if hasattr(estimator[-1], "score_samples"):
        return estimator.score_samples(X)
    return estimator.predict_proba(X).max(axis=1)


def novelty(estimator, X_test, novel):
    """Return the area under the ROC curve for each kind of novel volumes."""
    known = familiarity(estimator, X_test)
    areas = {}
    for kind, X in novel.items():
        truth = np.repeat([1, 0], [len(X_test), len(X)])
        scores = np.concatenate([known, familiarity(estimator, X)])
        areas[f"novelty_{kind}"] = round(float(roc_auc_score(truth, scores)), 4)
    return areas


def balanced_accuracy(y, found):
    """Return the mean recall of the classes; what is found may be none of them."""
    return float(np.mean([(found[y == label] == label).mean() for label in np.unique(y)]))


def calibration_error(fitted, y, probabilities):
    """Return the expected calibration error; a background is a class, but none to test on."""
    return expected_calibration_error(y, probabilities, labels=fitted.classes_)


def _junk_found(data, found):
    """Return the share of the junk trained on that is in the background."""
    return float((found[data.y == -1] == BACKGROUND.background).mean())


def run_one(options, name, complication, method, seed):
    """Fit one method to one set and return its row."""
    data = make_hard_volumes(
        name, complication, seed, n_train=options.n_train, n_test=options.n_test
    )
    chosen = METHODS[method]
    estimator = chosen.make(COMPLICATIONS[complication].fitted_tilts, seed)
    given = data.y if chosen.every_label else data.y_given
    fitted, warned, seconds = fit(estimator, data.X, given)
    probabilities = fitted.predict_proba(data.X_test)
    predicted = fitted.classes_[probabilities.argmax(axis=1)]
    hidden = (data.y_given == -1) & (data.y != -1)
    found = getattr(fitted[-1], "transduction_", None)
    found = fitted.predict(data.X) if found is None else found
    agreement = getattr(fitted[-1], "label_agreement_", None)
    return {
        "set": name,
        "complication": complication,
        "method": method,
        "seed": seed,
        "n_train": options.n_train,
        "n_labels": int((given != -1).sum()),
        "accuracy": round(float(accuracy_score(data.y[hidden], found[hidden])), 4),
        "balanced_accuracy": round(balanced_accuracy(data.y[hidden], found[hidden]), 4),
        "test_accuracy": round(float((predicted == data.y_test).mean()), 4),
        "calibration_error": round(calibration_error(fitted, data.y_test, probabilities), 4),
        **novelty(fitted, data.X_test, data.novel),
        "junk_found": "" if not (data.y == -1).any() else round(_junk_found(data, found), 4),
        "label_agreement": "" if agreement is None else round(agreement, 4),
        "warnings": warned,
        "fit_cpu_seconds": round(seconds, 1),
        **environment(),
    }


def run(options):
    """Compute the rows that are missing."""
    asked = product(options.sets, options.complications, options.methods, options.seeds)
    keys = [key for key in asked if is_possible(*key[:2])]
    for key in missing_keys(options.results, KEY, keys):
        row = run_one(options, *key)
        append_rows(options.results, [row], KEY)
        print(*key, row["balanced_accuracy"], f"{row['fit_cpu_seconds']} s", flush=True)


FIGURES = {
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "test_accuracy": "test accuracy",
    "calibration_error": "calibration error",
    "novelty_complex": "novelty, complex",
    "novelty_membrane": "novelty, membranes",
    "novelty_noise": "novelty, noise",
    "junk_found": "junk found",
    "label_agreement": "label agreement",
    "fit_cpu_seconds": "CPU seconds",
}


def render(path):
    """Write the table beside the CSV file and return it."""
    rows = read_rows(path)
    table = []
    cases = {tuple(row[name] for name in KEY[:3]) for row in rows}
    for case in product(SETS, COMPLICATIONS, METHODS):
        if case not in cases:
            continue
        own = [row for row in rows if tuple(row[name] for name in KEY[:3]) == case]
        cells = [mean_and_spread(row[name] for row in own) for name in FIGURES]
        warned = sorted({name for row in own for name in row["warnings"].split()})
        counts = [f"{sum(n in r['warnings'].split() for r in own)} {n}" for n in warned]
        title = METHODS[case[2]].title
        table.append([*case[:2], title, *cells, len(own), ", ".join(counts) or "-"])
    header = ["set", "complication", "method", *FIGURES.values(), "seeds", "fits that warned"]
    lines = [
        f"Rendered by `python benchmarks/hard_cases.py` from `{path.name}`, whose docstring says",
        "what each complication is: mean ± standard deviation over the seeds. Balanced accuracy",
        "and accuracy are those of the unlabeled volumes trained on, novelty the area under the",
        "ROC curve. Shifts of 4 voxels are measured on the hard set only: two complexes of the",
        "easy set fill the box, which shows a part of them if they are shifted further.",
        "",
        *markdown_table(header, table),
    ]
    return write_markdown(path, lines)


@ends_in_order
def main():
    options = parse_arguments()
    run(options)
    print(render(options.results))


if __name__ == "__main__":
    main()
