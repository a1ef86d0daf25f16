import numpy as np
import pytest
from scipy import fft

from sksubtomo.datasets._blobs import BLOBS, render_blobs
from sksubtomo.fourier import electron_wavelength_angstrom
from sksubtomo.geometry import project_tilts
from sksubtomo.simulate import Microscope, TiltScheme, image_tilts, shot_noise

VOXEL = 8.0
SPECIMEN = render_blobs(BLOBS["ribosome_70s"].centers(), 13.0, 48, VOXEL)
TILTS = (-60.0, -20.0, 0.0, 40.0)


def transfer_of(series, plain):
    """Gain by frequency, where there is signal."""
    measured, given = fft.rfft2(series), fft.rfft2(plain)
    strong = np.abs(given) > 1e-2 * np.abs(given).max()
    return np.where(strong, (measured / np.where(strong, given, 1)).real, np.nan)


def image(**params):
    scheme = TiltScheme(TILTS, **params.pop("scheme", {}))
    return image_tilts(
        SPECIMEN, voxel_size_angstrom=VOXEL, microscope=Microscope(**params), scheme=scheme
    )


def test_every_tilt_has_the_contrast_transfer_of_its_defocus():
    # In focus and without phase contrast, amplitude contrast alone: the negative of the projection.
    params = {"amplitude_contrast": 1.0, "spherical_aberration_mm": 0.0}
    series = image(**params, scheme={"defocus_um": 0.0})
    plain = project_tilts(SPECIMEN, TILTS)
    np.testing.assert_allclose(series, -plain, atol=1e-5)
    defocus = 3.0
    gain = transfer_of(image(**params, scheme={"defocus_um": defocus}), plain)
    k2 = (fft.fftfreq(48)[:, None] ** 2 + fft.rfftfreq(48) ** 2) / VOXEL**2
    expected = -np.cos(np.pi * electron_wavelength_angstrom(300) * 1e4 * defocus * k2)
    np.testing.assert_allclose(gain, np.where(np.isnan(gain), np.nan, expected), atol=1e-3)


def test_envelope_and_detector():
    plain, series = image(), image(b_factor_angstrom2=500.0, mtf_at_nyquist=0.4)
    gain = transfer_of(series, plain)
    cycles2 = fft.fftfreq(48)[:, None] ** 2 + fft.rfftfreq(48) ** 2
    expected = np.exp(-500 * cycles2 / VOXEL**2 / 4) * 0.4 ** (4 * cycles2)
    np.testing.assert_allclose(gain, np.where(np.isnan(gain), np.nan, expected), atol=1e-3)


def test_defocus_gradient():
    # A point far off the axis is imaged as one at the axis with the defocus that it has there.
    tilt, column, voxel = 50.0, 100, 20.0
    specimen = np.zeros((1, 64, 256), dtype=np.float32)
    specimen[0, 32, column] = 1
    x_tilted = (column - 128) * np.cos(np.radians(tilt))
    local = 2.0 + x_tilted * np.tan(np.radians(tilt)) * voxel * 1e-4
    graded = TiltScheme((tilt,), defocus_um=2.0, defocus_gradient=True)
    plain = TiltScheme((tilt,), defocus_um=local)
    wrong = TiltScheme((tilt,), defocus_um=2.0)
    images = [
        image_tilts(specimen, voxel_size_angstrom=voxel, scheme=scheme)[0]
        for scheme in (graded, plain, wrong)
    ]
    errors = [np.linalg.norm(images[0] - other) for other in images[1:]]
    assert errors[0] < 0.1 * errors[1]
    # Nothing tilts, nothing changes.
    flat = [TiltScheme((0.0,), defocus_gradient=gradient) for gradient in (True, False)]
    first, second = (
        image_tilts(specimen, voxel_size_angstrom=voxel, scheme=scheme) for scheme in flat
    )
    assert np.array_equal(first, second)


def test_errors_of_alignment_displace_whole_images():
    scheme = TiltScheme(tuple(np.linspace(-60, 60, 60)), jitter_voxels=0.8)
    params = {"voxel_size_angstrom": VOXEL, "microscope": Microscope(amplitude_contrast=1.0)}
    still = TiltScheme(scheme.tilts_deg, defocus_um=scheme.defocus_um)
    moved = image_tilts(SPECIMEN, scheme=scheme, random_state=0, **params)
    plain = image_tilts(SPECIMEN, scheme=still, **params)
    phases = np.angle(fft.rfft2(moved)[:, [0, 1], [1, 0]] / fft.rfft2(plain)[:, [0, 1], [1, 0]])
    offsets = -phases * 48 / (2 * np.pi)
    assert offsets.std() == pytest.approx(0.8, rel=0.2)
    assert abs(offsets.mean()) < 0.3
    again = image_tilts(SPECIMEN, scheme=scheme, random_state=0, **params)
    assert np.array_equal(moved, again)


def test_noise_power_follows_the_dose():
    dose = np.array([1.0, 2.0, 4.0, 0.5])
    scheme = TiltScheme(TILTS, dose_per_tilt=tuple(dose))
    noise = shot_noise((4, 200, 200), scheme, np.random.default_rng(0))
    np.testing.assert_allclose(noise.var(axis=(1, 2)) * dose / dose.mean(), 1, rtol=0.03)
    power = np.abs(fft.rfft2(noise[0])) ** 2
    # White: low and high frequencies alike.
    assert power[:20].mean() == pytest.approx(power[90:110].mean(), rel=0.1)


def test_default_scheme():
    scheme = TiltScheme()
    assert len(scheme.tilts_deg) == 41
    assert scheme.tilt_range_deg == (-60.0, 60.0)
    assert scheme.doses().mean() == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TiltScheme(()), "holds no tilts"),
        (lambda: TiltScheme((0.0, 120.0)), r"holds \[120.0\]"),
        (lambda: TiltScheme(TILTS, dose_per_tilt=(1.0, 2.0)), "2 values for 4 tilts"),
        (lambda: TiltScheme(TILTS, dose_per_tilt=0.0), "dose_per_tilt=0.0 must be positive"),
        (lambda: TiltScheme(TILTS, defocus_um=np.nan), "defocus_um=nan must be"),
        (lambda: TiltScheme(TILTS, jitter_voxels=-1), "jitter_voxels=-1 must not"),
        (lambda: TiltScheme((90.0,), defocus_gradient=True), "90 degrees"),
        (lambda: Microscope(mtf_at_nyquist=0), "mtf_at_nyquist=0 must be"),
        (lambda: Microscope(voltage_kv=-300), "voltage_kv=-300 must be"),
        (lambda: Microscope(amplitude_contrast=2), "amplitude_contrast=2 must be"),
        (lambda: image_tilts(SPECIMEN, voxel_size_angstrom=0), "voxel_size_angstrom=0 must"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()
