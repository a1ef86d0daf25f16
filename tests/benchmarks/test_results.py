import subprocess
import sys
import time

import numpy as np
import pytest


@pytest.fixture
def results(benchmark):
    return benchmark("_results")


@pytest.fixture
def path(tmp_path, results):
    path = tmp_path / "folder" / "rows.csv"
    results.append_rows(path, [{"a": 1, "b": "x, y"}, {"a": 2, "b": ""}])
    return path


def test_rows_survive_the_way_through_the_file(results, path):
    assert results.read_rows(path) == [{"a": "1", "b": "x, y"}, {"a": "2", "b": ""}]
    assert results.read_rows(path.with_name("absent.csv")) == []


def test_incomplete_last_line_is_removed(results, path):
    whole = path.read_bytes()
    path.write_bytes(whole + b"3,tor")
    assert len(results.read_rows(path)) == 2
    assert path.read_bytes() == whole


def test_other_columns_are_refused(results, path):
    whole = path.read_bytes()
    with pytest.raises(SystemExit, match=r"has other columns: \['b', 'c'\]"):
        results.append_rows(path, [{"a": 3, "c": 0}])
    assert path.read_bytes() == whole


def test_missing_keys(results, path):
    assert results.missing_keys(path, ["a"], [(1,), (3,), (2,)]) == [(3,)]
    assert results.missing_keys(path.with_name("absent.csv"), ["a"], [(1,)]) == [(1,)]
    with pytest.raises(SystemExit, match="no table of this script"):
        results.missing_keys(path, ["a", "seed"], [(1, 0)])


def test_markdown(results, path):
    lines = results.markdown_table(("a", "b"), [(1, "x"), (2, "-")])
    assert lines == ["| a | b |", "|---|---|", "| 1 | x |", "| 2 | - |"]
    text = results.write_markdown(path, lines)
    assert text == "| a | b |\n|---|---|\n| 1 | x |\n| 2 | - |\n"
    assert path.with_suffix(".md").read_text() == text


def test_mean_and_spread(results):
    assert results.mean_and_spread(["1", "", "nan", "2"]) == "1.500 ± 0.707"
    assert results.mean_and_spread(["1"]) == "1.000"
    assert results.mean_and_spread([""]) == "-"


@pytest.mark.parametrize(("changed", "end"), [("", ""), (" M sksubtomo/a.py\n", "+changes")])
def test_commit_says_whether_files_have_changed(results, monkeypatch, changed, end):
    asked = []

    def run(words, **_):
        asked.append(words[3:])
        output = "abc1234\n" if "rev-parse" in words else changed
        return subprocess.CompletedProcess(words, 0, output)

    monkeypatch.setattr(results.subprocess, "run", run)
    assert results.commit("sksubtomo") == "abc1234" + end
    assert asked[1][-2:] == ["--", "sksubtomo"]


def test_commit_without_git_is_unknown(results, monkeypatch):
    def run(*_, **__):
        raise FileNotFoundError("git")

    monkeypatch.setattr(results.subprocess, "run", run)
    assert results.commit("sksubtomo") == "unknown"


def test_hardware_is_described(results):
    assert results.cpu_model()
    assert results.cpu_instructions()
    assert {"device", "threads", "torch", "date"} <= set(results.environment())


def test_rows_tell_that_instructions_were_limited(results, monkeypatch):
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert results.cpu_instructions().startswith("limited-to-")


def test_rows_that_are_there_are_not_written_again(results, path):
    key = ("a",)
    results.append_rows(path, [{"a": 2, "b": "again"}, {"a": 3, "b": "new"}], key)
    results.append_rows(path, [{"a": 3, "b": "again"}], key)
    assert [row["b"] for row in results.read_rows(path)] == ["x, y", "", "new"]
    assert sorted(one.name for one in path.parent.iterdir()) == ["rows.csv"]
    # Of one key, several rows may come together.
    results.append_rows(path, [{"a": 4, "b": "one"}, {"a": 4, "b": "two"}], key)
    assert len(results.read_rows(path)) == 5


def test_what_another_run_has_done_meanwhile_is_left_out(results, path):
    seen = []
    for key in results.keys_to_do(path, ["a"], [(1,), (3,), (4,), (5,)]):
        seen.append(key)
        if key == (3,):
            results.append_rows(path, [{"a": 4, "b": ""}])
    assert seen == [(3,), (5,)]


WRITE = """
import importlib.util
import sys
import types

# Long to import, and not asked for.
sys.modules.update({name: types.ModuleType(name) for name in ("torch", "skorch", "sklearn")})
spec = importlib.util.spec_from_file_location("_results", sys.argv[1])
results = importlib.util.module_from_spec(spec)
spec.loader.exec_module(results)
print("ready", flush=True)
sys.stdin.readline()
for a in range(int(sys.argv[3])):
    for key in results.keys_to_do(sys.argv[2], ["a"], [(a,)]):
        results.append_rows(sys.argv[2], [{"a": a, "b": "x" * 3000}], ["a"])
"""


def writer(results, path, n_rows):
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE, results.__file__, str(path), str(n_rows)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"ready\n"
    return process


@pytest.mark.slow
def test_two_runs_at_once_write_every_row_once(results, tmp_path):
    path = tmp_path / "rows.csv"
    processes = [writer(results, path, 60) for _ in range(2)]
    for process in processes:
        process.stdin.write(b"\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=200)
        assert process.returncode == 0
    assert sorted(int(row["a"]) for row in results.read_rows(path)) == list(range(60))
    assert [one.name for one in tmp_path.iterdir()] == ["rows.csv"]


@pytest.mark.slow
def test_a_killed_run_leaves_whole_rows(results, tmp_path):
    path, rng = tmp_path / "rows.csv", np.random.default_rng(0)
    for _ in range(5):
        process = writer(results, path, 5000)
        process.stdin.write(b"\n")
        process.stdin.flush()
        time.sleep(rng.uniform(0.05, 0.5))
        process.kill()
        process.communicate()
        rows = results.read_rows(path)
        assert [int(row["a"]) for row in rows] == list(range(len(rows)))
        assert {row["b"] for row in rows} <= {"x" * 3000}
    results.append_rows(path, [{"a": -1, "b": ""}])
    assert [one.name for one in tmp_path.iterdir()] == ["rows.csv"]
