import numpy as np
import pytest
from scipy import fft
from scipy.spatial.transform import Rotation

from sksubtomo.datasets import make_subtomograms
from sksubtomo.datasets._blobs import BLOBS, render_blobs
from sksubtomo.fourier import apply_fourier_filter, missing_wedge_mask

SMALL = {"box_size": 16, "voxel_size_angstrom": 20.0}


def moments(density):
    """Mass, center of mass and squared radius of gyration in voxels, about the center voxel."""
    grids = np.meshgrid(*(np.arange(n) - n // 2 for n in density.shape), indexing="ij")
    mass = density.sum()
    center = np.array([(density * grid).sum() / mass for grid in grids])
    squared = sum(grid.astype(float) ** 2 for grid in grids)
    return mass, center, (density * squared).sum() / mass - (center**2).sum()


@pytest.mark.parametrize("name", BLOBS)
def test_mass_center_and_radius_of_gyration_in_closed_form(name):
    shape = BLOBS[name]
    centers = Rotation.random(rng=np.random.RandomState(0)).apply(shape.centers())
    density = render_blobs(centers, shape.sigma_angstrom, 40, 8.0)
    mass, center, squared = moments(density)
    assert mass == pytest.approx(len(centers), rel=1e-3)
    np.testing.assert_allclose(center, 0, atol=0.02)
    # Spread of the blobs, plus that of each blob, plus a quarter voxel a axis of widening.
    spread = (shape.centers() ** 2).sum(axis=1).mean() + 3 * shape.sigma_angstrom**2
    assert squared == pytest.approx(spread / 8.0**2 + 0.75, rel=5e-3)


def test_rotation_by_a_symmetry_changes_nothing():
    shape = BLOBS["proteasome_20s"]
    turned = Rotation.from_euler("z", 360 / 7, degrees=True).apply(shape.centers())
    np.testing.assert_allclose(
        render_blobs(turned, shape.sigma_angstrom, 28, 10.0),
        render_blobs(shape.centers(), shape.sigma_angstrom, 28, 10.0),
        atol=1e-6,
    )


def test_axes_are_z_y_x():
    density = render_blobs(np.array([[30.0, 20.0, -40.0]]), 8.0, 16, 10.0)
    assert np.unravel_index(density.argmax(), density.shape) == (8 - 4, 8 + 2, 8 + 3)


def test_volumes_are_the_turned_and_shifted_complexes():
    data = make_subtomograms(
        6, classes=["ribosome_70s"], snr=1e6, tilt_range_deg=90, random_state=0
    )
    shape = BLOBS["ribosome_70s"]
    for row in range(6):
        centers = Rotation.from_quat(data.orientations[row]).apply(shape.centers())
        centers += 10.0 * data.shifts[row, ::-1]
        expected = render_blobs(centers, shape.sigma_angstrom, 28, 10.0)
        np.testing.assert_allclose(data.X[row], expected, atol=0.02 * expected.max())


def test_snr_measured_back():
    params = {**SMALL, "random_state": 0, "classes": 2}
    signal = make_subtomograms(20, snr=1e12, **params).X
    for snr in (0.03, 0.5):
        noise = make_subtomograms(20, snr=snr, **params).X - signal
        measured = signal.var(axis=(1, 2, 3)) / noise.var(axis=(1, 2, 3))
        np.testing.assert_allclose(measured, snr, rtol=0.01)


@pytest.mark.parametrize("tilt_range", [60, (-40, 60)])
def test_no_energy_in_the_wedge(tilt_range):
    X = make_subtomograms(3, classes=2, tilt_range_deg=tilt_range, random_state=0, **SMALL).X
    wedge = missing_wedge_mask((16, 16, 16), tilt_range)
    power = np.abs(fft.rfftn(X, axes=(1, 2, 3))) ** 2
    assert (power * ~wedge).sum() < 1e-8 * power.sum()
    np.testing.assert_allclose(apply_fourier_filter(X, wedge), X, atol=1e-4)


def test_orientations_are_uniform():
    data = make_subtomograms(4000, classes=1, box_size=8, voxel_size_angstrom=40.0, random_state=0)
    rotations = Rotation.from_quat(data.orientations)
    # Every axis is turned to every direction alike: mean 0, second moments 1/3.
    for axis in np.eye(3):
        turned = rotations.apply(axis)
        np.testing.assert_allclose(turned.mean(axis=0), 0, atol=0.05)
        np.testing.assert_allclose(turned.T @ turned / 4000, np.eye(3) / 3, atol=0.03)
    # Rotation angles have density (1 - cos) / pi, of mean pi/2 + 2/pi.
    assert rotations.magnitude().mean() == pytest.approx(np.pi / 2 + 2 / np.pi, abs=0.04)
    assert (np.linalg.det(rotations.as_matrix()) > 0).all()


def test_contents_of_the_bunch():
    data = make_subtomograms(10, classes=["groel", "p97", "apoferritin"], random_state=0, **SMALL)
    assert data.X.dtype == np.float32
    assert sorted(np.bincount(data.y)) == [3, 3, 4]
    assert data.class_names == ["groel", "p97", "apoferritin"]
    assert data.voxel_size_angstrom == 20.0
    assert (abs(data.shifts) <= 1).all()
    assert "no CTF" in data.DESCR
    X, y = make_subtomograms(
        10, classes=["groel", "p97", "apoferritin"], random_state=0, return_X_y=True, **SMALL
    )
    assert np.array_equal(X, data.X)
    assert np.array_equal(y, data.y)


def test_depends_on_the_seed_only():
    first, second, other = (
        make_subtomograms(70, random_state=seed, **SMALL).X for seed in (0, 0, 1)
    )
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_samples": 0}, "'n_samples' parameter"),
        ({"n_samples": 3}, "less than one volume for 4 classes"),
        ({"classes": ["groel", "actin"]}, r"Unknown complexes \['actin'\]; there are"),
        ({"classes": ["groel", "groel"]}, "each once"),
        ({"classes": 9}, "classes=9, but there are 8"),
        ({"snr": 0}, "'snr' parameter"),
        ({"voxel_size_angstrom": -1}, "'voxel_size_angstrom' parameter"),
        ({"tilt_range_deg": 0}, "tilt_range_deg=0 must be"),
        ({"box_size": 16}, "holds a radius of 65 A, but ribosome_70s has"),
    ],
)
def test_bad_input(params, message):
    with pytest.raises(ValueError, match=message):
        make_subtomograms(**{"n_samples": 8, **params})
