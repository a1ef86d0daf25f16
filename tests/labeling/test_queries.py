import numpy as np
import pytest

from sksubtomo.labeling import CandidateScores, query_candidates
from sksubtomo.labeling._queries import STRATEGIES, divergence

P = np.array([[0.9, 0.1], [0.5, 0.5], [0.3, 0.7], [0.45, 0.55], [np.nan, np.nan]])


def test_most_uncertain_first_and_labeled_ones_not_at_all():
    labels = np.array([-1, 1, -1, -1, -1])
    assert query_candidates(9, "uncertain", labels, scores=CandidateScores(P)).tolist() == [3, 2, 0]
    unsure = np.array([-1, 1, -1, 0, -1])
    assert query_candidates(9, "uncertain", unsure, scores=CandidateScores(P)).tolist() == [2, 0]


def test_random_is_all_of_them_in_an_order_of_the_seed():
    labels = np.full(50, -1)
    labels[:10] = 1
    one, same, other = (query_candidates(99, "random", labels, random_state=s) for s in (0, 0, 1))
    assert sorted(one) == list(range(10, 50))
    assert one.tolist() == same.tolist() != other.tolist()


def test_doubtful_are_labels_that_the_other_half_contradicts():
    scores = CandidateScores(P, None, np.array([0.2, 0.6, 0.9, np.nan, 0.5]))
    labels = np.array([1, 2, 1, -1, 2])
    assert query_candidates(9, "doubtful", labels, scores=scores).tolist() == [2, 1]


def test_disagreement_is_the_jensen_shannon_divergence_in_bits():
    one, other = np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([[0.0, 1.0], [0.5, 0.5]])
    np.testing.assert_allclose(divergence(one, other), [1.0, 0.0], atol=1e-15)
    scores = CandidateScores(P, np.array([0.1, 0.4, 0.2, np.nan, 0.9]))
    labels = np.full(5, -1)
    assert query_candidates(3, "disagreement", labels, scores=scores).tolist() == [4, 1, 2]


def test_informative_ones_are_uncertain_and_unlike_each_other():
    # Three groups that are alike within; one of them is certain.
    features = np.repeat([[0.0, 0], [10, 0], [0, 10]], 20, axis=0).astype(np.float32)
    features += np.random.default_rng(0).normal(scale=0.01, size=features.shape).astype(np.float32)
    proba = np.repeat([[0.5, 0.5], [0.6, 0.4], [1.0, 0.0]], 20, axis=0)
    labels = np.full(60, -1)
    chosen = query_candidates(
        2, "informative", labels, scores=CandidateScores(proba), features=features
    )
    assert sorted(chosen // 20) == [0, 1]
    without = query_candidates(3, "informative", labels, features=features)
    assert sorted(without // 20) == [0, 1, 2]
    features[3] = np.nan
    assert 3 not in query_candidates(60, "informative", labels, features=features)


def test_copies_of_one_candidate_are_asked_for_once():
    chosen = query_candidates(5, "informative", np.full(30, -1), features=np.ones((30, 4)))
    assert len(set(chosen.tolist())) == len(chosen)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_all_stay_within_what_is_asked_for(strategy):
    rng = np.random.default_rng(0)
    scores = CandidateScores(rng.dirichlet([1, 1], 40), rng.random(40), rng.random(40))
    labels, among = rng.integers(-1, 3, 40), rng.random(40) < 0.5
    rows = query_candidates(
        30, strategy, labels, scores=scores, features=rng.random((40, 3)), among=among
    )
    assert among[rows].all()
    assert (labels[rows] > 0).all() if strategy == "doubtful" else (labels[rows] == -1).all()
    assert len(set(rows.tolist())) == len(rows) > 0


def test_refusals_say_what_to_do():
    labels = np.full(3, -1)
    with pytest.raises(ValueError, match="strategy='best' must be one of 'informative'"):
        query_candidates(1, "best", labels)
    with pytest.raises(ValueError, match="needs a model"):
        query_candidates(1, "uncertain", labels)
    with pytest.raises(ValueError, match="n=0"):
        query_candidates(0, "random", labels)
    with pytest.raises(ValueError, match="needs features"):
        query_candidates(1, "informative", labels)
