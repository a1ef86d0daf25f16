"""Rules of the package's layout that import-linter cannot express."""

import ast
import re
from pathlib import Path

import pytest

import sksubtomo

PACKAGE = Path(sksubtomo.__file__).parent
#: Rooms whose private modules every other room may import.
SHARED = {"_utils", "_torch"}


def imported_modules(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            yield node.module, [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)


@pytest.mark.parametrize(
    "room", sorted(path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists())
)
def test_no_room_imports_a_private_name_of_another(room):
    for path in (PACKAGE / room).rglob("*.py"):
        for module, names in imported_modules(path):
            parts = module.split(".")
            if parts[0] != "sksubtomo" or len(parts) < 2 or parts[1] in {room, *SHARED}:
                continue
            private = [name for name in [*parts[2:], *names] if re.match("_[^_]", name)]
            assert not private, f"{path.relative_to(PACKAGE)} imports {private} of {module}"


#: Rooms of estimators and their bases.
ESTIMATOR_ROOMS = (
    *("base", "calibration", "decomposition", "neural_network", "picking", "preprocessing"),
    "semi_supervised",
)
ESTIMATORS = [
    *(PACKAGE / "_utils" / name for name in ("_labeled_classifier.py", "_meta_classifier.py")),
    *(path for room in ESTIMATOR_ROOMS for path in sorted((PACKAGE / room).glob("_[a-z]*.py"))),
]
BLOCK = 6


def lines_of_substance(path):
    """Yield lines with their numbers, but blank ones, imports and signatures."""
    text = path.read_text()
    skipped = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            skipped |= {*range(node.lineno, node.end_lineno + 1)}
        elif isinstance(node, ast.FunctionDef):
            skipped |= {*range(node.lineno, node.body[0].lineno)}
    for number, line in enumerate(text.splitlines(), start=1):
        if number not in skipped and line.strip():
            yield number, line.strip()


def test_no_two_estimators_share_a_block_of_six_lines():
    seen = {}
    for path in ESTIMATORS:
        lines = list(lines_of_substance(path))
        for start in range(len(lines) - BLOCK + 1):
            block = tuple(line for _, line in lines[start : start + BLOCK])
            here = f"{path.relative_to(PACKAGE)}:{lines[start][0]}"
            there = seen.setdefault(block, here)
            assert there == here, f"{there} and {here} are the same"


def test_private_names_of_scikit_learn_come_through_one_module():
    gate = PACKAGE / "_utils" / "_sklearn.py"
    for path in sorted(PACKAGE.rglob("*.py")):
        if path == gate:
            continue
        for module, names in imported_modules(path):
            if module.split(".")[0] == "sklearn":
                private = [name for name in [*module.split("."), *names] if re.match("_[^_]", name)]
                assert not private, f"{path.relative_to(PACKAGE)} imports {private} of {module}"
