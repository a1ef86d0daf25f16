"""Volumes as skorch and PyTorch want them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

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
    """

    def __init__(
        self,
        volumes: Any,
        codes: NDArray[np.int64],
        *,
        offset: float = 0.0,
        scale: float = 1.0,
        rows: NDArray[np.intp] | None = None,
    ) -> None:
        self.volumes = volumes
        self.codes = codes
        self.offset = offset
        self.scale = scale
        self.rows = np.arange(len(volumes)) if rows is None else rows
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
        return {"volumes": volumes, "labeled": codes >= 0}, codes

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

    def validate_on(self, volumes: Any, codes: NDArray[np.int64], rows: NDArray[np.intp]) -> None:
        """Set what to validate on: some rows of these or other volumes; none if there are none.

        Parameters
        ----------
        volumes, codes : array
            Volumes and their class indices.
        rows : ndarray of int
            Which of them.
        """
        scaling = {"offset": self.offset, "scale": self.scale}
        self.validation = VolumeDataset(volumes, codes, rows=rows, **scaling) if len(rows) else None


def to_input(volumes: Any, offset: float, scale: float) -> torch.Tensor:
    """Return volumes (n, d, h, w) as scaled network input (n, 1, d, h, w) of float32."""
    array = (np.asarray(volumes, dtype=np.float32) - np.float32(offset)) / np.float32(scale)
    return torch.from_numpy(array).unsqueeze(1)


def split_dataset(dataset: VolumeDataset, y: None = None) -> tuple[Dataset, Dataset | None]:
    """Serve as skorch's ``train_split``; a plain function, so that no data get into a pickle."""
    return dataset, dataset.validation


def volume_loader(dataset: Dataset, **params: Any) -> DataLoader:
    """Return a data loader that takes whole batches from the data set as they are."""
    return DataLoader(dataset, collate_fn=_as_is, **params)


def _as_is(batch: Batch) -> Batch:
    return batch
