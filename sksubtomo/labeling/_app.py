"""The page: what a browser can ask a session for."""

from __future__ import annotations

import json
import logging
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from sksubtomo._utils._messages import plural, shorten
from sksubtomo.labeling._export import EXPORTS, keep_table
from sksubtomo.labeling._guard import Guard
from sksubtomo.labeling._images import LOW_PASSES, slice_png, tile_png, volume_bytes
from sksubtomo.labeling._queries import STRATEGIES

if TYPE_CHECKING:
    from sksubtomo.labeling._session import LabelingSession

_KINDS = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
_MOST_QUEUED = 200
_CACHED_TILES, _CACHED_SLICES = 4096, 64
_SECONDS_TO_TABLE = 1.0
# Images of candidates never change under one token.
_KEEP = {"cache-control": "private, max-age=86400, immutable"}

logger = logging.getLogger("sksubtomo")


def make_app(
    session: LabelingSession,
    token: str,
    *,
    host_names: Collection[str] = ("localhost",),
    only_loopback: bool = True,
) -> Any:
    """Return the labeling page of a session as an ASGI application.

    Parameters
    ----------
    session : LabelingSession
        What is labeled.
    token : str
        First part of every path; without it, requests are refused.
    host_names : collection of str, default=("localhost",)
        Names by which the page may be reached, besides addresses.
    only_loopback : bool, default=True
        Whether addresses have to be of this computer.

    Returns
    -------
    app : ASGI application
        For uvicorn, say.

    Raises
    ------
    ImportError
        If Starlette is not installed; it comes with ``pip install 'sksubtomo[label]'``.
    """
    try:
        from starlette.applications import Starlette
        from starlette.routing import Route
    except ImportError as error:
        raise ImportError(
            "The labeling page needs the package starlette: pip install 'sksubtomo[label]'"
        ) from error
    page = _Page(session)
    routes = [
        Route("/", page.index),
        Route("/static/{name}", page.static),
        Route("/api/state", page.state),
        Route("/api/queue", page.queue),
        Route("/api/candidate/{row:int}", page.candidate),
        Route("/api/tile/{row:int}.png", page.tile),
        Route("/api/volume/{row:int}", page.volume),
        Route("/api/slice/{row:int}.png", page.slice),
        Route("/api/label", page.label, methods=["POST"]),
        Route("/api/undo", page.undo, methods=["POST"]),
        Route("/api/fit", page.fit, methods=["POST"]),
        Route("/api/export", page.export, methods=["POST"]),
    ]
    app = Starlette(routes=routes, lifespan=page.lifespan)
    return Guard(app, token, host_names, only_loopback=only_loopback)


class _Refused(ValueError):
    """A request that asks for what there is not."""


def _answering(method: Callable) -> Callable:
    """Turn what goes wrong into an answer that says it."""
    from functools import wraps

    @wraps(method)
    async def answer(self: _Page, request: Any) -> Any:
        from starlette.concurrency import run_in_threadpool
        from starlette.responses import JSONResponse

        try:
            body = await request.body() if request.method == "POST" else b""
            content = _parsed(body) if body else {}
            return await run_in_threadpool(method, self, request, content)
        except ValueError as error:
            return JSONResponse({"error": shorten(error, 400)}, 400)
        except OSError as error:
            logger.error("%s", shorten(error))
            return JSONResponse({"error": f"Not saved: {shorten(error, 400)}"}, 507)

    return answer


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except RecursionError as error:
        raise _Refused("The request is nested too deeply.") from error
    if not isinstance(content, dict):
        raise _Refused("The request must be a JSON object.")
    return content


def _check_keys(content: dict[str, Any], *names: str) -> list[Any]:
    if set(content) != set(names):
        raise _Refused(f"The request must have {', '.join(names)}.")
    return [content[name] for name in names]


class _Cache:
    """The last images that were made."""

    def __init__(self, size: int) -> None:
        self._size, self._lock = size, threading.Lock()
        self._images: OrderedDict[Any, bytes] = OrderedDict()

    def get(self, key: Any, make: Callable[[], bytes]) -> bytes:
        with self._lock:
            if key in self._images:
                self._images.move_to_end(key)
                return self._images[key]
        image = make()
        with self._lock:
            self._images[key] = image
            while len(self._images) > self._size:
                self._images.popitem(last=False)
        return image


