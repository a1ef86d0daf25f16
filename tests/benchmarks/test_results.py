import subprocess

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
