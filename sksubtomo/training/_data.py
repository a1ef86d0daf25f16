"""Volumes as skorch and PyTorch want them."""

from __future__ import annotations

import math
import multiprocessing
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler, Sampler

from sksubtomo._torch import n_processes, process_index
from sksubtomo._utils._batches import rows_per_block

Item = TypeVar("Item")
Batch = tuple[dict[str, torch.Tensor], torch.Tensor]

# Of a device's free memory; the rest is for weights and for what a step needs.
_LARGEST_SHARE = 0.5


class VolumeDataset(Dataset):
    """Rows of an array of volumes with their class indices, read a batch at a time.

    Parameters
    ----------
    volumes : array of shape (n, depth, height, width)
        Not copied.
    targets : ndarray of shape (n,) of int64
        Class indices; -1 is unlabeled.
    offset, scale : float
        A volume ``v`` is handed out as ``(v - offset) / scale``.
    rows : ndarray of int, optional
        Rows to hand out, by default all.
    tilt_ranges_deg : ndarray of shape (n, 2), optional
        Lowest and highest tilt of each volume in degrees, handed out as ``tilt_range_deg``.

    Attributes
    ----------
    kept : Tensor or None
        The scaled volumes on a GPU, if they are there.
    part : (int, int)
        Which part of how many of every batch to hand out.
    """

    def __init__(
        self,
        volumes: Any,
        targets: NDArray[np.int64],
        *,
        offset: float = 0.0,
        scale: float = 1.0,
        rows: NDArray[np.intp] | None = None,
        tilt_ranges_deg: NDArray[np.float64] | None = None,
    ) -> None:
        self.volumes = volumes
        self.targets = targets
        self.offset = offset
        self.scale = scale
        self.rows = np.arange(len(volumes)) if rows is None else rows
        self.tilt_ranges_deg = tilt_ranges_deg
        self.validation: VolumeDataset | None = None
        self.labeled_iter = np.where(targets >= 0, 0, -1)
        self.kept: torch.Tensor | None = None
        self.part = (0, 1)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Batch:
        volumes, targets = self.__getitems__([index])
        return {name: value[0] for name, value in volumes.items()}, targets[0]

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        index, n_parts = self.part
        rows = self.rows[np.asarray(indices)[index::n_parts]]
        targets = torch.from_numpy(self.targets[rows])
        if self.kept is None:
            volumes = self.read(rows)
        else:
            # One copy of a few hundred bytes; volumes are gathered, and labels compared, there.
            both = torch.stack([torch.from_numpy(rows), targets])
            there, targets = on_device(both, self.kept.device)
            volumes = self.kept[there]
        batch = {"volumes": volumes, "labeled": targets >= 0}
        if self.tilt_ranges_deg is not None:
            batch["tilt_range_deg"] = torch.from_numpy(self.tilt_ranges_deg[rows])
        return batch, targets

    def read(self, rows: NDArray[np.intp]) -> torch.Tensor:
        """Return volumes as network input (n, 1, d, h, w), from where they are."""
        if self.kept is None:
            return to_input(self.volumes[rows], self.offset, self.scale)
        return self.kept[torch.from_numpy(rows).to(self.kept.device)]

    def shard(self) -> None:
        """Hand out this process's part of every batch, if processes train together."""
        self.part = (process_index(), n_processes())

    @property
    def is_in_memory(self) -> bool:
        """Whether reading a volume is no more than copying it."""
        return type(self.volumes) is np.ndarray or self.kept is not None

    def cache_on(self, device: str) -> None:
        """Keep the scaled volumes on a device other than the CPU, where they fit there.

        Volumes to validate on are kept, too; those that are rows of the same array are not doubled.
        Volumes in files are left there.

        Parameters
        ----------
        device : str
            Such as "cuda"; on the CPU they are where they are needed.
        """
        if self.is_in_memory and fits_on(device, 4 * self.volumes.size):
            self.kept = torch.empty(len(self.volumes), 1, *self.volumes.shape[1:], device=device)
            size = rows_per_block(math.prod(self.volumes.shape[1:]))
            for start in range(0, len(self.volumes), size):
                part = slice(start, start + size)
                self.kept[part] = to_input(self.volumes[part], self.offset, self.scale)
        if self.validation is None:
            return
        if self.validation.volumes is self.volumes:
            self.validation.kept = self.kept
        else:
            self.validation.cache_on(device)

    def add_labels(self, rows: NDArray[np.intp], targets: NDArray[np.intp], iteration: int) -> None:
        """Give labels to unlabeled volumes, and train on them from now on.

        Parameters
        ----------
        rows, targets : ndarray of int
            Which volumes, and their class indices.
        iteration : int
            When, for ``labeled_iter``, which is 0 for labels given and -1 where there is none.
        """
        self.targets = self.targets.copy()
        self.targets[rows] = targets
        self.labeled_iter[rows] = iteration
        self.rows = np.concatenate([self.rows, rows])

    def validate_on(
        self,
        volumes: Any,
        targets: NDArray[np.int64],
        rows: NDArray[np.intp],
        tilt_ranges_deg: NDArray[np.float64] | None = None,
    ) -> None:
        """Set what to validate on: some rows of these or other volumes; none if there are none.

        Parameters
        ----------
        volumes, targets : array
            Volumes and their class indices.
        rows : ndarray of int
            Which of them.
        tilt_ranges_deg : ndarray of shape (n, 2), optional
            Tilt ranges of these volumes.
        """
        if not len(rows):
            self.validation = None
            return
        scaling = {"offset": self.offset, "scale": self.scale}
        self.validation = VolumeDataset(
            volumes, targets, rows=rows, tilt_ranges_deg=tilt_ranges_deg, **scaling
        )