class _Page:
    """Answers requests about a session."""

    def __init__(self, session: LabelingSession) -> None:
        self._session = session
        self._tiles, self._slices = _Cache(_CACHED_TILES), _Cache(_CACHED_SLICES)
        self._opened: dict[str, Any] = {}
        self._slice_lock = threading.Lock()
        self._is_dirty, self._ended = threading.Event(), threading.Event()
        # All files that there are: no request names another.
        folder = resources.files("sksubtomo.labeling").joinpath("static")
        self._static = {
            one.name: one.read_bytes()
            for one in folder.iterdir()
            if one.name.rpartition(".")[2] in _KINDS
        }

    @asynccontextmanager
    async def lifespan(self, _app: Any) -> AsyncIterator[None]:
        """Keep the table of labels at most a second behind the journal."""
        from starlette.concurrency import run_in_threadpool

        thread = threading.Thread(target=self._keep_table, daemon=True)
        self._is_dirty.set()
        thread.start()
        yield
        self._ended.set()
        self._is_dirty.set()
        await run_in_threadpool(thread.join)

    def _keep_table(self) -> None:
        while True:
            self._is_dirty.wait()
            self._is_dirty.clear()
            ended = self._ended.is_set()
            try:
                keep_table(self._session)
            except (OSError, ValueError) as error:
                logger.warning("labels.star was not written; the journal is whole. %s", error)
            if ended:
                return
            self._ended.wait(_SECONDS_TO_TABLE)

    async def index(self, _request: Any) -> Any:
        return self._file("index.html")

    async def static(self, request: Any) -> Any:
        return self._file(request.path_params["name"])

    def _file(self, name: str) -> Any:
        from starlette.responses import PlainTextResponse, Response

        if name not in self._static:
            return PlainTextResponse("There is no such file.", 404)
        return Response(self._static[name], media_type=_KINDS[name.rpartition(".")[2]])

    @_answering
    def state(self, request: Any, _content: dict) -> Any:
        """What is labeled, what has changed since a click, and what is in progress."""
        return self._state(_number(request, "since", 0, 2**53))

    def _state(self, since: int | None = None) -> Any:
        from starlette.responses import JSONResponse

        session = self._session
        labels = session.labels
        clicks = session.journal_clicks
        changed = {one.row for one in clicks[since:]} if since is not None else set()
        return JSONResponse(
            {
                "n_candidates": len(session),
                "class_names": session.class_names,
                "counts": list(session.counts.values()),
                "n_unsure": int((labels == 0).sum()),
                "n_clicks": len(clicks),
                "changed": {row: int(labels[row]) for row in sorted(changed)},
                "tomograms": np.unique(session.tomogram_names).tolist(),
                "has_model": session.scores.probabilities is not None,
                "voxel_size_angstrom": session.voxel_size_angstrom,
                "box": list(np.shape(session.volumes)[1:]),
                "folder": str(session.folder),
                "work": session.status._asdict(),
            }
        )

    @_answering
    def queue(self, request: Any, _content: dict) -> Any:
        """Candidates to label next, with what the page shows of each."""
        from starlette.responses import JSONResponse

        session = self._session
        strategy = request.query_params.get("strategy", "")
        if strategy not in STRATEGIES:
            raise _Refused("There is no such queue.")
        n = _number(request, "n", 1, _MOST_QUEUED)
        names = np.unique(session.tomogram_names)
        tomogram = None
        if request.query_params.get("tomogram", "") != "":
            tomogram = str(names[_number(request, "tomogram", 0, len(names) - 1)])
        told = ""
        if strategy == "informative" and not session.is_prepared:
            strategy, told = "random", "Boxes are being read; random candidates until then."
        rows = session.query(n, strategy, tomogram=tomogram)
        if strategy == "doubtful" and not len(rows):
            told = "No label is contradicted by the model that did not learn from it."
        items = [self._item(int(row)) for row in rows]
        return JSONResponse({"items": items, "strategy": strategy, "told": told})

    def _item(self, row: int) -> dict[str, Any]:
        session = self._session
        probabilities = session.scores.probabilities
        proba = None
        if probabilities is not None and not np.isnan(probabilities[row, 0]):
            proba = probabilities[row].round(3).tolist()
        label = int(session.labels[row])
        return {"row": row, "label": label, "probabilities": proba}

    @_answering
    def candidate(self, request: Any, _content: dict) -> Any:
        """Where a candidate is, and what is known of it."""
        from starlette.responses import JSONResponse

        session, row = self._session, self._row(request)
        name = str(session.tomogram_names[row])
        shape = self._tomogram(name).shape if name in session.tomograms else None
        where = {
            "tomogram": name,
            "center": [round(float(one), 1) for one in session.coordinates[row]],
            "tomogram_shape": None if shape is None else [int(edge) for edge in shape],
        }
        return JSONResponse(self._item(row) | where)

    @_answering
    def tile(self, request: Any, _content: dict) -> Any:
        """The central slice of a candidate."""
        row, low_pass = self._row(request), self._low_pass(request)
        made = self._tiles.get((row, low_pass), lambda: tile_png(self._box(row), low_pass))
        return _image(made)

    @_answering
    def volume(self, request: Any, _content: dict) -> Any:
        """The box of a candidate."""
        from starlette.responses import Response

        content = volume_bytes(self._box(self._row(request)), self._low_pass(request))
        return Response(content, media_type="application/octet-stream", headers=_KEEP)

    @_answering
    def slice(self, request: Any, _content: dict) -> Any:
        """The slice of its tomogram that a candidate is in."""
        session, row = self._session, self._row(request)
        name = str(session.tomogram_names[row])
        if name not in session.tomograms:
            raise _Refused("The tomogram of this candidate is not given.")
        tomogram = self._tomogram(name)
        z = int(np.clip(np.floor(session.coordinates[row, 0] + 0.5), 0, tomogram.shape[0] - 1))

        def make() -> bytes:
            with self._slice_lock:
                return slice_png(tomogram, z)

        return _image(self._slices.get((name, z), make))

    @_answering
    def label(self, _request: Any, content: dict) -> Any:
        """Label a candidate; the answer comes once the label is on the disk."""
        row, label, user = _check_keys(content, "row", "label", "user")
        # True is a number of Python.
        if type(row) is not int or type(label) is not int:
            raise _Refused("row and label must be whole numbers.")
        self._session.label(row, label, user=user)
        self._is_dirty.set()
        return self._state()

    @_answering
    def undo(self, _request: Any, content: dict) -> Any:
        """Take back the last click of a tab."""
        from starlette.responses import JSONResponse

        (user,) = _check_keys(content, "user")
        row = self._session.undo(user=user)
        self._is_dirty.set()
        label = None if row is None else int(self._session.labels[row])
        return JSONResponse({"row": row, "label": label})

    @_answering
    def fit(self, _request: Any, content: dict) -> Any:
        """Fit in the background."""
        _check_keys(content)
        self._session.fit(background=True)
        return self._state()

    @_answering
    def export(self, _request: Any, content: dict) -> Any:
        """Write tables into the folder of the session."""
        from starlette.responses import JSONResponse

        (kind,) = _check_keys(content, "kind")
        if kind not in EXPORTS:
            raise _Refused("There is no such export.")
        files, n_candidates = self._session.export(kind)
        more = f" and {len(files) - 1} more" if len(files) > 1 else ""
        said = f"{plural(n_candidates, 'candidate')} written to {files[0]}{more}"
        return JSONResponse({"told": said, "files": [str(one) for one in files]})

    def _row(self, request: Any) -> int:
        row = request.path_params["row"]
        if not 0 <= row < len(self._session):
            raise _Refused("There is no such candidate.")
        return row

    def _low_pass(self, request: Any) -> int:
        return _number(request, "low_pass", LOW_PASSES[0], LOW_PASSES[-1])

    def _box(self, row: int) -> Any:
        return self._session.boxes([row])[0]

    def _tomogram(self, name: str) -> Any:
        from sksubtomo.io import open_volume

        with self._slice_lock:
            if name not in self._opened:
                self._opened[name] = open_volume(self._session.tomograms[name])
            return self._opened[name]


def _number(request: Any, name: str, least: int, most: int) -> int:
    text = request.query_params.get(name, str(least))
    if not (text.isascii() and text.isdecimal() and len(text) < 17 and least <= int(text) <= most):
        raise _Refused(f"{name} must be a whole number from {least} to {most}.")
    return int(text)


def _image(content: bytes) -> Any:
    from starlette.responses import Response

    return Response(content, media_type="image/png", headers=_KEEP)
