"""How much of each case is computed."""

from typing import NamedTuple


class Profile(NamedTuple):
    """Sizes of the cases.

    Parameters
    ----------
    rounds : int
        Times that ours and the reference are run, in turns.
    batch_sizes : dict
        Volumes in a batch of training, by the edge of the box.
    n_steps : int
        Batches in an epoch.
    n_turns : int
        Times that ours and the bare loop are run in a process, in turns.
    n_boxes : int
        Boxes extracted or simulated in a run.
    largest_edge, n_filters : int
        Bounds of what networks are given.
    scales : tuple of int
        Edges in the case that varies them; its smallest is that of the other scaling cases.
    """

    rounds: int
    batch_sizes: dict[int, int]
    n_steps: int
    n_turns: int
    n_boxes: int
    largest_edge: int = 64
    n_filters: int = 32
    scales: tuple[int, ...] = (16, 20, 24, 32)


PROFILES = {
    # Only to see that everything runs.
    "smoke": Profile(1, {28: 4, 32: 4, 64: 4}, 2, 1, 8, 12, 2, (8, 12)),
    "fast": Profile(3, {28: 8, 32: 4, 64: 2}, 2, 2, 100, scales=(12, 16, 20)),
    "regular": Profile(3, {28: 64, 32: 64, 64: 8}, 3, 3, 400),
    "full": Profile(9, {28: 64, 32: 64, 64: 8}, 4, 4, 2000, scales=(16, 24, 32, 48)),
}
