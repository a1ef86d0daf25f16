"""Particles among a picker's candidates, by few labels: held-out precision of the classifier.

    python benchmarks/cleaning/run.py                                # all rows
    python benchmarks/cleaning/run.py --sources dog --labels 50 --seeds 0

Each seed simulates two tomograms: a target, one particle in five, among other complexes ("unlike",
or "alike": the target without its activator, another barrel and a ribosome), gold, vesicles, a
membrane and lumps of ice. Candidates are those of a difference of Gaussians, or of template
matching with the true map, with one without its upper third that is low-passed to 40 A, or with one
whose voxels are 4 % too large. Candidates of the one tomogram are labeled and learned from, those
of the other one are ranked.

Labels: 20, 50 or 200, drawn at random; or so many clicks on particles only ("particles"), at most
half of those that there are. Methods: the score alone, calibrated by the same labels; the score and
figures of the boxes; with references, which is the default; and the default without the score.

Settings were chosen on the specimens "tuning_unlike" and "tuning_alike", of other targets and other
seeds (from 1000 on). One row for each (specimen, source, kind, n_labels, method, seed) goes to the
CSV file as soon as it is there; rows that are there are not computed again. Probabilities of
held-out candidates of seed 0 and 50 labels go to a second file, from which curves are drawn.
Seconds are CPU seconds of the fit.
"""

import math
import sys
import time
from functools import lru_cache
from itertools import product
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
import matplotlib.pyplot as plt

sys.path.append(str(Path(__file__).resolve().parents[1]))

from _arguments import make_parser
from _candidates import SOURCES, SPECIMENS, make_candidates
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
from sklearn.metrics import average_precision_score, precision_recall_curve

from sksubtomo.metrics import expected_calibration_error
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import CandidateClassifier

KEY = ("specimen", "source", "kind", "n_labels", "method", "seed")
PROMISED = 0.9
PARTICLE, OTHER, UNLABELED = 1, 0, -1
#: Whether the score is used, and parameters.
METHODS = {
    "score": (True, {"references": None, "statistics": False}),
    "score, figures": (True, {"references": None}),
    "score, figures, references": (True, {}),
    "figures, references": (False, {}),
}
KINDS = ("random", "particles")
TITLES = {
    "dog": "Blobs",
    "true": "True template",
    "truncated": "Truncated template",
    "wrong_pixel": "Template 4 % off",
}
FIGURES = ("average_precision", "precision_at_0.90", "precision_at_0.95", "ece")


@lru_cache(maxsize=2)
def load(specimen, source, seed):
    """Return candidates to learn from and those held out, normalized."""
    learn, test = (make_candidates(specimen, source, 2 * seed + part) for part in (0, 1))
    normalizer = VolumeNormalizer()
    return (
        learn._replace(X=normalizer.fit_transform(learn.X)),
        test._replace(X=normalizer.transform(test.X)),
    )


