"""How many labels a fit is given, and which of them early stopping watches."""

import numpy as np
from sklearn.model_selection import train_test_split

from sksubtomo.model_selection import mask_labels


def take_validation(X, y, seed):
    """Take a tenth of the volumes, labeled ones, to validate on."""
    labeled, unlabeled = np.flatnonzero(y != -1), np.flatnonzero(y == -1)
    train, held = train_test_split(
        labeled, test_size=round(0.1 * len(y)), stratify=y[labeled], random_state=seed
    )
    train = np.concatenate([train, unlabeled])
    return X[train], y[train], X[held], y[held]


def keep_labels(y, n_labels, seed):
    """Hide all but so many labels."""
    n_known = int((y != -1).sum())
    if n_labels > n_known:
        raise SystemExit(f"{n_labels} labels are wanted, but the data have {n_known}.")
    return mask_labels(y, labeled_fraction=n_labels / n_known, random_state=seed)
