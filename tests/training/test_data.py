import multiprocessing
import threading

import numpy as np
import pytest
import torch

from sksubtomo.training import VolumeDataset, split_dataset, volume_loader
from sksubtomo.training._data import fits_on, read_ahead


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


def test_few_unlabeled_rows_do_not_shorten_the_epoch():
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


# --- Keeping and reading ahead -------------------------------------------------------------------


def all_batches(dataset, ahead=False, **params):
    loader = volume_loader(
        dataset, batch_size=3, generator=torch.Generator().manual_seed(0), shuffle=True, **params
    )
    return list(read_ahead(loader, "cpu") if ahead else loader)


def assert_same_batches(found, expected):
    for (inputs, codes), (other_inputs, other_codes) in zip(found, expected, strict=True):
        assert torch.equal(inputs["volumes"], other_inputs["volumes"])
        assert torch.equal(inputs["labeled"], other_inputs["labeled"])
        assert torch.equal(codes, other_codes)


def test_kept_volumes_are_the_same(dataset, monkeypatch):
    monkeypatch.setattr("sksubtomo.training._data.fits_on", lambda device, n_bytes: True)
    monkeypatch.setattr("sksubtomo.training._data.rows_per_block", lambda voxels: 4)
    expected = all_batches(dataset), all_batches(dataset.validation)
    dataset.cache_on("cpu")
    assert dataset.kept.shape == (10, 1, 2, 2, 2)
    assert dataset.validation.kept is dataset.kept  # rows of one array are not kept twice
    assert_same_batches(all_batches(dataset), expected[0])
    assert_same_batches(all_batches(dataset.validation), expected[1])


def test_other_volumes_to_validate_on_are_kept_apart(dataset, monkeypatch):
    monkeypatch.setattr("sksubtomo.training._data.fits_on", lambda device, n_bytes: n_bytes < 200)
    dataset.validate_on(np.ones((5, 2, 2, 2), np.float32), np.zeros(5, np.int64), np.arange(5))
    dataset.cache_on("cpu")
    assert dataset.kept is None  # 320 bytes
    assert dataset.validation.kept.shape == (5, 1, 2, 2, 2)


def test_processes_have_their_parts_of_a_batch(dataset):
    whole = dataset.__getitems__([0, 1, 2, 3, 4])[0]["volumes"]
    for index in (0, 1):
        dataset.part = (index, 2)
        assert torch.equal(dataset.__getitems__([0, 1, 2, 3, 4])[0]["volumes"], whole[index::2])


def test_a_batch_of_fewer_rows_than_processes_is_left_out(dataset):
    def sizes():
        loader = volume_loader(
            dataset, batch_size=3, generator=torch.Generator().manual_seed(0), shuffle=True
        )
        assert len(loader) == len(list(loader))
        return [len(codes) for _, codes in loader]

    assert sizes() == [3, 3, 1]
    dataset.part = (1, 2)
    assert sizes() == [1, 1]  # the third batch of one row has none for this process


def test_shared_batches_come_in_the_order_of_one_process(dataset):
    expected = all_batches(dataset)[:2]
    dataset.part = (0, 2)
    found = all_batches(dataset)
    for (inputs, _), (whole, _) in zip(found, expected, strict=True):
        assert torch.equal(inputs["volumes"], whole["volumes"][::2])


def test_nothing_is_kept_on_the_cpu(dataset):
    dataset.cache_on("cpu")
    assert dataset.kept is None


@pytest.mark.parametrize(("n_bytes", "fits"), [(500, True), (501, False)])
def test_what_fits_on_a_gpu_is_half_of_its_free_memory(monkeypatch, n_bytes, fits):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (800, 4000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 500)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 300)
    assert fits_on("cuda", n_bytes) is fits
    assert not fits_on("cpu", n_bytes)


class FromFiles:
    """Volumes that are read when asked for, by whom."""

    def __init__(self, volumes):
        self.volumes, self.shape, self.ndim = volumes, volumes.shape, volumes.ndim
        self.size = volumes.size
        self.readers = []

    def __len__(self):
        return len(self.volumes)

    def __getitem__(self, rows):
        self.readers.append(threading.current_thread().name)
        return self.volumes[rows]


def test_reading_ahead_gives_the_same_batches_in_order(dataset):
    expected = all_batches(dataset)
    lazy = dataset.volumes = FromFiles(dataset.volumes)
    assert_same_batches(all_batches(dataset, ahead=True), expected)
    assert all(name.startswith("read-ahead") for name in lazy.readers)
    dataset.cache_on("cpu")
    assert dataset.kept is None


def test_volumes_in_memory_are_not_read_ahead(dataset):
    expected = all_batches(dataset)
    threads = threading.active_count()
    loader = volume_loader(
        dataset, batch_size=3, generator=torch.Generator().manual_seed(0), shuffle=True
    )
    for batch, other in zip(read_ahead(loader, "cpu"), expected, strict=True):
        assert_same_batches([batch], [other])
        assert threading.active_count() == threads


def test_errors_of_reading_reach_the_caller(dataset):
    class Broken(FromFiles):
        def __getitem__(self, rows):
            raise OSError("tomogram.mrc: no such file")

    dataset.volumes = Broken(dataset.volumes)
    with pytest.raises(OSError, match=r"tomogram\.mrc"):
        all_batches(dataset, ahead=True)


# --- Processes that read -------------------------------------------------------------------------


def loader_with_workers(n_workers=2):
    dataset = VolumeDataset(np.zeros((6, 1, 1, 1), np.float32), np.arange(6))
    return volume_loader(dataset, batch_size=3, num_workers=n_workers)


def test_processes_read_the_same_batches():
    for batch, other in zip(loader_with_workers(0), loader_with_workers(2), strict=True):
        assert torch.equal(batch[0]["volumes"], other[0]["volumes"])
        assert torch.equal(batch[1], other[1])
    assert loader_with_workers(2).num_workers == 2


def test_daemons_read_by_themselves(monkeypatch):
    # They may not have children: workers of dask, and of joblib's backend "multiprocessing".
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)
    loader = loader_with_workers()
    assert loader.num_workers == 0
    assert torch.cat([codes for _, codes in loader]).tolist() == list(range(6))


@pytest.mark.parametrize(
    ("platform", "methods", "n_workers", "method"),
    [
        ("linux", ["fork", "spawn", "forkserver"], 2, "fork"),
        ("linux", ["forkserver", "spawn", "fork"], 2, "fork"),  # from Python 3.14 on
        ("darwin", ["spawn", "fork", "forkserver"], 0, None),
        ("win32", ["spawn"], 0, None),
    ],
)
def test_processes_within_those_of_loky(monkeypatch, platform, methods, n_workers, method):
    monkeypatch.setattr(multiprocessing, "get_start_method", lambda allow_none: "loky")
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: methods)
    monkeypatch.setattr("sys.platform", platform)
    loader = loader_with_workers()
    assert loader.num_workers == n_workers
    context = loader.multiprocessing_context
    assert (context and context.get_start_method()) == method


@pytest.mark.parametrize("chosen", [None, "spawn"])
def test_a_start_method_that_was_chosen_is_kept(monkeypatch, chosen):
    monkeypatch.setattr(multiprocessing, "get_start_method", lambda allow_none: chosen)
    loader = loader_with_workers()
    assert loader.num_workers == 2
    assert loader.multiprocessing_context is None
