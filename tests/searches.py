"""A short search, for the tests that run it by one backend of joblib and another."""

import numpy as np
from sklearn.model_selection import GridSearchCV

from sksubtomo.metrics import get_labeled_scorer
from sksubtomo.model_selection import SemiSupervisedSplit
from sksubtomo.networks import Liu2019
from sksubtomo.neural_network import CNNClassifier

QUICK = CNNClassifier(
    network=Liu2019(n_filters=4),
    learning_rate=1e-3,
    max_epochs=2,
    batch_size=16,
    early_stopping=False,
    random_state=0,
)


def losses(X, y, **options):
    """Logarithmic losses of a search, all digits of which depend on all weights."""
    search = GridSearchCV(
        QUICK,
        {"learning_rate": [1e-3, 3e-3]},
        scoring=get_labeled_scorer("neg_log_loss"),
        cv=SemiSupervisedSplit(2),
        refit=False,
        **options,
    ).fit(X, y)
    results = search.cv_results_
    return np.array([results["split0_test_score"], results["split1_test_score"]])
