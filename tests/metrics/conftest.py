"""What tests of metrics share."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression


@pytest.fixture
def noisy():
    """A fitted classifier that errs, and rows of which half are hidden."""
    rng = np.random.default_rng(0)
    y = np.arange(120) % 3
    X = y[:, np.newaxis] + rng.normal(scale=0.8, size=(120, 2))
    hidden = np.where(rng.random(120) < 0.5, -1, y)
    return LogisticRegression().fit(X, y), X, hidden
