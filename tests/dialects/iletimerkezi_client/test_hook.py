"""The webhook of another server: what it tells of messages is stored before it is answered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from tests import cast
from tests.conftest import ClockedBooks

from ulak.core.callbacks import read_secret, signed, write_secret
from ulak.core.errors import StoreUnavailable
from ulak.core.ports import Accepted, Report
from ulak.core.shipping import News
from ulak.core.states import MessageState
from ulak.dialects.door import Call, Reply
from ulak.dialects.hooks import AGE_MAX, BODY_MAX, HookDoors
from ulak.dialects.iletimerkezi.connect import check_settings, read_news
from ulak.dialects.iletimerkezi.connect.reading import reference
from ulak.service import carriers
from ulak.store.engine import Sql
from ulak.store.vault import Vault

SECRET = "a-secret-of-the-address"
KEY = write_secret(b"k" * 32)
ORDER = "300000017"


class House:
    """A server with a carrier, and an order that the carrier took."""

    def __init__(self, books: ClockedBooks) -> None:
        self.books = books
        self.database = books.database
        self.alice = cast.alice(books.database)
        vault = Vault(books.database.directory)
        self.doors = HookDoors(books, {"iletimerkezi": read_news}, self._told, vault, books.clock)
        self._vault = vault

    async def _told(self, carrier: int, tracking: str, sightings: Sequence[Any]) -> None:
        raise AssertionError((carrier, tracking, sightings))

    async def carrier(self, **settings: str) -> int:
        words = {"key": "k", "hash": "h", "hook_secret": SECRET} | settings
        made = await self.books.write(
            lambda tx: carriers.add(tx, "up", "iletimerkezi", words, check_settings, self._vault)
        )
        return made.id

    def sent(self, carrier: int) -> list[int]:
        """An order of two messages that the carrier has taken; its numbers."""
        cast.place(self.database, self.alice, 2)
        (order,) = cast.claim(self.database, carrier=carrier)
        outcomes = [
            (cast.sent(self.database, order, row), Accepted((reference(ORDER, row.number),)))
            for row in order.rows
        ]
        cast.step(self.database, outcomes, [(order.id, order.last_id, order.last_id)], carrier=carrier)
        return [row.number for row in order.rows]

    def states(self) -> list[MessageState]:
        return [row.state for row in cast.report_of(self.database, self.alice, cast.FIRST).messages]

    async def post(self, told: Any, secret: str = SECRET, **headers: str) -> Reply:
        body = told if isinstance(told, bytes) else json.dumps(told).encode()
        given = tuple((name.encode(), value.encode()) for name, value in headers.items())
        return await self.doors.answer(Call("POST", f"/hooks/up/{secret}", b"", given, body, "192.0.2.9"))


def report(number: int, status: Any, **over: Any) -> dict[str, Any]:
    told = {"id": 1, "packet_id": int(ORDER), "status": status, "to": f"+{number}", "body": "Merhaba"}
    return {"report": told | over}


@pytest.fixture
def house(books: ClockedBooks) -> House:
    return House(books)


async def test_reports_come_in_and_have_their_effect_once(house: House) -> None:
    one, two = house.sent(await house.carrier())
    assert (await house.post(report(one, "accepted"))).status == 204
    assert house.states() == [MessageState.SENT] * 2
    for _ in range(2):
        assert (await house.post(report(one, "delivered"))).status == 204
        assert (await house.post(report(two, "112", packet_id=ORDER))).status == 204
    assert house.states() == [MessageState.DELIVERED, MessageState.UNDELIVERED]
    balance = cast.balance(house.database, house.alice)
    assert (balance.available, balance.held, balance.spent) == (999, 0, 1)


async def test_a_report_that_comes_before_its_answer_waits_for_it(house: House) -> None:
    carrier = await house.carrier()
    cast.place(house.database, house.alice, 1)
    (order,) = cast.claim(house.database, carrier=carrier)
    handed = cast.sent(house.database, order, order.rows[0])
    assert (await house.post(report(handed.number, "delivered"))).status == 204
    cast.step(house.database, [(handed, Accepted((reference(ORDER, handed.number),)))], carrier=carrier)
    assert house.states() == [MessageState.DELIVERED]


async def test_reports_in_any_order_and_of_anything_are_taken(house: House) -> None:
    one, two = house.sent(await house.carrier())
    calls: list[dict[str, Any]] = [
        report(one, "undelivered"),
        report(one, "accepted"),
        report(one, "delivered"),
        report(two, "delivered", packet_id=299_999_999),
        report(905_300_009_999, "delivered"),
        report(two, "sent"),
        {"report": {}},
    ]
    for told in calls:
        assert await house.post(told) == Reply(204, b"")
    assert house.states() == [MessageState.UNDELIVERED, MessageState.SENT]
    balance = cast.balance(house.database, house.alice)
    assert (balance.held, balance.spent) == (1, 0)


async def test_the_door_takes_only_so_much_and_only_from_who_knows_it(house: House) -> None:
    one, _ = house.sent(await house.carrier())
    body = json.dumps(report(one, "delivered")).encode().ljust(BODY_MAX + 1)
    assert (await house.post(body)).status == 413
    assert (await house.post(body, secret="another")).status == 404
    assert house.states()[0] is MessageState.SENT
    assert (await house.post(body[:-1])).status == 204
    assert house.states()[0] is MessageState.DELIVERED
    got = await house.doors.answer(Call("GET", f"/hooks/up/{SECRET}", b"", (), b"", "192.0.2.9"))
    assert got.status == 405


async def test_a_carrier_that_is_not_called_has_no_door(house: House) -> None:
    words = {"key": "k", "hash": "h"}
    await house.books.write(
        lambda tx: carriers.add(tx, "up", "iletimerkezi", words, check_settings, house._vault)
    )
    for secret in ("", "hook_secret", SECRET):
        assert (await house.post(b"{}", secret=secret)).status == 404


async def test_a_stranger_is_told_nothing_and_changes_nothing(house: House) -> None:
    one, _ = house.sent(await house.carrier())
    assert (await house.post(report(one, "delivered"), secret="another")).status == 404
    assert (await house.post(b"[]")).status == 400
    assert house.states() == [MessageState.SENT] * 2


async def test_a_carrier_with_a_key_signs_what_it_tells(house: House) -> None:
    one, _ = house.sent(await house.carrier(hook_key=KEY))
    body = json.dumps(report(one, "delivered")).encode()
    assert (await house.post(body)).status == 401
    for away in (-AGE_MAX - 1, AGE_MAX + 1):
        headers = signed(7, house.books.clock.now // 1000 + away, body, read_secret(KEY))
        assert (await house.post(body, **headers)).status == 401
    headers = signed(7, house.books.clock.now // 1000, body, read_secret(KEY))
    assert (await house.post(body, **headers)).status == 204
    assert house.states()[0] is MessageState.DELIVERED


async def test_what_is_not_stored_is_not_said_to_be(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    one, _ = house.sent(await house.carrier())

    def away(_kind: str, _item: Any) -> Any:
        raise StoreUnavailable

    monkeypatch.setattr(house.books, "gather", away)
    assert (await house.post(report(one, "delivered"))).status == 503
    assert house.states() == [MessageState.SENT] * 2


async def test_a_reader_may_tell_of_parcels_and_messages(house: House) -> None:
    told: list[str] = []

    async def take(_carrier: int, tracking: str, _sightings: Sequence[Any]) -> None:
        told.append(tracking)

    one, _ = house.sent(await house.carrier())
    reports = read_news({}, json.dumps(report(one, "delivered")).encode())
    found: list[News | Report] = [News("RR1TR"), *reports]
    doors = HookDoors(house.books, {"iletimerkezi": lambda *_: found}, take, house._vault, house.books.clock)
    reply = await doors.answer(Call("POST", f"/hooks/up/{SECRET}", b"", (), b"{}", "192.0.2.9"))
    assert (reply.status, told) == (204, ["RR1TR"])
    assert house.states()[0] is MessageState.DELIVERED


async def test_the_secrets_are_not_stored_in_the_clear(house: House) -> None:
    await house.carrier(key="K" * 32, hash="H" * 64, hook_key=KEY)
    ((document,),) = await house.books.read(lambda tx: tx.all(Sql("SELECT settings FROM carrier")))
    assert not any(secret in document for secret in ("K" * 32, "H" * 64, SECRET, KEY))
