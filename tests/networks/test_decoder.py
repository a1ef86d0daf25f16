import pytest
import torch
from torch.nn import functional as F

from sksubtomo.networks import Decoder3d


def n_parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameters_box_28():
    # By hand: 128*10976 + 10976 = 1415904; 2 * 27680; 32*27 + 1 = 865.
    assert n_parameters(Decoder3d((28, 28, 28))) == 1415904 + 2 * 27680 + 865 == 1472129


def test_parameters_box_64():
    # By hand: 128*2048 + 2048 = 264192; 4 * 27680; 865.
    assert n_parameters(Decoder3d((64, 64, 64))) == 264192 + 4 * 27680 + 865 == 375777


@pytest.mark.parametrize("shape", [(28, 28, 28), (29, 27, 13), (9, 12, 5), (1, 1, 3), (1, 1, 1)])
def test_decodes_to_the_input_box(shape):
    decoder = Decoder3d(shape, n_filters=3, latent_dim=5)
    assert decoder(torch.randn(2, 5)).shape == (2, 1, *shape)


def test_output_is_linear():
    decoder = Decoder3d((6, 6, 6), n_filters=3, latent_dim=5)
    torch.nn.init.constant_(decoder.to_volume.bias, -10.0)
    assert (decoder(torch.zeros(1, 5)) < 0).all()


@pytest.mark.parametrize("size", [1, 2, 5, 13, 27, 28, 29])
def test_upsampling_repeats_voxels_and_cuts(size):
    small = torch.randn(1, 1, (size + 1) // 2)
    repeated = small.repeat_interleave(2, dim=2)[..., :size]
    assert torch.equal(F.interpolate(small, size=size, mode="nearest"), repeated)
