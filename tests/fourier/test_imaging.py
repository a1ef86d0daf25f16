"""How volumes were imaged: one value for all or one for each, and the gains of it."""

import pickle

import numpy as np
import pytest
from sklearn.utils import _safe_indexing

from sksubtomo.fourier import (
    Imaging,
    contrast_transfer,
    missing_wedge_mask,
    squared_frequencies,
    tilt_series_weights,
)

SHAPE = (8, 8, 8)


def test_gains_are_those_of_the_wedges():
    imaging = Imaging([[-60, 60], [-40, 50], [-60, 60]])
    assert (len(imaging), imaging.n_kinds, imaging.shape) == (3, 2, (3,))
    assert imaging.index.tolist() == [0, 1, 0]
    gains = imaging.gains(SHAPE)
    for row, tilts in enumerate([60, (-40, 50)]):
        np.testing.assert_array_equal(gains[row], missing_wedge_mask(SHAPE, tilts).ravel())
    some = np.array([5, 0, 77])
    np.testing.assert_array_equal(imaging.gains(SHAPE, some), gains[:, some])


def test_contrast_transfer_is_positive_at_low_frequencies():
    imaging = Imaging(90, defocus_um=[3.0, np.nan], voxel_size_angstrom=10.0)
    gains = imaging.gains(SHAPE)
    k2 = squared_frequencies(SHAPE).ravel()
    expected = -contrast_transfer(k2 / 100, defocus_um=3.0)
    np.testing.assert_allclose(gains[0], expected, atol=2e-3)
    np.testing.assert_array_equal(gains[1], 1)
    flipped = Imaging(90, defocus_um=3.0, voxel_size_angstrom=10.0, phase_flipped=True)
    np.testing.assert_allclose(flipped.gains(SHAPE)[0], np.abs(gains[0]))
    assert imaging.has_transfer
    assert not Imaging(40).has_transfer


def test_tilts_of_a_series():
    tilts = [[-60, 0, 60], [-40, 0, 40], [-60, 0, 60]]
    imaging = Imaging(tilts_deg=tilts, exposures=[[1, 2, 3]] * 3, voxel_size_angstrom=4.0)
    assert imaging.n_kinds == 2
    weights = tilt_series_weights(
        SHAPE, tilts[1], exposures=[1, 2, 3], voxel_size_angstrom=4.0
    ).ravel()
    gains = imaging.gains(SHAPE)[1]
    np.testing.assert_allclose(gains, np.where(weights < 1e-3, 0, weights))
    assert Imaging(tilts_deg=[-60, 0, 60]).n_kinds == len(Imaging(tilts_deg=[-60, 0, 60])) == 1


def test_it_is_split_like_an_array():
    imaging = Imaging(tilt_axes=["y", "x", 30.0, "x"])
    assert _safe_indexing(imaging, np.array([1, 3])).index.tolist() == [1, 1]
    assert imaging[np.array([True, False, True, False])].index.tolist() == [0, 2]
    part = imaging[1::2].broadcast(2)
    assert part.n_kinds == 1  # what no volume has is left out
    np.testing.assert_array_equal(part.gains(SHAPE)[0], imaging.gains(SHAPE)[1])
    again = pickle.loads(pickle.dumps(imaging))
    np.testing.assert_array_equal(again.gains(SHAPE), imaging.gains(SHAPE))
    assert len(Imaging(50).broadcast(7)) == 7
    assert "4 volumes, 3 kinds" in repr(imaging)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"tilt_ranges_deg": [[-60, 60], [40, -40]]}, r"tilt_ranges_deg\[1\] = \[40.0, -40.0\]"),
        ({"tilt_ranges_deg": np.zeros((3, 3))}, r"shape \(3, 3\)"),
        ({"tilt_ranges_deg": 95}, "between -90 and 90"),
        ({"tilt_axes": ["y", "x"], "defocus_um": [1, 2, 3]}, "one value of each"),
        ({"tilt_axes": "z"}, "two different ones"),
        ({"tilt_axes": 30.0, "beams": "x"}, "the beam 'z'"),
        ({"defocus_um": 3.0}, "voxel_size_angstrom=None"),
        ({"defocus_um": np.inf, "voxel_size_angstrom": 1}, "finite number"),
        ({"exposures": [1.0, 2.0]}, "tilts_deg, which are not given"),
        ({"tilts_deg": [10, 100]}, "between -90 and 90"),
    ],
)
def test_malformed_imaging_is_refused(params, message):
    with pytest.raises(ValueError, match=message):
        Imaging(**params)


def test_another_number_of_volumes_is_refused():
    with pytest.raises(ValueError, match="that of 2 volumes, but X has 3"):
        Imaging([[-60, 60], [-40, 40]]).broadcast(3)
