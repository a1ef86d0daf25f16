import threading

import numpy as np
import pytest
import torch

from sksubtomo.exceptions import OutOfMemoryWarning
from sksubtomo.networks import AutoencodingNetwork
from sksubtomo.training import forward_batches, scaling_of


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_scaling_is_mean_and_standard_deviation(offset):
    volumes = np.random.default_rng(0).normal(offset, 3.0, (300, 20, 20, 20)).astype(np.float32)
    mean, deviation = scaling_of(volumes)
    assert mean == pytest.approx(volumes.mean(dtype=np.float64), rel=1e-9)
    assert deviation == pytest.approx(volumes.std(dtype=np.float64), rel=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_equal_voxels_have_scale_one(value):
    assert scaling_of(np.full((3, 4, 4, 4), value, np.float32))[1] == 1.0


@pytest.mark.parametrize("n_rows", [1, 3, 64, 65])
def test_rows_do_not_depend_on_their_batch(n_rows):
    torch.manual_seed(0)
    module = AutoencodingNetwork((8, 8, 8), 5)
    X = torch.randn(70, 1, 8, 8, 8).numpy()

    def run(rows):
        batches = forward_batches(
            module.classify,
            rows,
            torch.from_numpy,
            module=module,
            device="cpu",
            voxels_per_sample=512,
        )
        return np.concatenate(list(batches))

    assert np.array_equal(run(X)[:n_rows], run(X[:n_rows]))
    # Kernels of some CPUs treat the rows of a batch differently, in the last bit.
    np.testing.assert_allclose(run(X)[70 - n_rows :], run(X[70 - n_rows :]), rtol=1e-6)


def test_batches_of_large_volumes_are_small():
    sizes = []

    def function(batch):
        sizes.append(len(batch))
        return batch

    module = torch.nn.Identity()
    X = np.zeros((20, 1), np.float32)
    list(
        forward_batches(
            function, X, torch.from_numpy, module=module, device="cpu", voxels_per_sample=64**3
        )
    )
    assert sizes == [2] * 10


# --- Running out of memory -----------------------------------------------------------------------


def doubled(batch):
    return 2 * batch


def run(function, n_rows=70):
    X = np.arange(n_rows, dtype=np.float32).reshape(-1, 1)
    batches = forward_batches(
        function,
        X,
        torch.from_numpy,
        module=torch.nn.Identity(),
        device="cpu",
        voxels_per_sample=1,
    )
    return X, np.concatenate(list(batches))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        MemoryError(),
    ],
)
def test_batches_are_halved_until_they_fit(error):
    sizes = []

    def of_at_most_16(batch):
        sizes.append(len(batch))
        if len(batch) > 16:
            raise error
        return doubled(batch)

    with pytest.warns(OutOfMemoryWarning, match="cpu has too little free memory for 64") as warned:
        X, rows = run(of_at_most_16)
    assert len(warned) == 1
    assert sizes == [64, 32, 16, 16, 16, 16, 16]
    np.testing.assert_array_equal(rows, 2 * X)


def test_memory_may_run_out_later_on():
    calls = []

    def scarce_at_last(batch):
        calls.append(len(batch))
        if len(calls) == 2:
            raise MemoryError
        return doubled(batch)

    with pytest.warns(OutOfMemoryWarning):
        X, rows = run(scarce_at_last)
    assert calls == [64, 64, 32]
    np.testing.assert_array_equal(rows, 2 * X)


def test_a_single_volume_that_does_not_fit_is_an_error():
    def never(batch):
        raise MemoryError("not even one")

    with (
        pytest.warns(OutOfMemoryWarning),
        pytest.raises(MemoryError, match="not even one"),
    ):
        run(never)


def test_other_errors_are_not_retried():
    def wrong(batch):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        run(wrong)


def test_inference_mode_does_not_leak_between_batches():
    for _ in forward_batches(
        doubled,
        np.zeros((2, 1), np.float32),
        torch.from_numpy,
        module=torch.nn.Identity(),
        device="cpu",
        voxels_per_sample=1,
    ):
        assert not torch.is_inference_mode_enabled()


class Lazy:
    """Rows that are read when they are sliced, which it counts; not an array."""

    def __init__(self, X):
        self.X = X
        self.threads = []

    def __len__(self):
        return len(self.X)

    def __getitem__(self, rows):
        self.threads.append(threading.current_thread().name)
        return self.X[rows]


def predict_lazily(function, lazy, **params):
    settings = {"module": torch.nn.Identity(), "device": "cpu", "voxels_per_sample": 64**3}
    return forward_batches(function, lazy, torch.from_numpy, **{**settings, **params})


def test_the_next_batch_is_read_while_one_is_worked_on():
    lazy = Lazy(np.arange(20, dtype=np.float32).reshape(20, 1))
    came = threading.Event()
    read = lazy.__class__.__getitem__

    def counted(self, rows):
        if len(self.threads) == 1:
            came.set()
        return read(self, rows)

    lazy.__class__ = type("Counted", (Lazy,), {"__getitem__": counted})

    def function(batch):
        # The second batch is asked for before the first has been worked on.
        assert came.wait(timeout=60)
        return batch

    found = np.concatenate(list(predict_lazily(function, lazy)))
    assert np.array_equal(found, lazy.X)
    assert all(name.startswith("read-ahead") for name in lazy.threads)


def test_rows_read_ahead_are_read_again_in_smaller_batches():
    lazy = Lazy(np.arange(20, dtype=np.float32).reshape(20, 1))

    def function(batch):
        if len(batch) > 1 and batch.sum() > 20:
            raise torch.OutOfMemoryError("no memory")
        return batch

    with pytest.warns(OutOfMemoryWarning):
        found = np.concatenate(list(predict_lazily(function, lazy)))
    assert np.array_equal(found, lazy.X)


def test_an_error_of_reading_is_raised_and_the_thread_ends():
    class Broken(Lazy):
        def __getitem__(self, rows):
            if self.threads:
                raise OSError("a.mrc: cannot be read")
            return super().__getitem__(rows)

    lazy = Broken(np.zeros((20, 1), np.float32))
    with pytest.raises(OSError, match=r"a\.mrc"):
        list(predict_lazily(lambda batch: batch, lazy))
    assert not [t for t in threading.enumerate() if t.name.startswith("read-ahead")]


def test_predictions_that_are_left_off_end_their_thread():
    batches = predict_lazily(lambda batch: batch, Lazy(np.zeros((20, 1), np.float32)))
    next(batches)
    batches.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("read-ahead")]


def test_arrays_on_the_cpu_need_no_thread(monkeypatch):
    X = np.arange(20, dtype=np.float32).reshape(20, 1)
    monkeypatch.setattr("sksubtomo.training._inference.one_ahead", None)
    assert np.array_equal(np.concatenate(list(predict_lazily(lambda batch: batch, X))), X)
