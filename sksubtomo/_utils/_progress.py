"""Progress of long work: a bar on a terminal, elsewhere a line a minute."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, TypeVar

from tqdm import tqdm

from sksubtomo._utils._interrupts import check_interrupt

_SECONDS_BETWEEN_LINES = 60.0
_Item = TypeVar("_Item")

logger = logging.getLogger("sksubtomo")


class Progress:
    """Shows how much of some work is done, and how long the rest will take.

    On a terminal, a bar on the standard error stream. Elsewhere, as in the files that RELION and
    queues make of it, a line about every minute and one at the end. The command line's log file
    gets the lines in any case.

    Parameters
    ----------
    title : str
        What is done, such as "Picking".
    total : float
        How many steps there are.
    unit : str
        What a step is, in the singular.
    shown : bool, default=True
        Whether to show anything.
    """

    def __init__(self, title: str, total: float, unit: str, *, shown: bool = True) -> None:
        self.title, self.total, self.unit, self.shown = title, total, unit, shown
        self.done = 0.0
        self._note = ""
        self._began = self._last_line = time.monotonic()
        self._bar: Any = None
        if shown and is_terminal():
            self._bar = tqdm(
                total=total,
                desc=title,
                file=sys.stderr,
                bar_format="{desc}: {percentage:3.0f}%|{bar}| {n:.4g}/{total_fmt} "
                + f"{unit}s [{{elapsed}}<{{remaining}}{{postfix}}]",
            )

    def update_to(self, done: float, figures: Mapping[str, str] | None = None) -> None:
        """Tell how many steps are done, with figures to show.

        Raises
        ------
        KeyboardInterrupt
            If the command line was asked to end.
        """
        check_interrupt()
        self.done = done
        self._note = "".join(f", {name} {value}" for name, value in (figures or {}).items())
        if self._bar is not None:
            self._bar.set_postfix_str(self._note.removeprefix(", "), refresh=False)
            self._bar.update(done - self._bar.n)
        if self.shown and time.monotonic() - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._say(self._line())

    def update(self, n_steps: float = 1, figures: Mapping[str, str] | None = None) -> None:
        """Tell that more steps are done; see :meth:`update_to`."""
        self.update_to(self.done + n_steps, figures)

    def close(self) -> None:
        """End the bar, or say how long it took."""
        if self.shown:
            self._say(f"{self._share()} in {clock(time.monotonic() - self._began)}{self._note}")
            self.shown = False
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _share(self) -> str:
        percent = 100 * self.done / self.total if self.total else 100.0
        done, total = f"{round(self.done, 1):.10g}", f"{self.total:.10g}"
        return f"{self.title}: {percent:.0f}% ({done} of {total} {self.unit}s)"

    def _line(self) -> str:
        seconds = time.monotonic() - self._began
        left = ""
        if self.done > 0:
            left = f", about {clock(seconds * (self.total - self.done) / self.done)} left"
        return f"{self._share()}, {clock(seconds)} elapsed{left}{self._note}"

    def _say(self, line: str) -> None:
        self._last_line = time.monotonic()
        if logger.handlers:  # the command line listens
            logger.info("%s", line, extra={"is_progress": True})
        elif self._bar is None and not is_terminal():
            print(line, file=sys.stderr, flush=True)  # noqa: T201


def progress(
    items: Iterable[_Item], title: str, total: int, unit: str, *, shown: bool = True
) -> Iterator[_Item]:
    """Yield items one after the other, with a :class:`Progress` over them."""
    with Progress(title, total, unit, shown=shown) as bar:
        for item in items:
            check_interrupt()
            yield item
            bar.update()


def is_terminal() -> bool:
    """Tell whether the standard error stream is a terminal."""
    return bool(getattr(sys.stderr, "isatty", lambda: False)())


def clock(seconds: float) -> str:
    """Return a time as hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
