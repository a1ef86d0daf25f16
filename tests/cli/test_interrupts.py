"""Ctrl-C, SIGTERM and RELION's request to abort: what is left of the work, and what is said."""

import importlib
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import starfile

from sksubtomo._utils import _interrupts
from sksubtomo.cli import main
from sksubtomo.io import read_particles

BOTH = pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])


def send_after(monkeypatch, target, n_calls, name):
    """Let a function send this process a signal when it is called for the n-th time."""
    module, _, function = target.rpartition(".")
    original, calls = getattr(importlib.import_module(module), function), []

    def send(*args, **kwargs):
        calls.append(1)
        if len(calls) == n_calls:
            os.kill(os.getpid(), getattr(signal, name))
        return original(*args, **kwargs)

    monkeypatch.setattr(target, send)


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(_interrupts, "_SECONDS_BETWEEN_CHECKS", 0.0)


@pytest.fixture
def fitted(project, fit_arguments):
    assert main(fit_arguments) == 0
    return project


@BOTH
def test_fit_keeps_the_model_that_was_there(fitted, fit_arguments, monkeypatch, capsys, name, code):

    model = fitted / "model.sksubtomo"
    before, files = model.read_bytes(), sorted(fitted.iterdir())
    send_after(monkeypatch, "sksubtomo.training._volume_net.check_interrupt", 5, name)
    assert main([*fit_arguments, "--overwrite"]) == code
    assert model.read_bytes() == before
    assert sorted(fitted.iterdir()) == files
    said = capsys.readouterr().err.splitlines()
    assert said == [f"ERROR: Interrupted by {name}; {model} is as it was."]


@BOTH
def test_a_first_fit_writes_no_model(project, fit_arguments, monkeypatch, capsys, name, code):

    send_after(monkeypatch, "sksubtomo.training._volume_net.check_interrupt", 5, name)
    assert main(fit_arguments) == code
    assert not (project / "model.sksubtomo").exists()
    assert capsys.readouterr().err == f"ERROR: Interrupted by {name}; nothing was written.\n"


def predict(project, *more):
    return main(
        [
            *("predict", "--model", f"{project}/model.sksubtomo", "--quiet"),
            *("--particles", f"{project}/particles.star", "--tomograms", f"{project}/tomograms"),
            *more,
        ]
    )


@BOTH
def test_predict_keeps_the_table_that_was_there(fitted, monkeypatch, name, code):
    output = fitted / "out.star"
    output.write_text("earlier")
    send_after(monkeypatch, "sksubtomo.training._inference.check_interrupt", 2, name)
    assert predict(fitted, "--output", str(output), "--overwrite") == code
    assert output.read_text() == "earlier"


@BOTH
def test_extract_and_simulate_leave_nothing(project, monkeypatch, name, code):
    before = sorted(project.iterdir())
    send_after(monkeypatch, "sksubtomo.io.write_mrc", 3, name)
    extract = ["extract", "--particles", f"{project}/particles.star", "--box-size", "8", "--quiet"]
    tomograms = ["--tomograms", f"{project}/tomograms"]
    assert main([*extract, *tomograms, "--output", f"{project}/boxes"]) == code
    simulate = ["simulate", "--classes", "ubid", "--n-particles", "1", "--shape", "32", "40", "40"]
    more = ["--n-tomograms", "3", "--quiet", "--output", f"{project}/made"]
    send_after(monkeypatch, "sksubtomo.datasets.save_tomogram", 2, name)
    assert main([*simulate, *more]) == code
    assert sorted(project.iterdir()) == before


PICK = ["pick", "--template", "ubid", "--angular-step", "90", "--max-picks", "3", "--quiet"]


@BOTH
def test_pick_writes_what_finished_tomograms_gave(project, monkeypatch, capsys, name, code):

    arguments = [*PICK, "--tomograms", f"{project}/tomograms", "--output", f"{project}/picks.star"]
    send_after(monkeypatch, "sksubtomo.cli._pick.check_voxel_size", 3, name)
    assert main(arguments) == code
    picks = read_particles(project / "picks.star")
    assert set(picks.tomogram_names) == {"TS_1"}
    said = capsys.readouterr().err
    assert "picks.star has what was done: 3 candidates in 1 tomogram, after 1 of 2 tomog" in said
    # A table of an earlier run is kept, and what there is goes beside it.
    before = (project / "picks.star").read_bytes()
    send_after(monkeypatch, "sksubtomo.cli._pick.check_voxel_size", 3, name)
    assert main([*arguments, "--overwrite"]) == code
    assert (project / "picks.star").read_bytes() == before
    assert len(read_particles(project / "picks_interrupted.star")) == 3


def test_pick_without_a_finished_tomogram_writes_nothing(project, monkeypatch, capsys):

    arguments = [*PICK, "--tomograms", f"{project}/tomograms", "--output", f"{project}/picks.star"]
    send_after(monkeypatch, "sksubtomo.picking._coarse_to_fine.match_around", 1, "SIGINT")
    assert main(arguments) == 130
    assert not (project / "picks.star").exists()
    assert "Interrupted by SIGINT; nothing was written" in capsys.readouterr().err


