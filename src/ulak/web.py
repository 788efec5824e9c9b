"""The one HTTP port: which dialect owns a path, how much may come in and how long that may take.

Bare ASGI, because a framework between the server and a door costs more than the door. What a dialect is
asked is always answered by that dialect, also when its code breaks.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Protocol

import structlog

from ulak import logs
from ulak.core.points import point
from ulak.dialects.door import Call, Dialect, Reply, Trouble

BODY_MAX = 16 * 1024 * 1024
"""Bytes of a request's body; 50,000 numbers take less than one megabyte."""

BODY_SECONDS = 30.0
"""A body has to be here in this time. The server itself would wait for ever."""

REQUESTS_MAX = 4_000
"""Requests that are worked on at a time, from the end of their bodies on. What the store does with so many
takes a second or two; whoever comes then is refused, and told when to come again."""

BODIES_MAX = 256 * 1024 * 1024
"""Bytes that all bodies may take that are here or on their way; beyond it no large one is let in."""

SMALL_BODY = 64 * 1024
"""Bytes up to which a body is always let in."""

OWN = frozenset(("/healthz", "/readyz", "/metrics", "/api/manifest.json", "/panel", "/ulak/v1"))
OWN_BELOW = ("/panel/", "/ulak/v1/")
"""Paths that are Ulak's own, and those with everything below them, whatever a dialect's prefix covers."""

# Who sends none of these sends no body (RFC 9112, section 6.3).
_BODY_HEADERS = frozenset((b"content-length", b"transfer-encoding"))

_CLOSE = (b"connection", b"close")
_SOON = ((b"retry-after", b"1"),)

# What a proxy says for others; without a proxy that we trust, a caller on this machine is none if he says it.
_FOR_OTHERS = frozenset((b"x-forwarded-for", b"forwarded", b"x-real-ip", b"via"))

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")

# An answer of this status has neither a body nor a word about one (RFC 9110, section 8.6).
_NO_CONTENT = 204

_UNREADABLE = Reply(400, b'{"error":"this is no HTTP request"}')

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Networks = Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]

_NOT_FOUND = Reply(404, b'{"error":"not found"}')
_UNAUTHORIZED = Reply(401, b'{"error":"a token is needed"}', headers=((b"www-authenticate", b"Bearer"),))

log = structlog.get_logger("ulak.web")


class Watcher(Protocol):
    """Is told of every answer."""

    def answered(self, prefix: str, path: str, status: int, seconds: float) -> None:
        """What was asked of the dialect with this prefix (empty: it is Ulak's own) got its answer."""


