import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sksubtomo.datasets._blobs import BLOBS


@pytest.mark.parametrize("name", BLOBS)
def test_symmetry(name):
    shape = BLOBS[name]
    centers = shape.centers()
    group = Rotation.create_group(shape.symmetry)
    assert len(centers) == len(shape.unit) * len(group)
    for rotation in group:
        distances = np.linalg.norm(rotation.apply(centers)[:, None] - centers[None], axis=2)
        assert distances.min(axis=1).max() < 1e-6


@pytest.mark.parametrize(
    ("name", "extent"),
    [
        ("apoferritin", (120, 120, 120)),
        ("glutamine_synthetase", (143, 143, 103)),
        ("proteasome_20s", (113, 113, 148)),
        ("groel", (137, 137, 146)),
        ("beta_galactosidase", (175, 135, 90)),
        ("p97", (160, 160, 85)),
    ],
)
def test_dimensions_are_the_published_ones(name, extent):
    # Blobs end at about twice their standard deviation.
    shape = BLOBS[name]
    ours = np.ptp(shape.centers(), axis=0) + 4 * shape.sigma_angstrom
    np.testing.assert_allclose(ours, extent, rtol=0.1)


def test_ribosome_is_about_as_large_as_published():
    assert 2 * BLOBS["ribosome_70s"].radius_angstrom() == pytest.approx(250, rel=0.1)


def test_ribosome_is_chiral():
    # No rotation takes it to its mirror image.
    centers = BLOBS["ribosome_70s"].centers()
    mirror = centers * [1, 1, -1]
    distance = np.inf
    for rotation in Rotation.random(2000, rng=np.random.RandomState(0)):
        best, _ = Rotation.align_vectors(centers, rotation.apply(mirror))
        turned = best.apply(rotation.apply(mirror))
        nearest = np.linalg.norm(turned[:, None] - centers[None], axis=2).min(axis=1)
        distance = min(distance, np.sqrt((nearest**2).mean()))
        if rotation is None:
            break
    assert distance > 5.0