def marks(job):
    return sorted(path.name for path in job.iterdir() if path.name.startswith("RELION_JOB"))


def test_relions_request_to_abort_is_obeyed(fitted, capsys):
    job = fitted / "External/job009"
    job.mkdir(parents=True)
    assert predict(fitted, "--o", f"{job}/", "--j", "1") == 0
    assert marks(job) == ["RELION_JOB_EXIT_SUCCESS"]
    before = (job / "particles.star").read_bytes()
    (job / "RELION_JOB_ABORT_NOW").touch()
    assert predict(fitted, "--o", f"{job}/", "--j", "1") == 130
    assert marks(job) == ["RELION_JOB_EXIT_ABORTED"]
    assert "RELION_JOB_ABORT_NOW asks for" in capsys.readouterr().err
    assert (job / "particles.star").read_bytes() == before
    assert predict(fitted, "--o", f"{job}/", "--j", "1") == 0
    assert marks(job) == ["RELION_JOB_EXIT_SUCCESS"]


def test_a_request_in_the_middle_of_a_fit(project, fit_arguments, monkeypatch):
    import sksubtomo.training._volume_net

    job = project / "External/job010"
    original, calls = sksubtomo.training._volume_net.check_interrupt, []

    def ask():
        calls.append(1)
        if len(calls) == 4:
            (job / "RELION_JOB_ABORT_NOW").touch()
        original()

    monkeypatch.setattr("sksubtomo.training._volume_net.check_interrupt", ask)
    assert main([*fit_arguments, "--pipeline_control", f"{job}/"]) == 130
    assert len(calls) == 4
    assert marks(job) == ["RELION_JOB_EXIT_ABORTED"]
    assert not (project / "model.sksubtomo").exists()


@BOTH
def test_an_interrupted_job_is_aborted_for_relion(fitted, monkeypatch, name, code):
    job = fitted / "job"
    send_after(monkeypatch, "sksubtomo.training._inference.check_interrupt", 1, name)
    assert predict(fitted, "--o", str(job)) == code
    assert [path.name for path in job.iterdir()] == ["RELION_JOB_EXIT_ABORTED"]


def test_every_job_takes_what_relion_appends(project, fit_arguments, capsys):
    """Whatever fields of its window are filled in; --pipeline_control goes to some programs."""
    job = project / "External/job011"
    appended = ["--o", f"{job}/", "--in_mask", "mask.mrc", "--in_coords", "c.star", "--j", "2"]
    appended += ["--pipeline_control", f"{job}/"]
    place = fit_arguments.index("--output")
    fit = [*fit_arguments[:place], *fit_arguments[place + 2 :]]
    assert main([*fit, *appended]) == 0
    assert "no use for: ['mask.mrc', 'c.star']" in capsys.readouterr().err
    assert marks(job) == ["RELION_JOB_EXIT_SUCCESS"]
    pick = [*PICK[:1], *PICK[3:], "--tomograms", f"{project}/tomograms", "--in_3dref", "ubid"]
    assert main([*pick, *appended]) == 0
    nodes = starfile.read(job / "RELION_OUTPUT_NODES.star", always_dict=True)["output_nodes"]
    assert np.ravel(nodes["rlnPipeLineNodeName"]).tolist() == [f"{job}/particles.star"]
    particles = ["--in_parts", f"{project}/particles.star", "--tomograms", f"{project}/tomograms"]
    assert main(["extract", *particles, "--box-size", "8", "--quiet", *appended]) == 0
    assert (job / "boxes/particles.star").exists()
    model = ["--model", f"{job}/model.sksubtomo"]
    assert main(["predict", *particles, *model, "--quiet", *appended]) == 0
    assert (job / "model.sksubtomo").exists()
    files = ["--truth", f"{job}/particles.star", "--predicted", f"{job}/particles.star"]
    evaluate = ["evaluate", *files, "--tolerance-angstrom", "10", "--voxel-size", "10"]
    assert main([*evaluate, "--pipeline_control", f"{job}/"]) == 0


def test_output_or_the_folder_of_a_job_but_not_both(project, fit_arguments, capsys):
    assert main([*fit_arguments, "--o", f"{project}/job"]) == 1
    assert "Give either --output, or --o" in capsys.readouterr().err
    assert marks(project / "job") == ["RELION_JOB_EXIT_FAILURE"]


@BOTH
def test_a_signal_while_modules_are_imported(tmp_path, name, code):
    """Before any work: no stack trace, and RELION is told."""
    program = (
        "import os, signal, sys; from sksubtomo.cli import main, _main; "
        f"_main._main = lambda given: os.kill(os.getpid(), signal.{name}); "
        f"sys.argv = ['sksubtomo', 'info', '--o', {str(tmp_path)!r}]; sys.exit(main())"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == code
    assert run.stderr == f"ERROR: Interrupted by {name}; nothing was written.\n"
    assert marks(tmp_path) == ["RELION_JOB_EXIT_ABORTED"]
