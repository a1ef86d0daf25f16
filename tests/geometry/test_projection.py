import numpy as np
import pytest
from scipy import fft
from scipy.spatial.transform import Rotation

from sksubtomo.datasets._blobs import BLOBS, render_blobs
from sksubtomo.fourier import apply_fourier_filter, missing_wedge_mask, squared_frequencies
from sksubtomo.geometry import angular_weights, back_project, project_tilts, rotate_volume

CENTERS = BLOBS["ribosome_70s"].centers()
FULL = np.arange(-90.0, 90.0, 2.0)


def render(box_size=48, centers=CENTERS):
    return render_blobs(centers, 13.0, box_size, 7.5)


def turned(tilt):
    """Blob centers of the specimen tilted about +y."""
    return Rotation.from_euler("y", tilt, degrees=True).apply(CENTERS)


def correlation(first, second, gain):
    filtered = [apply_fourier_filter(volume, gain).ravel() for volume in (first, second)]
    return np.corrcoef(*filtered)[0, 1]


@pytest.mark.parametrize("tilt", [-90, -60, -33, 0, 20, 45, 90])
def test_is_the_line_integral_of_the_tilted_specimen(tilt):
    (image,) = project_tilts(render(), [tilt])
    expected = render(centers=turned(tilt)).sum(axis=0)
    # Worst at 45 degrees, where the lattice's own reciprocal lattice lies on the slice.
    np.testing.assert_allclose(image, expected, atol=1.2e-2 * expected.max())


@pytest.mark.parametrize("tilt", [0, 30, -60])
def test_is_the_central_slice_of_the_rotated_volume(tilt):
    volume = render()
    rotation = Rotation.from_euler("y", tilt, degrees=True)
    (slice_,) = fft.fftn(rotate_volume(volume, rotation))[:1]
    image = fft.fftn(project_tilts(volume, [tilt])[0])
    np.testing.assert_allclose(image, slice_, atol=3e-3 * abs(slice_).max())


@pytest.mark.parametrize("tilt", [0, 30, -60])
def test_measures_the_plane_of_the_volumes_own_transform(tilt):
    # The transform of the blobs, in closed form, at kz = kx tan(t) scaled to the slice's frequency.
    (image,) = project_tilts(render(), [tilt])
    n, voxel = len(image), 7.5
    ky, kx = np.meshgrid(fft.fftfreq(n), fft.fftfreq(n), indexing="ij")
    k = np.stack([kx * np.cos(np.radians(tilt)), ky, kx * np.sin(np.radians(tilt))], axis=-1)
    variance = (13.0 / voxel) ** 2 + 0.25
    phases = np.exp(-2j * np.pi * (k @ (CENTERS / voxel).T)).sum(axis=-1)
    expected = phases * np.exp(-2 * np.pi**2 * variance * (k**2).sum(axis=-1))
    measured = fft.fft2(fft.ifftshift(image))
    np.testing.assert_allclose(measured, expected, atol=5e-3 * len(CENTERS))


def test_mass_stays():
    volume = render()
    images = project_tilts(volume, FULL)
    np.testing.assert_allclose(images.sum(axis=(1, 2)), volume.sum(), rtol=1e-4)


def test_odd_and_oblong_volumes():
    volume = np.zeros((9, 12, 17), dtype=np.float32)
    volume[4 + 3, 6 - 2, 8 + 1] = 1
    images = project_tilts(volume, [0, 90, -90])
    # x' = x cos(t) + z sin(t), about the voxel n // 2.
    places = [np.unravel_index(image.argmax(), image.shape) for image in images]
    assert places == [(4, 9), (4, 11), (4, 5)]


def test_full_series_gives_the_specimen_back():
    volume = render()
    again = back_project(project_tilts(volume, FULL), FULL, len(volume))
    band = squared_frequencies(volume.shape) <= 0.25**2
    assert correlation(again, volume, band) > 0.95
    assert (again * volume).sum() / (volume**2).sum() == pytest.approx(1, abs=0.02)


def test_within_the_wedge_so_does_a_limited_one():
    volume, tilts = render(), np.arange(-60.0, 61.0, 3.0)
    again = back_project(project_tilts(volume, tilts), tilts, len(volume))
    band = squared_frequencies(volume.shape) <= 0.25**2
    assert correlation(again, volume, band & missing_wedge_mask(volume.shape, 60)) > 0.9
    assert correlation(again, volume, band) < 0.9


def test_the_wedge_is_on_the_side_of_the_mask():
    # A range on one side only: the sign of tilts in projections and in the mask is one.
    volume, tilts = render(), np.arange(0.0, 81.0, 2.0)
    again = back_project(project_tilts(volume, tilts), tilts, len(volume))
    power = np.abs(fft.rfftn(again)) ** 2
    power[:, :, 0] = 0
    inside = missing_wedge_mask(volume.shape, (0, 80))
    outside = missing_wedge_mask(volume.shape, (-80, 0))
    # Not all: what is smeared out of the box is cut off, which spreads in Fourier space.
    assert (power * inside).sum() > 4 * (power * outside).sum()


def test_projection_and_back_projection_are_adjoint():
    rng = np.random.default_rng(0)
    volume, image = np.zeros((6, 5, 48), np.float32), np.zeros((1, 5, 48), np.float32)
    volume[:, :, 18:30] = rng.standard_normal((6, 5, 12))
    image[:, :, 18:30] = rng.standard_normal((1, 5, 12))
    back = back_project(image, [25.0], 6)
    # Seen without a tilt, back-projection is the weighting alone: <A v, W p> = <v, A' W p>.
    (weighted,) = back_project(image, [0.0], 1)
    inner = (project_tilts(volume, [25.0])[0] * weighted).sum()
    assert (volume * back).sum() == pytest.approx(inner, rel=1e-3)


def test_angular_weights():
    np.testing.assert_allclose(angular_weights(FULL), np.radians(2))
    np.testing.assert_allclose(angular_weights([-60, 0, 30]), np.radians([60, 45, 30]))
    np.testing.assert_allclose(angular_weights([30, -60, 0, 0]), np.radians([30, 60, 22.5, 22.5]))
    assert angular_weights(np.arange(-90, 91, 3)).sum() == pytest.approx(np.pi)
    np.testing.assert_allclose(angular_weights([10.0]), np.pi)


@pytest.mark.parametrize(
    ("tilts", "message"),
    [([], "holds no tilts"), ([0, 95], r"holds \[95.0\]"), ([np.nan], "holds")],
)
def test_bad_tilts(tilts, message):
    with pytest.raises(ValueError, match=message):
        project_tilts(np.zeros((4, 4, 4)), tilts)


def test_bad_shapes():
    with pytest.raises(ValueError, match=r"this one has shape \(4, 4\)"):
        project_tilts(np.zeros((4, 4)), [0])
    with pytest.raises(ValueError, match="for 2 tilts"):
        back_project(np.zeros((3, 4, 4)), [0, 1], 4)
