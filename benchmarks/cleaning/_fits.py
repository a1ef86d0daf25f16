"""Labels of candidates, fits to them, and figures of the held-out candidates."""

import math
import tempfile
import time

import numpy as np
from _results import environment, mean_and_spread
from sklearn.metrics import average_precision_score, precision_recall_curve

from sksubtomo.io import make_particle_table
from sksubtomo.labeling import LabelingSession
from sksubtomo.metrics import expected_calibration_error
from sksubtomo.semi_supervised import CandidateClassifier

PROMISED = 0.9
PARTICLE, OTHER, UNLABELED = 1, 0, -1
#: Whether the score is used, and parameters.
METHODS = {
    "score": (True, {"references": None, "statistics": False}),
    "score, figures": (True, {"references": None}),
    "score, figures, references": (True, {}),
    "figures, references": (False, {}),
}
KINDS = ("random", "query", "particles")
FIGURES = ("average_precision", "precision_at_0.90", "precision_at_0.95", "ece")
FIGURE_TITLES = ("average precision", "precision at recall 0.9", "at 0.95", "calibration error")
#: Candidates that are labeled between two fits of the labeling session.
QUERIED = 10


def label_some(candidates, kind, n_labels, seed):
    """Return labels of some candidates, -1 elsewhere."""
    is_true = candidates.is_true
    order = np.random.default_rng(seed).permutation(len(is_true))
    y = np.full(len(is_true), UNLABELED)
    if kind == "particles":
        particles = order[is_true[order]]
        y[particles[: min(n_labels, len(particles) // 2)]] = PARTICLE
        return y
    chosen = order[:n_labels] if kind == "random" else queried(candidates, n_labels, seed)
    y[chosen] = np.where(is_true[chosen], PARTICLE, OTHER)
    return y


def queried(candidates, n_labels, seed):
    """Return the candidates that the labeling session asks for, with a model of its own."""
    n_labels = min(n_labels, len(candidates.X))
    table = make_particle_table(
        candidates.coordinates, tomogram_names=np.full(len(candidates.X), "learn")
    )
    with tempfile.TemporaryDirectory() as folder:
        session = LabelingSession(folder, table, candidates.X, random_state=seed)
        while (n_missing := n_labels - sum(session.counts.values())) > 0:
            shown = session.query(min(QUERIED, n_missing))
            # Classes of a session begin with 1.
            session.label_many(shown, np.where(candidates.is_true[shown], 1, 2))
            if all(session.counts.values()):
                session.fit()
        return np.flatnonzero(session.labels > 0)


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
        "promise_kept": "" if math.isnan(reached) else int(low <= reached <= high),
        "recall_kept": round(float(test.is_true[kept].sum() / test.is_true.sum()), 4),
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
        "n_particles_labeled": int((y == PARTICLE).sum()),
        "n_candidates_learned": len(y),
        "n_candidates": len(own),
        "share_true": round(float(test.is_true.mean()), 4),
        "found": "" if test.found is None else round(test.found, 4),
        "average_precision": round(float(average_precision_score(test.is_true, own)), 4),
        "precision_at_0.90": round(precision_at(test.is_true, own, 0.9), 4),
        "precision_at_0.95": round(precision_at(test.is_true, own, 0.95), 4),
        "ece": round(float(expected_calibration_error(test.is_true.astype(int), proba)), 4),
        **promise(classifier, test, columns, own),
        "cpu_seconds": round(seconds, 1),
        **environment(),
    }
    return figures, own


def draw_curve(ax, rows, method):
    """Draw precision against recall, in the color of the method, if there are rows."""
    if rows:
        truth = [int(row["is_true"]) for row in rows]
        scores = [float(row["probability"]) for row in rows]
        precisions, recalls, _ = precision_recall_curve(truth, scores)
        color = f"C{list(METHODS).index(method)}"
        ax.step(recalls, precisions, where="post", label=method, color=color)


def promises_kept(rows):
    """Return of how many rows the precision is in its interval, how many say one, are certain."""
    said = [int(row["promise_kept"]) for row in rows if row["promise_kept"]]
    return sum(said), len(said), sum(int(row["is_certain"]) for row in rows)


def cells_of(rows):
    """Return the cells of a table's row: seeds, figures, the promise and seconds."""
    inside, said, certain = promises_kept(rows)
    return (
        len(rows),
        *(mean_and_spread(row[name] for row in rows) for name in FIGURES),
        f"{inside} of {said}; {certain}",
        mean_and_spread(row["cpu_seconds"] for row in rows),
    )


#: Titles of these cells.
CELL_TITLES = ("runs", *FIGURE_TITLES, "promise", "CPU s")
