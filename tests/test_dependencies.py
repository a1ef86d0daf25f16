"""Declared dependencies: what is imported, what is optional, and the floors that are tested."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
# Extras for users of the package; the others are for its developers.
FOR_USERS = ("data", "zarr", "monai", "plot", "report", "label", "distributed", "accelerate")
# Not imported, but needed by what is, and older releases are not safe.
ONLY_FLOORS = {"numcodecs"}
# Import names that are not the name of the distribution.
DISTRIBUTIONS = {"sklearn": "scikit-learn", "array_api_strict": "array-api-strict"}
DISTRIBUTIONS["jinja2"] = "Jinja2"
DISTRIBUTIONS |= {"axe_core_python": "axe-core-python"}
# make test-oldest keeps the PyTorch that CI has; CONTRIBUTING.md says how its floor is tested.
TESTED_VERSION = ("torch",)


class Import(NamedTuple):
    distribution: str
    eager: bool


def requirements(lines):
    """Return names and version specifiers; the project's own extras are left out."""
    pairs = [re.fullmatch(r"([A-Za-z0-9_.-]+)(\[.*\])?(.*)", line).groups()[::2] for line in lines]
    return {name: specifier for name, specifier in pairs if name != PROJECT["name"]}


def pins(name):
    lines = (ROOT / name).read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def release(version):
    return tuple(int(number) for number in re.findall(r"\d+", version))


def same_release(one, two):
    length = max(len(one), len(two))
    return one + (0,) * (length - len(one)) == two + (0,) * (length - len(two))


def imports_of(path, own=frozenset()):
    """Yield the third-party imports of a file; those inside functions are not eager."""
    yield from _imports(ast.parse(path.read_text()), True, own)


def _imports(node, eager, own):
    for child in ast.iter_child_nodes(node):
        names = []
        if isinstance(child, ast.Import):
            names = [alias.name for alias in child.names]
        elif isinstance(child, ast.ImportFrom) and not child.level:
            names = [child.module]
        elif isinstance(child, ast.Call) and ast.unparse(child.func) == "pytest.importorskip":
            names = [arg.value for arg in child.args[:1] if isinstance(arg, ast.Constant)]
        for name in names:
            top = name.split(".")[0]
            if top not in sys.stdlib_module_names and top not in own:
                yield Import(DISTRIBUTIONS.get(top, top), eager)
        inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for_types = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        yield from _imports(child, eager and not inside and not for_types, own)


def python_files(folder):
    return sorted((ROOT / folder).rglob("*.py"))


def test_imports_are_found(tmp_path):
    (tmp_path / "a.py").write_text(
        "import os, scipy.fft\n"
        "from typing import TYPE_CHECKING\n"
        "from . import b\n"
        "from sklearn.base import clone\n"
        "if TYPE_CHECKING:\n    import pandas\n"
        "try:\n    import torch\nexcept ImportError:\n    pass\n"
        "class A:\n    import joblib\n    def f(self):\n        from zarr.core import group\n"
        "        pytest.importorskip('polars')\n"
    )
    assert list(imports_of(tmp_path / "a.py")) == [
        ("scipy", True),
        ("scikit-learn", True),
        ("pandas", False),
        ("torch", True),
        ("joblib", True),
        ("zarr", False),
        ("polars", False),
    ]


def test_imports_of_the_package_are_declared():
    needed = requirements(PROJECT["dependencies"])
    optional = {name for extra in FOR_USERS for name in requirements(EXTRAS[extra])}
    for path in python_files("sksubtomo"):
        for name, eager in imports_of(path, {"sksubtomo"}):
            assert name in needed or name in optional, f"{path}: {name} is not declared"
            assert name in needed or not eager, f"{path}: import {name} inside a function"


def test_declared_dependencies_are_imported():
    imported = {each for path in python_files("sksubtomo") for each in imports_of(path)}
    assert set(requirements(PROJECT["dependencies"])) <= {name for name, _ in imported}
    for extra in FOR_USERS:
        declared = set(requirements(EXTRAS[extra])) - ONLY_FLOORS
        assert declared <= {name for name, _ in imported}, extra


