import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from sksubtomo.datasets._blobs import BLOBS, render_blobs
from sksubtomo.geometry import rotate_volume

RIBOSOME = BLOBS["ribosome_70s"]
# x, y, z of three blobs that tell axes and hands apart.
CORNER = np.array([[60.0, 0.0, 0.0], [0.0, 40.0, 0.0], [0.0, 40.0, 0.0], [0.0, 0.0, 50.0]])


def render(centers, box_size=36):
    return render_blobs(np.asarray(centers), 14.0, box_size, 8.0)


def test_rotates_as_the_atoms_do():
    volume = render(RIBOSOME.centers())
    for rotation in Rotation.random(5, rng=np.random.default_rng(0)):
        expected = render(rotation.apply(RIBOSOME.centers()))
        turned = rotate_volume(volume, rotation)
        np.testing.assert_allclose(turned, expected, atol=0.01 * expected.max())


@pytest.mark.parametrize("box_size", [35, 36])
def test_back_and_forth_is_the_identity(box_size):
    volume = render(RIBOSOME.centers(), box_size)
    rotation = Rotation.random(rng=np.random.default_rng(1))
    again = rotate_volume(rotate_volume(volume, rotation), rotation.inv())
    np.testing.assert_allclose(again, volume, atol=0.01 * volume.max())


def test_mass_stays():
    volume = render(RIBOSOME.centers())
    for rotation in Rotation.random(5, rng=np.random.default_rng(2)):
        turned = rotate_volume(volume, rotation, shift=(0.3, -0.4, 0.2))
        assert turned.sum() == pytest.approx(volume.sum(), rel=1e-3)


def test_shift_and_other_boxes():
    volume = render(CORNER)
    moved = rotate_volume(volume, Rotation.identity(), shift=(2, -3, 1))
    expected = np.roll(volume, (2, -3, 1), (0, 1, 2))
    np.testing.assert_allclose(moved[6:-6, 6:-6, 6:-6], expected[6:-6, 6:-6, 6:-6], atol=1e-5)
    wider = rotate_volume(volume, Rotation.identity(), output_shape=(41, 44, 40))
    np.testing.assert_allclose(wider[2:38, 4:40, 2:38], volume, atol=1e-5)


def test_a_molecule_never_becomes_its_mirror_image():
    volume, mirror = render(CORNER), render(CORNER * [1, 1, -1])
    turns = Rotation.create_group("O") * Rotation.random(rng=np.random.default_rng(3))
    best = max(
        np.corrcoef(rotate_volume(volume, turn).ravel(), mirror.ravel())[0, 1] for turn in turns
    )
    assert best < 0.95


def test_prefiltered_once():
    volume = render(CORNER)
    rotation = Rotation.random(rng=np.random.default_rng(4))
    filtered = ndimage.spline_filter(volume, output=np.float32)
    np.testing.assert_allclose(
        rotate_volume(filtered, rotation, prefilter=False),
        rotate_volume(volume, rotation),
        atol=1e-6,
    )


def test_bad_input():
    with pytest.raises(ValueError, match=r"this one has shape \(4, 4\)"):
        rotate_volume(np.zeros((4, 4)), Rotation.identity())
    with pytest.raises(ValueError, match="holds 2 rotations"):
        rotate_volume(np.zeros((4, 4, 4)), Rotation.identity(2))
