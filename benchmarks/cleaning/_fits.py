"""Labels of candidates, fits to them, and figures of the held-out candidates."""

import math
import tempfile
import time
from functools import lru_cache
from pathlib import Path

import numpy as np
from _candidates import make_candidates
from _ranking import precision_at, removed_at_recall
from _results import environment, mean_and_spread
from joblib import Memory
from sklearn.metrics import average_precision_score, precision_recall_curve

from sksubtomo.augmentation import WedgeAwareRotations
from sksubtomo.io import make_particle_table
from sksubtomo.labeling import LabelingSession
from sksubtomo.metrics import expected_calibration_error
from sksubtomo.networks import Liu2019
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import CandidateClassifier

#: What rows of simulated tomograms are known by.
KEY = ("specimen", "source", "kind", "n_labels", "method", "seed")
TITLES = {
    "dog": "Blobs",
    "true": "True template",
    "truncated": "Truncated template",
    "wrong_pixel": "Template 4 % off",
}
PROMISED = 0.9
PARTICLE, OTHER, UNLABELED = 1, 0, -1
#: Of random views of few volumes, without a label to spare for early stopping. Predictions are
#: averaged over views, too.
NETWORK = CNNClassifier(
    network=Liu2019(n_filters=8),
    augmentation=WedgeAwareRotations(n_test_rotations=8, oversampling=1),
    class_weight="balanced",
    learning_rate=1e-3,
    batch_size=16,
    max_epochs=200,
    early_stopping=False,
    random_state=0,
)
#: Whether the score is used, and parameters.
METHODS = {
    "score": (True, {"references": None, "statistics": False}),
    "score, figures": (True, {"references": None}),
    "score, figures, references": (True, {}),
    "figures, references": (False, {}),
    "score, figures, references, network": (True, {"network": NETWORK}),
}
#: Without the network, which takes longer than all else.
DEFAULT_METHODS = tuple(name for name in METHODS if "network" not in name)
KINDS = ("random", "query", "particles")
FIGURES = {
    "average_precision": "average precision",
    "precision_at_0.90": "precision at recall 0.9",
    "precision_at_0.95": "at 0.95",
    "false_removed": "false removed",
    "ece": "calibration error",
}
COUNTS = (
    *("n_labeled", "n_particles_labeled"),
    *("n_kept", "n_true_kept", "n_true_low", "n_true_high"),
)
#: Candidates that are labeled between two fits of the labeling session.
QUERIED = 10


