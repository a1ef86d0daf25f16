import resource
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from sksubtomo._utils._allocator import _glibc, keeping_freed_memory

needs_glibc = pytest.mark.skipif(_glibc() is None, reason="needs glibc's own allocator")
N_BYTES = 2**26


def n_faults(repeats=8):
    """Page faults of arrays that are made and freed, the first one apart."""
    np.ones(N_BYTES, np.uint8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(repeats):
        np.ones(N_BYTES, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def n_faults_outside():
    """Page faults without kept memory; skips where there are none anyway."""
    outside = n_faults()
    if not outside:
        pytest.skip("earlier tests have left a hole in the heap that holds the arrays")
    return outside


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


@needs_glibc
def test_memory_is_kept_inside_and_returned_at_the_end():
    outside = n_faults_outside()
    before = resident()
    with keeping_freed_memory():
        inside = n_faults()
        kept = resident() - before
    assert inside < outside / 20
    assert kept > N_BYTES / 2
    assert resident() - before < N_BYTES / 4


@needs_glibc
def test_the_outermost_block_counts():
    with keeping_freed_memory():
        with keeping_freed_memory():
            pass
        inside = n_faults()
    assert inside < n_faults_outside() / 20


def test_an_error_passes_and_ends_it():
    with pytest.raises(KeyError, match="one"), keeping_freed_memory():
        raise KeyError("one")
    from sksubtomo._utils import _allocator

    assert _allocator._n_inside == 0


@pytest.mark.parametrize(
    "variable", ["MALLOC_TRIM_THRESHOLD_=1000", "GLIBC_TUNABLES=glibc.malloc.tcache_count=0"]
)
def test_settings_of_the_user_are_left_alone(variable):
    program = """
        from sksubtomo._utils._allocator import _glibc, keeping_freed_memory
        assert _glibc() is None
        with keeping_freed_memory():
            pass
    """
    name, _, value = variable.partition("=")
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, env={name: value})
