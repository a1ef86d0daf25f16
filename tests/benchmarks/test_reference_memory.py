import numpy as np
import pytest

from sksubtomo.datasets import make_subtomograms
from sksubtomo.io import SubtomogramStack


@pytest.fixture
def reference_memory(benchmark):
    return benchmark("reference_memory")


def row(n_volumes, peak_gib):
    return {
        "n_volumes": str(n_volumes),
        "box_size": "64",
        "before_gib": "0.25",
        "peak_gib": str(peak_gib),
        "read_cpu_seconds": str(0.0036 * n_volumes),
        "em_cpu_seconds": str(0.0072 * n_volumes),
    }


def test_projection_is_the_line_through_the_largest_fits(reference_memory):
    told = reference_memory.projected([row(10_000, 0.4), row(100, 7), row(5000, 0.35)])
    assert "100000 take 1.30 GiB (1.55 GiB with Python and its packages)" in told
    assert "0.10 CPU hours of reading and 0.20 of iterations" in told
    assert "Two fits" in reference_memory.projected([row(100, 7)])


def test_boxes_of_the_tomogram_are_those_simulated(reference_memory, tmp_path, monkeypatch):
    seen = []

    def watched(*args, **params):
        seen.append(make_subtomograms(*args, **params))
        return seen[0]

    monkeypatch.setattr(reference_memory, "_DISTINCT", 20)
    monkeypatch.setattr(reference_memory, "_A_ROW", 10)
    monkeypatch.setattr(reference_memory, "make_subtomograms", watched)
    path = tmp_path / "TS_01.mrc"
    centers, classes = reference_memory.make_tomogram(path, 28)
    stack = SubtomogramStack([path], centers, np.zeros(20, int), 28)
    np.testing.assert_array_equal(stack[:][:], seen[0].X)
    assert len(classes) == 20


def test_peak_memory_is_that_of_what_is_allocated(reference_memory):
    with reference_memory.PeakMemory() as memory:
        held = np.ones(2**25)
        reference_memory.time.sleep(0.2)
    assert memory.peak - memory.before == pytest.approx(held.nbytes / 2**30, rel=0.1)
