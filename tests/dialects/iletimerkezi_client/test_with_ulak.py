"""Ulak as the server of an account: the link and the doors understand each other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, TypeAlias

import pytest
import pytest_asyncio
from aiohttp import web
from tests.conftest import ClockedBooks
from tests.dialects.iletimerkezi.office import Customer, Office
from tests.dialects.iletimerkezi_client.conftest import FIRST, Desk, Linked
from tests.peers.accounts import Hours, Way

from ulak.core.ports import Accepted, Refused, Report, ReportState, Unknown
from ulak.dialects.door import Call
from ulak.dialects.iletimerkezi.connect import IletimerkeziLink

CREDIT = 1_000


class Hub:
    """Doors on a port. `lost`: so many answers to send-sms are not sent. `shut`: operations that nobody can
    have. The clock behind them is that of the link."""

    def __init__(self, office: Office, customer: Customer, books: ClockedBooks, hours: Hours) -> None:
        self.office = office
        self.customer = customer
        self.lost = 0
        self.shut: set[str] = set()
        self.asked: list[str] = []
        self.url = ""
        self._clock = books.clock
        self._hours = hours
        self._runner = web.ServerRunner(web.Server(self._serve), shutdown_timeout=0.1)

    async def start(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        await self._runner.cleanup()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        operation = request.path.split("/")[2]
        self.asked.append(operation)
        self._clock.now = max(self._clock.now, self._hours.now)
        if operation in self.shut:
            return web.Response(status=502)
        body = await request.read()
        reply = await self.office.doors.answer(Call("POST", request.path, b"", (), body, "192.0.2.9"))
        if operation == "send-sms" and self.lost:
            self.lost -= 1
            assert request.transport is not None
            request.transport.close()
        return web.Response(status=reply.status, body=reply.body)

    async def orders(self) -> list[dict[str, Any]]:
        """What the account's owner sees of its orders, with their recipients."""
        day = "2026-05-20"
        listed = await self.office.ask(self.customer, "get-reports", filter={"start": day, "end": day})
        return [
            (await self.office.ask(self.customer, "get-report", order={"id": str(each["id"])}))["order"]
            for each in listed["orders"]
        ]


Open: TypeAlias = Callable[..., Linked]


@pytest_asyncio.fixture
async def hub(books: ClockedBooks, hours: Hours) -> AsyncIterator[Hub]:
    office = Office(books)
    customer = await office.customer("shop", credit=CREDIT, senders=["ULAK", "BASKA"])
    found = Hub(office, customer, books, hours)
    await found.start()
    yield found
    await found.close()


@pytest_asyncio.fixture
async def linked(hub: Hub, hours: Hours, way: Way) -> AsyncIterator[Open]:
    made: list[Linked] = []

    def make(**settings: str) -> Linked:
        words = {"url": hub.url, "key": hub.customer.key, "hash": hub.customer.hash} | settings
        made.append(Linked(IletimerkeziLink(words, way, hours, hours.sleep, lambda: 0.5), Desk(), hours))
        return made[-1]

    yield make
    for each in made:
        await each.link.stop()


def ref(order: int, each: int) -> Accepted:
    return Accepted((f"{300_000_000 + order}:{FIRST + each}",))


async def test_an_order_and_its_reports(hub: Hub, linked: Open) -> None:
    link = await linked().start()
    assert link.desk.states == [(True, "the account answers; its balance is 1000 SMS or 0 TRY")]
    link.send(1, 2)
    link.send(3, text="Günaydın ığüşöç")
    link.send(4, sender="BASKA")
    await link.told(4)
    assert link.desk.outcome == {1: ref(1, 1), 2: ref(1, 2), 3: ref(1, 3), 4: ref(2, 4)}
    first, second = await hub.orders()
    assert [row["number"] for row in first["message"]] == [f"+{FIRST + each}" for each in (1, 2, 3)]
    assert (first["sender"], second["sender"], first["price"]) == ("ULAK", "BASKA", 3)
    news = {0: ReportState.DELIVERED, 1: ReportState.UNDELIVERED, 2: ReportState.DELIVERED}
    await hub.office.report(hub.customer, 300_000_001, news)
    await link.hours.until(lambda: len(link.desk.reported) == 3)
    assert link.desk.reported[1] == Report(
        f"300000001:{FIRST + 2}", FIRST + 2, ReportState.UNDELIVERED, "112"
    )
    await hub.office.report(hub.customer, 300_000_002, {0: ReportState.DELIVERED})
    await link.hours.until(lambda: len(link.desk.reported) == 4)


