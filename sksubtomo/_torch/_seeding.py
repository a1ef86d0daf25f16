"""Reproducible random numbers: seeds, and PyTorch's global generator."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from sklearn.utils import check_random_state

from sksubtomo._torch._device import resolve_device
from sksubtomo._torch._distributed import of_first_process

_LARGEST_SEED = 2**31 - 1

# Reentrant: a network draws the weights of its parts inside a seeded block.
_SEEDING = threading.RLock()


def draw_seeds(random_state: Any, n_seeds: int, device: str) -> list[int]:
    """Draw seeds, the same ones in all processes that train together.

    Parameters
    ----------
    random_state : int, RandomState instance or None
        As everywhere in scikit-learn.
    n_seeds : int
        How many.
    device : str
        Where processes exchange them.
    """
    seeds = check_random_state(random_state).randint(_LARGEST_SEED, size=n_seeds)
    return of_first_process(torch.from_numpy(seeds).to(resolve_device(device))).tolist()


@contextmanager
def seeded_cpu(seed: int) -> Iterator[None]:
    """Draw from PyTorch's CPU generator as if seeded, and leave it as it was.

    The lock is for joblib's threads: they share the one global generator.
    """
    with _SEEDING, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would reseed CUDA, too
        yield


class PartSeeds:
    """A stream of random numbers for each part of a network.

    Parts then draw the same initial weights whatever other parts there are, so that networks
    with a part more or less can be compared weight by weight.
    """

    def __init__(self) -> None:
        self._seed = int(torch.randint(2**31 - 1, (), device="cpu"))

    def of(self, part: str) -> AbstractContextManager[None]:
        """Return a context in which the part of that name is to be made."""
        return seeded_cpu(self._seed ^ zlib.crc32(part.encode()))
