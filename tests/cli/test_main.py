import subprocess
import sys

import pytest

from sksubtomo.cli import main

COMMANDS = ["simulate", "pick", "extract", "label", "fit", "predict", "evaluate", "info"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_subcommand_has_help(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert f"sksubtomo {command}" in text
    assert "--log" in text


def test_help_is_quick_since_nothing_heavy_is_imported():
    code = (
        "import sys, sksubtomo.cli; "
        "print([m for m in ('torch', 'sklearn', 'pandas', 'scipy') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("arguments", [[], ["dance"], ["fit", "--box-size", "0"]])
def test_wrong_arguments_exit_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "usage: sksubtomo" in capsys.readouterr().err


def test_failures_exit_with_1_and_go_to_the_log(tmp_path, capsys):
    log = tmp_path / "run.log"
    assert main(["info", f"{tmp_path}/none.mrc", "--log", str(log)]) == 1
    assert "ERROR: There is no file" in capsys.readouterr().err
    assert "none.mrc" in log.read_text()


def test_an_interrupt_exits_with_130(monkeypatch, capsys):
    def interrupt(options):
        raise KeyboardInterrupt

    monkeypatch.setattr("sksubtomo.cli._info.run", interrupt)
    assert main(["info", "a.mrc"]) == 130
    assert "nothing was written" in capsys.readouterr().err
