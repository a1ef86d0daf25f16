"""What the documents promise."""

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest
from estimators import INTERNAL

import sksubtomo

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    "page", sorted((ROOT / "docs/user_guide").glob("*.rst")), ids=lambda p: p.stem
)
def test_examples_of_the_guide_run(page):
    result = doctest.testfile(str(page), module_relative=False)
    assert result.attempted or page.stem == "index"
    assert result.failed == 0


@pytest.mark.slow
def test_examples_of_the_readme_run(capsys):
    codes = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(codes) == 2
    names = {}
    exec(compile(codes[0], "README.md", "exec"), names)
    assert names["accuracy"] >= 0.9
    assert "accuracy " in capsys.readouterr().out
    exec(compile(codes[1], "README.md", "exec"), names)
    hidden = names["y_masked"] == -1
    assert names["clf"].score(names["X"][hidden], names["y"][hidden]) >= 0.6  # chance: 0.25
    assert names["scores"].mean() >= 0.5


def public_names():
    for module in pkgutil.iter_modules(sksubtomo.__path__):
        if not module.name.startswith("_") and module.name not in INTERNAL:
            package = importlib.import_module(f"sksubtomo.{module.name}")
            yield from (f"sksubtomo.{module.name}.{name}" for name in package.__all__)


def test_api_page_names_everything_that_is_public():
    listed = re.findall(r"^   (sksubtomo\.\S+)", (ROOT / "docs/api/index.rst").read_text(), re.M)
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
