import copy

import pytest
import torch
from torch.nn import functional as F

from sksubtomo.networks import (
    AutoencodingNetwork,
    PooledClassifier3d,
    ResidualDecoder3d,
    ResidualEncoder3d,
    ResNet,
)
from sksubtomo.networks._resnet import ResidualUnit3d

BOXES = [(12,) * 3, (16,) * 3, (17,) * 3, (28,) * 3, (9, 12, 5), (1, 1, 3), (1, 1, 1)]


def n_parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameters_box_16():
    # Convolutions have no bias, batch normalization has two numbers a channel.
    stem = 27 * 32 + 2 * 32
    first = 27 * 32 * 32 + 27 * 32 * 64 + 32 * 64 + 2 * (32 + 64 + 64)
    second = 27 * 64 * 64 + 27 * 64 * 128 + 64 * 128 + 2 * (64 + 128 + 128)
    encoder = ResidualEncoder3d((16, 16, 16))
    assert n_parameters(encoder.blocks) == stem + first + second
    assert n_parameters(encoder.to_code) == 128 * 128 + 128
    assert n_parameters(PooledClassifier3d(encoder.feature_shape, 5)) == 128 * 5 + 5


@pytest.mark.parametrize("shape", BOXES)
def test_shapes(shape):
    encoder = ResidualEncoder3d(shape, n_filters=2, latent_dim=5)
    code, feature_map = encoder(torch.randn(2, 1, *shape))
    assert code.shape == (2, 5)
    assert tuple(feature_map.shape[1:]) == encoder.feature_shape
    assert encoder.feature_shape[1:] == (1, 1, 1)
    assert (code >= 0).all()
    assert ResidualDecoder3d(shape, n_filters=2, latent_dim=5)(code).shape == (2, 1, *shape)


@pytest.mark.parametrize("part", [ResidualEncoder3d, ResidualDecoder3d])
def test_box_too_small(part):
    with pytest.raises(ValueError, match="too small for n_blocks=5"):
        part((8, 8, 8), n_blocks=5)


def test_no_code():
    code, _ = ResidualEncoder3d((8, 8, 8), n_filters=2, latent_dim=None)(torch.randn(2, 1, 8, 8, 8))
    assert code is None


def test_unit_without_branch_is_the_identity():
    unit = ResidualUnit3d(3, 3)
    torch.nn.init.zeros_(unit.branch[-1].weight)
    batch = torch.randn(2, 3, 4, 5, 3)
    assert torch.equal(unit(batch), batch.relu())


@pytest.mark.parametrize(("n_inputs", "n_outputs"), [(3, 3), (2, 4), (4, 2)])
def test_unit_by_hand(n_inputs, n_outputs):
    unit = ResidualUnit3d(n_inputs, n_outputs)
    batch = torch.randn(3, n_inputs, 4, 3, 5)

    def normalized(maps):
        flat = maps.transpose(0, 1).flatten(1)
        mean, variance = flat.mean(1), flat.var(1, correction=0)
        return (maps - mean.view(1, -1, 1, 1, 1)) / (variance.view(1, -1, 1, 1, 1) + 1e-5).sqrt()

    between = normalized(F.conv3d(batch, unit.branch[0].weight, padding=1)).relu()
    expected = normalized(F.conv3d(between, unit.branch[3].weight, padding=1))
    if n_inputs != n_outputs:
        batch_around = normalized(F.conv3d(batch, unit.skip[0].weight))
    else:
        batch_around = batch
    assert between.shape[1] == min(n_inputs, n_outputs)
    torch.testing.assert_close(unit(batch), (expected + batch_around).relu(), atol=1e-5, rtol=1e-4)


def test_features_are_the_mean_over_space():
    encoder = ResidualEncoder3d((16, 12, 17), n_filters=2).eval()
    batch = torch.randn(2, 1, 16, 12, 17)
    maps = encoder.blocks[:-1](batch)
    assert maps.shape[2:] == (8, 6, 9)
    torch.testing.assert_close(encoder.blocks(batch).flatten(1), maps.flatten(2).mean(2))


@pytest.mark.parametrize("axis", [2, 3, 4])
def test_features_follow_the_flip_of_the_kernels(axis):
    # In an even box, pooling and zero padding are symmetric: a flipped volume, seen through
    # flipped kernels, has the same means over space.
    encoder = ResidualEncoder3d((8, 8, 8), n_filters=2, n_blocks=2).eval()
    flipped = copy.deepcopy(encoder)
    for layer in flipped.modules():
        if isinstance(layer, torch.nn.Conv3d):
            layer.weight.data = layer.weight.data.flip(axis)
    batch = torch.randn(2, 1, 8, 8, 8)
    torch.testing.assert_close(flipped.blocks(batch.flip(axis)), encoder.blocks(batch))


def test_convolutions_begin_with_kaimings_weights():
    torch.manual_seed(0)
    weight = ResidualEncoder3d((16, 16, 16), n_blocks=2).blocks[-2].branch[0].weight
    assert weight.std().item() == pytest.approx((2 / (27 * 64)) ** 0.5, rel=0.02)


def network(**params):
    torch.manual_seed(3)
    sizes = {"network": ResNet(n_filters=3), "latent_dim": 5, **params}
    return AutoencodingNetwork((9, 8, 12), sizes.pop("n_classes", 4), **sizes)


def test_gradients_reach_all_parameters():
    net = network()
    output = net(torch.randn(4, 1, 9, 8, 12))
    (output.reconstruction.square().mean() + output.logits.logsumexp(1).mean()).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_output_of_the_decoder_is_linear():
    decoder = ResidualDecoder3d((6, 6, 6), n_filters=3, latent_dim=5)
    torch.nn.init.constant_(decoder.to_volume.bias, -100.0)
    assert (decoder(torch.zeros(1, 5)) < 0).all()


def test_same_initial_weights_whatever_parts_there_are():
    full, unclassified, codeless = network(), network(n_classes=None), network(latent_dim=None)
    for other, parts in [
        (unclassified, ("encoder", "decoder")),
        (codeless, ("encoder.blocks", "classifier")),
    ]:
        for part in parts:
            ours, theirs = (net.get_submodule(part).state_dict() for net in (full, other))
            assert ours.keys() == theirs.keys()
            assert all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.parametrize("shape", [(9, 8, 12), (1, 1, 2), (1, 1, 1)])
def test_one_row_in_training_mode(shape):
    net = AutoencodingNetwork(shape, 3, network=ResNet(n_filters=2, latent_dim=5)).train()
    output = net(torch.randn(1, 1, *shape))
    assert torch.isfinite(output.logits).all()
    assert output.reconstruction.shape == (1, 1, *shape)


def test_features_logits_and_probabilities_agree():
    net, batch = network().eval(), torch.randn(4, 1, 9, 8, 12)
    assert net.features(batch).shape == (4, 6)
    assert torch.equal(net.classifier(net.features(batch)), net.logits(batch))
    assert torch.equal(net.logits(batch).softmax(1), net.classify(batch))
    torch.testing.assert_close(net(batch).logits, net.logits(batch))


@pytest.mark.gpu
def test_gpu_equals_cpu():
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    net, batch = network().eval().double(), torch.randn(4, 1, 9, 8, 12).double()
    expected = net(batch)
    found = net.cuda()(batch.cuda())
    torch.testing.assert_close(found.logits.cpu(), expected.logits)
    torch.testing.assert_close(found.reconstruction.cpu(), expected.reconstruction)
