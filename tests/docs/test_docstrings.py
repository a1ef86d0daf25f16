"""Docstrings of what users call have no findings of numpydoc's validation."""

import importlib
import inspect
import pkgutil

import pytest
from estimators import INTERNAL

import sksubtomo

#: Packages for developers of methods; their docstrings are checked by ruff.
FOR_DEVELOPERS = {"alignment", "augmentation", "cli", "networks", "training", *INTERNAL}
#: As scikit-learn: sections "See Also", "Examples" and an extended summary are for where they help,
#: and returned values are named.
OPTIONAL = {"SA01", "EX01", "ES01", "RT02"}
#: Methods by which estimators tell their base what to train; `base` documents them.
HOOKS = {"network_inputs", "plan", "prepare", "record", "resolve_settings", "start_from"}
HOOKS |= {"trains_decoder", "uses"}


def documented_names():
    for module in pkgutil.iter_modules(sksubtomo.__path__):
        if module.name.startswith("_") or module.name in FOR_DEVELOPERS:
            continue
        package = importlib.import_module(f"sksubtomo.{module.name}")
        for name in getattr(package, "__all__", ()):
            public = getattr(package, name)
            if not callable(public):
                continue
            yield f"sksubtomo.{module.name}.{name}"
            if inspect.isclass(public):
                members = {key for key, value in vars(public).items() if inspect.isfunction(value)}
                for key in sorted(members - HOOKS):
                    if not key.startswith("_"):
                        yield f"sksubtomo.{module.name}.{name}.{key}"


def test_docstrings_are_valid():
    validate = pytest.importorskip("numpydoc.validate").validate
    findings = [
        f"{name}: {code} {message}"
        for name in documented_names()
        for code, message in validate(name)["errors"]
        if code not in OPTIONAL
    ]
    assert not findings, "\n".join(findings)
