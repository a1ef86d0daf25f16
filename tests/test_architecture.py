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
