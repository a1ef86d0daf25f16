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


# --- Batches with a share of labels --------------------------------------------------------------


def batches_of(codes, batch_size=8, share=0.25, n_batches=None, seed=0):
    dataset = VolumeDataset(np.zeros((len(codes), 1, 1, 1), np.float32), codes)
    generator = torch.Generator().manual_seed(seed)
    loader = volume_loader(
        dataset, share, n_batches, batch_size=batch_size, shuffle=True, generator=generator
    )
    assert len(loader) == len(list(loader))
    return list(loader.batch_sampler)


def test_every_batch_has_its_share_of_labels():
    codes = np.full(100, -1)
    codes[:7] = 0
    batches = batches_of(codes)
    assert [sum(row < 7 for row in batch) for batch in batches] == [2] * 16
    times = np.bincount(np.concatenate(batches))
    assert times[:7].max() - times[:7].min() <= 1  # all labels before any comes again
    assert set(times[7:]) == {1, 2}  # 16 batches of 6 show 93 rows, and three of them twice
    assert batches != batches_of(codes, seed=1)
    assert batches == batches_of(codes)


def test_few_unlabelled_rows_do_not_shorten_the_epoch():
    codes = np.zeros(100, np.int64)
    codes[:3] = -1
    rows = np.concatenate(batches_of(codes, share=0.5))
    assert set(rows) == set(range(100))


@pytest.mark.parametrize("label", [0, -1])
def test_batches_where_all_are_alike(label):
    batches = batches_of(np.full(18, label))
    assert sorted(np.concatenate(batches)) == list(range(18))
    assert [len(batch) for batch in batches] == [8, 8, 2]


@pytest.mark.parametrize("share", [None, 0.25])
def test_a_stated_number_of_batches(share):
    codes = np.where(np.arange(10) < 5, 0, -1)
    batches = batches_of(codes, share=share, n_batches=7)
    assert [len(batch) for batch in batches] == [8] * 7  # some rows twice in a batch
    rows = np.concatenate(batches)
    parts = [rows] if share is None else [rows[rows < 5], rows[rows >= 5]]
    for part in parts:
        times = np.unique(part, return_counts=True)[1]
        assert times.max() - times.min() <= 1
