"""A service reached over HTTP that has orders to tell of: a real Ulak's doors, or answers of a test's own."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, TypeAlias

from aiohttp import web

from ulak.dialects.door import Reply

Handler: TypeAlias = Callable[[str, bytes], Awaitable[Reply]]
"""Answers a path and a body."""


@dataclass
class Asked:
    """A request that came: the operation and what stands under `request`."""

    operation: str
    request: dict[str, Any]


@dataclass
class Vendor:
    """Listens at `url`. `on_request` is called with every request before it is answered."""

    handler: Handler
    asked: list[Asked] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    on_request: Callable[[Asked], None] = lambda _asked: None
    url: str = ""
    _runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def close(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        asked = Asked(request.path.split("/")[2], json.loads(body)["request"])
        self.asked.append(asked)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            self.on_request(asked)
            reply = await self.handler(request.path, body)
        finally:
            self.at_once -= 1
        headers = {name.decode(): value.decode() for name, value in reply.headers}
        return web.Response(
            status=reply.status, body=reply.body, headers=headers | {"Content-Type": "application/json"}
        )

    def windows(self) -> list[tuple[date, date]]:
        """The days that lists were asked for, each once, in order."""
        filters = [asked.request["filter"] for asked in self.asked if asked.operation == "get-reports"]
        pairs = [(date.fromisoformat(f["start"]), date.fromisoformat(f["end"])) for f in filters]
        return list(dict.fromkeys(pairs))

    def times(self, operation: str) -> int:
        """How often something was asked."""
        return sum(asked.operation == operation for asked in self.asked)


def days_of(windows: list[tuple[date, date]]) -> list[date]:
    """Every day of some windows."""
    return [first + timedelta(n) for first, last in windows for n in range((last - first).days + 1)]


def told(response: dict[str, Any], status: int = 200, code: Any = None, **headers: str) -> Reply:
    """An answer in the envelope; its code may be spelled otherwise."""
    envelope = {"status": {"code": status if code is None else code, "message": "x"}} | response
    pairs = tuple((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items())
    return Reply(status, json.dumps({"response": envelope}).encode(), headers=pairs)
