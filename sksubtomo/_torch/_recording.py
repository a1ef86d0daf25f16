"""Recording work for a GPU once, and sending it there again by a single call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import torch

Result = TypeVar("Result")


class Recording(Protocol[Result]):
    """Work on tensors that stay where they are, done again and again.

    ``warm_up`` does it at once, and has to come first; ``record`` notes it without doing it, and
    ``replay`` does what was noted.
    """

    def warm_up(self, work: Callable[[], Result]) -> Result:
        """Do the work once, as it will be recorded."""

    def record(self, work: Callable[[], Result]) -> None:
        """Note the work without doing it."""

    def replay(self) -> Result:
        """Do the work that was noted; the result is overwritten by the next replay."""


class CudaRecording(Recording[Result]):
    """A CUDA graph: what reaches the GPU is recorded; Python is left out of the replay.

    Parameters
    ----------
    device : str
        A CUDA device.
    """

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)
        self.stream = torch.cuda.Stream(self.device)
        self.graph = torch.cuda.CUDAGraph()
        self.result: Result

    def warm_up(self, work: Callable[[], Result]) -> Result:
        """Do the work on the stream that it will be recorded on, as CUDA graphs want it."""
        current = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            result = work()
        current.wait_stream(self.stream)
        return result

    def record(self, work: Callable[[], Result]) -> None:
        """Capture the work; other threads may use the GPU meanwhile, as those that read ahead."""
        torch.cuda.synchronize(self.device)
        with torch.cuda.graph(self.graph, stream=self.stream, capture_error_mode="thread_local"):
            self.result = work()

    def replay(self) -> Result:
        """Launch the graph; its result is in the tensors that the recording made."""
        self.graph.replay()
        return self.result


class PlainRecording(Recording[Result]):
    """The same without a graph: the work is done anew. What a CUDA graph is compared with."""

    def __init__(self) -> None:
        self.work: Callable[[], Result]

    def warm_up(self, work: Callable[[], Result]) -> Result:
        """Do the work."""
        return work()

    def record(self, work: Callable[[], Result]) -> None:
        """Keep the work for later."""
        self.work = work

    def replay(self) -> Result:
        """Do the work that was kept."""
        return self.work()
