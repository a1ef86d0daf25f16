"""Figures of rankings of candidates, some of which are true."""

import math

import numpy as np
from sklearn.metrics import precision_recall_curve


def removed_at_recall(scores, is_true, recall):
    """Return the share of false candidates below the highest threshold that keeps the recall."""
    scores, is_true = np.asarray(scores, dtype=float), np.asarray(is_true, dtype=bool)
    kept = max(1, math.ceil(recall * is_true.sum() - 1e-9))
    threshold = np.sort(scores[is_true])[-kept]
    return float((scores[~is_true] < threshold).mean())


def precision_at(is_true, scores, recall):
    """Return the best precision at a recall or more."""
    precisions, recalls, _ = precision_recall_curve(is_true, scores)
    return float(precisions[recalls >= recall - 1e-9].max())
