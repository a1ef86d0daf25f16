"""What the tilts of a series measure, in closed form."""

import numpy as np
import pytest

from sksubtomo.fourier import missing_wedge_mask, squared_frequencies, tilt_series_weights

SHAPE = (16, 16, 16)


def test_one_tilt_measures_a_plane():
    weights = tilt_series_weights(SHAPE, [0.0])
    np.testing.assert_array_equal(weights[0], 1)
    assert not weights[1:].any()
    thin = tilt_series_weights(SHAPE, [0.0], thickness_voxels=4)
    # A slab, whose weight falls linearly: 1 - D |kz|.
    expected = np.maximum(0, 1 - 4 * np.abs(np.fft.fftfreq(16)))
    np.testing.assert_allclose(thin[:, 3, 5], expected, atol=1e-6)


def test_slabs_that_do_not_overlap_are_added():
    tilts, shape = [-50.0, 0.0, 40.0], (15, 15, 15)
    total = sum(tilt_series_weights(shape, [tilt]) for tilt in tilts)
    weights = tilt_series_weights(shape, tilts)
    kz, kx = np.fft.fftfreq(15)[:, None], np.fft.rfftfreq(15)
    far = np.broadcast_to((np.hypot(kz, kx) > 0.3)[:, None], weights.shape)
    np.testing.assert_allclose(weights[far], total[far], atol=1e-6)
    assert ((weights >= 0) & (weights <= 1)).all()
    # The order of the tilts does not matter.
    np.testing.assert_allclose(tilt_series_weights(shape, tilts[::-1]), weights, atol=1e-6)


def test_many_tilts_measure_the_wedge():
    size = 32
    weights = tilt_series_weights((size,) * 3, np.arange(-60, 60.01, 0.25))
    kz, kx = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)
    angle = np.radians(60)
    # Beyond one frequency from the planes of the outermost tilts and from the axis.
    edge = np.minimum(*(np.abs(kz * np.cos(t) - kx * np.sin(t)) for t in (-angle, angle)))
    clear = (edge > 1.1 / size) & (np.hypot(kz, kx) > 2 / size)
    clear &= (np.abs(kz) < 0.5) & (kx < 0.5)
    mask = missing_wedge_mask((size,) * 3, 60.0)
    for row in (0, 5, 16):
        np.testing.assert_allclose(weights[:, row][clear], mask[:, row][clear], atol=0.02)
    np.testing.assert_allclose(weights[0, :, 0], 1, atol=1e-6)  # the tilt axis


def test_exposure_takes_high_frequencies_of_late_tilts():
    plain = tilt_series_weights(SHAPE, [0.0, 60.0])
    doses = tilt_series_weights(SHAPE, [0.0, 60.0], exposures=[0, 50.0], voxel_size_angstrom=5.0)
    np.testing.assert_allclose(doses[0, 0, 4:], plain[0, 0, 4:], atol=1e-6)  # the first tilt
    late = tilt_series_weights(SHAPE, [60.0], exposures=[50.0], voxel_size_angstrom=5.0)
    k = np.sqrt(squared_frequencies(SHAPE)) / 5.0
    with np.errstate(divide="ignore"):
        lost = np.exp(-50.0 / (2 * (0.24499 * k**-1.6649 + 2.8141)))
    expected = tilt_series_weights(SHAPE, [60.0]) * lost
    np.testing.assert_allclose(late, expected, atol=1e-6)


def test_axes_are_those_of_the_wedge():
    tilts = np.arange(-40, 61, 3.0)
    weights = tilt_series_weights(SHAPE, tilts, tilt_axis="x")
    turned = tilt_series_weights(SHAPE, tilts, tilt_axis=90.0)
    np.testing.assert_allclose(weights, turned, atol=1e-6)
    mask = missing_wedge_mask(SHAPE, (-40, 60), tilt_axis="x")
    assert weights[mask].mean() > 0.9 > 0.2 > weights[~mask].mean()


@pytest.mark.parametrize(
    ("tilts", "params", "message"),
    [
        ([], {}, "one or more angles"),
        ([0.0, 95.0], {}, "between -90 and 90"),
        ([0.0], {"exposures": [1, 2], "voxel_size_angstrom": 5.0}, "for each of the 1 tilts"),
        ([0.0], {"exposures": [-1.0], "voxel_size_angstrom": 5.0}, "not negative"),
        ([0.0], {"exposures": [1.0]}, "voxel_size_angstrom=None"),
        ([0.0], {"tilt_axis": "z"}, "two different ones"),
    ],
)
def test_malformed_tilts_are_refused(tilts, params, message):
    with pytest.raises(ValueError, match=message):
        tilt_series_weights(SHAPE, tilts, **params)
