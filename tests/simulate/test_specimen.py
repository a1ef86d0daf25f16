import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform
from scipy.spatial.transform import Rotation

from sksubtomo.geometry import rotate_volume
from sksubtomo.simulate import add_vesicle, embed_particles, gold_fiducial, place_spheres


def test_spheres_do_not_overlap_and_are_spread_evenly():
    rng = np.random.default_rng(0)
    radii = rng.uniform(3, 8, 150)
    obstacles = np.array([[50.0, 50.0, 50.0]]), np.array([15.0])
    centers = place_spheres(radii, (0, 0, 0), (100, 100, 100), rng, obstacles=obstacles)
    gaps = squareform(pdist(centers)) - radii[:, None] - radii
    np.fill_diagonal(gaps, 0)
    assert gaps.min() >= 0
    assert (np.linalg.norm(centers - 50, axis=1) >= 15 + radii).all()
    assert ((centers >= 0) & (centers <= 100)).all()
    np.testing.assert_allclose(centers.mean(axis=0), 50, atol=8)


def test_a_full_space_is_an_error():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"No place for sphere \d+ of 50, of radius 10"):
        place_spheres(np.full(50, 10.0), (0, 0, 0), (40, 40, 40), rng)
    with pytest.raises(ValueError, match="No center lies between"):
        place_spheres([1.0], (5, 0, 0), (4, 9, 9), rng)
    assert place_spheres([], (0, 0, 0), (1, 1, 1), rng).shape == (0, 3)


def test_particles_come_where_they_shall():
    rng = np.random.default_rng(1)
    density = np.zeros((15, 15, 15), dtype=np.float32)
    density[7, 7, 9:12] = 1
    density[9, 7, 7] = 1
    specimen = np.zeros((40, 50, 60), dtype=np.float32)
    positions = np.array([[12.0, 20.0, 30.0], [28.25, 33.5, 44.75], [0.0, 48.0, 5.0]])
    turns = Rotation.random(3, rng=rng)
    embed_particles(specimen, [density], [0, 0, 0], positions, turns)
    # The same in one go, as a volume as large as the specimen.
    for position, turn in zip(positions, turns, strict=True):
        shift = position - np.array(specimen.shape) // 2
        specimen -= rotate_volume(density, turn, shift=shift, output_shape=specimen.shape)
    np.testing.assert_allclose(specimen, 0, atol=1e-5)


def test_gold_and_membrane():
    gold = gold_fiducial(50.0, 5.0)
    assert gold.sum() / gold.max() == pytest.approx(4 / 3 * np.pi * 10**3, rel=0.02)
    specimen = np.zeros((64, 64, 64), dtype=np.float32)
    add_vesicle(specimen, (32, 32, 32), 250.0, 10.0)
    distance = 10 * np.linalg.norm(np.indices(specimen.shape) - 32, axis=0)
    assert specimen[np.abs(distance - 250) > 60].max() < 0.01 * specimen.max()
    # Two layers of heads: dips at the middle.
    line = specimen[32, 32, 32:]
    assert line[25] < 0.8 * line[23]
    assert line[25] < 0.8 * line[27]
    # As much lipid in coarse voxels as in fine ones.
    finer = np.zeros((128, 128, 128), dtype=np.float32)
    add_vesicle(finer, (64, 64, 64), 250.0, 5.0)
    assert finer.sum() / 8 == pytest.approx(specimen.sum(), rel=0.02)
