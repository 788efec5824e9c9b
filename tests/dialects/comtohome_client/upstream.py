"""A server that answers what a test tells it to, over a socket, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

KEY = "key-of-the-account"
CODE = "RR123456785TR"


@dataclass(frozen=True)
class Asked:
    """A request that came. Names of headers are lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Raw:
    """An answer of any bytes. `cut`: the connection ends after so many bytes of the body."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None


class Cut:
    """The connection is closed when the request was read."""


class Mute:
    """Nothing is answered at all."""


@dataclass(frozen=True)
class Held:
    """An answer that is given only after something has happened."""

    answer: Raw
    until: Callable[[], Awaitable[object]]


What: TypeAlias = Raw | Cut | Mute | Held
Script: TypeAlias = What | Callable[[Asked], What]


def good(data: Any, status: int = 200, meta: Any = None, **headers: str) -> Raw:
    """It was done."""
    body = {"status": True, "message": None, "data": data} | ({"meta": meta} if meta is not None else {})
    return Raw(status, json.dumps(body).encode(), _named(headers))


def bad(*messages: str, status: int = 422, **headers: str) -> Raw:
    """It was not done."""
    body = {"status": False, "errors": [{"message": message} for message in messages]}
    return Raw(status, json.dumps(body).encode(), _named(headers))


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


class Scripted:
    """Answers by method and path. Of several answers each is given once, the last one for ever."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.most_at_once = 0
        self._scripts: dict[tuple[str, str], list[Script]] = {}
        self._at_once = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """Where it is."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def on(self, method: str, path: str, *answers: Script) -> None:
        """What is answered to this; `path` is everything after /api/v1."""
        self._scripts[method, "/api/v1" + path] = list(answers)

    def times(self, method: str, path: str) -> int:
        """How often this was asked."""
        return sum((asked.method, asked.path) == (method, "/api/v1" + path) for asked in self.asked)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._open):
            writer.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while (asked := await _request(reader)) is not None:
                self.asked.append(asked)
                self._at_once += 1
                self.most_at_once = max(self.most_at_once, self._at_once)
                await asyncio.sleep(0)
                what = self._what(asked)
                if isinstance(what, Held):
                    await what.until()
                    what = what.answer
                self._at_once -= 1
                if isinstance(what, Mute):
                    await reader.read()
                    return
                if isinstance(what, Cut) or await _answered(writer, what):
                    return
        except OSError:
            return
        finally:
            self._open.discard(writer)
            writer.close()

    def _what(self, asked: Asked) -> What:
        scripts = self._scripts.get((asked.method, asked.path.partition("?")[0]))
        if scripts is None:
            return bad("Not Found", status=404)
        script = scripts.pop(0) if len(scripts) > 1 else scripts[0]
        return script(asked) if callable(script) else script


async def _request(reader: asyncio.StreamReader) -> Asked | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    method, path, _ = head[0].split(" ", 2)
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(method, path, headers, body)


async def _answered(writer: asyncio.StreamWriter, what: Raw) -> bool:
    """Send it; whether the connection is to end now."""
    lines = [f"HTTP/1.1 {what.status} .", f"Content-Length: {len(what.body)}"]
    lines += [f"{name}: {value}" for name, value in what.headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode() + what.body[: what.cut])
    await writer.drain()
    return what.cut is not None


# Answers about the consignment 70001, as the server knows it.


def labels(*codes: str | None, url: str = "http://parcels.example/label") -> list[dict[str, Any]]:
    return [
        {"id": place, "tracking_code": code, "file_url": url, "label_type": 0, "tracking_type": 2}
        for place, code in enumerate(codes)
    ]


def started(*codes: str | None) -> Raw:
    return good(
        {
            "consignment": 70001,
            "barcode": "C2H40516273849",
            "c2hBarcode": "C2H40516273849",
            "providerTrackingCode": codes[0],
            "labels": labels(*codes),
            "uuid": "0b7c2f1e-5a0d-4a57-9d55-3f2f6a1c9e10",
        }
    )


def document(status: int = 1, *codes: str, details: list[Any] | None = None, **over: Any) -> Raw:
    fields = {"id": 70001, "status": status, "labels": labels(*codes), "details": details or []}
    return good(fields | over)


def detail(status: int, minute: int = 0, **over: Any) -> dict[str, Any]:
    return {
        "status": status,
        "message": f"event {status}",
        "status_datetime": f"2026-05-20 14:{minute:02}:00",
        "location": None,
    } | over


MISSING = bad("Consignment not found", status=404)
