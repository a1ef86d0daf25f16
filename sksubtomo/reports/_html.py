"""An HTML page that is shown in notebooks and browsers."""

from __future__ import annotations

import base64
import hashlib
import html
import importlib.util
import os
import tempfile
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sksubtomo._utils._files import atomic_path

_FOLDER = Path(__file__).parent / "templates"
_HEIGHT_PIXELS = 700


class HTMLReport:
    """A self-contained HTML page: it asks for nothing from elsewhere.

    Made by :func:`sksubtomo.reports.make_report`. A notebook shows it as the value of a cell.

    Parameters
    ----------
    text : str
        The page.
    title : str
        Its title.

    Examples
    --------
    >>> from sksubtomo.reports import HTMLReport
    >>> HTMLReport("<!DOCTYPE html><title>a</title>", title="a")
    HTMLReport('a', 31 characters)
    """

    def __init__(self, text: str, *, title: str) -> None:
        self._text, self.title = text, title

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.title!r}, {len(self._text)} characters)"

    def _repr_html_(self) -> str:
        # In a frame, whose style and script are its own. It can run its script and nothing else.
        return (
            f'<iframe title="{html.escape(self.title)}" sandbox="allow-scripts" '
            f'style="width: 100%; height: {_HEIGHT_PIXELS}px; border: 1px solid #999" '
            f'srcdoc="{html.escape(self._text)}"></iframe>'
        )

    def save_as_html(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the page to a file, whole or not at all.

        Parameters
        ----------
        path : path-like
            The file.
        overwrite : bool, default=False
            Whether to replace one that is there.

        Raises
        ------
        FileExistsError
            If the file exists and `overwrite` is False.
        FileNotFoundError
            If there is no such folder.
        """
        with atomic_path(path, overwrite=overwrite) as temporary:
            temporary.write_text(self._text, encoding="utf-8")

    def open_in_browser(self, path: str | os.PathLike[str] | None = None) -> Path:
        """Write the page to a file and open it in the default browser.

        Parameters
        ----------
        path : path-like, optional
            The file, which is replaced if it is there. By default a temporary one, which stays
            until the system clears such files away.

        Returns
        -------
        path : Path
            The file.
        """
        if path is None:
            path = Path(tempfile.mkdtemp(prefix="sksubtomo-report-")) / "report.html"
        path = Path(path).absolute()
        self.save_as_html(path, overwrite=True)
        webbrowser.open(path.as_uri())
        return path


def check_installed() -> None:
    """Check that what reports are made with is there.

    Raises
    ------
    ImportError
        If Jinja2 or matplotlib is not installed.
    """
    for package, name in (("jinja2", "Jinja2"), ("matplotlib", "matplotlib")):
        if importlib.util.find_spec(package) is None:
            raise ImportError(f"Reports need the package {name}: pip install 'sksubtomo[report]'.")


def render(title: str, content: Mapping[str, Any]) -> HTMLReport:
    """Return the page of a report; all text of `content` is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script, style = ((_FOLDER / name).read_text("utf-8") for name in ("sort.js", "report.css"))
    text = environment.get_template("report.html").render(
        title=title, script=script, style=style, policy=_policy(script, style), **content
    )
    return HTMLReport(text, title=title)


def _policy(script: str, style: str) -> str:
    """Return what a browser may do: show what is in the page, and run this script only."""
    digests = [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in (script, style)
    ]
    return (
        f"default-src 'none'; img-src data:; script-src 'sha256-{digests[0]}'; "
        f"style-src 'sha256-{digests[1]}'; base-uri 'none'; form-action 'none'"
    )
