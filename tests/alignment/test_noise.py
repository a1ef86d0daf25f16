"""Noise power: white, by shell, and where it cannot be measured."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sksubtomo.alignment import IdentityPose, PoseGrid, measure_noise
from sksubtomo.fourier import apply_fourier_filter, missing_wedge_mask, squared_frequencies

SIZE = 24
RADIUS = SIZE * np.sqrt(squared_frequencies((SIZE,) * 3))
COLOR = np.sqrt(1 + 3 / (1 + (RADIUS / 4) ** 2))


def poses_of(n_shells=6.0):
    return PoseGrid(
        SIZE, 12, n_shells=n_shells, rotations=Rotation.identity(1), shifts=np.zeros((1, 3))
    )


def volumes_with_noise(amplitude, particle=True, n=120, seed=0):
    """Noise within the measured frequencies, and a bright ball that does not fill the box."""
    noise = np.random.default_rng(seed).normal(size=(n, SIZE, SIZE, SIZE))
    mask = missing_wedge_mask((SIZE,) * 3)
    noise = apply_fourier_filter(noise, amplitude * mask)
    grid = np.indices((SIZE,) * 3) - SIZE // 2
    ball = 3 * np.exp(-(grid**2).sum(axis=0) / 18) if particle else 0
    return (noise + ball).astype(np.float32)


@pytest.mark.parametrize("kind", ["auto", "white", "shells"])
def test_white_noise_has_its_variance(kind):
    noise = measure_noise(poses_of(), volumes_with_noise(np.ones_like(RADIUS)), kind, 60.0)
    assert noise.shape == (7,)
    np.testing.assert_allclose(noise[1:], 1.0, rtol=0.12)
    assert (noise > 0).all()


@pytest.mark.parametrize("particle", [False, True])
def test_colored_noise_is_not_taken_from_the_particle(particle):
    noise = measure_noise(poses_of(), volumes_with_noise(COLOR, particle), "shells", 60.0)
    shells = np.arange(2, 7)
    np.testing.assert_allclose(noise[2:], 1 + 3 / (1 + (shells / 4) ** 2), rtol=0.15)


def test_white_noise_is_that_of_high_frequencies():
    noise = measure_noise(poses_of(), volumes_with_noise(COLOR), "white", 60.0)
    assert noise[2] == noise[6]
    assert 1.0 < noise[0] < 1.6


def test_filtered_volumes_have_noise_by_shell_only():
    filtered = volumes_with_noise(np.where(RADIUS < 5, 1.0, 0.0))
    with pytest.raises(ValueError, match="low-pass filtered or denoised"):
        measure_noise(poses_of(5.0), filtered, "white", 60.0)
    noise = measure_noise(poses_of(5.0), filtered, "shells", 60.0)
    assert (noise > 0).all()
    np.testing.assert_allclose(noise[2:4], 1.0, rtol=0.3)


def test_a_mask_that_leaves_no_border_is_refused():
    volumes = volumes_with_noise(np.ones_like(RADIUS), n=2)
    with pytest.raises(ValueError, match="noise='shells' measures noise outside.*noise='white'"):
        measure_noise(poses_of(), volumes, "shells", 60.0, mask_radius=20.0)
    smaller = measure_noise(poses_of(), volumes, "shells", 60.0, mask_radius=8.0)
    assert np.isfinite(smaller).all()


def test_automatic_noise_is_by_shell_where_that_can_be_measured():
    volumes = volumes_with_noise(COLOR)
    noise = {kind: measure_noise(poses_of(), volumes, kind, 60.0) for kind in ("auto", "shells")}
    assert np.array_equal(noise["auto"], noise["shells"])
    assert noise["auto"][2] > 1.5 * noise["auto"][6]
    # Without a border, it is white.
    noise = {
        kind: measure_noise(poses_of(), volumes, kind, 60.0, mask_radius=20.0)
        for kind in ("auto", "white")
    }
    assert np.array_equal(noise["auto"], noise["white"])


@pytest.mark.parametrize("n", [1, 5, 30])
def test_white_noise_of_few_volumes_is_not_taken_for_colored(n):
    for seed in range(10):
        volumes = volumes_with_noise(np.ones_like(RADIUS), n=n, seed=seed, particle=False)
        noise = measure_noise(poses_of(3.0), volumes, "auto", 60.0)
        assert (noise == noise[0]).all()


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_masked_volumes_have_white_noise(value):
    grid = np.indices((SIZE,) * 3) - SIZE // 2
    inside = (grid**2).sum(axis=0) < (SIZE / 2 - 1) ** 2
    masked = np.where(inside, volumes_with_noise(np.ones_like(RADIUS)), value).astype(np.float32)
    noise = {kind: measure_noise(poses_of(), masked, kind, 60.0) for kind in ("auto", "white")}
    assert np.array_equal(noise["auto"], noise["white"])
    with pytest.raises(ValueError, match="volumes seem to be masked.*noise='white'"):
        measure_noise(poses_of(), masked, "shells", 60.0)


@pytest.mark.parametrize("kind", ["auto", "white", "shells"])
def test_constant_volumes_are_refused(kind):
    constant = np.zeros((3, SIZE, SIZE, SIZE), np.float32)
    with pytest.raises(ValueError, match="constant"):
        measure_noise(poses_of(), constant, kind, 60.0)
    with pytest.raises(ValueError, match="no power"):
        measure_noise(IdentityPose((1, 1, 5)), np.zeros((3, 1, 1, 5), np.float32), kind, 60.0)


def test_lines_have_one_noise():
    lines = np.random.default_rng(0).normal(size=(50, 1, 1, 5)).astype(np.float32)
    noise = measure_noise(IdentityPose((1, 1, 5)), lines, "shells", 60.0)
    assert noise.tolist() == pytest.approx([np.square(lines).mean()], rel=1e-5)
