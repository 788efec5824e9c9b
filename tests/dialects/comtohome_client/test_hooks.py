"""Carriers that call us: who may, what is taken, and how little is said."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog
from tests.conftest import ClockedBooks

from ulak.core.callbacks import EventRow, read_secret, signed, write_secret
from ulak.core.errors import StoreUnavailable
from ulak.core.events import ConsignmentNews, EventKind
from ulak.core.shipping import News, Sighting
from ulak.core.states import ParcelState
from ulak.dialects.comtohome.callbacks import RENDERER, read_news
from ulak.dialects.comtohome.reading import parse, read_sighting
from ulak.dialects.door import Call, Reply, Trouble
from ulak.dialects.hooks import BODY_MAX, HookDoors
from ulak.service import carriers
from ulak.service.guard import Guard
from ulak.service.limits import Penalty
from ulak.store.vault import Vault

SECRET = "a-secret-of-the-address"
KEY = write_secret(b"k" * 32)
AT = 1_779_274_980_000
NEWS = ConsignmentNews(
    id=70001,
    uuid="0b7c2f1e-5a0d-4a57-9d55-3f2f6a1c9e10",
    barcode="C2H40516273849",
    state=ParcelState.OUT_FOR_DELIVERY,
    text="Dağıtımda",
    at=AT,
    stored=AT + 1000,
    reference="SO-1",
    tracking="RR1TR",
    location="Adana",
    carrier_id=3,
    carrier_name="Demo Kargo",
)
SEEN = Sighting(AT, ParcelState.OUT_FOR_DELIVERY, "Dağıtımda", "Adana", "114 OUT_FOR_DELIVERY Dağıtımda")


def body_of(news: ConsignmentNews = NEWS, kind: EventKind = EventKind.CONSIGNMENT_STATUS) -> bytes:
    event = EventRow(9, 1, kind, news.id, msgspec.json.encode(news), AT + 2000)
    return RENDERER.render(event).body


class Desk:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, str, tuple[Sighting, ...]]] = []
        self.broken: Exception | None = None

    async def take(self, carrier: int, tracking: str, sightings: Sequence[Sighting]) -> bool:
        if self.broken:
            raise self.broken
        self.told.append((carrier, tracking, tuple(sightings)))
        return True


class House:
    """A door with carriers behind it."""

    def __init__(self, books: ClockedBooks, directory: Path, guard: Guard | None = None) -> None:
        self.desk = Desk()
        self.clock = books.clock
        self._books = books
        self._vault = Vault(directory)
        self._doors = HookDoors(
            books, {"comtohome": read_news}, self.desk.take, self._vault, books.clock, guard
        )

    async def carrier(self, name: str = "B", kind: str = "comtohome", **settings: str) -> int:
        words = {"hook_secret": SECRET} | settings
        made = await self._books.write(
            lambda tx: carriers.add(tx, name, kind, words, lambda _words: None, self._vault)
        )
        return made.id

    async def remove(self, name: str) -> None:
        await self._books.write(lambda tx: carriers.remove(tx, name))

    async def post(
        self,
        path: str = f"/hooks/B/{SECRET}",
        body: bytes | None = None,
        method: str = "POST",
        **headers: str,
    ) -> Reply:
        given = tuple((key.replace("_", "-").encode(), value.encode()) for key, value in headers.items())
        content = body_of() if body is None else body
        return await self._doors.answer(Call(method, path, b"", given, content, "192.0.2.9"))

    def trouble(self, what: Trouble) -> Reply:
        return self._doors.trouble(Call("POST", "/hooks/B/x", b"", (), b"", ""), what)


@pytest.fixture
def house(books: ClockedBooks, tmp_path: Path) -> House:
    return House(books, tmp_path)


async def test_news_come_in(house: House) -> None:
    carrier = await house.carrier()
    reply = await house.post()
    assert (reply.status, reply.body) == (204, b"")
    assert house.desk.told == [(carrier, "RR1TR", (SEEN,))]


async def test_whoever_has_not_the_secret_learns_nothing(house: House) -> None:
    await house.carrier()
    await house.carrier("bare", hook_secret="")
    await house.carrier("other kind", "simulator")
    await house.carrier("gone", hook_secret="gone-secret-1234")
    await house.remove("gone")
    paths = [
        "/hooks/",
        "/hooks/B",
        "/hooks/B/",
        "/hooks/B/wrong",
        f"/hooks/B/{SECRET}/",
        f"/hooks/B/{SECRET}x",
        f"/hooks/C/{SECRET}",
        f"/hooks//{SECRET}",
        "/hooks/bare/",
        f"/hooks/other kind/{SECRET}",
        "/hooks/gone/gone-secret-1234",
        "/hooks/B/ü",
    ]
    replies = {await house.post(path) for path in paths}
    assert replies == {Reply(404, b'{"error":"not found"}')}
    assert house.desk.told == []


async def test_secrets_that_are_guessed(books: ClockedBooks, tmp_path: Path) -> None:
    house = House(books, tmp_path, Guard(Penalty(), books.clock))
    await house.carrier()
    replies = [await house.post(f"/hooks/B/guess{n}") for n in range(6)]
    assert [reply.status for reply in replies] == [404] * 4 + [429] * 2
    assert replies[-1].body == b'{"error":"too many wrong addresses"}'
    assert replies[-1].headers == ((b"retry-after", b"60"),)
    assert (await house.post()).status == 204
    books.clock.advance(60_000)
    assert (await house.post("/hooks/B/guess")).status == 404


async def test_a_name_may_have_blanks_and_letters_of_all_kinds(house: House) -> None:
    carrier = await house.carrier("İkinci Ulak")
    assert (await house.post(f"/hooks/İkinci Ulak/{SECRET}")).status == 204
    assert house.desk.told[0][0] == carrier


@pytest.mark.parametrize("body", [b"", b"<xml/>", b"[]", b'{"type":', b"\xff", b"[" * 50_000])
async def test_what_cannot_be_read_is_refused(house: House, body: bytes) -> None:
    await house.carrier()
    reply = await house.post(body=body)
    assert (reply.status, reply.body) == (400, b'{"error":"the body cannot be read"}')
    assert house.desk.told == []


async def test_other_trouble_has_its_own_answer(house: House) -> None:
    await house.carrier()
    assert (await house.post(method="GET")).status == 405
    assert (await house.post(body=b" " * (BODY_MAX + 1))).status == 413
    house.desk.broken = StoreUnavailable()
    reply = await house.post()
    assert (reply.status, reply.headers) == (503, ((b"retry-after", b"5"),))
    for what in Trouble:
        assert house.trouble(what).status >= 400
        assert "error" in msgspec.json.decode(house.trouble(what).body)


async def test_when_it_breaks_here_the_log_does_not_tell_the_secret(house: House) -> None:
    await house.carrier()
    house.desk.broken = RuntimeError("it broke")
    with structlog.testing.capture_logs() as logs:
        assert (await house.post()).status == 500
    assert logs == [{"event": "hook.crashed", "log_level": "error", "exc_info": True}]


# Signatures


async def test_a_signed_call_is_taken(house: House) -> None:
    await house.carrier(hook_key=KEY)
    body, seconds = body_of(), house.clock.now // 1000
    for when in (seconds, seconds - 299, seconds + 299):
        headers = signed(7, when, body, read_secret(KEY))
        assert (await house.post(body=body, **headers)).status == 204
    both = signed(7, seconds, body, b"another key") | {}
    both["webhook-signature"] += " " + signed(7, seconds, body, read_secret(KEY))["webhook-signature"]
    assert (await house.post(body=body, **both)).status == 204
    assert len(house.desk.told) == 4


async def test_a_signature_that_is_not_good_is_refused(house: House) -> None:
    await house.carrier(hook_key=KEY)
    body, seconds = body_of(), house.clock.now // 1000
    good = signed(7, seconds, body, read_secret(KEY))
    wrong: list[dict[str, str]] = [
        {},
        good | {"webhook-id": "msg_8"},
        good | {"webhook-timestamp": str(seconds - 1)},
        good | {"webhook-timestamp": "²"},
        good | {"webhook-timestamp": ""},
        good | {"webhook-signature": good["webhook-signature"].replace("v1,", "v2,")},
        good | {"webhook-signature": ""},
        good | {"webhook-signature": "v1, v1,ü"},
        signed(7, seconds, body, b"another key"),
        signed(7, seconds - 302, body, read_secret(KEY)),
        signed(7, seconds + 302, body, read_secret(KEY)),
        signed(7, seconds, body + b" ", read_secret(KEY)),
    ]
    for headers in wrong:
        reply = await house.post(body=body, **headers)
        assert (reply.status, reply.body) == (401, b'{"error":"the signature is not good"}'), headers
    assert house.desk.told == []


async def test_the_signature_is_that_of_standard_webhooks(house: House) -> None:
    await house.carrier(hook_key=KEY)
    body, seconds = body_of(), str(house.clock.now // 1000)
    content = b".".join((b"msg_x", seconds.encode(), body))
    digest = hmac.new(b"k" * 32, content, hashlib.sha256).digest()
    reply = await house.post(
        body=body,
        Webhook_Id="msg_x",
        Webhook_Timestamp=seconds,
        Webhook_Signature="v1," + b64encode(digest).decode(),
    )
    assert reply.status == 204


# What is told, and how it is read


def test_a_callback_has_its_form() -> None:
    rendered = RENDERER.render(
        EventRow(9, 1, EventKind.CONSIGNMENT_STATUS, 70001, msgspec.json.encode(NEWS), AT + 2000)
    )
    assert rendered.content_type == "application/json"
    assert rendered.body.decode() == (
        '{"id":"evt_9","type":"consignment.status_changed","created_at":"2026-05-20T14:03:02+03:00","data":{'
        '"consignment":{"id":70001,"uuid":"0b7c2f1e-5a0d-4a57-9d55-3f2f6a1c9e10","barcode":"C2H40516273849",'
        '"reference_no":"SO-1"},"event":{"consignment":{"id":70001},"status":114,"statusMessage":"Dağıtımda",'
        '"statusDatetime":"2026-05-20T14:03:00+03:00","provider":{"id":3,"name":"Demo Kargo"},'
        '"createdAt":"2026-05-20T14:03:01+03:00","location":"Adana"},"tracking_code":"RR1TR"}}'
    )


def test_a_callback_about_little_has_its_form_as_well() -> None:
    draft = ConsignmentNews(
        id=1, uuid="u", barcode="b", state=ParcelState.DRAFT, text="", at=AT, stored=AT, paper_id=5
    )
    data: dict[str, Any] = msgspec.json.decode(body_of(draft, EventKind.DOCUMENT_CREATED))["data"]
    assert data["event"]["statusMessage"] == "New Draft"
    assert data["event"]["provider"] is None
    assert data["document"] == {"id": 5}
    assert data["tracking_code"] is None


@pytest.mark.parametrize("state", ParcelState)
def test_every_state_comes_back(state: ParcelState) -> None:
    news = msgspec.structs.replace(NEWS, state=state, text="")
    ((tracking, (seen,)),) = read_news({}, body_of(news))
    assert (tracking, seen.at, seen.state) == ("RR1TR", AT, state)


def test_it_is_the_same_sighting_as_when_the_server_is_asked() -> None:
    detail = {
        "status": 114,
        "status_name": "OUT_FOR_DELIVERY",
        "status_description": "Out for delivery",
        "message": "Dağıtımda",
        "status_datetime": "2026-05-20 14:03:00",
        "location": "Adana",
    }
    ((_, (seen,)),) = read_news({}, body_of())
    assert seen == read_sighting(detail) == SEEN


def test_what_tells_nothing_new_is_no_news_and_the_rest_asks_for_a_look() -> None:
    for kind in (EventKind.CONSIGNMENT_CREATED, EventKind.CONSIGNMENT_LABEL, EventKind.DOCUMENT_CREATED):
        assert read_news({}, body_of(kind=kind)) == []
    assert read_news({}, b'{"type":"x.y","data":{"tracking_code":"A"}}') == [News("A")]
    assert read_news({}, b'{"data":{"tracking_code":5}}') == [News("5")]
    assert read_news(
        {}, b'{"type":"consignment.status_changed","data":{"tracking_code":"A","event":[]}}'
    ) == [News("A")]
    for nothing in (b"{}", b'{"data":[]}', b'{"data":{"tracking_code":null}}'):
        assert read_news({}, nothing) == []
    cancelled = read_news({}, body_of(kind=EventKind.CONSIGNMENT_CANCELLED))
    assert cancelled == [News("RR1TR", (SEEN,))]
    assert parse(body_of())["type"] == "consignment.status_changed"
