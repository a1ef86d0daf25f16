import numpy as np
import pytest
import torch

from sksubtomo.training import VolumeDataset, split_dataset, volume_loader


@pytest.fixture
def dataset():
    X = np.arange(10 * 8, dtype=np.float32).reshape(10, 2, 2, 2)
    codes = np.array([0, 1, -1, -1, 0, 1, -1, -1, 0, 1])
    dataset = VolumeDataset(X, codes, offset=2.0, scale=4.0, rows=np.arange(7))
    dataset.validate_on(X, codes, np.arange(7, 10))
    return dataset


def test_batches_are_scaled_rows(dataset):
    inputs, codes = next(iter(volume_loader(dataset, batch_size=3)))
    assert inputs["volumes"].shape == (3, 1, 2, 2, 2)
    torch.testing.assert_close(inputs["volumes"][1].flatten(), (torch.arange(8, 16) - 2.0) / 4.0)
    assert inputs["labeled"].tolist() == [True, True, False]
    assert codes.tolist() == [0, 1, -1]


def test_single_item_is_a_row_of_the_batch(dataset):
    item, code = dataset[4]
    batch, codes = dataset.__getitems__([4])
    assert torch.equal(item["volumes"], batch["volumes"][0])
    assert code == codes[0] == 0


def test_split_keeps_scaling_and_rows(dataset):
    train, held_out = split_dataset(dataset)
    assert train is dataset
    assert len(train) == 7
    assert len(held_out) == 3
    torch.testing.assert_close(
        held_out[0][0]["volumes"].flatten(), (torch.arange(56, 64) - 2.0) / 4.0
    )


def test_no_rows_to_hold_out_means_no_validation():
    X, codes = np.zeros((3, 1, 1, 1), np.float32), np.zeros(3, np.int64)
    dataset = VolumeDataset(X, codes)
    dataset.validate_on(X, codes, np.arange(0))
    assert split_dataset(dataset)[1] is None
