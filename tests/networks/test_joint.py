import pytest
import torch

from sksubtomo.networks import AutoencodingNetwork, Liu2019, ResNet


def small_network(kind=Liu2019, **params):
    torch.manual_seed(0)
    sizes = {"n_filters": 4, "latent_dim": 5}
    settings = {name: params.pop(name) for name in ("batch_norm_rows",) if name in params}
    return AutoencodingNetwork((6, 5, 7), 3, network=kind(**sizes, **settings), **params)


def test_forward_runs_all_branches():
    network, batch = small_network().eval(), torch.randn(4, 1, 6, 5, 7)
    output = network(batch)
    assert output.volumes is batch
    assert torch.equal(output.code, network.encode(batch))
    assert torch.equal(output.reconstruction, network.reconstruct(batch))
    torch.testing.assert_close(output.logits.softmax(1), network.classify(batch))


def test_decoder_is_not_run_where_not_asked_for():
    network = small_network(reconstructs=False)
    network.decoder.register_forward_hook(lambda *_: pytest_fail())
    assert network(torch.randn(4, 1, 6, 5, 7)).reconstruction is None


def pytest_fail():
    raise AssertionError("the decoder ran")


def test_same_initial_weights_with_and_without_decoder_run():
    first, second = small_network(), small_network(reconstructs=False)
    for ours, theirs in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_batch_norm_of_labeled_rows_ignores_the_others():
    labeled = torch.tensor([True, False, True, False, True])
    batch = torch.randn(5, 1, 6, 5, 7)
    other = batch.clone()
    other[~labeled] += 100.0
    network = small_network(batch_norm_rows="labeled").train()
    first, second = network(batch, labeled).logits, network(other, labeled).logits
    torch.testing.assert_close(first[labeled], second[labeled])
    assert (first[~labeled] == 0).all()


def test_batch_norm_of_all_rows_sees_the_others():
    labeled = torch.tensor([True, False, True, False, True])
    batch = torch.randn(5, 1, 6, 5, 7)
    other = batch.clone()
    other[~labeled] += 100.0
    network = small_network(batch_norm_rows="all").train()
    first, second = network(batch, labeled).logits, network(other, labeled).logits
    assert not torch.allclose(first[labeled], second[labeled], atol=1e-2)


@pytest.mark.parametrize("kind", [Liu2019, ResNet])
def test_centered_features_begin_with_the_same_weights(kind):
    plain, centered = small_network(kind), small_network(kind, centers_features=True)
    expected = plain.state_dict()
    found = {name: values for name, values in centered.state_dict().items() if name in expected}
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert {*centered.state_dict()} - {*expected} == {
        "encoder.to_code.1.running_mean",
        "encoder.to_code.1.num_batches_tracked",
    }