def label_some(candidates, kind, n_labels, seed):
    """Return labels of some candidates, -1 elsewhere.

    "random" ones and those of a "query" are `n_labels`, or as many more as it takes until a
    particle and a candidate that is none are among them. Of "particles", at most half are labeled.
    """
    is_true = candidates.is_true
    y = np.full(len(is_true), UNLABELED)
    if kind == "query":
        chosen = queried(candidates, n_labels, seed)
    else:
        order = np.random.default_rng(seed).permutation(len(is_true))
        particles = order[is_true[order]]
        if kind == "particles":
            chosen = particles[: min(n_labels, len(particles) // 2)]
        else:
            chosen = order[: max(n_labels, n_until_both(is_true[order]))]
    y[chosen] = np.where(is_true[chosen], PARTICLE, OTHER)
    return y


def n_until_both(values):
    """Return how many of the first values hold both kinds; all where there is one kind only."""
    return 1 + int(np.argmax(values != values[0])) if len(set(values)) > 1 else len(values)


def queried(candidates, n_labels, seed):
    """Return the candidates that the labeling session asks for, with a model of its own.

    It is asked for more, one at a time, until both kinds are among them.
    """
    n_labels = min(n_labels, len(candidates.X))
    table = make_particle_table(
        candidates.coordinates, tomogram_names=np.full(len(candidates.X), "learn")
    )
    with tempfile.TemporaryDirectory() as folder:
        session = LabelingSession(folder, table, candidates.X, random_state=seed)
        while (n := sum(session.counts.values())) < n_labels or not (
            all(session.counts.values()) or n == len(candidates.X)
        ):
            shown = session.query(max(1, min(QUERIED, n_labels - n)))
            # Classes of a session begin with 1.
            session.label_many(shown, np.where(candidates.is_true[shown], 1, 2))
            if all(session.counts.values()):
                session.fit()
        return np.flatnonzero(session.labels > 0)


def promise(classifier, test, columns, proba):
    """Return what the classifier says of a threshold for a precision, and what became of it."""
    point = classifier.operating_point(test.X, precision=PROMISED, covariates=columns)
    kept = proba >= point.threshold
    n_kept, n_true = int(kept.sum()), int(test.is_true[kept].sum())
    reached = n_true / n_kept if n_kept else math.nan
    low, high = point.precision_interval
    fewest, most = point.n_true_kept_interval
    return {
        "expected": round(float(point.precision), 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "reached": round(reached, 4),
        "n_kept": n_kept,
        "n_true_kept": n_true,
        "n_true_low": fewest,
        "n_true_high": most,
        # Without a label among those kept, any number is within the interval.
        "promise_kept": int(fewest <= n_true <= most) if point.n_labels_kept else "",
        "recall_kept": round(n_true / int(test.is_true.sum()), 4),
        "is_certain": int(point.is_certain),
        "n_more_labels": "" if point.n_more_labels is None else point.n_more_labels,
    }


def judge(learn, test, y, method, seed):
    """Fit, rank the held-out candidates; return figures, and probabilities of being a particle."""
    with_score, params = METHODS[method]
    start = time.process_time()
    classifier = CandidateClassifier(background=OTHER, random_state=seed, **params)
    classifier.fit(learn.X, y, covariates=learn.scores if with_score else None)
    seconds = time.process_time() - start
    columns = test.scores if with_score else None
    proba = classifier.predict_proba(test.X, covariates=columns)
    own = proba[:, PARTICLE]
    figures = {
        "n_labeled": int((y != UNLABELED).sum()),
        "n_particles_labeled": int((y == PARTICLE).sum()),
        "n_candidates_learned": len(y),
        "n_candidates": len(own),
        "share_true": round(float(test.is_true.mean()), 4),
        "found": "" if test.found is None else round(test.found, 4),
        "average_precision": round(float(average_precision_score(test.is_true, own)), 4),
        "precision_at_0.90": round(precision_at(test.is_true, own, 0.9), 4),
        "precision_at_0.95": round(precision_at(test.is_true, own, 0.95), 4),
        "false_removed": round(removed_at_recall(own, test.is_true, 0.9), 4),
        "ece": round(float(expected_calibration_error(test.is_true.astype(int), proba)), 4),
        **promise(classifier, test, columns, own),
        "cpu_seconds": round(seconds, 1),
        **environment(),
    }
    return figures, own


def add_cache(parser):
    """Add the argument ``--cache`` of scripts that simulate candidates."""
    help_ = "folder where candidates are kept for other runs; empty it when the simulation changes"
    parser.add_argument("--cache", type=Path, help=help_)


@lru_cache(maxsize=2)
def load(specimen, source, seed, cache=None):
    """Return candidates of a simulation to learn from and those held out, normalized."""
    return normalized(*(made(specimen, source, 2 * seed + part, cache) for part in (0, 1)))


def made(specimen, source, number, cache=None):
    """Return candidates of one simulated tomogram."""
    return Memory(cache, verbose=0).cache(make_candidates)(specimen, source, number)


def normalized(learn, test):
    """Return both with boxes that are normalized as those to learn from are."""
    normalizer = VolumeNormalizer()
    return (
        learn._replace(X=normalizer.fit_transform(learn.X)),
        test._replace(X=normalizer.transform(test.X)),
    )


def run_one(specimen, source, kind, n_labels, method, seed, cache=None):
    """Fit, rank the held-out candidates, and return a row and their probabilities."""
    learn, test = load(specimen, source, seed, cache)
    y = label_some(learn, kind, n_labels, seed)
    figures, own = judge(learn, test, y, method, seed)
    key = dict(zip(KEY, (specimen, source, kind, n_labels, method, seed), strict=True))
    return {**key, **figures}, own, test.is_true


def draw_curve(ax, rows, method):
    """Draw precision against recall, in the color of the method, if there are rows."""
    if rows:
        truth = [int(row["is_true"]) for row in rows]
        scores = [float(row["probability"]) for row in rows]
        precisions, recalls, _ = precision_recall_curve(truth, scores)
        color = f"C{list(METHODS).index(method)}"
        ax.step(recalls, precisions, where="post", label=method, color=color)


def promises_kept(rows):
    """Return how many rows have their number in its interval, have labels of it, are certain."""
    said = [int(row["promise_kept"]) for row in rows if row["promise_kept"]]
    return sum(said), len(said), sum(int(row["is_certain"]) for row in rows)


def mean_count(rows, name):
    """Return the mean of a column of counts as text, ``-`` where there is no value."""
    counts = [float(row[name]) for row in rows if row[name]]
    return f"{np.mean(counts):.1f}".removesuffix(".0") if counts else "-"


def cells_of(rows):
    """Return the cells of a table's row: runs, labels, figures, the promise and seconds."""
    inside, said, certain = promises_kept(rows)
    labels, particles, kept, true, fewest, most = (mean_count(rows, name) for name in COUNTS)
    return (
        len(rows),
        f"{labels}, {particles}",
        *(mean_and_spread(row[name] for row in rows) for name in FIGURES),
        f"{true} of {kept} ({fewest} to {most})",
        f"{inside} of {said}; {certain}",
        mean_and_spread(row["cpu_seconds"] for row in rows),
    )


#: Titles of these cells, and what is said of them below a table's title.
CELL_TITLES = (
    *("runs", "labels, particles", *FIGURES.values()),
    *("true of those kept", "promise", "CPU s"),
)
CELLS_EXPLAINED = (
    "*Labels, particles*: how many were labeled, and how many of these are particles. *False",
    "removed*: share of the false candidates below the highest threshold with recall 0.9. *True of",
    f"those kept*: by the threshold for a precision of {PROMISED:g}; in brackets, the interval",
    "stated beforehand. *Promise*: of the runs that had labels to judge the threshold by, how many",
    "have the number of true ones within that interval; and how many said that labels suffice.",
)
