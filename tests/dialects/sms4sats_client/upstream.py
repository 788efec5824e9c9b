"""An sms4sats server that answers what a test tells it to, and remembers what it was asked.

The recorded answers are those of the documents: the order status, and the pages around it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from aiohttp import web

KEY = "key-of-the-account"
ORDER = "3ad4d4e4a3f1c2b09a1d9f0b7e6c5d4c3b2a19080706050403020100ffeeddcc"


@dataclass(frozen=True)
class Asked:
    """A request that came. Names of headers are lower case."""

    method: str
    path: str
    raw_query: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)

    @property
    def shows_key(self) -> bool:
        """Whether the account's key came with it."""
        return "x-api-key" in self.headers


@dataclass(frozen=True)
class Raw:
    """An answer of any bytes. `cut`: the connection ends after so many bytes of the body."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None


class Cut:
    """The connection is closed when the request was read."""


@dataclass(frozen=True)
class Slow:
    """An answer that takes some real seconds."""

    answer: dict[str, Any]
    seconds: float


class Mute:
    """Nothing is answered at all."""


What: TypeAlias = Raw | Cut | Slow | Mute | dict[str, Any] | list[Any]
Script: TypeAlias = What | Callable[[Asked], What]


def told(data: Any, status: int = 200, **headers: str) -> Raw:
    """JSON."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Raw(status, json.dumps(data).encode(), named)


def no(reason: str, status: int = 500, **headers: str) -> Raw:
    """The documented envelope."""
    return told({"status": "error", "reason": reason}, status, **headers)


HTML = Raw(502, b"<html><h1>502 Bad Gateway</h1></html>", {"Content-Type": "text/html"})
GARBAGE = Raw(200, b"\x00\xff<<<")
LIST = told([])
LIMITED = no("too many requests", 429, Retry_After="7")
UNABLE = no("unable to save data")

OK = {"status": "OK"}
BALANCE = {"status": "OK", "balance": 21_000}
CREATED = {"status": "OK", "orderId": ORDER, "payreq": "paid"}
INVOICE = CREATED | {"payreq": "lnbc15u1p3xnhl2pp5jptserfk3zk4qy42tlucycrfwxhydvlemu9pqr93tuzlv9cc7g3s"}

PAID = {"status": "OK", "paid": True, "timestamp": 1666613400000}
NUMBERED = {
    "status": "OK",
    "paid": True,
    "id": 1125699791,
    "number": 12345678901,
    "timestamp": 1666613400969,
    "country": "India",
    "service": "openAI",
}
CODED = NUMBERED | {"code": 48010, "timestamp": 1666613406969}
NO_NUMBER_WHY = (
    "No available number, payment request is canceled. Your funds are returned to your wallet automatically."
)
NO_NUMBER = {"status": "OK", "paid": True, "error": NO_NUMBER_WHY}
TEXTED = {
    "status": "OK",
    "paid": True,
    "id": "SMfa2be998e8913565cbbd5f750e32b1b5",
    "smsStatus": "created",
    "timestamp": 1666613406969,
}


def texted(state: str, **over: Any) -> dict[str, Any]:
    """The status of a send order."""
    return TEXTED | {"smsStatus": state} | over


class Upstream:
    """Answers by method and path. Of several answers each is given once, the last one for ever."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.most_at_once = 0
        self._scripts: dict[tuple[str, str], list[Script]] = {}
        self._at_once = 0
        self._silent = asyncio.Event()
        self._runner: web.ServerRunner | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._port}"

    def on(self, call: str, *answers: Script) -> None:
        """What is answered to a call, such as 'GET /balance'."""
        method, path = call.split()
        self._scripts[method, path] = list(answers)

    def calls(self, call: str) -> list[Asked]:
        """How it was asked this."""
        method, path = call.split()
        return [asked for asked in self.asked if (asked.method, asked.path) == (method, path)]

    def times(self, call: str) -> int:
        """How often it was asked this."""
        return len(self.calls(call))

    async def start(self) -> None:
        """Begin to answer."""
        self._runner = web.ServerRunner(web.Server(self._serve), shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Hang up; it may be started again at the same place."""
        self._silent.set()
        if self._runner is not None:
            await self._runner.cleanup()
        self._silent.clear()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = await request.read()
        asked = Asked(
            request.method, request.path, request.url.raw_query_string, request.query, headers, body
        )
        self.asked.append(asked)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await asyncio.sleep(0)
            return await self._answer(request, self._what(asked))
        finally:
            self._at_once -= 1

    async def _answer(self, request: web.BaseRequest, what: What) -> web.StreamResponse:
        if isinstance(what, Slow):
            await asyncio.sleep(what.seconds)
            what = what.answer
        if isinstance(what, dict | list):
            what = told(what)
        if isinstance(what, Mute):
            await self._silent.wait()
        if isinstance(what, Raw) and what.cut is None:
            return web.Response(status=what.status, body=what.body, headers=dict(what.headers))
        response = web.StreamResponse()
        if isinstance(what, Raw):
            response.content_length = len(what.body)
            await response.prepare(request)
            await response.write(what.body[: what.cut])
        if request.transport is not None:
            request.transport.close()
        return response

    def _what(self, asked: Asked) -> What:
        scripts = self._scripts.get((asked.method, asked.path))
        if scripts is None:
            return no("not found", 404)
        script = scripts.pop(0) if len(scripts) > 1 else scripts[0]
        return script(asked) if callable(script) else script
