"""The roofline: peaks of the hardware, operations and bytes of the paper's network."""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from _harness import seconds_of
from _reference import N_HIDDEN, pooled_edges

_BYTES = 4  # of a float32
# Forward: input read, output written; backward: gradient of the output and input read, gradient of
# the input written.
_INPUT_PASSES, _OUTPUT_PASSES = 3, 2
# Read forward and backward, gradient written; Adam reads it, reads and writes weights and moments.
_WEIGHT_PASSES = 3 + 7


_LARGEST_PRODUCT = 2048
# Without units for bfloat16 the largest product takes minutes: sizes grow only up to this time.
_SECONDS_OF_PRODUCT = 0.1
_BYTES_COPIED = 64 * 2**20


def measure(device):
    """Return the peaks of a device, as columns of a row: matrix products, and copying in memory.

    Parameters
    ----------
    device : {"cpu", "cuda"}
        Where to compute. On a GPU the product of float32 matrices is not rounded to TF32.
    """
    source = torch.zeros(_BYTES_COPIED // _BYTES, device=device)
    target = torch.empty_like(source)
    copying = _least_seconds(lambda: target.copy_(source), device)
    return {
        "peak_float32_gflops": _product_gflops(torch.float32, device, _LARGEST_PRODUCT),
        "peak_bfloat16_gflops": _bfloat16_gflops(device),
        "peak_copy_gb_s": 2 * _BYTES_COPIED / copying / 1e9,
    }


def _bfloat16_gflops(device, size=256):
    gflops = _product_gflops(torch.bfloat16, device, size)
    is_short = 2 * (2 * size) ** 3 / gflops / 1e9 < _SECONDS_OF_PRODUCT
    return _bfloat16_gflops(device, 2 * size) if is_short and size < _LARGEST_PRODUCT else gflops


def _product_gflops(dtype, device, size):
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    return 2 * size**3 / _least_seconds(lambda: a @ b, device) / 1e9


def _least_seconds(work, device, n_repeats=5):
    """Return the least seconds of some repeats, after one that warms up."""
    return min([seconds_of(work, device) for _ in range(n_repeats + 1)][1:])


class Layer(NamedTuple):
    """Numbers that a layer reads and writes per volume, its weights, its multiplications."""

    n_inputs: int
    n_outputs: int
    n_weights: int = 0
    n_products: int = 0


@dataclass(frozen=True)
class NetworkCost:
    """Operations and bytes of the paper's network, computed layer by layer.

    Operations are those of direct convolutions and dense layers; a multiplication and an addition
    count as two. An algorithm that needs fewer does not change the count, and so may seem to exceed
    the peak.

    Parameters
    ----------
    edge : int
        Edge of the cubic box in voxels.
    n_classes, n_filters, latent_dim : int
        As in the network.
    n_blocks : int, optional
        Poolings; by default as many as leave no edge above 7 voxels.
    code, classifier, decoder : bool
        Which parts the network has besides the convolutions of the encoder.
    """

    edge: int
    n_classes: int = 8
    n_filters: int = 32
    latent_dim: int = 128
    n_blocks: int | None = None
    code: bool = True
    classifier: bool = True
    decoder: bool = True

    def _edges(self):
        if self.n_blocks is None:
            return pooled_edges(self.edge)
        edges = [self.edge]
        for _ in range(self.n_blocks):
            edges.append((edges[-1] + 1) // 2)
        return edges

    def layers(self):
        """Return all layers; the first reads the volumes."""
        edges = self._edges()
        n_features = self.n_filters * edges[-1] ** 3
        layers = self._encoder_layers(edges)
        if self.code:
            layers += _dense(n_features, self.latent_dim)
        if self.classifier:
            layers.append(Layer(n_features, n_features, 2 * n_features))
            layers += _dense(n_features, N_HIDDEN) + _dense(N_HIDDEN, N_HIDDEN)
            layers += _dense(N_HIDDEN, self.n_classes, relu=False)
        if self.decoder:
            layers += _dense(self.latent_dim, n_features) + self._decoder_layers(edges)
        return layers

    def _encoder_layers(self, edges):
        layers, n_inputs = [], 1
        for edge, halved in pairwise(edges):
            layers += _convolution(edge, n_inputs, self.n_filters)
            layers.append(Layer(self.n_filters * edge**3, self.n_filters * halved**3))
            n_inputs = self.n_filters
        return layers

    def _decoder_layers(self, edges):
        layers = []
        for coarse, edge in pairwise(edges[::-1]):
            layers.append(Layer(self.n_filters * coarse**3, self.n_filters * edge**3))
            layers += _convolution(edge, self.n_filters, self.n_filters)
        return layers + _convolution(edges[0], self.n_filters, 1, relu=False)

    def n_parameters(self):
        """Return the number of weights and biases."""
        return sum(layer.n_weights for layer in self.layers())

    def forward_flops(self, n_volumes):
        """Return the operations of a prediction."""
        return 2 * n_volumes * sum(layer.n_products for layer in self.layers())

    def training_flops(self, n_volumes):
        """Return the operations of a training step.

        Gradients of inputs and of weights take as many as the forward pass each; the volumes need
        no gradient.
        """
        first = self.layers()[0]
        return 3 * self.forward_flops(n_volumes) - 2 * n_volumes * first.n_products

    def forward_bytes(self, n_volumes):
        """Return the bytes of a prediction: each layer reads and writes float32 once."""
        layers = self.layers()
        moved = sum(layer.n_inputs + layer.n_outputs for layer in layers)
        return _BYTES * (n_volumes * moved + self.n_parameters())

    def training_bytes(self, n_volumes):
        """Return the bytes of a training step with Adam, each layer by itself."""
        moved = sum(
            _INPUT_PASSES * layer.n_inputs + _OUTPUT_PASSES * layer.n_outputs
            for layer in self.layers()
        )
        return _BYTES * (n_volumes * moved + _WEIGHT_PASSES * self.n_parameters())


def _convolution(edge, n_inputs, n_outputs, relu=True):
    voxels, taps = edge**3, 27 * n_inputs * n_outputs
    convolution = Layer(n_inputs * voxels, n_outputs * voxels, taps + n_outputs, taps * voxels)
    return [convolution] + [Layer(n_outputs * voxels, n_outputs * voxels)] * relu


def _dense(n_inputs, n_outputs, relu=True):
    products = n_inputs * n_outputs
    dense = Layer(n_inputs, n_outputs, products + n_outputs, products)
    return [dense] + [Layer(n_outputs, n_outputs)] * relu
