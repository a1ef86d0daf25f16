import numpy as np
import pytest
from scipy.spatial.distance import pdist

from sksubtomo.picking import evaluate_picks, find_peaks


def test_maxima_that_keep_apart():
    scores = np.zeros((20, 20, 20))
    scores[5, 5, 5], scores[5, 5, 8], scores[15, 10, 10], scores[1, 1, 1] = 3, 2, 1, 4
    picks = find_peaks(scores, 4.0, threshold=0.5)
    assert picks.coordinates.tolist() == [[1, 1, 1], [5, 5, 5], [15, 10, 10]]
    assert picks.scores.tolist() == [4, 3, 1]
    assert picks.orientations is None
    close = find_peaks(scores, 2.0, threshold=0.5)
    assert [5.0, 5.0, 8.0] in close.coordinates.tolist()
    assert len(find_peaks(scores, 4.0, threshold=0.5, max_peaks=2).scores) == 2
    assert find_peaks(scores, 4.0, threshold=2.5, border_voxels=2).scores.tolist() == [3]


def test_on_noise_no_two_are_close_and_none_is_missed():
    scores = np.random.default_rng(0).normal(size=(24, 25, 26))
    picks = find_peaks(scores, 5.0)
    assert pdist(picks.coordinates).min() > 5
    assert (np.diff(picks.scores) <= 0).all()
    assert picks.scores[0] == scores.max()


def test_nothing_and_nan():
    scores = np.full((8, 8, 8), np.nan)
    assert find_peaks(scores, 2.0).coordinates.shape == (0, 3)
    scores[4, 4, 4] = 1.0
    assert find_peaks(scores, 2.0).coordinates.tolist() == [[4, 4, 4]]
    assert len(find_peaks(scores, 2.0, threshold=2.0).scores) == 0


def test_scores_by_hand():
    truth = [[0, 0, 0], [0, 0, 10], [0, 0, 20], [0, 0, 30]]
    picked = [[0, 0, 1], [0, 0, 12], [0, 0, 26], [5, 5, 5], [0, 1, 0]]
    scores = evaluate_picks(picked, truth, tolerance_angstrom=20.0, voxel_size_angstrom=10.0)
    # Two within 2 voxels; the last is a second pick of the first particle.
    assert scores == pytest.approx((2 / 5, 2 / 4, 2 * 2 / 9, 2))


def test_pairs_are_as_many_as_can_be():
    # The nearest pick of the first particle is the only one of the second.
    truth, picked = [[0, 0, 0], [0, 0, 4]], [[0, 0, 1.5], [0, 0, -2.0]]
    scores = evaluate_picks(picked, truth, tolerance_angstrom=2.6, voxel_size_angstrom=1.0)
    assert scores.n_matched == 2
    assert scores.f1 == 1


def test_no_picks_and_bad_input():
    scores = evaluate_picks([], [[0, 0, 0]], tolerance_angstrom=1.0, voxel_size_angstrom=1.0)
    assert scores == (0, 0, 0, 0)
    with pytest.raises(ValueError, match="no true position"):
        evaluate_picks([[0, 0, 0]], [], tolerance_angstrom=1.0, voxel_size_angstrom=1.0)
    with pytest.raises(ValueError, match="must be positive"):
        evaluate_picks([], [[0, 0, 0]], tolerance_angstrom=0.0, voxel_size_angstrom=1.0)
    with pytest.raises(ValueError, match="must be one volume"):
        find_peaks(np.zeros((4, 4)), 2.0)
    with pytest.raises(ValueError, match="exclusion_radius_voxels=0 must be positive"):
        find_peaks(np.zeros((4, 4, 4)), 0)
