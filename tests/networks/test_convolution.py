"""The fast ways equal PyTorch's plain one: values, gradients, and in every case."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from sksubtomo.networks import Decoder3d, Encoder3d
from sksubtomo.networks._convolution import (
    LinearConvolution3d,
    _add_up,
    _patches,
    convolve,
    convolve_upsampled,
)
from sksubtomo.networks._liu2019 import PooledConvolution3d, UpsampledConvolution3d

SHAPE = (4, 5, 6)


def drawn(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def values_and_gradients(function, *inputs):
    inputs = [tensor.clone().requires_grad_() for tensor in inputs]
    output = function(*inputs)
    weights = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).reshape(output.shape)
    return output.detach(), *torch.autograd.grad((weights * output).sum(), inputs)


def assert_same(found, expected, **tolerances):
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, **tolerances)


@pytest.mark.parametrize(("n_inputs", "n_outputs"), [(1, 4), (4, 1), (1, 1), (3, 5)])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last_3d])
def test_convolve(n_inputs, n_outputs, memory_format):
    maps = drawn(3, n_inputs, *SHAPE).contiguous(memory_format=memory_format)
    weight = drawn(n_outputs, n_inputs, 3, 3, 3)
    assert_same(
        values_and_gradients(convolve, maps, weight),
        values_and_gradients(lambda m, w: F.conv3d(m, w, padding=1), maps, weight),
    )


@pytest.mark.parametrize(("n_inputs", "n_outputs"), [(1, 3), (3, 1)])
def test_thin_convolution_of_many_parts(n_inputs, n_outputs, monkeypatch):
    monkeypatch.setattr("sksubtomo.networks._convolution._VOXELS", 250)  # 2 of 5 at a time
    maps, weight = drawn(5, n_inputs, *SHAPE), drawn(n_outputs, n_inputs, 3, 3, 3)
    assert_same(
        values_and_gradients(convolve, maps, weight),
        values_and_gradients(lambda m, w: F.conv3d(m, w, padding=1), maps, weight),
    )


def test_adding_up_is_the_adjoint_of_patches():
    volumes, shares = drawn(2, 1, *SHAPE), drawn(2, 27, 120)
    torch.testing.assert_close(
        (_patches(volumes) * shares).sum(), (volumes * _add_up(shares, volumes.shape)).sum()
    )


@pytest.mark.parametrize("size", [(8, 10, 12), (7, 10, 12), (7, 9, 11), (8, 10, 11)])
def test_convolve_upsampled(size):
    def plain(maps, weight):
        return F.conv3d(F.interpolate(maps, size=size, mode="nearest"), weight, padding=1)

    maps, weight = drawn(2, 3, *SHAPE), drawn(5, 3, 3, 3, 3)
    assert_same(
        values_and_gradients(lambda m, w: convolve_upsampled(m, w, size), maps, weight),
        values_and_gradients(plain, maps, weight),
    )


def test_convolve_upsampled_of_one_voxel():
    maps, weight = drawn(1, 2, 1, 1, 1), drawn(3, 2, 3, 3, 3)
    plain = F.conv3d(maps.expand(1, 2, 2, 2, 2), weight, padding=1)
    torch.testing.assert_close(convolve_upsampled(maps, weight, (2, 2, 2)), plain)


@pytest.mark.parametrize(
    ("layer", "plain"),
    [
        (
            PooledConvolution3d(2, 3),
            nn.Sequential(
                nn.Conv3d(2, 3, 3, padding=1), nn.ReLU(), nn.MaxPool3d(2, ceil_mode=True)
            ),
        ),
        (
            UpsampledConvolution3d(2, 3, (8, 10, 11)),
            nn.Sequential(nn.Upsample(size=(8, 10, 11)), nn.Conv3d(2, 3, 3, padding=1), nn.ReLU()),
        ),
        (LinearConvolution3d(2, 1), nn.Sequential(nn.Conv3d(2, 1, 3, padding=1))),
    ],
    ids=["pooled", "upsampled", "linear"],
)
def test_layers_do_what_their_names_say(layer, plain):
    layer.double()
    plain.double()
    convolution = next(part for part in plain if isinstance(part, nn.Conv3d))
    convolution.load_state_dict(layer.state_dict())
    inputs = drawn(2, 2, *SHAPE)
    parameters = list(layer.parameters()), list(convolution.parameters())
    found, expected = layer(inputs), plain(inputs)
    torch.testing.assert_close(found, expected)
    weights = drawn(*found.shape)
    assert_same(
        torch.autograd.grad((weights * found).sum(), parameters[0]),
        torch.autograd.grad((weights * expected).sum(), parameters[1]),
    )


def plain_network(edge, n_filters, latent_dim):
    """Encoder and decoder of a box of 8 or 14 as anyone would write them."""
    small = (edge + 1) // 2
    smallest = (small + 1) // 2
    n_features = n_filters * smallest**3
    return nn.Sequential(
        nn.Conv3d(1, n_filters, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool3d(2, ceil_mode=True),
        nn.Conv3d(n_filters, n_filters, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool3d(2, ceil_mode=True),
        nn.Flatten(),
        nn.Linear(n_features, latent_dim),
        nn.ReLU(),
        nn.Linear(latent_dim, n_features),
        nn.ReLU(),
        nn.Unflatten(1, (n_filters, smallest, smallest, smallest)),
        nn.Upsample(size=(small,) * 3),
        nn.Conv3d(n_filters, n_filters, 3, padding=1),
        nn.ReLU(),
        nn.Upsample(size=(edge,) * 3),
        nn.Conv3d(n_filters, n_filters, 3, padding=1),
        nn.ReLU(),
        nn.Conv3d(n_filters, 1, 3, padding=1),
    )


@pytest.mark.parametrize("edge", [8, 14])  # nothing to cut, and a 7 cut from an 8
def test_ten_steps_stay_with_the_plain_network(edge):
    torch.manual_seed(0)
    sizes = {"n_blocks": 2, "n_filters": 4, "latent_dim": 6}
    shape = (edge, edge, edge)
    encoder, decoder = Encoder3d(shape, **sizes), Decoder3d(shape, **sizes)
    plain = plain_network(edge, 4, 6)
    parameters = [*encoder.parameters(), *decoder.parameters()]
    with torch.no_grad():
        for one, other in zip(plain.parameters(), parameters, strict=True):
            one.copy_(other)
    # Adam divides by the size of a gradient, so where that is small its steps magnify rounding: in
    # float32 by how much depends on the processor's kernels. In float64 all of it is below 1e-10.
    for part in (encoder, decoder, plain):
        part.to(dtype=torch.float64, memory_format=torch.channels_last_3d)
    volumes = torch.randn(8, 1, *shape, dtype=torch.float64)
    losses = []
    for network, trained in (
        (lambda v: decoder(encoder(v)[0]), parameters),
        (plain, list(plain.parameters())),
    ):
        optimizer = torch.optim.Adam(trained, 1e-3)
        for _ in range(10):
            optimizer.zero_grad()
            loss = F.mse_loss(network(volumes), volumes)
            loss.backward()
            optimizer.step()
        losses.append(loss.detach())
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-10, atol=0)
    for one, other in zip(parameters, plain.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_gpu_gives_the_same():
    decoder = Decoder3d((8, 8, 8), n_filters=4, latent_dim=6).double()
    codes = drawn(2, 6)
    expected = decoder(codes)
    torch.testing.assert_close(decoder.to("cuda")(codes.to("cuda")).cpu(), expected)


@pytest.mark.parametrize("n_voxels", [2**17, 250])  # all at a time, and 2 of 3
def test_convolve_to_one_channel_in_bfloat16(n_voxels, monkeypatch):
    monkeypatch.setattr("sksubtomo.networks._convolution._VOXELS", n_voxels)
    # Both are representable, so that only products, results and slopes are rounded.
    maps, weight = (t.bfloat16().float() for t in (drawn(3, 4, *SHAPE), drawn(1, 4, 3, 3, 3)))
    expected = values_and_gradients(convolve, maps, weight)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = values_and_gradients(convolve, maps, weight)
    assert found[0].dtype == torch.bfloat16
    assert [gradient.dtype for gradient in found[1:]] == [torch.float32, torch.float32]
    for one, other in zip(found, expected, strict=True):
        # Rounding is by up to 2^-9 of a value; for each of slopes, products and result.
        assert (one.float() - other).abs().max() <= 2**-7 * other.abs().max()


def test_maps_stay_in_bfloat16():
    types = set()

    class Types(TorchDispatchMode):
        def __torch_dispatch__(self, function, types_, args=(), kwargs=None):
            result = function(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor) and result.shape == (2, 4, 8, 8, 8):
                types.add(result.dtype)
            return result

    encoder = Encoder3d((8, 8, 8), n_blocks=1, n_filters=4, latent_dim=6)
    decoder = Decoder3d((8, 8, 8), n_blocks=1, n_filters=4, latent_dim=6)
    for part in (encoder, decoder):
        part.to(memory_format=torch.channels_last_3d)
    with Types():
        with torch.autocast("cpu", dtype=torch.bfloat16):
            volumes = decoder(encoder(drawn(2, 1, 8, 8, 8).float())[0])
        volumes.float().square().mean().backward()
    assert types == {torch.bfloat16}