class Web:
    """The ASGI application."""

    def __init__(
        self,
        dialects: Sequence[tuple[str, Dialect]],
        ready: Callable[[], Awaitable[dict[str, object]]],
        *,
        trusted_proxies: Networks = (),
        pages: Mapping[str, Reply] = MappingProxyType({}),
        metrics: Callable[[], Awaitable[Reply]] | None = None,
        metrics_token: str | None = None,
        watcher: Watcher | None = None,
        name: str = "",
    ) -> None:
        """`dialects` are (prefix, dialect) in the order they are tried; `ready` says what is not in order:
        an object whose `ready` is true or false; `pages` are what always stands at some of Ulak's own paths.

        A dialect at "/" gets every path that is nobody's. What is Ulak's own stays so, unless a prefix lies
        within it. `metrics` are shown to callers on this machine, and to others with the token. `name` is
        that of this process: ids of requests begin with it.
        """
        self._dialects = list(dialects)
        self._within_own = [entry for entry in dialects if entry[0].startswith(OWN_BELOW)]
        self._ready = ready
        self._room = _Room()
        self._working = 0
        self._proxies = tuple(trusted_proxies)
        self._pages = pages
        self._metrics = metrics
        self._token = metrics_token
        self._watcher = watcher
        self._name = name
        self._serial = 0
        self.under_way = 0
        """Requests without an answer yet."""
        self.stopping = False
        """No longer ready, whatever else is well: whoever shares out requests shall send them elsewhere."""

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return
        began = time.perf_counter()
        path: str = scope["path"]
        request_id = self._request_id(scope)
        self.under_way += 1
        try:
            prefix, dialect = self._owner(path)
            if dialect is None:
                reply = await self._own(path, scope)
            else:
                reply = await self._through(dialect, scope, receive)
            if self._watcher is not None:
                self._watcher.answered(prefix, path, reply.status, time.perf_counter() - began)
            if self.stopping and _CLOSE not in reply.headers:
                reply = replace(reply, headers=(*reply.headers, _CLOSE))
            await _answer(reply, send, request_id)
        finally:
            self.under_way -= 1

    def _request_id(self, scope: dict[str, Any]) -> bytes:
        """What this request is called in the log and in its answer: what a proxy that we trust calls it, or a
        name of ours."""
        self._serial += 1
        found = b"%b-%x" % (self._name.encode(), self._serial)
        if self._proxies and scope.get("client") and self._trusted(scope["client"][0]):
            told = [value for name, value in scope["headers"] if name == b"x-request-id"]
            found = told[0] if told and _REQUEST_ID.fullmatch(told[0]) else found
        logs.request.set(found)
        return found

    def unreadable(self, path: str) -> Reply:
        """The answer to what is no HTTP request, as far as can be seen one for this path."""
        _, dialect = self._owner(path)
        if dialect is None:
            return _UNREADABLE
        return dialect.trouble(Call("", path, b"", (), b"", ""), Trouble.BODY_INCOMPLETE)

    def _owner(self, path: str) -> tuple[str, Dialect | None]:
        """The dialect that has a path, and its prefix; None: it is Ulak's own, or nobody's."""
        is_own = path in OWN or path.startswith(OWN_BELOW)
        for prefix, dialect in self._within_own if is_own else self._dialects:
            if path.startswith(prefix):
                return prefix, dialect
        return "", None

    async def _through(self, dialect: Dialect, scope: dict[str, Any], receive: Receive) -> Reply:
        """Read the request and let the dialect answer it, whatever happens."""
        body, trouble = await _body(scope, receive, self._room)
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
        self._working += 1
        try:
            point("http.read")
            if self._working > REQUESTS_MAX:
                return dialect.trouble(call, Trouble.OVERLOADED)
            reply = await dialect.answer(call)
            point("http.answering")
            return reply
        except asyncio.CancelledError:
            # The server stops and waits no longer. Nobody knows what became of the call, as after a crash.
            return dialect.trouble(call, Trouble.CRASHED)
        except Exception:
            log.exception("door.crashed", path=call.path)
            return dialect.trouble(call, Trouble.CRASHED)
        finally:
            self._working -= 1
            self._room.leave(len(body))

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

    async def _own(self, path: str, scope: dict[str, Any]) -> Reply:
        """What is Ulak's own, and what is nobody's."""
        if path == "/healthz":
            return Reply(200, b'{"alive":true}')
        if path == "/readyz":
            return await self._readiness(scope)
        if path == "/metrics" and self._metrics is not None:
            if self._is_insider(scope):
                return await self._metrics()
            return _NOT_FOUND if self._token is None else _UNAUTHORIZED
        return self._pages.get(path) or _NOT_FOUND

    async def _readiness(self, scope: dict[str, Any]) -> Reply:
        """Whether we are ready; to others than insiders nothing but that."""
        import msgspec

        state = await self._ready()
        if self.stopping:
            state = {**state, "ready": False, "stopping": True}
        shown = state if self._is_insider(scope) else {"ready": state["ready"]}
        body = msgspec.json.encode(shown)
        return Reply(200, body) if state["ready"] else Reply(503, body, headers=_SOON)

    def _is_insider(self, scope: dict[str, Any]) -> bool:
        """Whether a caller may see how the server is doing: on this machine, or with the token.

        A caller on this machine that speaks for others is a proxy. Unless we were told to trust it, nobody
        knows for whom.
        """
        if self._token is not None:
            wanted = b"Bearer " + self._token.encode()
            given = [value for name, value in scope["headers"] if name == b"authorization"]
            if given and hmac.compare_digest(given[0], wanted):
                return True
        caller = self._caller(scope)
        if not _is_loopback(caller):
            return False
        peer: str = scope["client"][0]
        return self._trusted(peer) or not any(name in _FOR_OTHERS for name, _ in scope["headers"])


def _is_loopback(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return (getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback


class _Room:
    """What the bodies of all requests take together."""

    def __init__(self) -> None:
        self._taken = 0

    def take(self, size: int, before: int = 0) -> bool:
        """Make room for so many bytes of a body that has some already; whether there is any."""
        if before + size > SMALL_BODY and self._taken + size > BODIES_MAX:
            return False
        self._taken += size
        return True

    def leave(self, size: int) -> None:
        """So many bytes are gone."""
        self._taken -= size


async def _body(scope: dict[str, Any], receive: Receive, room: _Room) -> tuple[bytes, Trouble | None]:
    """The whole body, or why there is none. A body that is too large is read no further.

    It has its room until the caller leaves it.
    """
    if scope["method"] == "GET" and not any(name in _BODY_HEADERS for name, _ in scope["headers"]):
        return b"", None
    chunks: list[bytes] = []
    size = 0
    trouble: Trouble | None = None
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while trouble is None:
                event = await receive()
                chunk = event.get("body", b"")
                if event["type"] != "http.request":
                    trouble = Trouble.BODY_INCOMPLETE
                elif size + len(chunk) > BODY_MAX or (
                    event.get("more_body") and _announced(scope) > BODY_MAX
                ):
                    trouble = Trouble.BODY_TOO_LARGE
                elif not room.take(len(chunk), size):
                    trouble = Trouble.OVERLOADED
                else:
                    size += len(chunk)
                    chunks.append(chunk)
                    if not event.get("more_body"):
                        return (chunks[0] if len(chunks) == 1 else b"".join(chunks)), None
    except TimeoutError:
        trouble = Trouble.BODY_INCOMPLETE
    room.leave(size)
    return b"", trouble


def _announced(scope: dict[str, Any]) -> int:
    """The size that the request says its body has."""
    return max(
        (int(v) for name, v in scope["headers"] if name == b"content-length" and v.isdigit()), default=0
    )


async def _answer(reply: Reply, send: Send, request_id: bytes) -> None:
    headers = [*reply.headers, (b"x-request-id", request_id)]
    if reply.status != _NO_CONTENT:
        headers.append((b"content-type", reply.content_type))
        headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
