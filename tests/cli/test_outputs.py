"""Outputs that cannot be written: refused before the work, by every command, and in dry runs."""

import os
import shutil
import subprocess
import sys
import threading
from types import SimpleNamespace

import cli_project
import numpy as np
import pytest

from sksubtomo.cli import _evaluate, _extract, _fit, _pick, _predict, _simulate, main
from sksubtomo.io import read_particles

# Where the work of a command begins, after which nothing may be refused that was there before.
WORK = {
    "fit": (_fit, "_fitted"),
    "predict": (_predict, "classify_particles"),
    "evaluate": (_evaluate, "compare"),
    "pick": (_pick, "_find"),
    "extract": (_extract, "_cut"),
    "simulate": (_simulate, "_make"),
}
FOLDERS = ("extract", "simulate")
COMMANDS = sorted(WORK)
NAMES = {
    "fit": "model.sksubtomo",
    "evaluate": "scores.json",
    "extract": "boxes",
    "simulate": "made",
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A fitted model of the project, with a table of particles and tomograms beside it."""

    folder = cli_project.make_project(tmp_path_factory.mktemp("fitted"))
    assert main(cli_project.fit_arguments(folder)) == 0
    return folder


@pytest.fixture
def arguments(model):
    """A function that returns the arguments of a command but for those of the output."""
    particles = ["--particles", f"{model}/particles.star"]
    tomograms = ["--tomograms", f"{model}/tomograms"]

    def of(command):
        return {
            "fit": [
                *(command, *particles, *tomograms, "--box-size", "12", "--method", "supervised"),
                *("--epochs", "1", "--batch-size", "12", "--no-early-stopping", "--quiet"),
            ],
            "predict": [
                *(command, *particles, *tomograms, "--model", f"{model}/model.sksubtomo"),
                "--quiet",
            ],
            "evaluate": [
                *(command, "--truth", f"{model}/particles.star", "--predicted"),
                *(f"{model}/particles.star", "--tolerance-angstrom", "10", "--voxel-size", "10"),
            ],
            "pick": [command, *tomograms, "--diameter", "40", "--max-picks", "3", "--quiet"],
            "extract": [command, *particles, *tomograms, "--box-size", "8", "--quiet"],
            "simulate": [
                *(command, "--classes", "ubid", "--n-particles", "1", "--quiet"),
                *("--shape", "32", "40", "40"),
            ],
        }[command]

    return of


def forbid_work(monkeypatch, command):
    def work(*_, **__):
        raise AssertionError("the work has begun")

    monkeypatch.setattr(*WORK[command], work)


def name_of(command):
    return NAMES.get(command, "out.star")


def refused(arguments, capsys, *, warnings=()):
    """Run, and return the one line that is said."""
    assert main(arguments) == 1
    lines = capsys.readouterr().err.splitlines()
    (line,) = [one for one in lines if not one.startswith(warnings or "none")]
    assert line.startswith("ERROR: ")
    assert ".sksubtomo-" not in line
    return line


DRY = pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["real", "dry"])


@DRY
@pytest.mark.parametrize("command", COMMANDS)
def test_what_cannot_be_written_is_refused_before_the_work(
    arguments, tmp_path, monkeypatch, capsys, command, dry
):
    forbid_work(monkeypatch, command)
    given = [*arguments(command), *dry]
    name = name_of(command)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.rglob("*"))
    long = tmp_path / ("x" * 255 + name)
    said = refused([*given, "--output", f"{long}"], capsys)
    assert "too long" in said
    assert "Choose a shorter one" in said
    if command in FOLDERS:
        said = refused([*given, "--output", f"{tmp_path}/file/{name}"], capsys)
        assert f"{tmp_path}/file is a file" in said
        assert "folder exists" in refused([*given, "--output", f"{tmp_path}/folder"], capsys)
        assert "pipe is a file" in refused([*given, "--output", f"{tmp_path}/pipe"], capsys)
    else:
        said = refused([*given, "--output", f"{tmp_path}/none/{name}"], capsys)
        assert f"There is no folder {tmp_path}/none to write {name} to" in said
        more = ["--overwrite"]
        said = refused([*given, "--output", f"{tmp_path}/folder", *more], capsys)
        assert "folder is a folder. Name a file in it." in said
        assert "pipe is a named pipe" in refused(
            [*given, "--output", f"{tmp_path}/pipe", *more], capsys
        )
        assert "/dev/full is a device" in refused([*given, "--output", "/dev/full", *more], capsys)
        said = refused([*given, "--output", f"{tmp_path}/file"], capsys)
        assert "file exists. Choose another name, or pass --overwrite." in said
        (tmp_path / "file").chmod(0o444)
        said = refused([*given, "--output", f"{tmp_path}/file", *more], capsys)
        assert "file is write-protected" in said
    assert sorted(tmp_path.rglob("*")) == before


@DRY
@pytest.mark.parametrize("command", COMMANDS)
def test_a_disk_without_room_is_refused_before_the_work(
    arguments, tmp_path, monkeypatch, capsys, command, dry
):
    forbid_work(monkeypatch, command)
    output = f"{tmp_path}/{name_of(command)}"
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2000))
    said = refused([*arguments(command), *dry, "--output", output], capsys)
    assert f"{output} needs about" in said
    assert "room for 2 kB" in said
    assert "Free some" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "least", "most"),
    [("fit", 9e6, 14e6), ("extract", 36 * 3072, 36 * 3072), ("simulate", 6.7e5, 6.8e5)],
)
def test_how_much_room_is_asked_for(arguments, tmp_path, monkeypatch, capsys, command, least, most):
    forbid_work(monkeypatch, command)
    given = [*arguments(command), "--output", f"{tmp_path}/{name_of(command)}"]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=least - 1000))
    assert "needs about" in refused(given, capsys)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=most + 1000))
    assert main([*given, "--dry-run"]) == 0


@DRY
@pytest.mark.parametrize("command", COMMANDS)
def test_a_log_that_cannot_be_written(arguments, tmp_path, monkeypatch, capsys, command, dry):
    forbid_work(monkeypatch, command)
    os.mkfifo(tmp_path / "pipe")
    output = tmp_path / name_of(command)
    given = [*arguments(command), "--output", f"{output}", *dry]
    job = tmp_path / "job"
    job.mkdir()
    for log, said in [
        (tmp_path, "is a folder"),
        (tmp_path / "none/a.log", "There is no folder"),
        (tmp_path / ("x" * 256), "too long"),
        (tmp_path / "pipe", "is a named pipe"),
        ("/dev/full", "is a device"),
        (output, "is another file of this command"),
    ]:
        line = refused([*given, "--log", f"{log}", "--pipeline_control", f"{job}"], capsys)
        assert os.path.basename(log)[:60] in line
        assert said in line
        # RELION waits for it.
        assert os.listdir(job) == ["RELION_JOB_EXIT_FAILURE"]
    assert not output.exists()


def test_messages_are_not_appended_to_a_tomogram(arguments, model, tmp_path, capsys):
    before = (model / "particles.star").read_bytes()
    given = [*arguments("extract"), "--output", f"{tmp_path}/boxes"]
    assert "another file" in refused([*given, "--log", f"{model}/particles.star"], capsys)
    assert (model / "particles.star").read_bytes() == before


def test_the_folder_of_averages_is_checked_too(arguments, tmp_path, monkeypatch, capsys):
    forbid_work(monkeypatch, "fit")
    given = [*arguments("fit"), "--output", f"{tmp_path}/{'a' * 247}", "--dry-run"]
    given[given.index("supervised")] = "references"
    del given[given.index("--epochs") : given.index("--quiet")]
    said = refused(given, capsys)
    assert "_averages is too long" in said


def test_a_dry_run_looks_where_the_folder_of_a_job_would_be(arguments, tmp_path, capsys):
    (tmp_path / "file").touch()
    for command in ("fit", "predict", "pick", "extract"):
        given = [*arguments(command), "--dry-run", "--o"]
        said = refused([*given, f"{tmp_path}/file/job001"], capsys)
        assert f"{tmp_path}/file is a file" in said
        assert main([*given, f"{tmp_path}/External/job001"]) == 0
        assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("option", ["--o", "--pipeline_control"])
def test_a_folder_of_a_job_that_is_a_file(arguments, tmp_path, capsys, option):
    (tmp_path / "job").touch()
    given = [*arguments("pick"), option, f"{tmp_path}/job"]
    given += ["--output", f"{tmp_path}/a.star"] if option != "--o" else []
    assert "job is a file, and no folder" in refused(given, capsys)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 16 MB, and a function that fills it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root can mount a small disk")

    def fill(left=0):
        with open(disk / "filling", "wb", buffering=0) as file:
            free = shutil.disk_usage(disk).free - left
            while free > 0:
                free -= file.write(bytes(min(free, 2**20)))

    yield SimpleNamespace(path=disk, fill=fill)
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@DRY
@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk(arguments, small_disk, monkeypatch, capsys, command, dry):
    forbid_work(monkeypatch, command)
    small_disk.fill()
    output = small_disk.path / name_of(command)
    said = refused([*arguments(command), *dry, "--output", f"{output}"], capsys)
    assert f"{output} needs about" in said
    said = refused(
        [*arguments(command), *dry, "--output", "/tmp", "--log", f"{small_disk.path}/a.log"], capsys
    )
    assert f"{small_disk.path}/a.log needs about" in said
    assert set(os.listdir(small_disk.path)) == {"filling"}


@pytest.mark.parametrize("command", ["extract", "simulate"])
def test_a_disk_that_is_full_in_the_middle(arguments, small_disk, monkeypatch, capsys, command):
    """Whoever fills it: no tomogram is to blame."""
    original = getattr(*WORK[command])

    def work(*args, **kwargs):
        if not (small_disk.path / "filling").exists():
            small_disk.fill(left=8192)
        return original(*args, **kwargs)

    monkeypatch.setattr(*WORK[command], work)
    output = small_disk.path / name_of(command)
    said = refused([*arguments(command), "--output", f"{output}"], capsys)
    assert f"There is no room for {output}. Free some, or write to another disk" in said
    assert os.listdir(small_disk.path) == ["filling"]


@pytest.mark.parametrize("command", ["fit", "predict", "pick", "evaluate"])
def test_room_for_a_file_is_kept_while_the_disk_fills(
    arguments, small_disk, monkeypatch, capsys, command
):
    original = getattr(*WORK[command])

    def work(*args, **kwargs):
        small_disk.fill()
        return original(*args, **kwargs)

    monkeypatch.setattr(*WORK[command], work)
    output = small_disk.path / name_of(command)
    log = ["--log", f"{small_disk.path}/a.log"]
    assert main([*arguments(command), "--output", f"{output}", *log]) == 0
    assert sorted(os.listdir(small_disk.path)) == sorted(["filling", output.name, "a.log"])
    # The log had no room, which is told once.
    assert capsys.readouterr().err.count("a.log misses messages") <= 1


def test_more_than_was_expected_does_not_fit(arguments, small_disk, monkeypatch, capsys):
    """An output of an earlier run stays as it is."""
    output = small_disk.path / "out.star"
    output.write_text("earlier")
    original = _predict._write

    def work(*args, **kwargs):
        small_disk.fill()
        monkeypatch.setattr(
            "sksubtomo.io._write_particles.write_blocks",
            lambda _, path: path.write_bytes(bytes(10**6)),
        )
        return original(*args, **kwargs)

    monkeypatch.setattr(_predict, "_write", work)
    given = [*arguments("predict"), "--output", f"{output}", "--overwrite"]
    said = refused(given, capsys, warnings="WARNING: Probabilities are saturated")
    assert f"There is no room for {output}." in said
    assert output.read_text() == "earlier"
    assert sorted(os.listdir(small_disk.path)) == ["filling", "out.star"]


def test_two_runs_at_once(arguments, tmp_path, monkeypatch, capsys):
    """The second is told before its work that the first is at it."""
    second = {}
    original = _pick._find

    def work(*args, **kwargs):
        if not second:
            second["code"] = None
            second["code"] = main(given)
        return original(*args, **kwargs)

    given = [*arguments("pick"), "--output", f"{tmp_path}/a.star"]
    monkeypatch.setattr(_pick, "_find", work)
    assert main(given) == 0
    assert second["code"] == 1
    assert "Another run is about to write" in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["a.star"]


def test_an_output_that_appears_during_the_work_is_kept(arguments, tmp_path, monkeypatch, capsys):
    original = _pick._find

    def work(*args, **kwargs):
        (tmp_path / "a.star").write_text("of somebody else")
        return original(*args, **kwargs)

    monkeypatch.setattr(_pick, "_find", work)
    said = refused([*arguments("pick"), "--output", f"{tmp_path}/a.star"], capsys)
    assert "a.star exists" in said or "has appeared in the meantime" in said
    assert (tmp_path / "a.star").read_text() == "of somebody else"


def test_links_are_followed(arguments, tmp_path):
    (tmp_path / "scratch").mkdir()
    (tmp_path / "a.star").symlink_to("scratch/b.star")
    assert main([*arguments("pick"), "--output", f"{tmp_path}/a.star"]) == 0
    assert (tmp_path / "a.star").is_symlink()
    assert len(read_particles(tmp_path / "scratch/b.star")) == 6
    assert os.listdir(tmp_path / "scratch") == ["b.star"]


def test_figures_that_cannot_be_printed(arguments, tmp_path):
    program = "import sys; from sksubtomo.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, *arguments("evaluate")]
    with open("/dev/full", "w") as full:
        run = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert run.returncode == 1
    assert run.stderr == "ERROR: Standard output cannot be written: No space left on device.\n"


def test_the_log_of_threads_that_fail_together(tmp_path, capsys):
    """Whoever is first tells it."""
    import argparse
    import logging

    from sksubtomo.cli._logs import logging_to

    options = argparse.Namespace(quiet=True, debug=False, log=tmp_path / "a.log")
    with logging_to(options):
        logger = logging.getLogger("sksubtomo")
        (handler,) = (one for one in logger.handlers if isinstance(one, logging.FileHandler))
        handler.stream.close()
        handler.stream = open("/dev/full", "w")  # noqa: SIM115
        threads = [threading.Thread(target=logger.info, args=("lost",)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("a.log misses messages from here on: it cannot be written.")


def test_memory_that_there_is_not_is_one_message(arguments, tmp_path, monkeypatch, capsys):
    def work(*_, **__):
        raise np._core._exceptions._ArrayMemoryError((10**6, 10**6), np.dtype(float))

    monkeypatch.setattr(_pick, "_find", work)
    said = refused([*arguments("pick"), "--output", f"{tmp_path}/a.star"], capsys)
    assert "Unable to allocate" in said
