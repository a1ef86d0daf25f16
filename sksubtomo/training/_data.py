"""Volumes as skorch and PyTorch want them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler

Batch = tuple[dict[str, torch.Tensor], torch.Tensor]


class VolumeDataset(Dataset):
    """Rows of an array of volumes with their class indices, read a batch at a time.

    Parameters
    ----------
    volumes : array of shape (n, depth, height, width)
        Not copied.
    codes : ndarray of shape (n,) of int64
        Class indices; -1 is unlabelled.
    offset, scale : float
        A volume ``v`` is handed out as ``(v - offset) / scale``.
    rows : ndarray of int, optional
        Rows to hand out, by default all.
    tilt_ranges : ndarray of shape (n, 2), optional
        Lowest and highest tilt of each volume in degrees, handed out as ``tilt_range_deg``.
    """

    def __init__(
        self,
        volumes: Any,
        codes: NDArray[np.int64],
        *,
        offset: float = 0.0,
        scale: float = 1.0,
        rows: NDArray[np.intp] | None = None,
        tilt_ranges: NDArray[np.float64] | None = None,
    ) -> None:
        self.volumes = volumes
        self.codes = codes
        self.offset = offset
        self.scale = scale
        self.rows = np.arange(len(volumes)) if rows is None else rows
        self.tilt_ranges = tilt_ranges
        self.validation: VolumeDataset | None = None
        self.labeled_iter = np.where(codes >= 0, 0, -1)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Batch:
        volumes, codes = self.__getitems__([index])
        return {name: value[0] for name, value in volumes.items()}, codes[0]

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        rows = self.rows[np.asarray(indices)]
        codes = torch.from_numpy(self.codes[rows])
        volumes = to_input(self.volumes[rows], self.offset, self.scale)
        batch = {"volumes": volumes, "labeled": codes >= 0}
        if self.tilt_ranges is not None:
            batch["tilt_range_deg"] = torch.from_numpy(self.tilt_ranges[rows])
        return batch, codes

    def add_labels(self, rows: NDArray[np.intp], codes: NDArray[np.intp], iteration: int) -> None:
        """Give labels to unlabelled volumes, and train on them from now on.

        Parameters
        ----------
        rows, codes : ndarray of int
            Which volumes, and their class indices.
        iteration : int
            When, for ``labeled_iter``, which is 0 for labels given and -1 where there is none.
        """
        self.codes = self.codes.copy()
        self.codes[rows] = codes
        self.labeled_iter[rows] = iteration
        self.rows = np.concatenate([self.rows, rows])

    def validate_on(
        self,
        volumes: Any,
        codes: NDArray[np.int64],
        rows: NDArray[np.intp],
        tilt_ranges: NDArray[np.float64] | None = None,
    ) -> None:
        """Set what to validate on: some rows of these or other volumes; none if there are none.

        Parameters
        ----------
        volumes, codes : array
            Volumes and their class indices.
        rows : ndarray of int
            Which of them.
        tilt_ranges : ndarray of shape (n, 2), optional
            Tilt ranges of these volumes.
        """
        if not len(rows):
            self.validation = None
            return
        scaling = {"offset": self.offset, "scale": self.scale}
        self.validation = VolumeDataset(
            volumes, codes, rows=rows, tilt_ranges=tilt_ranges, **scaling
        )


class BatchComposer(Sampler):
    """Batches of a stated share of labelled rows, or of a stated number, or both.

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
        Labelled rows per row, in (0, 1); at least one labelled and one unlabelled row go into a
        batch. Where all rows are alike, batches are, too. By default, batches are as they come.
    n_batches : int, optional
        Batches in an epoch. By default as many as show every row, labelled or not, at least once;
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
        labeled = self.dataset.codes[self.dataset.rows] >= 0
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

    With `labeled_share` or `n_batches`, see :class:`BatchComposer`, whatever ``shuffle`` says.
    """
    if labeled_share is not None or n_batches is not None:
        assert isinstance(dataset, VolumeDataset)
        params.pop("shuffle", None)
        batch_size, generator = params.pop("batch_size"), params["generator"]
        params["batch_sampler"] = BatchComposer(
            dataset, batch_size, generator, labeled_share, n_batches
        )
    return DataLoader(dataset, collate_fn=_as_is, **params)


def _as_is(batch: Batch) -> Batch:
    return batch
