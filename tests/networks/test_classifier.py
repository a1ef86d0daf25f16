import pytest
import torch

from sksubtomo.networks import Classifier3d


def n_parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


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
