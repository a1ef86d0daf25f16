import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from sksubtomo.parallel._parent import end_with_parent

CHILD = """
import os, time
from sksubtomo.parallel._parent import end_with_parent
end_with_parent(os.getppid())
end_with_parent(os.getppid())
print(os.getpid(), flush=True)
time.sleep(120)
"""
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CHILD!r}])"
# What joblib's workers do while their parent is killed.
SEARCH = """
import os, time
import numpy as np
from sklearn.base import BaseEstimator
from sksubtomo.parallel import parallel_predict
class Slow(BaseEstimator):
    def fit(self, X): self.fitted_ = True; return self
    def predict(self, X): print(os.getpid(), flush=True); time.sleep(120); return X[:, 0]
parallel_predict(Slow().fit(None), np.zeros((8, 1)), method="predict", n_jobs=2, shard_size=1)
"""


def is_there(process):
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="needs /proc")
@pytest.mark.parametrize("program", [PARENT, pytest.param(SEARCH, marks=pytest.mark.slow)])
def test_workers_do_not_outlive_a_parent_that_is_killed(program):
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    workers = [int(parent.stdout.readline())]
    assert is_there(workers[0])
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    until = time.monotonic() + 30
    while any(map(is_there, workers)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(map(is_there, workers))


def test_workers_of_others_have_a_life_of_their_own():
    before = threading.active_count()
    end_with_parent(-1)
    assert threading.active_count() == before
