import subprocess
import sys
import threading

import pytest

from sksubtomo._utils._file_lock import locked

HOLD = """
import sys
from sksubtomo._utils._file_lock import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of a file."""
    path = tmp_path / "table.csv"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"held\n"
    yield path, process
    process.kill()
    process.communicate()


def test_one_process_at_a_time(holder):
    path, process = holder
    with pytest.raises(BlockingIOError, match="who is it"), locked(path, refusal="who is it"):
        pass
    process.communicate(timeout=60)
    with locked(path):
        pass
    assert list(path.parent.iterdir()) == []


def test_a_killed_process_holds_nothing(holder):
    path, process = holder
    process.kill()
    process.wait()
    assert [one.name for one in path.parent.iterdir()] == [".table.csv.lock"]
    with locked(path):
        pass
    assert list(path.parent.iterdir()) == []


def test_threads_take_turns(tmp_path):
    path, inside, most = tmp_path / "table.csv", [], []

    def work():
        for _ in range(20):
            with locked(path, seconds=60):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 80
    assert list(tmp_path.iterdir()) == []


def test_an_error_inside_gives_the_lock_back(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "x"):
        1 / 0  # noqa: B018
    with locked(tmp_path / "x"):
        pass
