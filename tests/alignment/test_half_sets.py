"""Averages of volumes in known poses: of noiseless volumes, the map that they show."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sksubtomo.alignment import HalfSetAverager
from sksubtomo.fourier import apply_fourier_filter, missing_wedge_mask
from sksubtomo.geometry import rotate_volume

SIZE = 16
POINTS = [(0, 3.4, 0), (0, -1.8, 3.1), (0, -1.2, -3.1), (2.5, 0, 0)]


@pytest.fixture(scope="module")
def molecule():
    grid = np.stack(np.indices((SIZE,) * 3), axis=-1) - SIZE // 2
    squares = ((grid[..., np.newaxis, :] - np.array(POINTS)) ** 2).sum(axis=-1)
    volume = np.exp(-squares / 2.4).sum(axis=-1).astype(np.float32)
    return volume / volume.std()


def correlation(a, b):
    return float(np.corrcoef(np.ravel(a), np.ravel(b))[0, 1])


def average(volumes, rotations, shifts, tilts=60.0):
    averager = HalfSetAverager(SIZE, 1, tilts)
    averager.add(np.stack(volumes), np.zeros(len(volumes), int), rotations, np.array(shifts))
    return averager.finish()


def test_rotation_and_shift_are_undone(molecule):
    rotation, shift = Rotation.from_euler("ZYZ", [40, 70, 10], degrees=True), (1.4, -0.6, 0.8)
    moved = rotate_volume(molecule, rotation, shift=shift)
    found = average([moved], Rotation.concatenate([rotation]), [shift], 90.0)
    # Splines and the band limit cost the rest.
    assert correlation(found.averages[0], molecule) > 0.98
    assert correlation(found.averages[0], molecule[:, :, ::-1]) < 0.9
    for wrong in (rotation.inv(), rotation):
        by = shift if wrong is not rotation else (-1.4, 0.6, -0.8)
        other = average([moved], Rotation.concatenate([wrong]), [by], 90.0)
        assert correlation(other.averages[0], molecule) < 0.9


def test_every_frequency_is_divided_by_how_often_it_was_measured(molecule):
    """Twenty wedges in the frame of the molecule cover it unevenly, which must not show."""
    rotations = Rotation.random(20, random_state=0)
    wedge = missing_wedge_mask((SIZE,) * 3).astype(np.float32)
    volumes = apply_fourier_filter(
        np.stack([rotate_volume(molecule, one) for one in rotations]), wedge
    )
    found = average(volumes, rotations, np.zeros((20, 3)))
    assert correlation(found.averages[0], molecule) > 0.98
    # In units of the volumes; the mask leaves the middle as it is.
    middle = (slice(4, 12),) * 3
    slope = np.polyfit(molecule[middle].ravel(), found.averages[0][middle].ravel(), 1)[0]
    assert slope == pytest.approx(1.0, abs=0.1)


def test_volumes_of_no_reference_are_left_out(molecule):
    averager = HalfSetAverager(SIZE, 2, 90.0)
    which = np.array([1, -1, 1])
    volumes = np.stack([molecule, 100 * molecule[::-1], molecule])
    averager.add(volumes, which, Rotation.identity(3), np.zeros((3, 3)))
    found = averager.finish()
    assert found.n_volumes.tolist() == [0, 2]
    assert not found.averages[0].any()
    np.testing.assert_allclose(found.half_maps[0, 1], found.half_maps[1, 1], atol=1e-6)
    assert correlation(found.averages[1], molecule) > 0.98


def test_blocks_add_up_and_halves_go_on_from_one_to_the_next(molecule):
    rng = np.random.default_rng(0)
    volumes = molecule + rng.normal(size=(5, SIZE, SIZE, SIZE)).astype(np.float32)
    rotations, shifts = Rotation.random(5, random_state=1), rng.uniform(-1, 1, (5, 3))
    whole = average(volumes, rotations, shifts)
    averager = HalfSetAverager(SIZE, 1)
    for rows in (slice(0, 3), slice(3, 5)):
        n_rows = len(volumes[rows])
        averager.add(volumes[rows], np.zeros(n_rows, int), rotations[rows], shifts[rows])
    parts = averager.finish()
    scale = np.abs(whole.averages).max()
    np.testing.assert_allclose(parts.averages, whole.averages, atol=1e-5 * scale)
    np.testing.assert_allclose(parts.half_maps, whole.half_maps, atol=1e-5 * scale)
