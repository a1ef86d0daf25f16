import pytest
import torch
from torch.nn import functional as F

from sksubtomo.networks import Classifier3d, Decoder3d, Encoder3d


def n_parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_encoder_parameters_box_28():
    # By hand: 1*27*32 + 32 = 896; 32*27*32 + 32 = 27680; 32 * 7**3 = 10976 features;
    # 10976*128 + 128 = 1405056.
    assert n_parameters(Encoder3d((28, 28, 28))) == 896 + 27680 + 1405056 == 1433632


def test_encoder_parameters_box_64():
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


def test_decoder_parameters_box_28():
    # By hand: 128*10976 + 10976 = 1415904; 2 * 27680; 32*27 + 1 = 865.
    assert n_parameters(Decoder3d((28, 28, 28))) == 1415904 + 2 * 27680 + 865 == 1472129


def test_decoder_parameters_box_64():
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


@pytest.mark.parametrize(("edge", "n_classes"), [(7, 7), (4, 8), (7, 2)])
def test_parameters(edge, n_classes):
    # By hand, 7 classes, box 28: 2*10976 + (10976*128 + 128) + (128*128 + 128) + (128*7 + 7).
    n_features = 32 * edge**3
    by_hand = (
        2 * n_features + n_features * 128 + 128 + 128 * 128 + 128 + 128 * n_classes + n_classes
    )
    assert n_parameters(Classifier3d((32, edge, edge, edge), n_classes)) == by_hand
    if (edge, n_classes) == (7, 7):
        assert by_hand == 1444423


def test_batch_norm_as_usual_for_two_rows():
    torch.manual_seed(0)
    classifier = Classifier3d((2, 2, 2, 2), 3)
    batch = torch.randn(4, 2, 2, 2, 2)
    features = batch.flatten(1)
    normalized = (features - features.mean(0)) / (features.var(0, correction=0) + 1e-5).sqrt()
    expected = classifier.layers[2:](normalized)
    torch.testing.assert_close(classifier(batch), expected)


@pytest.mark.parametrize("n_rows", [0, 1])
def test_too_few_rows_use_running_statistics(n_rows):
    classifier = Classifier3d((2, 2, 2, 2), 3)
    classifier(torch.randn(8, 2, 2, 2, 2))
    before = {name: value.clone() for name, value in classifier.state_dict().items()}
    batch = torch.randn(n_rows, 2, 2, 2, 2)
    in_training = classifier.train()(batch)
    assert torch.equal(in_training, classifier.eval()(batch))
    assert in_training.shape == (n_rows, 3)
    for name, value in classifier.state_dict().items():
        assert torch.equal(value, before[name]), name
