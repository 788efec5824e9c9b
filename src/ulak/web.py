"""The one HTTP port: which dialect owns a path, how much may come in and how long that may take.

Bare ASGI, because a framework between the server and a door costs more than the door. What a dialect is
asked is always answered by that dialect, also when its code breaks.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import structlog

from ulak.dialects.door import Call, Dialect, Reply, Trouble

BODY_MAX = 16 * 1024 * 1024
"""Bytes of a request's body; 50,000 numbers take less than one megabyte."""

BODY_SECONDS = 30.0
"""A body has to be here in this time. The server itself would wait for ever."""

OWN = frozenset(("/healthz", "/readyz", "/metrics", "/api/manifest.json", "/panel", "/ulak/v1"))
OWN_BELOW = ("/panel/", "/ulak/v1/")
"""Paths that are Ulak's own, and those with everything below them, whatever a dialect's prefix covers."""

# Who sends none of these sends no body (RFC 9112, section 6.3).
_BODY_HEADERS = frozenset((b"content-length", b"transfer-encoding"))

_CLOSE = (b"connection", b"close")

# An answer of this status has neither a body nor a word about one (RFC 9110, section 8.6).
_NO_CONTENT = 204

_UNREADABLE = Reply(400, b'{"error":"this is no HTTP request"}')

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Networks = Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]

log = structlog.get_logger("ulak.web")


class Web:
    """The ASGI application."""

    def __init__(
        self,
        dialects: Sequence[tuple[str, Dialect]],
        ready: Callable[[], Awaitable[dict[str, object]]],
        *,
        trusted_proxies: Networks = (),
        pages: Mapping[str, Reply] = MappingProxyType({}),
    ) -> None:
        """`dialects` are (prefix, dialect) in the order they are tried; `ready` says what is not in order:
        an object whose `ready` is true or false; `pages` are what always stands at some of Ulak's own paths.

        A dialect at "/" gets every path that is nobody's. What is Ulak's own stays so, unless a prefix lies
        within it.
        """
        self._dialects = list(dialects)
        self._within_own = [entry for entry in dialects if entry[0].startswith(OWN_BELOW)]
        self._ready = ready
        self._proxies = tuple(trusted_proxies)
        self._pages = pages

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return
        dialect = self._owner(scope["path"])
        if dialect is None:
            reply = await self._own(scope["path"])
        else:
            reply = await self._through(dialect, scope, receive)
        await _answer(reply, send)

    def unreadable(self, path: str) -> Reply:
        """The answer to what is no HTTP request, as far as can be seen one for this path."""
        dialect = self._owner(path)
        if dialect is None:
            return _UNREADABLE
        return dialect.trouble(Call("", path, b"", (), b"", ""), Trouble.BODY_INCOMPLETE)

    def _owner(self, path: str) -> Dialect | None:
        """The dialect that has a path; None: it is Ulak's own, or nobody's."""
        is_own = path in OWN or path.startswith(OWN_BELOW)
        for prefix, dialect in self._within_own if is_own else self._dialects:
            if path.startswith(prefix):
                return dialect
        return None

    async def _through(self, dialect: Dialect, scope: dict[str, Any], receive: Receive) -> Reply:
        """Read the request and let the dialect answer it, whatever happens."""
        body, trouble = await _body(scope, receive)
        call = Call(
            scope["method"],
            scope["path"],
            scope["query_string"],
            tuple(scope["headers"]),
            body,
            self._caller(scope),
        )
        if trouble is not None:
            # What is still to come of the body would be waited for, by us or by whoever comes next.
            reply = dialect.trouble(call, trouble)
            return replace(reply, headers=(*reply.headers, _CLOSE))
        try:
            return await dialect.answer(call)
        except asyncio.CancelledError:
            # The server stops and waits no longer. Nobody knows what became of the call, as after a crash.
            return dialect.trouble(call, Trouble.CRASHED)
        except Exception:
            log.exception("door.crashed", path=call.path)
            return dialect.trouble(call, Trouble.CRASHED)

    def _caller(self, scope: dict[str, Any]) -> str:
        """The caller's address: the nearest one that is not a proxy we trust."""
        address: str = scope["client"][0] if scope.get("client") else ""
        if not self._proxies or not self._trusted(address):
            return address
        forwarded = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        hops = b",".join(forwarded).decode("latin-1").split(",")
        for hop in reversed([hop.strip() for hop in hops if hop.strip()]):
            if not self._trusted(hop):
                return hop
            address = hop
        return address

    def _trusted(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._proxies)

    async def _own(self, path: str) -> Reply:
        """What is Ulak's own, and what is nobody's."""
        if path == "/healthz":
            return Reply(200, b'{"alive":true}')
        if path == "/readyz":
            import msgspec

            state = await self._ready()
            return Reply(200 if state["ready"] else 503, msgspec.json.encode(state))
        return self._pages.get(path) or Reply(404, b'{"error":"not found"}')


async def _body(scope: dict[str, Any], receive: Receive) -> tuple[bytes, Trouble | None]:
    """The whole body, or why there is none. A body that is too large is read no further."""
    if scope["method"] == "GET" and not any(name in _BODY_HEADERS for name, _ in scope["headers"]):
        return b"", None
    try:
        async with asyncio.timeout(BODY_SECONDS):
            event = await receive()
            if not event.get("more_body"):
                if event["type"] != "http.request":
                    return b"", Trouble.BODY_INCOMPLETE
                return event.get("body", b""), None
            if _announced(scope) > BODY_MAX:
                return b"", Trouble.BODY_TOO_LARGE
            chunks, size = [event["body"]], len(event["body"])
            while event.get("more_body"):
                event = await receive()
                if event["type"] != "http.request":
                    return b"", Trouble.BODY_INCOMPLETE
                chunks.append(event.get("body", b""))
                size += len(chunks[-1])
                if size > BODY_MAX:
                    return b"", Trouble.BODY_TOO_LARGE
            return b"".join(chunks), None
    except TimeoutError:
        return b"", Trouble.BODY_INCOMPLETE


def _announced(scope: dict[str, Any]) -> int:
    """The size that the request says its body has."""
    return max(
        (int(v) for name, v in scope["headers"] if name == b"content-length" and v.isdigit()), default=0
    )


async def _answer(reply: Reply, send: Send) -> None:
    headers = [*reply.headers]
    if reply.status != _NO_CONTENT:
        headers.append((b"content-type", reply.content_type))
        headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
