"""Versions of what is in a model file, and how older ones become the present one."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

from sksubtomo._utils._versions import software_versions
from sksubtomo._version import __version__

FORMAT = "sksubtomo model"
#: Of what is written. Raised when a reader of the last one would go wrong.
SCHEMA = 2


def envelope() -> dict[str, Any]:
    """Return what every file begins with: its kind, schema, date and software versions."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {
        "format": FORMAT,
        "schema": SCHEMA,
        "written": now,
        "versions": software_versions(),
    }


def migrated(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document in the present schema.

    Raises
    ------
    ValueError
        If it is no document of a model, or of a newer schema than is known here.
    """
    if document.get("format") != FORMAT:
        raise ValueError("it is no model")
    schema = document.get("schema")
    if type(schema) is not int or schema < 1:
        raise ValueError("it states no schema")
    if schema > SCHEMA:
        versions = document.get("versions")
        by = versions.get("sksubtomo") if isinstance(versions, dict) else None
        raise ValueError(
            f"it was written by sksubtomo {str(by)[:40]} in schema {schema}, and sksubtomo "
            f"{__version__} knows schemas up to {SCHEMA}; update sksubtomo"
        )
    while document["schema"] < SCHEMA:
        document = _MIGRATIONS[document["schema"]](document)
    return document


def _from_1(document: dict[str, Any]) -> dict[str, Any]:
    """Add what schema 2 has: the order of arrays in memory, their checksums, and metadata."""
    arrays = [{**one, "order": "C", "sum": None} for one in document["arrays"]]
    return {"metadata": {"map": {}}, **document, "arrays": arrays, "schema": 2}


_MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_1}
