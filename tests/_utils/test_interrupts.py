import importlib
import os
import signal
import sys
import threading
import time

import pytest

from sksubtomo._utils import _interrupts as module
from sksubtomo._utils._files import atomic_folder, atomic_path
from sksubtomo._utils._interrupts import Interrupted, check_interrupt, uninterrupted, watching


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_become_interrupts_inside_only(number, code):
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt) as caught, watching(None):
        send(number)
    assert caught.value.exit_code == code
    assert str(caught.value) == f"Interrupted by {number.name}"
    assert signal.getsignal(number) is before
    check_interrupt()  # nothing any more


def test_an_interrupt_that_got_lost_is_raised_again():
    with watching(None):
        with pytest.raises(Interrupted):
            send(signal.SIGTERM)
        send(signal.SIGTERM)  # does not disturb cleaning up
        with pytest.raises(Interrupted, match="SIGTERM"):
            check_interrupt()


def test_a_second_signal_counts_after_a_while(monkeypatch):
    monkeypatch.setattr(module, "_SECONDS_TO_CLEAN_UP", 0.0)
    with watching(None):
        for _ in range(2):
            with pytest.raises(Interrupted):
                send(signal.SIGINT)


@pytest.mark.parametrize("make", [atomic_path, atomic_folder])
def test_once_the_output_is_there_it_is_too_late(tmp_path, make):
    path = tmp_path / "output"
    more = {"overwrite": False} if make is atomic_path else {}
    with watching(path):
        with make(path, **more) as temporary:
            if make is atomic_path:
                temporary.write_text("all")
        send(signal.SIGINT)
        check_interrupt()
    assert path.exists()


def test_a_lost_interrupt_keeps_the_output_from_its_place(tmp_path):
    path = tmp_path / "output"
    path.write_text("before")
    with watching(path):
        with pytest.raises(Interrupted):
            send(signal.SIGINT)
        with pytest.raises(Interrupted), atomic_path(path, overwrite=True) as temporary:
            temporary.write_text("after")
        # Other files are none of its business.
        with atomic_path(tmp_path / "other", overwrite=False) as temporary:
            temporary.write_text("checkpoint")
        with uninterrupted(), atomic_path(path, overwrite=True) as temporary:
            temporary.write_text("partial")
    assert path.read_text() == "partial"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["other", "output"]


def test_other_requests_are_asked_for(monkeypatch):
    monkeypatch.setattr(module, "_SECONDS_BETWEEN_CHECKS", 0.0)
    answers = [None, Interrupted(130, "Aborted")]
    with watching(None, lambda: answers.pop(0)):
        check_interrupt()
        with pytest.raises(Interrupted, match="Aborted"):
            check_interrupt()


def test_threads_do_not_set_handlers():
    seen = []

    def work():
        with watching(None):
            seen.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


def test_a_signal_waits_for_the_end_of_an_import(tmp_path, monkeypatch):
    """An exception within the start of a library in C++ would end the process."""
    (tmp_path / "slow_to_import.py").write_text(
        "import os, signal, time\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "time.sleep(0.2)\n"
        "whole = True\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with watching(None):
        assert importlib.import_module("slow_to_import").whole
        with pytest.raises(Interrupted, match="SIGTERM"):
            time.sleep(10)
    assert sys.modules.pop("slow_to_import").whole


def test_work_within_an_import_can_be_interrupted(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_LONGEST_IMPORT", 0.2)
    (tmp_path / "works_when_imported.py").write_text("import time\ntime.sleep(10)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with watching(None):
        threading.Timer(0.1, send, (signal.SIGTERM,)).start()
        with pytest.raises(Interrupted, match="SIGTERM"):
            importlib.import_module("works_when_imported")


def test_a_signal_that_waits_is_dropped_when_the_work_is_over(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_SECONDS_TO_IMPORT", 0.5)
    (tmp_path / "soon_imported.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with watching(None):
        importlib.import_module("soon_imported")
    time.sleep(0.7)  # SIGTERM would end this process
