"""What a request has to be before the labeling page looks at it."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any
from urllib.parse import urlsplit

_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

#: Nothing is loaded from elsewhere, framed, or run that is not a file of the page.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
_LARGEST_BODY = 10_000


class Guard:
    """Lets requests through to an app that have the token, a known host, and no foreign origin.

    The token is the first part of the path, and is taken off. The host has to be an address, which
    no DNS server can point elsewhere, or one of `host_names`: another site whose name is made to
    resolve to this computer (DNS rebinding) sends its own name.

    Parameters
    ----------
    app : ASGI application
        Sees requests that are let through.
    token : str
        First part of the path.
    host_names : collection of str
        Names by which the page may be reached, in lower case.
    only_loopback : bool, default=True
        Whether addresses have to be of this computer.
    """

    def __init__(
        self, app: Any, token: str, host_names: Collection[str], *, only_loopback: bool = True
    ) -> None:
        self.app, self.token = app, token
        self._host_names, self._only_loopback = frozenset(host_names), only_loopback

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        headers = [
            (name.decode("latin-1").lower(), value.decode("latin-1"))
            for name, value in scope["headers"]
        ]
        reason, status = self._refusal(scope, headers)
        send = _with_headers(send)
        if reason is not None:
            await _refuse(send, status, reason)
            return
        _, token, rest = (
            scope["path"].split("/", 2)
            if scope["path"].count("/") > 1
            else (*scope["path"].split("/", 1), None)
        )
        if rest is None:
            await _refuse(send, 307, "", [(b"location", f"/{token}/".encode())])
            return
        path = f"/{rest}"
        inner = {**scope, "path": path, "raw_path": path.encode(), "root_path": ""}
        await self.app(inner, receive, send)

    def _refusal(self, scope: _Scope, headers: list[tuple[str, str]]) -> tuple[str | None, int]:
        hosts = [value for name, value in headers if name == "host"]
        if len(hosts) != 1 or not self._is_known(hosts[0]):
            return "This host is not that of the labeling page.", 403
        given = scope["path"].split("/", 2)[1] if scope["path"].startswith("/") else ""
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            return "The token is wrong. Open the address that the terminal shows.", 403
        origins = [value for name, value in headers if name == "origin"]
        if any(not _is_same(origin, hosts[0]) for origin in origins):
            return "The request comes from another page.", 403
        sites = [value for name, value in headers if name == "sec-fetch-site"]
        if scope["method"] == "POST":
            if any(site not in ("same-origin", "none") for site in sites):
                return "The request comes from another page.", 403
            kinds = [value for name, value in headers if name == "content-type"]
            if [kind.partition(";")[0].strip().lower() for kind in kinds] != ["application/json"]:
                return "The request must be JSON.", 415
            lengths = [value for name, value in headers if name == "content-length"]
            if len(lengths) != 1 or not lengths[0].isdecimal():
                return "The request must say its length.", 411
            if int(lengths[0]) > _LARGEST_BODY:
                return "The request is too long.", 413
        return None, 200

    def _is_known(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        if not name or "@" in host or "/" in host:
            return False
        if name in self._host_names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or not self._only_loopback


def _is_same(origin: str, host: str) -> bool:
    scheme, _, rest = origin.partition("://")
    return scheme in ("http", "https") and rest.lower() == host.lower()


def _with_headers(send: _Send) -> _Send:
    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            own = {name.lower() for name, _ in message.get("headers", [])}
            more = [(n.encode(), v.encode()) for n, v in _HEADERS.items() if n.encode() not in own]
            if b"cache-control" not in own:
                more.append((b"cache-control", b"no-store"))
            message = {**message, "headers": [*message.get("headers", []), *more]}
        await send(message)

    return sending


async def _refuse(
    send: _Send, status: int, reason: str, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    start = [(b"content-type", b"text/plain; charset=utf-8"), *(headers or [])]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": reason.encode()})
