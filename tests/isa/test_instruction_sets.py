"""Fits and predictions are the same with all instructions of the processor and with fewer."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parent
# The switches of oneDNN and of PyTorch's own kernels.
FEWER = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}

# Float32 sums in another order differ by some 1e-7 of their size. Over ten epochs that grows, since
# each step starts from what the last one gave, but has to stay below what would change a result.
TOLERANCE = 1e-3


def record(path, environment):
    folders = os.pathsep.join([str(FOLDER.parent), str(FOLDER.parents[1])])
    inherited = {name: value for name, value in os.environ.items() if name not in FEWER}
    subprocess.run(
        [sys.executable, FOLDER / "record_fits.py", path],
        env={**inherited, **environment, "PYTHONPATH": folders},
        check=True,
    )
    with np.load(path) as found:
        return dict(found)


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="needs an x86 processor")
@pytest.mark.timeout(600)
def test_fits_do_not_depend_on_the_instruction_set(tmp_path):
    full = record(tmp_path / "full.npz", {})
    fewer = record(tmp_path / "fewer.npz", FEWER)
    assert str(fewer.pop("instructions")) == "AVX2"
    del full["instructions"]
    assert full.keys() == fewer.keys()
    differences = {}
    for name, expected in full.items():
        scale = max(1.0, float(np.abs(expected).max()))
        differences[name] = float(np.abs(fewer[name] - expected).max()) / scale
    print("largest differences:")  # shown by make test-isa
    for name, difference in sorted(differences.items(), key=lambda item: -item[1]):
        print(f"  {difference:.1e}  {name}")
    # A volume of 400 that is between two classes may be given to either.
    assert differences.pop("demo accuracy") <= 0.01
    assert all(difference <= TOLERANCE for difference in differences.values()), differences
