"""Serving the labeling page."""

from __future__ import annotations

import getpass
import ipaddress
import logging
import secrets
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from sksubtomo.labeling._app import make_app

if TYPE_CHECKING:
    from sksubtomo.labeling._session import LabelingSession

LOOPBACK = "127.0.0.1"
_BYTES_OF_TOKEN = 24

logger = logging.getLogger("sksubtomo")


def serve(
    session: LabelingSession,
    *,
    host: str = LOOPBACK,
    port: int = 0,
    tell: Callable[[str], None] | None = None,
) -> None:
    """Serve the labeling page of a session until Ctrl-C.

    Parameters
    ----------
    session : LabelingSession
        What is labeled.
    host : str, default="127.0.0.1"
        Address to listen on. Anything but this computer's own lets others on the network in who
        have the token, unencrypted, and is warned of.
    port : int, default=0
        Port; 0 takes a free one.
    tell : callable, optional
        Called with the lines that tell the address; by default, they are logged.

    Raises
    ------
    ImportError
        If Starlette or uvicorn are not installed; they come with ``sksubtomo[label]``.
    OSError
        If the address cannot be listened on.
    """
    try:
        import uvicorn
    except ImportError as error:
        raise ImportError(
            "The labeling page needs the package uvicorn: pip install 'sksubtomo[label]'"
        ) from error
    token = secrets.token_urlsafe(_BYTES_OF_TOKEN)
    is_loopback = _is_loopback(host)
    names = {"localhost"} if is_loopback else {"localhost", host.lower(), *_own_names()}
    app = make_app(session, token, host_names=names, only_loopback=is_loopback)
    with listen(host, port) as listening:
        port = listening.getsockname()[1]
        if not is_loopback:
            logger.warning(
                "--host %s: whoever can reach this computer over the network and sees the address "
                "below can label, and nothing is encrypted. An SSH tunnel is safe.",
                host,
            )
        for line in _addresses(host, port, token, is_loopback=is_loopback):
            (tell or logger.info)(line)
        # As soon as there is somebody to look, what the recommended queue needs is computed.
        session.prepare(background=True)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, date_header=False
        )
        try:
            uvicorn.Server(config).run(sockets=[listening])
        finally:
            session.stop()


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns off the delay of small packets only where the protocol is named: 40 ms an image.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError:
        listening.close()
        raise
    return listening


def _addresses(host: str, port: int, token: str, *, is_loopback: bool) -> list[str]:
    shown = f"[{host}]" if ":" in host else host
    if host in ("0.0.0.0", "::"):
        shown = socket.gethostname()
    lines = [f"Label at http://{shown}:{port}/{token}/ (end with Ctrl-C)."]
    if is_loopback:
        lines.append(
            "From another computer: ssh -N -L "
            f"{port}:{shown}:{port} {_user()}@{socket.gethostname()}, then open the address there."
        )
    return lines


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _own_names() -> set[str]:
    return {socket.gethostname().lower(), socket.getfqdn().lower()}


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "USER"
