import numpy as np
import pytest

from sksubtomo.fourier import contrast_transfer, electron_wavelength_angstrom


@pytest.mark.parametrize(
    ("voltage", "wavelength"), [(100, 0.037014), (200, 0.025079), (300, 0.019687)]
)
def test_wavelength_is_the_tabulated_one(voltage, wavelength):
    assert electron_wavelength_angstrom(voltage) == pytest.approx(wavelength, abs=1e-6)


@pytest.mark.parametrize("defocus", [1.5, 4.0, -2.0])
def test_zeros_are_where_the_formula_puts_them(defocus):
    # Without aberration, sin(pi lambda dz k**2 + asin A) = 0 has a closed form.
    amplitude, order = 0.1, np.arange(1, 6)
    wavelength = electron_wavelength_angstrom(300)
    phase = order * np.pi if defocus > 0 else -(order - 1) * np.pi
    k2 = (phase - np.arcsin(amplitude)) / (np.pi * wavelength * 1e4 * defocus)
    k2 = k2[k2 > 0]
    params = {
        "defocus_um": defocus,
        "spherical_aberration_mm": 0.0,
        "amplitude_contrast": amplitude,
    }
    np.testing.assert_allclose(contrast_transfer(k2, **params), 0, atol=1e-9)
    # And nowhere between.
    between = np.linspace(k2[0], k2[1], 50)[1:-1]
    assert len(set(np.sign(contrast_transfer(between, **params)))) == 1


def test_aberration_moves_the_zeros_outwards():
    # First zero of the full phase, solved as a quadratic in k**2.
    wavelength = electron_wavelength_angstrom(300)
    a, b = 2.7e7 * wavelength**3 / 2, wavelength * 1e4
    first = (b - np.sqrt(b**2 - 4 * a * 1)) / (2 * a)
    value = contrast_transfer(first, defocus_um=1.0, amplitude_contrast=0.0)
    assert value == pytest.approx(0, abs=1e-9)
    assert first > 1 / b


def test_signs_and_envelope():
    k2 = np.linspace(0, 1e-3, 20)
    # Underfocus: dense is dark, most at the first peak.
    assert (contrast_transfer(k2, defocus_um=2.0) < 0).all()
    assert (contrast_transfer(k2[1:], defocus_um=-4.0, amplitude_contrast=0.0) > 0).all()
    assert contrast_transfer(0.0, defocus_um=2.0, amplitude_contrast=1.0) == -1
    plain = contrast_transfer(0.01, defocus_um=2.0)
    damped = contrast_transfer(0.01, defocus_um=2.0, b_factor_angstrom2=200.0)
    assert damped / plain == pytest.approx(np.exp(-200 * 0.01 / 4))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"amplitude_contrast": 1.2}, "amplitude_contrast=1.2 must be within"),
        ({"b_factor_angstrom2": -1.0}, "b_factor_angstrom2=-1.0 must not"),
        ({"voltage_kv": 0.0}, "voltage_kv=0.0 must be positive"),
    ],
)
def test_bad_input(params, message):
    with pytest.raises(ValueError, match=message):
        contrast_transfer(0.0, defocus_um=1.0, **params)
