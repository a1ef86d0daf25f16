"""What a fit of references has done, kept in a checkpoint; and going on from there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sksubtomo._utils._checkpoint import CheckpointPart
from sksubtomo._utils._random_states import check_generator
from sksubtomo.alignment import MultiReferenceEM, em_state, load_em_state


class EMRecord:
    """Keeps initializations in a checkpoint, after every iteration.

    The state of an EM does not hold its data, nor what it began with: those are made again, from
    the random numbers that it was made with.

    Parameters
    ----------
    checkpoint : CheckpointPart
        Where.
    rng : RandomState
        What initializations draw from; before any of them.
    report : callable
        Called with the number of iterations that are done already.
    """

    def __init__(
        self,
        checkpoint: CheckpointPart,
        rng: np.random.RandomState,
        report: Callable[[int], None] = lambda n_iter: None,
    ) -> None:
        self._checkpoint, self._rng, self._report = checkpoint, rng, report
        self.has_begun = checkpoint.state is not None
        if not self.has_begun:
            now = _stream(rng)
            checkpoint.keep(
                {"streams": {"first": now, "number": now}, "number": 0, "em": None, "best": None}
            )
        self._state: dict[str, Any] = dict(checkpoint.state)

    @property
    def number(self) -> int:
        """The initialization to run, or to go on with."""
        with self._checkpoint.restoring():
            return int(self._state["number"])

    def at(self, name: str) -> None:
        """Draw next what was drawn for the "first", the "number" at hand, or the "best"."""
        with self._checkpoint.restoring():
            stream = self._state["streams"][name]
            check_generator(stream)
            self._rng.set_state(stream)

    def run(self, em: MultiReferenceEM, number: int) -> None:
        """Run an EM from where an earlier run was, if it was there."""
        state = self._state["em"]
        n_before = number * sum(n for _, n in em.stages)
        if state is not None:
            with self._checkpoint.restoring():
                load_em_state(em, state)
            self._report(n_before + len(em.history))
        elif n_before:
            self._report(n_before)

        def keep() -> None:
            self._keep(em=em_state(em))

        em.run(keep)

    def best(self, initialize: Callable[..., MultiReferenceEM]) -> MultiReferenceEM | None:
        """Return the best initialization of those that are done, made again."""
        state = self._state["best"]
        if state is None:
            return None
        self.at("best")
        em = initialize(held_back_fraction=held_back_fraction(int(state["number"])))
        with self._checkpoint.restoring():
            load_em_state(em, state["em"])
        return em

    def end(self, em: MultiReferenceEM, number: int, *, is_best: bool) -> None:
        """Take note that an initialization has ended, and that the next one begins."""
        streams = {**self._state["streams"], "number": _stream(self._rng)}
        changes: dict[str, Any] = {}
        if is_best:
            streams["best"] = self._state["streams"]["number"]
            changes["best"] = {"number": number, "em": em_state(em)}
        self._keep(streams=streams, number=number + 1, em=None, **changes)

    def _keep(self, **changes: Any) -> None:
        self._state.update(changes)
        self._checkpoint.keep(dict(self._state))


def held_back_fraction(number: int) -> float:
    """Return which fraction of the unlabeled volumes an initialization holds back."""
    return 0.5 if number else 0.0


def _stream(rng: np.random.RandomState) -> Mapping[str, Any]:
    """Return the state of a generator as plain values; it is not changed by further draws."""
    state: Any = rng.get_state(legacy=False)
    inside = {
        name: np.array(one) if np.ndim(one) else int(one) for name, one in state["state"].items()
    }
    return {**state, "state": inside}
