import pytest
import torch

from sksubtomo._torch._map_edges import shortest_convolved_edge
from sksubtomo.networks import AutoencodingNetwork, ContrastiveNetwork, Liu2019, ResNet
from sksubtomo.networks._variational import ConditionalVariationalNetwork


@pytest.mark.parametrize(
    ("network", "shape", "params", "expected"),
    [
        (
            AutoencodingNetwork,
            (28, 28, 28),
            {"network": Liu2019(n_filters=4)},
            7,
        ),  # the decoder's first convolution
        (AutoencodingNetwork, (8, 8, 8), {"network": Liu2019(n_blocks=2, n_filters=4)}, 2),
        (AutoencodingNetwork, (6, 20, 20), {"network": Liu2019(n_blocks=1, n_filters=4)}, 3),
        (AutoencodingNetwork, (28, 28, 28), {"network": ResNet(n_filters=4)}, 4),
        (ContrastiveNetwork, (16, 16, 16), {"network": ResNet(n_filters=4)}, 4),
        (ConditionalVariationalNetwork, (1, 1, 30), {"dense": True}, 1),
    ],
)
def test_of_networks(network, shape, params, expected):
    classes = () if network is ContrastiveNetwork else (3,)
    module = network(shape, *classes, latent_dim=5, **params)
    weights = {name: value.clone() for name, value in module.state_dict().items()}
    assert shortest_convolved_edge(module, shape) == expected
    assert module.training
    for name, value in module.state_dict().items():
        assert torch.equal(value, weights[name])
    assert not any(part._forward_pre_hooks for part in module.modules())
