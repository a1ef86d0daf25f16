import numpy as np
import pytest

from sksubtomo.fourier import contrast_transfer, missing_wedge_mask, squared_frequencies
from sksubtomo.simulate import Microscope, estimate_snr, volume_transfer


@pytest.mark.parametrize("snr", [0.03, 0.5, 4.0])
def test_snr_from_two_images_of_one_object(snr):
    rng = np.random.default_rng(0)
    signal = rng.normal(0, np.sqrt(snr), (60, 60, 60))
    first, second = signal + rng.normal(size=(2, *signal.shape))
    assert estimate_snr(first, second) == pytest.approx(snr, rel=0.05, abs=0.003)


def test_gain_of_a_box():
    microscope = Microscope(b_factor_angstrom2=300.0, mtf_at_nyquist=0.5)
    gain = volume_transfer(
        16,
        voxel_size_angstrom=10.0,
        microscope=microscope,
        defocus_um=3.0,
        tilt_range_deg=(-50, 60),
    )
    cycles2 = squared_frequencies((16, 16, 16))
    expected = contrast_transfer(cycles2 / 100, defocus_um=3.0, b_factor_angstrom2=300.0)
    expected *= 0.5 ** (4 * cycles2)
    wedge = missing_wedge_mask((16, 16, 16), (-50, 60))
    np.testing.assert_allclose(gain, expected * wedge, atol=1e-6)