class BatchComposer(Sampler):
    """Batches of a stated share of labeled rows, or of a stated number, or both.

    Within an epoch, rows come in random order, all of them before any comes again.

    Parameters
    ----------
    dataset : VolumeDataset
        Its labels may change between epochs.
    batch_size : int
        Rows in a batch.
    generator : torch.Generator
        Source of the order.
    labeled_share : float, optional
        Labeled rows per row, in (0, 1); at least one labeled and one unlabeled row go into a
        batch. Where all rows are alike, batches are, too. By default, batches are as they come.
    n_batches : int, optional
        Batches in an epoch. By default as many as show every row, labeled or not, at least once;
        without `labeled_share`, the last batch may be short of rows.
    """

    def __init__(
        self,
        dataset: VolumeDataset,
        batch_size: int,
        generator: torch.Generator,
        labeled_share: float | None = None,
        n_batches: int | None = None,
    ) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        self.generator = generator
        self.labeled_share = labeled_share
        self.n_batches = n_batches

    def _parts(self) -> list[tuple[NDArray[np.intp], int]]:
        """Rows, and how many of them go into a batch."""
        rows = np.arange(len(self.dataset))
        labeled = self.dataset.targets[self.dataset.rows] >= 0
        if self.labeled_share is None or labeled.all() or not labeled.any():
            return [(rows, self.batch_size)]
        n_labeled = max(1, min(round(self.labeled_share * self.batch_size), self.batch_size - 1))
        n_others = max(1, self.batch_size - n_labeled)
        return [(rows[~labeled], n_others), (rows[labeled], n_labeled)]

    def __len__(self) -> int:
        return self.n_batches or max(math.ceil(len(rows) / n) for rows, n in self._parts())

    def __iter__(self) -> Iterator[list[int]]:
        parts = self._parts()
        if self.n_batches is None and len(parts) == 1:
            order = self._shuffled(parts[0][0])
            for start in range(0, len(order), self.batch_size):
                yield order[start : start + self.batch_size]
            return
        streams = [(self._forever(rows), n) for rows, n in parts]
        for _ in range(len(self)):
            yield [next(stream) for stream, n in streams for _ in range(n)]

    def _shuffled(self, rows: NDArray[np.intp]) -> list[int]:
        return rows[torch.randperm(len(rows), generator=self.generator).numpy()].tolist()

    def _forever(self, rows: NDArray[np.intp]) -> Iterator[int]:
        while True:
            yield from self._shuffled(rows)


class SharedBatches(BatchSampler):
    """Batches as ever, but for a last one that is too short to give every process a row.

    Parameters
    ----------
    sampler, batch_size
        As in PyTorch.
    smallest : int
        Rows that a batch has to have.
    """

    def __init__(self, sampler: RandomSampler, batch_size: int, smallest: int) -> None:
        super().__init__(sampler, batch_size, drop_last=False)
        self.n_rows = len(sampler)
        self.smallest = smallest

    def __len__(self) -> int:
        n_whole, n_left = divmod(self.n_rows, self.batch_size)
        return n_whole + (n_left >= self.smallest)

    def __iter__(self) -> Iterator[list[int]]:
        return (batch for batch in super().__iter__() if len(batch) >= self.smallest)


def fits_on(device: str, n_bytes: int) -> bool:
    """Whether data of a size leave enough of a CUDA device's free memory; never on others."""
    if torch.device(device).type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    # What PyTorch holds without using it is free, too.
    free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return n_bytes <= _LARGEST_SHARE * free


