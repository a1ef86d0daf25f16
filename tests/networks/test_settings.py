import copy
import sys
import warnings

import pytest
import torch

from sksubtomo._torch._seeding import PartSeeds
from sksubtomo.networks import (
    NETWORKS,
    AutoencodingNetwork,
    Classifier3d,
    ConditionalVariationalNetwork,
    ContrastiveNetwork,
    Decoder3d,
    Encoder3d,
    Liu2019,
    MONAINet,
    ResNet,
    VariationalNetwork,
    network_settings,
)


def test_paper_is_what_its_parts_are():
    sizes = {"n_blocks": 1, "n_filters": 3, "latent_dim": 5}
    torch.manual_seed(7)
    network = AutoencodingNetwork((6, 5, 7), 3, network=Liu2019(**sizes))
    torch.manual_seed(7)
    seeds, shape = PartSeeds(), (6, 5, 7)
    with seeds.of("encoder"):
        encoder = Encoder3d(shape, **sizes)
    with seeds.of("classifier"):
        classifier = Classifier3d(encoder.feature_shape, 3)
    with seeds.of("decoder"):
        decoder = Decoder3d(shape, **sizes)
    parts = {"encoder": encoder, "classifier": classifier, "decoder": decoder}
    expected = {
        f"{name}.{key}": value
        for name, part in parts.items()
        for key, value in part.state_dict().items()
    }
    assert list(network.state_dict()) == list(expected)
    for key, value in network.state_dict().items():
        assert torch.equal(value, expected[key]), key
    batch = torch.randn(4, 1, 6, 5, 7)
    output, (code, feature_map) = network(batch), encoder(batch)
    assert torch.equal(output.reconstruction, decoder(code))
    assert torch.equal(output.logits, classifier(feature_map))
    assert torch.equal(network.features(batch), feature_map.flatten(1))


def test_state_dict_keys_of_the_paper():
    keys = [*Encoder3d((6, 6, 6)).state_dict(), *Classifier3d((2, 2, 2, 2), 3).state_dict()]
    assert keys[:4] == ["blocks.0.weight", "blocks.0.bias", "to_code.1.weight", "to_code.1.bias"]
    assert keys[4:9] == [
        f"layers.1.{name}"
        for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    ]


@pytest.mark.parametrize("name", ["resnet50", "", None, 3, []])
def test_unknown_network(name):
    with pytest.raises(ValueError, match="is not known. Use one of 'liu2019', 'resnet'"):
        AutoencodingNetwork((6, 6, 6), 3, network=name)


@pytest.mark.parametrize("name", NETWORKS)
def test_variational_networks(name):
    parts = NETWORKS[name](n_filters=2)
    sizes = {"n_hidden": 6, "latent_dim": 5, "network": parts}
    batch = torch.randn(3, 1, 6, 5, 7)
    network = VariationalNetwork((6, 5, 7), **sizes)
    assert type(network.encoder) is type(parts.encoder((6, 5, 7), 3))
    assert network(batch).reconstruction.shape == batch.shape
    network = ConditionalVariationalNetwork((6, 5, 7), 4, **sizes)
    assert type(network.classifier) is type(parts.classifier((2, 2, 2, 2), 4))
    assert network(batch).reconstructions.shape == (3, 4, 6, 5, 7)


def test_monai_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "monai", None)
    monkeypatch.setitem(sys.modules, "monai.networks", None)
    with pytest.raises(ImportError, match=r'pip install "sksubtomo\[monai\]"'):
        MONAINet("resnet18")._check()


@pytest.fixture
def monai():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("monai.networks.nets")
        yield


@pytest.mark.parametrize(("name", "n_features"), [("resnet10", 512), ("densenet121", 1024)])
def test_monai(monai, name, n_features):
    def make(**params):
        torch.manual_seed(0)
        return AutoencodingNetwork((32, 33, 40), 3, network=parts, **params)

    parts = MONAINet(name, n_blocks=1, n_filters=2)
    network, batch = make(), torch.randn(2, 1, 32, 33, 40)
    assert network.encoder.feature_shape == (n_features, 1, 1, 1)
    assert network.features(batch).shape == (2, n_features)
    output = network(batch)
    assert output.logits.shape == (2, 3)
    assert output.reconstruction.shape == batch.shape
    alone = make(latent_dim=None).encoder.blocks
    assert alone.training
    for ours, theirs in zip(network.encoder.blocks.parameters(), alone.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    loaded = copy.deepcopy(alone).eval()
    loaded.load_state_dict(network.encoder.blocks.state_dict())
    assert torch.equal(loaded(batch).flatten(1), network.eval().features(batch))


def test_monai_one_row_in_training_mode(monai):
    encoder = MONAINet("resnet10").encoder((16, 16, 16), 128).train()
    assert torch.isfinite(encoder(torch.randn(1, 1, 16, 16, 16))[0]).all()


def test_monai_trains_reproducibly(monai):
    encoder = MONAINet("resnet10").encoder((16, 16, 16), 128).train()
    state, batch = torch.random.get_rng_state(), torch.randn(2, 1, 16, 16, 16)
    torch.random.set_rng_state(state)
    assert torch.equal(encoder.blocks(batch), encoder.blocks(batch))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_monai_box_too_small(monai):
    with pytest.raises(ValueError, match=r'too small for network="monai:densenet121"'):
        MONAINet("densenet121").encoder((8, 8, 8), 128)


@pytest.mark.parametrize("name", ["resnet7", "UNet", "resnet", ""])
def test_monai_has_no_such_network(monai, name):
    with pytest.raises(ValueError, match=f'network="monai:{name}" is not known'):
        MONAINet(name)._check()


@pytest.mark.parametrize(
    ("shortcut", "expected"),
    [
        ("liu2019", Liu2019()),
        ("resnet", ResNet()),
        ("monai:densenet121", MONAINet("densenet121")),
    ],
)
def test_shortcuts_stand_for_settings(shortcut, expected):
    made = network_settings(shortcut)
    assert type(made) is type(expected)
    assert made.get_params() == expected.get_params()
    assert network_settings(expected) is expected


@pytest.mark.parametrize(
    "make",
    [
        lambda network: AutoencodingNetwork((8, 8, 8), 2, network=network),
        lambda network: ContrastiveNetwork((8, 8, 8), network=network),
        lambda network: VariationalNetwork((8, 8, 8), network=network),
    ],
)
def test_the_length_of_the_code_that_settings_state_holds(make):
    assert make(Liu2019(latent_dim=5, n_filters=2)).latent_dim == 5
    assert make(Liu2019(n_filters=2)).latent_dim in (50, 128)


def test_a_conditional_network_has_the_code_of_its_settings():
    network = ConditionalVariationalNetwork((8, 8, 8), 2, network=Liu2019(latent_dim=5))
    assert network(torch.zeros(1, 1, 8, 8, 8)).means.shape == (1, 2, 5)
