import numpy as np
import pytest
from sklearn.base import clone

from sksubtomo.datasets import make_tomogram
from sksubtomo.picking import DifferenceOfGaussiansPicker, difference_of_gaussians, evaluate_picks


def balls(radius, shape=(48, 48, 48), center=(24, 24, 24)):
    distance = np.linalg.norm(np.indices(shape) - np.reshape(center, (3, 1, 1, 1)), axis=0)
    return (distance <= radius).astype(np.float32)


def test_is_largest_for_balls_of_its_size():
    response = {}
    for radius in (3, 4, 5, 6, 8, 10):
        picker = DifferenceOfGaussiansPicker(120.0, 10.0, contrast="bright")
        sigma = 6 / np.sqrt(3) / np.sqrt(1.1)
        difference = difference_of_gaussians(balls(radius), sigma)
        # The picker's map is this, up to offset and scale.
        scores = picker.score_map(balls(radius) + 0)
        assert np.corrcoef(scores.ravel(), difference.ravel())[0, 1] > 0.999
        response[radius] = difference[24, 24, 24]
    assert max(response, key=response.get) == 6


def test_contrast():
    volume = -balls(5) + 0.1 * np.random.default_rng(0).normal(size=(48, 48, 48))
    for sign, contrast in ((1, "dark"), (-1, "bright")):
        picker = DifferenceOfGaussiansPicker(100.0, 10.0, contrast=contrast, max_picks=1)
        (place,) = picker.pick(sign * volume).coordinates
        assert np.abs(place - 24).max() <= 1


def test_picks_in_a_simulated_tomogram():
    data = make_tomogram(
        ["groel", "proteasome_20s"],
        n_particles=16,
        shape=(48, 96, 96),
        box_size=20,
        voxel_size_angstrom=16.0,
        snr=1.0,
        random_state=0,
    )
    picker = DifferenceOfGaussiansPicker(150.0, 16.0, max_picks=16)
    picks = picker.pick(data.tomogram)
    scores = evaluate_picks(
        picks.coordinates, data.coordinates, tolerance_angstrom=75.0, voxel_size_angstrom=16.0
    )
    assert scores.f1 > 0.8


def test_threshold_is_in_standard_deviations_of_the_background():
    noise = np.random.default_rng(0).normal(size=(40, 40, 40))
    scores = DifferenceOfGaussiansPicker(60.0, 10.0).score_map(5 + 3 * noise)
    assert np.median(scores) == pytest.approx(0, abs=1e-3)
    assert scores.std() == pytest.approx(1, rel=0.1)


def test_parameters_and_bad_input():
    picker = clone(DifferenceOfGaussiansPicker(100.0, 10.0, threshold=2.0))
    assert picker.get_params()["threshold"] == 2.0
    with pytest.raises(ValueError, match="'diameter_angstrom' parameter"):
        DifferenceOfGaussiansPicker(0.0, 10.0).pick(np.zeros((8, 8, 8)))
    with pytest.raises(ValueError, match="'contrast' parameter"):
        DifferenceOfGaussiansPicker(50.0, 10.0, contrast="gray").pick(np.zeros((8, 8, 8)))
    with pytest.raises(ValueError, match=r"one volume of numbers; this has shape \(8, 8\)"):
        picker.pick(np.zeros((8, 8)))
    with pytest.raises(ValueError, match="NaN or infinity"):
        picker.pick(np.full((8, 8, 8), np.nan))