def read_ahead(batches: Iterable[Batch], device: str) -> Generator[Batch]:
    """Yield batches, the next one being read, and taken to the device, while one is worked on.

    Parameters
    ----------
    batches : DataLoader
        Read in order, by one thread. Volumes in memory that are wanted on the CPU are read when
        they are wanted, since the thread would take time from the work; and worker processes of
        the loader read ahead by themselves.
    device : str
        Where batches are wanted.
    """
    is_cuda = torch.device(device).type == "cuda"
    if device == "cuda":  # the current one of this thread need not be that of another
        device = f"cuda:{torch.cuda.current_device()}"
    dataset = getattr(batches, "dataset", None)
    by_itself = getattr(batches, "num_workers", 0) > 0
    if not is_cuda and (by_itself or getattr(dataset, "is_in_memory", True)):
        yield from batches
        return
    source = iter(batches)

    def read() -> Batch | None:
        batch = next(source, None)
        return _moved(batch, device) if is_cuda and batch is not None else batch

    yield from one_ahead(read)


def one_ahead(read: Callable[[], Item | None]) -> Generator[Item]:
    """Yield what a function returns until that is None, called by a thread, one call ahead."""
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as reader:
        coming = reader.submit(read)
        while (item := coming.result()) is not None:
            coming = reader.submit(read)
            yield item


def _moved(batch: Batch, device: str) -> Batch:
    """Return a batch on a CUDA device, copied without waiting for the copy to end."""
    inputs, targets = batch
    names = inputs.keys() - {"tilt_range_deg"}  # of which masks are made on the CPU
    return inputs | {n: on_device(inputs[n], device) for n in names}, on_device(targets, device)


def on_device(tensor: torch.Tensor, device: str | torch.device) -> torch.Tensor:
    """Return a tensor on a device; on its way to a GPU, nobody waits for the copy."""
    if torch.device(device).type != "cuda" or tensor.is_cuda:
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def to_input(volumes: Any, offset: float, scale: float) -> torch.Tensor:
    """Return volumes (n, d, h, w) as scaled network input (n, 1, d, h, w) of float32."""
    array = (np.asarray(volumes, dtype=np.float32) - np.float32(offset)) / np.float32(scale)
    return torch.from_numpy(array).unsqueeze(1)


def split_dataset(dataset: VolumeDataset, y: None = None) -> tuple[Dataset, Dataset | None]:
    """Serve as skorch's ``train_split``; a plain function, so that no data get into a pickle."""
    return dataset, dataset.validation


def volume_loader(
    dataset: Dataset,
    labeled_share: float | None = None,
    n_batches: int | None = None,
    **params: Any,
) -> DataLoader:
    """Return a data loader that takes whole batches from the data set as they are.

    With `labeled_share` or `n_batches`, see ``BatchComposer``, whatever ``shuffle`` says.
    Where processes share batches, a last one with less than a row for each is left out. In a
    process that cannot start others, ``num_workers`` counts as 0, which gives the same batches.
    """
    assert isinstance(dataset, VolumeDataset)
    n_parts = dataset.part[1]
    if labeled_share is not None or n_batches is not None:
        params.pop("shuffle", None)
        batch_size, generator = params.pop("batch_size"), params["generator"]
        params["batch_sampler"] = BatchComposer(
            dataset, batch_size, generator, labeled_share, n_batches
        )
    elif n_parts > 1:
        params.pop("shuffle")
        params["batch_sampler"] = SharedBatches(
            RandomSampler(dataset, generator=params["generator"]),
            params.pop("batch_size"),
            smallest=n_parts,
        )
    params.update(_reading_processes(params.pop("num_workers", 0)))
    return DataLoader(dataset, collate_fn=_as_is, **params)


def _reading_processes(n_workers: int) -> dict[str, Any]:
    """Return how a loader starts processes that read, also within those of joblib and dask."""
    if not n_workers or multiprocessing.current_process().daemon:
        # Workers of dask and of joblib's backend "multiprocessing" may not have children.
        return {"num_workers": 0}
    methods = multiprocessing.get_all_start_methods()
    method = multiprocessing.get_start_method(allow_none=True)
    if method is None or method in methods:
        return {"num_workers": n_workers}
    # joblib's loky makes its own method the default of its workers. PyTorch cannot start processes
    # by it; nor do spawn and forkserver work there, whose children do not know that default.
    if sys.platform == "darwin" or "fork" not in methods:  # where forking is not safe
        return {"num_workers": 0}
    return {"num_workers": n_workers, "multiprocessing_context": "fork"}


def _as_is(batch: Any) -> Any:
    return batch
