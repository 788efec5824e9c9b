"""The HTTP port itself: limits of a body, callers behind proxies, and answers when something breaks."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from typing import Any

import pytest

from ulak import web
from ulak.dialects.door import Call, Reply, Trouble
from ulak.dialects.iletimerkezi.serve import Doors
from ulak.web import BODY_MAX, Web

UNREADABLE = {"response": {"status": {"code": 400, "message": "İstek çözümlenemedi"}}}


class Echo:
    """A dialect that shows what reached it; `/v1/crash` breaks, `/v1/wait` never ends."""

    async def answer(self, call: Call) -> Reply:
        if call.path == "/v1/wait":
            await asyncio.Event().wait()
        if call.path == "/v1/crash":
            raise RuntimeError("a fault of ours")
        return Reply(200, f"{call.address} {len(call.body)}".encode(), b"text/plain")

    def trouble(self, call: Call, what: Trouble) -> Reply:
        return Reply(400, what.value.encode(), headers=((b"x-path", call.path.encode()),))


async def ready() -> dict[str, object]:
    return {"ready": False, "links": {"operator": "down"}}


class Asgi:
    """Calls an application as a server would. `events` is what comes in; then there is silence."""

    def __init__(self, app: Web) -> None:
        self._app = app

    async def __call__(
        self,
        path: str,
        *events: dict[str, Any],
        headers: list[tuple[bytes, bytes]] | None = None,
        client: str = "192.0.2.7",
    ) -> tuple[int, bytes]:
        waiting = list(events or ({"type": "http.request", "body": b"{}", "more_body": False},))
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if not waiting:
                await asyncio.Event().wait()
            return waiting.pop(0)

        async def send(event: dict[str, Any]) -> None:
            sent.append(event)

        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "query_string": b"",
            "headers": headers or [],
            "client": (client, 4711),
        }
        await self._app(scope, receive, send)
        start, body = sent
        assert dict(start["headers"])[b"content-length"] == str(len(body["body"])).encode()
        return start["status"], body["body"]


def chunk(body: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


@pytest.fixture
def echo() -> Asgi:
    return Asgi(Web([("/v1/", Echo())], ready))


@pytest.fixture
def doors() -> Asgi:
    # No store behind it: what is asked here must be answered without one.
    return Asgi(Web([("/v1/", Doors(None))], ready))  # type: ignore[arg-type]


async def test_a_body_in_pieces_arrives_whole(echo: Asgi) -> None:
    answer = await echo("/v1/x", chunk(b"ab", more=True), chunk(b"", more=True), chunk(b"c", more=False))
    assert answer == (200, b"192.0.2.7 3")


async def test_the_largest_body_is_taken(echo: Asgi) -> None:
    half = bytes(BODY_MAX // 2)
    assert await echo("/v1/x", chunk(half, more=True), chunk(half, more=False)) == (
        200,
        f"192.0.2.7 {BODY_MAX}".encode(),
    )


async def test_one_byte_more_is_refused_in_the_dialects_envelope(doors: Asgi) -> None:
    half = bytes(BODY_MAX // 2)
    pieces = (chunk(half, more=True), chunk(half, more=True), chunk(b"x", more=True))
    status, body = await doors("/v1/send-sms/json", *pieces)
    assert (status, json.loads(body)) == (400, UNREADABLE)


async def test_a_body_announced_too_large_is_not_read(doors: Asgi) -> None:
    size = str(BODY_MAX + 1).encode()
    status, body = await doors(
        "/v1/send-sms/json", chunk(b"{", more=True), headers=[(b"content-length", size)]
    )
    assert (status, json.loads(body)) == (400, UNREADABLE)


async def test_a_body_that_never_ends_is_given_up(doors: Asgi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "BODY_SECONDS", 0.02)
    status, body = await doors("/v1/send-sms/json", chunk(b"{", more=True))
    assert (status, json.loads(body)) == (400, UNREADABLE)


async def test_a_caller_who_hangs_up_is_no_crash(echo: Asgi) -> None:
    answer = await echo("/v1/x", chunk(b"{", more=True), {"type": "http.disconnect"})
    assert answer == (400, Trouble.BODY_INCOMPLETE.value.encode())


async def test_a_crash_of_ours_has_the_dialects_envelope(echo: Asgi, doors: Asgi) -> None:
    assert await echo("/v1/crash") == (400, Trouble.CRASHED.value.encode())
    # Without a store the door breaks as soon as it asks it something.
    request = {"request": {"authentication": {"key": "k", "hash": "h"}}}
    status, body = await doors("/v1/get-balance/json", chunk(json.dumps(request).encode(), more=False))
    assert status == 500
    assert json.loads(body)["response"]["status"]["code"] == 500


async def test_a_server_that_stops_still_answers_in_the_dialects_envelope(echo: Asgi) -> None:
    waiting = asyncio.create_task(echo("/v1/wait"))
    await asyncio.sleep(0)
    waiting.cancel()
    assert await waiting == (400, Trouble.CRASHED.value.encode())


async def test_paths_of_nobody(echo: Asgi) -> None:
    assert (await echo("/healthz")) == (200, b'{"alive":true}')
    assert (await echo("/readyz")) == (503, b'{"ready":false,"links":{"operator":"down"}}')
    assert (await echo("/nothing"))[0] == 404


@pytest.mark.parametrize(
    ("client", "forwarded", "seen"),
    [
        ("192.0.2.7", b"203.0.113.9", "192.0.2.7"),  # not a proxy of ours: what it says counts for nothing
        ("10.0.0.1", b"203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", b"198.51.100.1, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", b"10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", b"", "10.0.0.1"),
        ("10.0.0.1", b"garbage", "garbage"),
    ],
)
async def test_callers_behind_proxies(client: str, forwarded: bytes, seen: str) -> None:
    app = Asgi(Web([("/v1/", Echo())], ready, trusted_proxies=[ipaddress.ip_network("10.0.0.0/8")]))
    _, body = await app("/v1/x", headers=[(b"x-forwarded-for", forwarded)], client=client)
    assert body.decode().rsplit(" ", 1)[0] == seen
