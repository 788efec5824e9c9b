"""The HTTP port itself: limits of a body, callers behind proxies, and answers when something breaks."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from ulak import logs, web
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
        self.request_id = b""

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
        self.request_id = dict(start["headers"])[b"x-request-id"]
        wanted = None if start["status"] == 204 else str(len(body["body"])).encode()
        assert dict(start["headers"]).get(b"content-length") == wanted
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
    assert (await echo("/nothing"))[0] == 404
    assert (await echo("/metrics"))[0] == 404


async def metrics() -> Reply:
    return Reply(200, b"counted")


PROXY = (b"x-forwarded-for", b"192.0.2.9")


@pytest.mark.parametrize(
    ("client", "headers", "status"),
    [
        ("127.0.0.1", [], 200),
        ("::1", [], 200),
        ("::ffff:127.0.0.1", [], 200),
        ("192.0.2.7", [], 401),
        ("", [], 401),
        # A proxy on this machine, whoever it speaks for; unless we trust it, and it says that it is us.
        ("127.0.0.1", [PROXY], 401),
        ("127.0.0.1", [(b"via", b"1.1 x")], 401),
        ("10.0.0.1", [PROXY], 401),
        ("10.0.0.1", [(b"x-forwarded-for", b"127.0.0.1")], 200),
        ("10.0.0.1", [(b"x-forwarded-for", b"127.0.0.1, 192.0.2.9")], 401),
        ("192.0.2.7", [(b"authorization", b"Bearer for-the-machine-that-looks")], 200),
        ("192.0.2.7", [(b"authorization", b"Bearer for-the-machine-that-look")], 401),
        ("192.0.2.7", [(b"authorization", b"for-the-machine-that-looks")], 401),
        ("192.0.2.7", [(b"authorization", "Bearer ğ".encode())], 401),
        ("192.0.2.7", [(b"x-forwarded-for", b"127.0.0.1")], 401),
    ],
)
async def test_who_sees_how_the_server_is_doing(
    client: str, headers: list[tuple[bytes, bytes]], status: int
) -> None:
    proxies = [ipaddress.ip_network("10.0.0.0/8")]
    app = Web([], ready, trusted_proxies=proxies, metrics=metrics, metrics_token="for-the-machine-that-looks")
    asgi = Asgi(app)
    assert (await asgi("/metrics", headers=headers, client=client))[0] == status
    seen = json.loads((await asgi("/readyz", headers=headers, client=client))[1])
    assert seen == {"ready": False} | ({"links": {"operator": "down"}} if status == 200 else {})


async def test_without_a_token_others_do_not_learn_that_there_are_metrics() -> None:
    asgi = Asgi(Web([], ready, metrics=metrics))
    assert await asgi("/metrics", client="127.0.0.1") == (200, b"counted")
    assert await asgi("/metrics") == await asgi("/nothing")
    assert (await asgi("/metrics", headers=[(b"authorization", b"Bearer None")]))[0] == 404


async def test_who_stops_is_not_ready() -> None:
    async def well() -> dict[str, object]:
        return {"ready": True, "database": "ok"}

    app = Web([], well)
    asgi = Asgi(app)
    assert await asgi("/readyz", client="127.0.0.1") == (200, b'{"ready":true,"database":"ok"}')
    app.stopping = True
    stopping = b'{"ready":false,"database":"ok","stopping":true}'
    assert await asgi("/readyz", client="127.0.0.1") == (503, stopping)
    assert (await asgi("/healthz"))[0] == 200


async def test_a_request_has_a_name_that_is_in_its_answer_and_in_the_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Another test may have had this logger made with other processors.
    monkeypatch.setattr("ulak.web.log", structlog.get_logger("ulak.web"))
    asgi = Asgi(Web([("/v1/", Echo())], ready, name="a1", trusted_proxies=[ipaddress.ip_network("10.0.0.1")]))
    with capture_logs(processors=[logs.named]) as lines:
        await asgi("/v1/crash", client="10.0.0.1", headers=[(b"x-request-id", b"from-the-proxy")])
        assert asgi.request_id == b"from-the-proxy"
        for told in (b"", b"a b", b"x" * 65, "ğ".encode()):
            await asgi("/v1/crash", client="10.0.0.1", headers=[(b"x-request-id", told)])
        await asgi("/v1/crash", headers=[(b"x-request-id", b"from-anybody")])
        assert asgi.request_id == b"a1-6"
    assert [line["request"] for line in lines] == [
        "from-the-proxy",
        *(f"a1-{count}" for count in range(2, 7)),
    ]


class Said:
    """A dialect that answers with its name."""

    def __init__(self, name: str, status: int = 200) -> None:
        self._reply = Reply(status, name.encode())

    async def answer(self, _call: Call) -> Reply:
        return self._reply

    def trouble(self, _call: Call, _what: Trouble) -> Reply:
        return self._reply


MOUNTED = [
    ("/hooks/", Said("hooks")),
    ("/v1/", Said("first")),
    ("/api/", Said("second")),
    ("/", Said("rest")),
]


@pytest.mark.parametrize(
    ("path", "owner"),
    [
        ("/", "rest"),
        ("/orderstatus", "rest"),
        ("/v1", "rest"),
        ("/v1/x", "first"),
        ("/hooks/c/s", "hooks"),
        ("/api/v1/consignments", "second"),
        ("/api/manifest.json.txt", "second"),
        ("/readyz/", "rest"),
        ("/healthzz", "rest"),
        ("/panels", "rest"),
        ("/ulak/v2/x", "rest"),
        ("//healthz", "rest"),
    ],
)
async def test_a_dialect_at_the_root_gets_what_is_nobodys(path: str, owner: str) -> None:
    assert await Asgi(Web(MOUNTED, ready))(path) == (200, owner.encode())


@pytest.mark.parametrize(
    "path",
    [
        "/metrics",
        "/panel",
        "/panel/",
        "/panel/orders",
        "/ulak/v1",
        "/ulak/v1/",
        "/ulak/v1/x",
        "/api/manifest.json",
    ],
)
async def test_what_is_ours_stays_ours(path: str) -> None:
    app = Asgi(Web(MOUNTED, ready))
    assert await app(path) == (404, b'{"error":"not found"}')
    assert (await app("/healthz")) == (200, b'{"alive":true}')
    assert (await app("/readyz"))[0] == 503


async def test_a_page_of_ours_stands_where_a_dialect_would_be() -> None:
    app = Asgi(Web(MOUNTED, ready, pages={"/api/manifest.json": Reply(200, b"{}")}))
    assert await app("/api/manifest.json") == (200, b"{}")
    assert await app("/metrics") == (404, b'{"error":"not found"}')


async def test_what_is_mounted_within_ours_is_asked() -> None:
    app = Asgi(Web([*MOUNTED, ("/ulak/v1/", Said("native")), ("/panel/x/", Said("page"))], ready))
    assert await app("/ulak/v1/lightning/pay") == (200, b"native")
    assert await app("/panel/x/y") == (200, b"page")
    assert (await app("/panel/y"))[0] == 404
    assert (await app("/ulak/v1"))[0] == 404


async def test_an_answer_without_content_has_no_word_about_one() -> None:
    assert await Asgi(Web([("/", Said("", 204))], ready))("/x") == (204, b"")


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


# Too much at a time.


async def test_who_comes_while_too_many_are_worked_on_is_refused_in_the_dialects_envelope(
    echo: Asgi, doors: Asgi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "REQUESTS_MAX", 2)
    waiting = [asyncio.create_task(echo("/v1/wait")) for _ in range(2)]
    await asyncio.sleep(0)
    assert await echo("/v1/x") == (400, Trouble.OVERLOADED.value.encode())
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert (await echo("/v1/x"))[0] == 200
    monkeypatch.setattr(web, "REQUESTS_MAX", 0)
    status, body = await doors("/v1/get-balance/json")
    assert (status, json.loads(body)["response"]["status"]["code"]) == (503, 503)


async def test_large_bodies_have_so_much_room_together(echo: Asgi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "BODIES_MAX", 300_000)
    large = chunk(bytes(200_000), more=False)
    first = asyncio.create_task(echo("/v1/wait", large))
    await asyncio.sleep(0)
    assert await echo("/v1/x", large) == (400, Trouble.OVERLOADED.value.encode())
    piece = chunk(bytes(60_000), more=True)
    assert await echo("/v1/x", *[piece] * 4) == (400, Trouble.OVERLOADED.value.encode())
    assert await echo("/v1/x", piece, chunk(b"", more=False)) == (200, b"192.0.2.7 60000")
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert (await echo("/v1/x", large))[0] == 200
