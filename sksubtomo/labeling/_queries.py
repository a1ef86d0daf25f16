"""Which candidates to label next."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sksubtomo._utils._messages import listed, plural

#: What :func:`query_candidates` knows, the recommended one first.
STRATEGIES = ("informative", "uncertain", "disagreement", "random", "doubtful")
_NEED_MODEL = ("uncertain", "disagreement", "doubtful")
_NEEDS = {
    "uncertain": "probabilities",
    "disagreement": "disagreement",
    "doubtful": "doubt",
}
# Of candidates that are drawn from by features, at most: it takes time in proportion.
_MOST_SPREAD = 5000


class CandidateScores(NamedTuple):
    """What models say of candidates; NaN where they were not asked, None where there is no model.

    Parameters
    ----------
    probabilities : ndarray of shape (n_candidates, n_classes) or None
        Of the model that was fitted to all labels.
    disagreement : ndarray of shape (n_candidates,) or None
        Jensen-Shannon divergence of the probabilities of two models, in bits.
    doubt : ndarray of shape (n_candidates,) or None
        Of labeled candidates, the out-of-fold probability that the label is wrong.
    """

    probabilities: NDArray[np.float64] | None = None
    disagreement: NDArray[np.float64] | None = None
    doubt: NDArray[np.float64] | None = None


def query_candidates(
    n: int,
    strategy: str,
    labels: ArrayLike,
    *,
    scores: CandidateScores | None = None,
    features: NDArray[np.float32] | None = None,
    among: ArrayLike | None = None,
    random_state: int = 0,
) -> NDArray[np.intp]:
    """Return the candidates to label next, the most useful first.

    Parameters
    ----------
    n : int
        How many; fewer where there are no more.
    strategy : {"informative", "uncertain", "disagreement", "random", "doubtful"}
        "random": in random order. "uncertain": the largest entropy of the class probabilities.
        "informative": uncertain and unlike each other, by k-means++ on the features with the
        entropy as weight (Arthur and Vassilvitskii 2007; as in Zhdanov, arXiv:1901.05954); without
        probabilities, unlike each other only. "disagreement": the largest divergence of two
        models. "doubtful": labeled candidates whose label is contradicted by a model that did not
        learn from it, out-of-fold probability below 0.5, the least probable first.
    labels : array-like of shape (n_candidates,) of int
        Class numbers from 1; 0 for not sure and -1 for none.
    scores : CandidateScores, optional
        Of a model; "uncertain", "disagreement" and "doubtful" need them.
    features : ndarray of shape (n_candidates, n_features), optional
        For "informative". Rows with NaN are left out.
    among : array-like of shape (n_candidates,) of bool, optional
        Candidates to choose from, such as those of one tomogram.
    random_state : int, default=0
        Seed.

    Returns
    -------
    rows : ndarray of int
        Row numbers.

    Raises
    ------
    ValueError
        If the strategy is unknown, or needs what is not given.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubtomo.labeling import CandidateScores, query_candidates
    >>> proba = np.array([[0.9, 0.1], [0.5, 0.5], [0.3, 0.7]])
    >>> query_candidates(2, "uncertain", [-1, -1, -1], scores=CandidateScores(proba)).tolist()
    [1, 2]
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"strategy={strategy!r} must be one of {listed(STRATEGIES, 9)}.")
    if n < 1:
        raise ValueError(f"n={n!r} must be a positive whole number.")
    labels = np.asarray(labels)
    scores = scores or CandidateScores()
    open_rows = labels >= 1 if strategy == "doubtful" else labels < 0
    if among is not None:
        open_rows &= np.asarray(among, dtype=bool)
    rows = np.flatnonzero(open_rows)
    rng = np.random.default_rng(random_state)
    if strategy == "random":
        return rng.permutation(rows)[:n]
    if strategy == "informative":
        return _informative(n, rows, scores.probabilities, features, rng)
    values = getattr(scores, _NEEDS[strategy])
    if values is None:
        raise ValueError(
            f"strategy={strategy!r} needs a model. Label candidates of at least two classes, "
            f"{plural(2, 'of each', 'of each')} or more, and fit."
        )
    if strategy == "uncertain":
        values = _entropy(values)
    values = values[rows]
    if strategy == "doubtful":
        values = np.where(values > 0.5, values, np.nan)
    rows, values = rows[~np.isnan(values)], values[~np.isnan(values)]
    # Ties in random order, or else those of the first tomogram would come first.
    shuffled = rng.permutation(len(rows))
    return rows[shuffled][np.argsort(-values[shuffled], kind="stable")[:n]]


def _informative(
    n: int,
    rows: NDArray[np.intp],
    probabilities: NDArray[np.float64] | None,
    features: NDArray[np.float32] | None,
    rng: np.random.Generator,
) -> NDArray[np.intp]:
    """Return uncertain rows that are far from each other, by weighted k-means++."""
    from sklearn.cluster import kmeans_plusplus

    if features is None:
        raise ValueError("strategy='informative' needs features.")
    usable = np.isfinite(features[rows]).all(axis=1)
    weights = np.ones(len(rows))
    if probabilities is not None:
        entropy = _entropy(probabilities[rows])
        usable &= ~np.isnan(entropy)
        weights = np.nan_to_num(entropy) + 1e-6
    rows, weights = rows[usable], weights[usable]
    if len(rows) > _MOST_SPREAD:
        chosen = np.argsort(-weights + 1e-9 * rng.random(len(rows)))[:_MOST_SPREAD]
        rows, weights = rows[chosen], weights[chosen]
    if len(rows) <= n:
        return rows[np.argsort(-weights, kind="stable")]
    points = features[rows].astype(np.float64)
    spread = points.std(axis=0)
    points = (points - points.mean(axis=0)) / np.where(spread > 0, spread, 1)
    _, chosen = kmeans_plusplus(
        points, n, sample_weight=weights, random_state=int(rng.integers(2**31))
    )
    # Of points that are the same, one may be chosen twice.
    return rows[list(dict.fromkeys(chosen.tolist()))]


def _entropy(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the entropy of each row in bits; NaN stays."""
    p = np.asarray(probabilities, dtype=np.float64)
    return -(p * np.log2(np.where(p > 0, p, 1))).sum(axis=1)


def divergence(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Jensen-Shannon divergence of rows of probabilities in bits, from 0 to 1."""
    return _entropy((one + other) / 2) - (_entropy(one) + _entropy(other)) / 2
