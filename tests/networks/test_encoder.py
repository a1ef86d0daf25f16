import pytest
import torch

from sksubtomo.networks import Encoder3d


def n_parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameters_box_28():
    # By hand: 1*27*32 + 32 = 896; 32*27*32 + 32 = 27680; 32 * 7**3 = 10976 features;
    # 10976*128 + 128 = 1405056.
    assert n_parameters(Encoder3d((28, 28, 28))) == 896 + 27680 + 1405056 == 1433632


def test_parameters_box_64():
    # By hand: 896 + 3 * 27680 for four convolutions; 32 * 4**3 = 2048 features;
    # 2048*128 + 128 = 262272.
    assert n_parameters(Encoder3d((64, 64, 64))) == 896 + 3 * 27680 + 262272 == 346208


@pytest.mark.parametrize("shape", [(28, 28, 28), (9, 12, 5), (1, 1, 3), (1, 1, 1)])
def test_shapes(shape):
    encoder = Encoder3d(shape, n_filters=4, latent_dim=5)
    code, feature_map = encoder(torch.randn(2, 1, *shape))
    assert code.shape == (2, 5)
    assert tuple(feature_map.shape[1:]) == encoder.feature_shape
    assert (code >= 0).all()


def test_box_too_small():
    with pytest.raises(ValueError, match="too small for n_blocks=5"):
        Encoder3d((8, 8, 8), n_blocks=5)