@pytest.mark.parametrize("folder", ["tests", "benchmarks", "docs"])
def test_imports_of_tests_and_scripts_are_declared(folder):
    files = python_files(folder)
    own = {"sksubtomo", *(path.stem for path in files), *(path.parent.name for path in files)}
    declared = requirements(PROJECT["dependencies"])
    for extra in (*FOR_USERS, "test", *(["docs"] if folder in ("docs", "tests") else [])):
        declared |= requirements(EXTRAS[extra])
    missing = {each.distribution for path in files for each in imports_of(path, own)}
    assert missing <= set(declared)


def test_the_test_extra_brings_every_optional_dependency():
    (own,) = [line for line in EXTRAS["test"] if line.startswith(PROJECT["name"])]
    assert own == f"{PROJECT['name']}[{','.join(FOR_USERS)}]"
    assert set(EXTRAS) == {*FOR_USERS, "test", "lint", "docs", "dev"}


def test_oldest_constraints_are_the_declared_floors():
    declared = [*PROJECT["dependencies"], *EXTRAS["test"]]
    declared += [line for extra in FOR_USERS for line in EXTRAS[extra]]
    oldest, tested = pins("constraints-oldest.txt"), pins("constraints.txt")
    for name, specifier in requirements(declared).items():
        assert re.fullmatch(r">=[0-9.]+", specifier), f"{name} needs a floor, such as {name}>=1.0"
        floor = release(specifier)
        assert release(tested[name]) >= floor, f"constraints.txt has {name} below its floor"
        if name in TESTED_VERSION:
            assert oldest[name] == tested[name]
        else:
            pinned = release(oldest[name])
            assert same_release(pinned, floor), f"{name}: {oldest[name]} is not {specifier}"


def test_install_page_tells_every_extra():
    page = (ROOT / "docs/install.rst").read_text()
    assert tuple(sorted(re.findall(r"^``(\w+)`` ", page, re.MULTILINE))) == tuple(sorted(FOR_USERS))


