import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sksubtomo.exceptions import FileFormatError
from sksubtomo.labeling._journal import Journal, labels_of, standing_clicks

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "journal.jsonl", 100, 2)


def again(journal):
    return Journal(journal.path, 100, 2)


def labels(journal):
    found = labels_of(journal.clicks, 100)
    return {row: int(label) for row, label in enumerate(found) if label != -1}


def test_clicks_are_read_again(journal):
    journal.add("a", [3, 4], [1, 0])
    journal.add("b", [3], [2])
    assert labels(journal) == labels(again(journal)) == {3: 2, 4: 0}
    assert [one.user for one in again(journal).clicks] == ["a", "a", "b"]


@pytest.mark.parametrize("n_bytes", [1, 10, 60])
def test_a_torn_last_line_is_taken_off_and_told(journal, caplog, n_bytes):
    journal.add("a", [3], [1])
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole + whole[:n_bytes])
    with caplog.at_level("WARNING", logger="sksubtomo"):
        torn = again(journal)
    assert "the last line has no end" in caplog.text
    torn.add("a", [5], [2])
    assert labels(torn) == labels(again(journal)) == {3: 1, 5: 2}


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        "[1]",
        "{}",
        '{"id": "x", "time_ns": 1, "user": "", "row": 100, "label": 1}',
        '{"id": "x", "time_ns": 1, "user": "", "row": 1, "label": 3}',
        '{"id": "x", "time_ns": 1, "user": "", "row": true, "label": 1}',
        '{"id": "x", "time_ns": 1.5, "user": "", "row": 1, "label": 1}',
        '{"id": 7, "time_ns": 1, "user": "", "row": 1, "label": 1}',
        '{"id": "x", "time_ns": 1, "user": "", "row": 1, "label": 1, "undoes": 5}',
        '{"id": "x", "time_ns": 1, "user": "", "row": 1, "label": 1, "more": 5}',
        "[" * 100_000,
        "\udcff",
    ],
)
def test_a_damaged_line_is_an_error_that_names_it(journal, line):
    journal.add("a", [3], [1])
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole + line.encode(errors="surrogateescape") + b"\n" + whole)
    with pytest.raises(FileFormatError, match=r"line 2 .*no click of this session"):
        again(journal)


def test_a_file_that_became_shorter_is_an_error(journal):
    journal.add("a", [3, 4], [1, 1])
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FileFormatError, match="has become shorter"):
        journal.add("a", [5], [1])


def test_a_full_disk_leaves_the_file_as_it_was(journal, monkeypatch):
    journal.add("a", [3], [1])
    before = journal.path.read_bytes()

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="No space"):
            journal.add("a", [4, 5], [1, 2])
    assert journal.path.read_bytes() == before
    assert labels(journal) == {3: 1}
    journal.add("a", [6], [2])
    assert labels(again(journal)) == {3: 1, 6: 2}


def test_sessions_of_one_folder_see_each_other(journal):
    other = again(journal)
    journal.add("a", [1], [1])
    other.add("b", [1, 2], [2, 2])
    assert journal.refresh() == 3
    assert labels(journal) == labels(other) == {1: 2, 2: 2}


def test_threads_and_journals_lose_nothing(journal):
    others = [again(journal) for _ in range(4)]

    def click(number):
        for row in range(25):
            others[number].add(f"user{number}", [row + 25 * number], [1 + number % 2])

    threads = [threading.Thread(target=click, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(labels(again(journal))) == 100
    assert len(journal.path.read_text().splitlines()) == 100


def test_merging_keeps_both_and_the_last_click_holds(tmp_path):
    mine, yours = (Journal(tmp_path / f"{name}.jsonl", 100, 2) for name in ("a", "b"))
    mine.add("a", [1, 2], [1, 1])
    yours.add("b", [2, 3], [2, 2])
    mine.add("a", [3], [1])
    one, other = Journal(mine.path, 100, 2), Journal(yours.path, 100, 2)
    assert one.merge(yours.path) == 2
    assert other.merge(mine.path) == 3
    assert labels(one) == labels(other) == {1: 1, 2: 2, 3: 1}
    assert len(one.clicks) == len(other.clicks) == 5
    assert one.merge(yours.path) == 0


def test_what_is_taken_back_leaves_the_clicks_of_others(journal):
    (first,) = journal.add("a", [1], [1])
    journal.add("b", [1], [2])
    (last,) = journal.add("a", [1], [1])
    journal.add("a", [1], [-1], undoes=last.id)
    assert labels(journal) == {1: 2}
    assert [one.user for one in standing_clicks(journal.clicks)] == ["a", "b"]
    journal.add("a", [1], [-1], undoes=first.id)
    assert labels(journal) == {1: 2}


WRITER = """
import sys
from pathlib import Path
from sksubtomo.labeling._journal import Journal
journal = Journal(Path(sys.argv[1]), 100000, 2)
row = 0
while True:
    journal.add("a", [row], [1 + row % 2])
    print(row, flush=True)  # told only now
    row += 1
"""


def test_a_killed_writer_loses_no_click_that_was_told(tmp_path):
    path = tmp_path / "journal.jsonl"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdout=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    told = [int(writer.stdout.readline()) for _ in range(20)]
    writer.send_signal(signal.SIGKILL)
    told += [int(line) for line in writer.stdout.read().splitlines()]
    writer.wait()
    writer.stdout.close()
    rows = {json.loads(line)["row"] for line in path.read_bytes().split(b"\n")[:-1]}
    assert set(told) <= rows
    assert set(told) <= {one.row for one in Journal(path, 100000, 2).clicks}
