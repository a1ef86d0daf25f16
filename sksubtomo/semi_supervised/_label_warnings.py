"""What a fit of references says where labels contradict it."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from sksubtomo.alignment import LabelCheck, MultiReferenceEM
from sksubtomo.exceptions import LabelAgreementWarning

# Agreement with the labels below which a fit is doubtful.
_LEAST_AGREEMENT = 0.95
# Agreement with the labels of one class at which that class is.
_LEAST_AGREEMENT_OF_CLASS = 0.5
# A class of so few labels is lost with less than this fraction of the volumes to be expected.
_FEW_LABELS, _LEAST_FOUND = 2, 0.25
# Rows or classes that a message names.
_MOST_NAMED = 10


def warn_of_labels(
    check: LabelCheck, agrees: NDArray[np.bool_], classes: NDArray, targets: NDArray[np.int64]
) -> None:
    """Warn if references contradict the labels, of all classes together or of one of them.

    A rare class has so few labels that all of them may disagree and hardly be seen in the mean.
    """
    if not len(agrees):
        return
    known = targets[check.rows]
    lost = [k for k in np.unique(known) if agrees[known == k].mean() <= _LEAST_AGREEMENT_OF_CLASS]
    if agrees.mean() >= _LEAST_AGREEMENT and not lost:
        return
    wrong = check.rows[~agrees]
    concerned = classes[np.unique(targets[wrong])]
    few = f", and with at most half of those of the classes {named_rows(classes[lost])}"
    warnings.warn(
        f"References agree with {agrees.mean():.2f} of the labels that were left out of them "
        f"(label_agreement_; a good fit has at least {_LEAST_AGREEMENT}){few if lost else ''}: "
        f"classes may be mixed, or labels wrong. Check the labels of the rows {named_rows(wrong)}, "
        f"label more volumes of the classes {named_rows(concerned)}, or try more initializations "
        "(n_init). Where many volumes show none of the structures, add a background "
        "(class_prior=ClassPrior(background=...)).",
        LabelAgreementWarning,
        stacklevel=2,
    )


def lost_classes(em: MultiReferenceEM) -> NDArray[np.int64]:
    """Return classes whose references have found hardly a volume besides the labeled ones.

    Nothing can be left out of such a reference, so that labels do not tell whether it is right. It
    is so noisy that other volumes of its class may be likelier in a class that looks alike.

    Parameters
    ----------
    em : MultiReferenceEM
        After its run.

    Returns
    -------
    lost : ndarray of int
        Class indices: those of one or two labels that have no more unlabeled volumes, though their
        proportion lets expect four times as many, and four: the one that was stated, or else that
        of the labels. Never the background.
    """
    n_labels, hidden = em.known.sum(dim=0).numpy(), ~em.labeled.numpy()
    found = np.bincount(em.labels.numpy()[hidden], minlength=em.n_classes)
    is_stated = em.prior is not None and em.pseudo_counts is None
    proportions = np.array(em.prior if is_stated else n_labels, dtype=float)
    if em.background is not None:
        # What shows no structure says nothing of how many volumes the structures have.
        n_labels[em.background] = found[em.background] = proportions[em.background] = 0
    expected = proportions / max(proportions.sum(), 1e-12) * found.sum()
    few = (n_labels > 0) & (n_labels <= _FEW_LABELS) & (found <= n_labels)
    return np.flatnonzero(few & (np.maximum(found, 1) <= _LEAST_FOUND * expected))


def warn_of_lost_classes(em: MultiReferenceEM, classes: NDArray) -> None:
    """Warn if references of some classes have found no volumes but labeled ones."""
    lost = lost_classes(em)
    if not len(lost):
        return
    n_labels = em.known.sum(dim=0).int().numpy()[lost]
    warnings.warn(
        f"Hardly any unlabeled volumes were assigned to the classes {named_rows(classes[lost])} "
        f"(labeled volumes: {named_rows(n_labels)}). Either these classes are rarer than among "
        "the labels; then state class_prior. Or their volumes were assigned to classes that look "
        "alike, with high probabilities; then label more volumes of these classes.",
        LabelAgreementWarning,
        stacklevel=2,
    )


def named_rows(values: NDArray) -> str:
    """Return the first of rows or classes, and how many more there are."""
    more = f" and {len(values) - _MOST_NAMED} more" if len(values) > _MOST_NAMED else ""
    return f"{values[:_MOST_NAMED].tolist()}{more}"
