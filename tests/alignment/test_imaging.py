"""The missing wedge, found in the power of volumes."""

import numpy as np
import pytest

from sksubtomo.alignment import likelier_geometry
from sksubtomo.fourier import apply_fourier_filter, missing_wedge_mask

SIZE = 16


def noise_of_a_tilt_series(tilt_range, seed=0):
    volumes = np.random.default_rng(seed).normal(size=(8, SIZE, SIZE, SIZE))
    mask = missing_wedge_mask((SIZE,) * 3, tilt_range).astype(float)
    return apply_fourier_filter(volumes, mask).astype(np.float32)


@pytest.mark.parametrize("tilt_range", [60.0, (-40.0, 66.0), 45.0])
def test_stated_geometry_is_right(tilt_range):
    stated, likelier = likelier_geometry(noise_of_a_tilt_series(tilt_range), tilt_range)
    assert likelier is None
    assert (stated.tilt_axis, stated.beam) == ("y", "z")
    assert stated.missing_power < 0.05


@pytest.mark.parametrize(
    ("order", "tilt_axis", "beam"),
    [((0, 1, 3, 2), "x", "z"), ((0, 3, 2, 1), "y", "x"), ((0, 2, 1, 3), "z", "y")],
)
def test_other_axes_are_named(order, tilt_axis, beam):
    volumes = noise_of_a_tilt_series(60.0).transpose(order)
    stated, likelier = likelier_geometry(volumes, 60.0)
    assert (likelier.tilt_axis, likelier.beam) == (tilt_axis, beam)
    assert likelier.missing_power < 0.05 < 0.5 < stated.missing_power


def test_tilts_of_the_other_sign_are_named():
    _, likelier = likelier_geometry(noise_of_a_tilt_series((-30.0, 60.0)), (-60.0, 30.0))
    assert (likelier.tilt_axis, likelier.beam) == ("y", "z")
    assert likelier.tilt_range_deg == (-30.0, 60.0)


@pytest.mark.parametrize("size", [16, 28])
@pytest.mark.parametrize(
    ("measured", "given"), [(45.0, 60.0), ((-40.0, 60.0), 60.0), ((-60.0, 30.0), (-60.0, 55.0))]
)
def test_tilts_without_power_are_named(measured, given, size):
    volumes = np.random.default_rng(0).normal(size=(8, size, size, size))
    mask = missing_wedge_mask((size,) * 3, measured).astype(float)
    volumes = apply_fourier_filter(volumes, mask).astype(np.float32)
    stated, likelier = likelier_geometry(volumes, given)
    assert (likelier.tilt_axis, likelier.beam) == ("y", "z")
    low, high = (-measured, measured) if np.isscalar(measured) else measured
    np.testing.assert_allclose(likelier.tilt_range_deg, (low, high), atol=7)
    # The other way round, nothing is wrong but that a part is not used.
    assert likelier_geometry(volumes, measured)[1] is None
    assert stated.missing_power < 0.05


def test_nothing_is_said_without_a_wedge():
    volumes = np.random.default_rng(0).normal(size=(8, SIZE, SIZE, SIZE)).astype(np.float32)
    assert likelier_geometry(volumes, 60.0)[1] is None
    assert likelier_geometry(volumes, 90.0)[1] is None
    assert likelier_geometry(np.zeros((1, 5, 5, 5), np.float32), 60.0)[1] is None


def test_colored_noise_does_not_matter():
    radius = np.linalg.norm(np.stack(np.meshgrid(*[np.fft.fftfreq(SIZE)] * 3)), axis=0)
    color = (1 / (0.05 + radius))[:, :, : SIZE // 2 + 1]
    volumes = apply_fourier_filter(noise_of_a_tilt_series(60.0).astype(float), color)
    assert likelier_geometry(volumes.astype(np.float32), 60.0)[1] is None
    swapped = volumes.swapaxes(2, 3).astype(np.float32)
    assert likelier_geometry(swapped, 60.0)[1].tilt_axis == "x"