def test_distributions_are_tried_with_every_extra():
    extras = re.search(r"^DIST_EXTRAS \?= (.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    assert sorted(extras.split()) == sorted(FOR_USERS)
    smoke = (ROOT / ".ci/check_dist.py").read_text()
    assert sorted(re.findall(r'^    "(\w+)": ', smoke, re.MULTILINE)) == sorted(FOR_USERS)


#: Names of conda-forge that are not those of PyPI.
ON_CONDA = {"torch": "pytorch", "matplotlib": "matplotlib-base", "Jinja2": "jinja2"}


@pytest.mark.parametrize("part", ["run", "run_constraints"])
def test_conda_recipe_has_the_dependencies_and_their_floors(part):
    (recipe,) = (ROOT / "conda.recipe").glob("*.yaml")
    lines = re.search(rf"^  {part}:\n((?:    - .*\n)+)", recipe.read_text(), re.MULTILINE)[1]
    pairs = (line.strip(" -").partition(" ")[::2] for line in lines.splitlines())
    given = {name: floor for name, floor in pairs if name != "python"}
    optional = [line for extra in FOR_USERS for line in EXTRAS[extra]]
    declared = requirements(PROJECT["dependencies"] if part == "run" else optional)
    assert given == {ON_CONDA.get(name, name): floor for name, floor in declared.items()}


def test_conda_recipe_has_the_version():
    (recipe,) = (ROOT / "conda.recipe").glob("*.yaml")
    version = re.search(r'version: "(.*)"', recipe.read_text())[1]
    assert version == re.search(r'"(.*)"', (ROOT / "sksubtomo/_version.py").read_text())[1]


def test_constraints_name_every_dependency_once():
    for name in ("constraints.txt", "constraints-oldest.txt"):
        lines = (ROOT / name).read_text().splitlines()
        names = [line.split("==")[0].lower() for line in lines if line and line[0] != "#"]
        assert len(names) == len(set(names))


# Run where no optional dependency can be imported, as after a plain `pip install sksubtomo`.
WITHOUT_EXTRAS = """
import importlib, pkgutil, sys
import numpy as np

class Hiding:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in {blocked!r}:
            return self.finder.find_spec(name, path, target)

sys.meta_path[:] = [Hiding(finder) for finder in sys.meta_path]

import sksubtomo
for module in pkgutil.walk_packages(sksubtomo.__path__, "sksubtomo."):
    importlib.import_module(module.name)

from sksubtomo.io import make_particle_table, read_particles, read_volume, write_mrc
from sksubtomo.labeling import make_app
from sksubtomo.networks import AutoencodingNetwork, Liu2019
from sksubtomo.parallel import use_dask
from sksubtomo.plotting import ReconstructionDisplay
from sksubtomo.reports import make_report
from sksubtomo.semi_supervised import AutoencodingClassifier
from sksubtomo.simulate import read_atoms
from sksubtomo.training import Training

rng = np.random.default_rng(0)
X = rng.normal(size=(8, 6, 6, 6)).astype(np.float32)
y = np.array([0, 1, 0, 1, -1, -1, -1, -1])
small = dict(max_epochs=1, network=Liu2019(n_filters=2, latent_dim=2), random_state=0)
assert AutoencodingClassifier(**small).fit(X, y).predict_proba(X).shape == (8, 2)
write_mrc("a.mrc", X[0], 10.0)
assert read_volume("a.mrc").data.shape == (6, 6, 6)

def enter_dask():
    with use_dask():
        pass

contents = {{
    "star": "data_\\nloop_\\n_rlnCoordinateX\\n_rlnCoordinateY\\n_rlnCoordinateZ\\n1 2 3\\n",
    "csv": "x,y,z\\n1,2,3\\n",
    "json": '{{"points": [{{"location": {{"x": 1, "y": 2, "z": 3}}}}]}}',
    "tbl": " ".join("1" * 42) + "\\n",
}}
for ending in (*contents, "em", "pdb", "zarr"):
    with open(f"a.{{ending}}", "w") as file:
        file.write(contents.get(ending, ""))

needs = {{
    "data": [
        lambda: read_particles("a.star"),
        lambda: read_particles("a.tbl"),
        lambda: read_particles("a.csv"),
        lambda: read_particles("a.json"),
        lambda: make_particle_table(np.zeros((2, 3))),
        lambda: read_volume("a.em"),
        lambda: read_atoms("a.pdb"),
    ],
    "zarr": [lambda: read_volume("a.zarr")],
    "monai": [lambda: AutoencodingNetwork((8, 8, 8), 2, network="monai:resnet10")],
    "plot": [lambda: ReconstructionDisplay(X[:1], X[:1]).plot()],
    "report": [lambda: make_report(AutoencodingClassifier(**small).fit(X, y), X)],
    "label": [lambda: make_app(None, "token")],
    "distributed": [enter_dask],
    "accelerate": [
        lambda: AutoencodingClassifier(**small, training=Training(accelerate=True)).fit(X, y)
    ],
}}
for extra, calls in needs.items():
    for call in calls:
        try:
            call()
        except ImportError as error:
            assert f"sksubtomo[{{extra}}]" in str(error), error
        else:
            raise AssertionError(f"{{extra}} is not needed")
print(sorted(needs))
"""


def test_works_without_extras_and_names_the_one_that_is_missing(tmp_path):
    names = {name for extra in FOR_USERS for name in requirements(EXTRAS[extra])}
    code = WITHOUT_EXTRAS.format(blocked=sorted(name.lower() for name in names))
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == str(sorted(FOR_USERS))


def locked():
    """Return versions and hashes by name, of requirements.lock."""
    entries = re.findall(
        r"^(\S+)==(\S+)(?: ;[^\n]*)? \\\n((?:    --hash=\S+(?: \\)?\n)+)",
        (ROOT / "requirements.lock").read_text(),
        flags=re.MULTILINE,
    )
    return {
        name: (version, re.findall(r"--hash=(\S+)", hashes)) for name, version, hashes in entries
    }


def test_every_version_of_the_constraints_has_hashes():
    found = locked()
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    # None has another form, which pip would take without a hash.
    assert len(found) == sum(not line.startswith(" ") for line in lines)
    for version, hashes in found.values():
        assert "+" not in version  # of an index of its own
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", one) for one in hashes)
    stale = {
        name: version
        for name, version in pins("constraints.txt").items()
        if found.get(re.sub("[_.]", "-", name).lower(), ("none",))[0] != version
    }
    assert stale == {}, "run `make lock`"


def test_the_lock_has_what_builds_the_package():
    assert {"hatchling", "editables"} <= set(locked())
