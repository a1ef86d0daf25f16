import io
import logging
import sys

import pytest

from sksubtomo._utils import _progress as module
from sksubtomo._utils._progress import Progress, clock, progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def time(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_elsewhere_a_line_about_every_minute(capsys, time):
    with Progress("Picking", 10, "tomogram") as bar:
        for second in range(1, 181):
            time[0] = float(second)
            bar.update(1 / 30, {"loss": "0.5"})
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "Picking: 20% (2 of 10 tomograms), 1:00 elapsed, about 4:00 left, loss 0.5",
        "Picking: 40% (4 of 10 tomograms), 2:00 elapsed, about 3:00 left, loss 0.5",
        "Picking: 60% (6 of 10 tomograms), 3:00 elapsed, about 2:00 left, loss 0.5",
        "Picking: 60% (6 of 10 tomograms) in 3:00, loss 0.5",
    ]


def test_lines_go_to_the_log_where_there_is_one(caplog, capsys, time):
    logger = logging.getLogger("sksubtomo")
    handler = logging.NullHandler()
    logger.addHandler(handler)
    try:
        with caplog.at_level("INFO", logger="sksubtomo"), Progress("Work", 2, "step") as bar:
            time[0] = 61.0
            bar.update()
    finally:
        logger.removeHandler(handler)
    assert len(caplog.records) == 2
    assert all(record.is_progress for record in caplog.records)
    assert capsys.readouterr().err == ""


def test_a_bar_with_the_time_left_on_a_terminal(monkeypatch, time):
    monkeypatch.setattr(sys, "stderr", Terminal())
    for _ in progress(range(3), "Picking", 3, "tomogram"):
        time[0] += 100.0
    text = sys.stderr.getvalue()
    assert "Picking: 100%" in text
    assert "3/3 tomograms [" in text
    assert "\n" not in text.strip()


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_quiet_is_quiet(monkeypatch, time, stream):
    monkeypatch.setattr(sys, "stderr", stream())
    for _ in progress(range(3), "Picking", 3, "tomogram", shown=False):
        time[0] += 100.0
    assert sys.stderr.getvalue() == ""


def test_an_error_ends_the_bar(capsys):
    steps = progress(iter([1]), "Work", 2, "step")
    next(steps)
    with pytest.raises(ValueError, match="broken"):
        steps.throw(ValueError("broken"))
    assert capsys.readouterr().err == "Work: 0% (0 of 2 steps) in 0:00\n"


def test_clock():
    assert [clock(seconds) for seconds in (0.4, 75, 3600, 90061)] == [
        *("0:00", "1:15", "1:00:00", "25:01:01"),
    ]