async def test_one_bad_text_among_good_ones(hub: Hub, linked: Open) -> None:
    link = await linked().start()
    link.send(1)
    link.send(2, text="ı" * 1_100)
    link.send(3, text="  ")
    link.send(4, text="Kod 4")
    await link.told(4)
    outcomes = link.desk.outcome
    assert outcomes[2] == Refused("453 Sipariş boyutu aşıldı")
    assert outcomes[3] == Refused("454 Mesaj metni boş")
    assert isinstance(outcomes[1], Accepted)
    assert isinstance(outcomes[4], Accepted)
    assert sum(order["total"] for order in await hub.orders()) == 2


async def test_a_sender_that_is_not_approved(linked: Open) -> None:
    link = await linked().start()
    link.send(1, sender="ulak")
    await link.told()
    assert link.desk.told == [(1, Refused("450 Gönderilen başlık kullanıma uygun değil"))]


async def test_an_order_whose_answer_was_lost(hub: Hub, linked: Open) -> None:
    link = await linked().start()
    hub.lost = 1
    link.send(1, 2)
    link.send(3, text="x")
    await link.told(3)
    assert link.desk.outcome == {1: ref(1, 1), 2: ref(1, 2), 3: ref(1, 3)}
    assert len(await hub.orders()) == 1


async def test_an_order_that_goes_again_is_known_by_its_composition(hub: Hub, linked: Open) -> None:
    link = await linked().start()
    hub.lost, hub.shut = 1, {"get-reports"}
    link.send(1, 2)
    await link.told(2)
    assert all(isinstance(said, Unknown) for said in link.desk.outcome.values())
    hub.shut.clear()
    link.send(3)
    link.again(1, 2)
    await link.told(3)
    assert link.desk.outcome == {1: ref(1, 1), 2: ref(1, 2), 3: ref(2, 3)}
    assert hub.asked.count("send-sms") == 3
    assert [order["total"] for order in await hub.orders()] == [2, 1]


async def test_the_same_again_goes_when_ten_minutes_are_over(hub: Hub, linked: Open) -> None:
    link = await linked().start()
    link.send(1)
    await link.told()
    link.send(2, to=FIRST + 1)
    await link.told(2)
    assert link.desk.outcome == {1: ref(1, 1), 2: ref(2, 1)}
    assert hub.asked.count("send-sms") == 3


@pytest.mark.parametrize("credit", [1, 7])
async def test_credit_that_is_too_small_is_used_up(hub: Hub, linked: Open, credit: int) -> None:
    link = await linked(rate="0", window="5000").start()
    link.send(*range(CREDIT + credit))
    await link.hours.until(lambda: not link.desk.up)
    await link.hours.pass_by(5)
    assert len(link.desk.told) >= CREDIT - 1
    assert all(isinstance(said, Accepted) for _, said in link.desk.told)
    assert hub.asked.count("send-sms") <= 50


async def test_an_account_whose_access_is_off(hub: Hub, linked: Open) -> None:
    link = linked(hash="wrong")
    await link.start()
    assert link.desk.states == [(False, "401 Üyelik bilgileri hatalı")]
    link.send(1)
    await link.hours.pass_by(600)
    assert link.desk.told == []
    assert "send-sms" not in hub.asked
