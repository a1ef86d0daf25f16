"""What is suspicious about a classifier and its predictions."""

from __future__ import annotations

import numpy as np

from sksubtomo._utils._messages import listed, plural
from sksubtomo.reports._content import Content

# As MultiReferenceClassifier and the command line warn.
_LEAST_AGREEMENT = 0.95
_USUAL_SHARE = 0.98
_FEWEST_PARTICLES = 20
# Of labels, for figures of accuracy.
_FEW_LABELS = 50
# Probability of the prediction less that of the label.
_CLEAR = 0.8


def doubtful_labels(content: Content) -> np.ndarray:
    """Return labeled rows whose label is clearly contradicted, the most doubtful first."""
    rows = content.labeled
    proba = content.judged[rows]
    of_label = proba[np.arange(len(rows)), content.targets[rows]]
    doubtful = proba.max(axis=1) - of_label >= _CLEAR
    order = np.argsort(of_label[doubtful], kind="stable")
    return rows[doubtful][order]


def warnings_of(content: Content) -> list[str]:
    """Return what is suspicious, a sentence or two each."""
    return [*_of_fit(content), *_of_labels(content), *_of_predictions(content)]


def _of_fit(content: Content) -> list[str]:
    found = []
    agreement = content.fitted("label_agreement_")
    if agreement is not None and agreement < _LEAST_AGREEMENT:
        found.append(
            f"References agree with {agreement:.2g} of the labels that were left out of them, "
            f"below {_LEAST_AGREEMENT}: classes may be mixed, or labels wrong."
        )
    history = content.fitted("history_") or [{}]
    live = [history[-1].get(f"{part}_live_units") for part in ("valid", "train")]
    if 0 in live:
        found.append("No unit of the latent code differs between volumes: the code is dead.")
    return found


def _of_labels(content: Content) -> list[str]:
    n_labels = len(content.labeled)
    if not n_labels:
        return [
            "No labels are given, so nothing in this report says how often predictions are right."
        ]
    found = []
    counts = np.bincount(content.targets[content.labeled], minlength=len(content.classes))
    for few, what in ((0, "no label"), (1, "one label only")):
        of_classes = [name for name, n in zip(content.names, counts, strict=True) if n == few]
        if of_classes:
            found.append(f"Classes with {what}: {listed(of_classes)}.")
    if n_labels < _FEW_LABELS:
        found.append(
            f"There are {plural(n_labels, 'label')}; with fewer than {_FEW_LABELS}, shares of "
            "correct predictions are uncertain by 10 % and more."
        )
    if content.held_out is None:
        found.append(
            "Figures that compare predictions with labels are too good where the classifier has "
            "learned from these labels. Predict labeled particles out of fold "
            "(sksubtomo.model_selection.cross_val_predict), or give labels that it has not seen."
        )
    n_doubtful = len(doubtful_labels(content))
    if n_doubtful:
        found.append(
            f"Predictions clearly contradict {n_doubtful} of {plural(n_labels, 'label')}; the "
            "table of doubtful labels names them."
        )
    return found


def _of_predictions(content: Content) -> list[str]:
    n = len(content.proba)
    if n < _FEWEST_PARTICLES:
        return []
    shares = np.bincount(content.predicted, minlength=len(content.classes)) / n
    most = int(shares.argmax())
    found = []
    if shares[most] >= _USUAL_SHARE:
        found.append(
            f"{shares[most]:.1%} of the particles are predicted to be {content.names[most]}."
        )
    none = [name for name, share in zip(content.names, shares, strict=True) if share == 0]
    if none:
        found.append(f"No particle is predicted to be of these classes: {listed(none)}.")
    return found