def label_some(is_true, kind, n_labels, seed):
    """Return labels of some candidates, -1 elsewhere."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(is_true))
    y = np.full(len(is_true), UNLABELED)
    if kind == "random":
        chosen = order[:n_labels]
        y[chosen] = np.where(is_true[chosen], PARTICLE, OTHER)
    else:
        particles = order[is_true[order]]
        y[particles[: min(n_labels, len(particles) // 2)]] = PARTICLE
    return y


def precision_at(is_true, scores, recall):
    """Return the best precision at a recall or more."""
    precisions, recalls, _ = precision_recall_curve(is_true, scores)
    return float(precisions[recalls >= recall - 1e-9].max())


def promise(classifier, test, columns, proba):
    """Return what the classifier says of a threshold for a precision, and what became of it."""
    point = classifier.operating_point(test.X, precision=PROMISED, covariates=columns)
    kept = proba >= point.threshold
    reached = float(test.is_true[kept].mean()) if kept.any() else math.nan
    low, high = point.precision_interval
    return {
        "expected": round(float(point.precision), 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "reached": round(reached, 4),
        "recall_kept": round(float(test.is_true[kept].sum() / test.is_true.sum()), 4),
        "is_certain": int(point.is_certain),
        "n_more_labels": "" if point.n_more_labels is None else point.n_more_labels,
    }


def run_one(specimen, source, kind, n_labels, method, seed):
    """Fit, rank the held-out candidates, and return a row and their probabilities."""
    learn, test = load(specimen, source, seed)
    y = label_some(learn.is_true, kind, n_labels, seed)
    with_score, params = METHODS[method]
    start = time.process_time()
    classifier = CandidateClassifier(background=OTHER, random_state=seed, **params)
    classifier.fit(learn.X, y, covariates=learn.scores if with_score else None)
    seconds = time.process_time() - start
    columns = test.scores if with_score else None
    proba = classifier.predict_proba(test.X, covariates=columns)
    own = proba[:, PARTICLE]
    row = {
        **dict(zip(KEY, (specimen, source, kind, n_labels, method, seed), strict=True)),
        "n_particles_labeled": int((y == PARTICLE).sum()),
        "n_candidates_learned": len(y),
        "n_candidates": len(own),
        "share_true": round(float(test.is_true.mean()), 4),
        "found": round(test.found, 4),
        "average_precision": round(float(average_precision_score(test.is_true, own)), 4),
        "precision_at_0.90": round(precision_at(test.is_true, own, 0.9), 4),
        "precision_at_0.95": round(precision_at(test.is_true, own, 0.95), 4),
        "ece": round(float(expected_calibration_error(test.is_true.astype(int), proba)), 4),
        **promise(classifier, test, columns, own),
        "cpu_seconds": round(seconds, 1),
        **environment(),
    }
    return row, own, test.is_true


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
        "deviation over the seeds, of candidates of a held-out tomogram. *Promise*: of the runs,",
        f"how many have the precision that is reached by a threshold for {PROMISED:g} within the",
        "interval stated beforehand; and how many said that labels suffice.",
    ]
    for specimen, kind in dict.fromkeys((row["specimen"], row["kind"]) for row in rows):
        table = []
        chosen = [r for r in rows if (r["specimen"], r["kind"]) == (specimen, kind)]
        groups = dict.fromkeys((r["source"], r["n_labels"], r["method"]) for r in chosen)
        for group in sorted(groups, key=lambda g: (SOURCES.index(g[0]), int(g[1]))):
            own = [r for r in chosen if (r["source"], r["n_labels"], r["method"]) == group]
            kept = [r for r in own if r["reached"] != "nan"]
            inside = [float(r["low"]) <= float(r["reached"]) <= float(r["high"]) for r in kept]
            certain = sum(int(r["is_certain"]) for r in own)
            table.append(
                (
                    *(*group, len(own)),
                    *(mean_and_spread(r[name] for r in own) for name in FIGURES),
                    f"{sum(inside)} of {len(kept)}; {certain}",
                    mean_and_spread(r["cpu_seconds"] for r in own),
                )
            )
        header = ("source", "labels", "method", "seeds", "average precision")
        header += ("precision at recall 0.9", "at 0.95", "calibration error", "promise", "CPU s")
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
            own = [r for r in own if r["method"] == method]
            if own:
                truth = [int(r["is_true"]) for r in own]
                scores = [float(r["probability"]) for r in own]
                precisions, recalls, _ = precision_recall_curve(truth, scores)
                ax.step(recalls, precisions, where="post", label=method)
    axes[0, 0].legend(fontsize="small", loc="lower left")
    figure.supxlabel("recall")
    figure.supylabel("precision")
    figure.savefig(path.with_suffix(".png"), dpi=110)
    plt.close(figure)


@ends_in_order
def main():
    parser = make_parser(__doc__, "cleaning", seeds=[0, 1, 2])
    parser.add_argument("--specimens", nargs="+", choices=SPECIMENS, default=["unlike", "alike"])
    parser.add_argument("--sources", nargs="+", choices=SOURCES, default=list(SOURCES))
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--labels", type=int, nargs="+", default=[20, 50, 200])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    options = parser.parse_args()
    wanted = [
        (specimen, source, kind, n_labels, method, seed)
        for specimen, source, seed, n_labels, kind, method in product(
            options.specimens,
            options.sources,
            options.seeds,
            options.labels,
            options.kinds,
            options.methods,
        )
    ]
    for key in missing_keys(options.results, KEY, wanted):
        row, probabilities, is_true = run_one(*key)
        if (row["kind"], row["n_labels"], row["seed"]) == ("random", 50, 0):
            curves = options.results.with_name(f"{options.results.stem}_curves.csv")
            append_curve(curves, row, probabilities, is_true)
        append_rows(options.results, [row])
        print(*key, row["average_precision"], row["precision_at_0.90"], flush=True)
    print(render(options.results))
    draw(options.results)


if __name__ == "__main__":
    main()
