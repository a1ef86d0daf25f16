"""What the documents promise."""

import doctest
import importlib
import os
import pkgutil
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from estimators import INTERNAL
from sklearn.utils import Bunch

import sksubtomo
from sksubtomo.io import read_particles
from sksubtomo.picking import evaluate_picks

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    "page", sorted((ROOT / "docs/user_guide").glob("*.rst")), ids=lambda p: p.stem
)
def test_examples_of_the_guide_run(page):
    result = doctest.testfile(str(page), module_relative=False)
    assert result.attempted or page.stem == "index"
    assert result.failed == 0


@pytest.mark.slow
def test_examples_of_the_readme_run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    codes = blocks_of("README.md", "python")
    assert len(codes) == 3
    names = {}
    exec(compile(codes[0], "README.md", "exec"), names)
    assert names["accuracy"] >= 0.9
    assert "accuracy " in capsys.readouterr().out
    exec(compile(codes[1], "README.md", "exec"), names)
    hidden = names["y_masked"] == -1
    assert names["clf"].score(names["X"][hidden], names["y"][hidden]) >= 0.6  # chance: 0.25
    assert names["scores"].mean() >= 0.5
    exec(compile(codes[2], "README.md", "exec"), names)
    assert list(tmp_path.glob("simulated_ice/**/*.mrc"))
    assert list(tmp_path.glob("simulated_ice/**/*.star"))


def blocks_of(name, language):
    """Return the blocks of a page in a language, as they would be copied."""
    text = (ROOT / name).read_text()
    if name.endswith(".md"):
        return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    pattern = rf"^\.\. code-block:: {language}\n\n((?:   [^\n]*\n|\n)+)"
    return [textwrap.dedent(block) for block in re.findall(pattern, text, re.MULTILINE)]


def commands_of(name):
    """Return the commands of a page, each in one line."""
    lines = "\n".join(blocks_of(name, "bash")).replace("\\\n", " ").split("\n")
    return [" ".join(line.split()) for line in lines if line.strip()]


def test_commands_of_readme_and_guide_are_those_of_the_start_page():
    (of_start,) = blocks_of("docs/index.rst", "bash")
    assert blocks_of("README.md", "bash") == [of_start.strip() + "\n"]
    assert len(commands_of("docs/index.rst")) == 6
    guide = [line for line in commands_of("docs/user_guide/cleaning.rst") if " info " not in line]
    assert guide == commands_of("docs/index.rst")


@pytest.mark.slow
def test_python_of_the_start_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = blocks_of("docs/index.rst", "python")
    names = {}
    exec(compile(code, "index.rst", "exec"), names)
    hidden = names["y"] == -1
    assert names["clf"].score(names["data"].X[hidden], names["data"].y[hidden]) >= 0.9


#: What a newcomer waits for a cleaned table, in minutes of one processor.
PATIENCE_MINUTES = 10
CHILDREN = ("children_user", "children_system")


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_start_page_leads_to_a_cleaned_table(tmp_path):
    # As somebody would who copies the block into a shell, in a clone of the repository.
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    info = [line for line in commands_of("docs/user_guide/cleaning.rst") if " info " in line]
    script = "\n".join([*blocks_of("docs/index.rst", "bash"), *info])
    start = os.times()
    subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, env=environment, check=True)
    end = os.times()
    seconds = sum(getattr(end, name) - getattr(start, name) for name in CHILDREN)
    assert seconds < PATIENCE_MINUTES * 60
    candidates, clean, truth = (
        read_particles(tmp_path / name, shifts="apply")
        for name in ("candidates.star", "clean.star", "simulated/particles.star")
    )
    truth = truth.subset(truth.class_numbers == 1)
    # What the guide and the README say, of both tomograms and of the one without labels.
    for names in (["TS_001", "TS_002"], ["TS_002"]):
        before, after = (figures(table, truth, names) for table in (candidates, clean))
        assert 0.2 < before.precision < 0.3
        assert after.precision >= 0.8
        assert after.recall > 0.9 * before.recall


def figures(found, truth, names):
    """Compare the particles in some tomograms with the true ones."""
    matched, n_found, n_true = 0, 0, 0
    for name in names:
        of_found, of_truth = (
            table.coordinates[table.tomogram_names == name] for table in (found, truth)
        )
        pairs = evaluate_picks(of_found, of_truth, tolerance_angstrom=65, voxel_size_angstrom=13)
        matched, n_found, n_true = (
            matched + pairs.n_matched,
            n_found + len(of_found),
            n_true + len(of_truth),
        )
    return Bunch(precision=matched / n_found, recall=matched / n_true)


def public_names():
    for module in pkgutil.iter_modules(sksubtomo.__path__):
        if not module.name.startswith("_") and module.name not in INTERNAL:
            package = importlib.import_module(f"sksubtomo.{module.name}")
            yield from (f"sksubtomo.{module.name}.{name}" for name in package.__all__)


def test_api_page_names_everything_that_is_public():
    page = (ROOT / "docs/api/index.rst").read_text()
    listed = re.findall(r"^(?:   |\.\. py:data:: )(sksubtomo\.\S+)", page, re.M)
    assert sorted(listed) == sorted(public_names())
    changelog = (ROOT / "CHANGELOG.md").read_text()
    for name in ("AutoencodingClassifier", "SemiSupervisedSplit", "make_subtomograms"):
        assert name in changelog


def test_import_is_light():
    code = (
        "import sys, sksubtomo; "
        "print([m for m in ('torch', 'skorch', 'matplotlib', 'pandas') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


WITHOUT_NETWORKS = ["io", "fourier", "geometry", "simulate", "datasets", "preprocessing"]
WITHOUT_NETWORKS += ["model_selection", "metrics", "calibration", "parallel"]


def test_packages_without_networks_do_not_load_them():
    # One after the other in one process: the first that loads one is named.
    code = (
        "import importlib, sys\n"
        f"for package in {WITHOUT_NETWORKS}:\n"
        "    importlib.import_module('sksubtomo.' + package)\n"
        "    loaded = [m for m in ('torch', 'skorch', 'matplotlib') if m in sys.modules]\n"
        "    assert not loaded, (package, loaded)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
