"""Links that break, come and go while the server works, and which of them an order goes by."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.chain.rig import CREDITS, Customer, Server, until
from tests.chain.smsc import Smsc

from ulak.service import audit

OpenSmsc = Callable[..., Awaitable[Smsc]]

FIRST = 905_340_000_001
RECIPIENTS = 200
WINDOW = 10
ADDED = 2.0
"""Seconds until a carrier that was added while the server runs is at work (design, section 8)."""

BUSY = 2.0
"""Seconds more, for a machine with other things to do."""


def _numbers(count: int = RECIPIENTS, first: int = FIRST) -> range:
    return range(first, first + count)


def _statuses(report: dict[str, Any]) -> dict[int, int]:
    """What became of each number."""
    return {int(row["number"]): row["status"] for row in report["message"]}


@pytest.mark.fault(
    "F3 link cut",
    "mid-campaign with a full window; what is in doubt goes again, waits, or fails",
)
class TestLinkDroppedMidCampaign:
    """A transmitter and a receiver, cut while the window is full of messages that were not answered."""

    async def _cut(self, server: Server, smsc: Smsc, policy: str) -> tuple[Customer, str, set[int]]:
        """The customer, its order, and the numbers whose messages are in doubt."""
        keys = server.account()
        server.carrier("pair", smsc.port, bind="transmitter+receiver", window=WINDOW, on_uncertain=policy)
        await server.start()
        customer = server.customer(keys)
        order = await customer.order("kampanya", _numbers())
        await until(lambda: len(smsc.submits) >= RECIPIENTS // 3, 15, "the campaign is under way")
        smsc.answering = False
        await until(lambda: len(smsc.unanswered) == WINDOW, 15, "the window is full")
        smsc.answering = True
        assert smsc.sessions == ["pair", "pair"]
        smsc.drop()
        await until(lambda: smsc.sessions == ["pair", "pair"], 15, "both are bound again")
        return customer, order, set(smsc.unanswered)

    async def _unsure(self, server: Server, doubt: str) -> set[int]:
        listed = await server.cli("message", "unsure", "list")
        return {int(message["number"]) for message in listed if message["doubt"] == doubt}

    async def _check_end(self, server: Server, customer: Customer, smsc: Smsc, delivered: int) -> None:
        assert smsc.numbers == set(_numbers())
        assert await customer.balance() == CREDITS - delivered
        assert server.read(audit.check) == []

    async def test_resend(self, server: Server, open_smsc: OpenSmsc) -> None:
        smsc = await open_smsc(answer_delay=(0.005, 0.015))
        customer, order, doubtful = await self._cut(server, smsc, "resend")
        report = await customer.final(order)
        assert set(_statuses(report).values()) == {111}
        assert {number for (number, _), times in smsc.counts.items() if times == 2} == doubtful
        assert smsc.repeats == WINDOW
        assert await self._unsure(server, "resent") == doubtful
        await self._check_end(server, customer, smsc, RECIPIENTS)

    async def test_hold(self, sqlite_server: Server, open_smsc: OpenSmsc) -> None:
        server, smsc = sqlite_server, await open_smsc(answer_delay=(0.005, 0.015))
        customer, order, doubtful = await self._cut(server, smsc, "hold")

        async def waiting() -> int:
            left: int = (await customer.report(order, rows=1))["waiting"]
            return left

        async def rest_is_final() -> bool:
            return await waiting() == WINDOW

        await until(rest_is_final, 15, "everything else is final")
        await asyncio.sleep(0.3)
        assert smsc.repeats == 0
        assert await self._unsure(server, "held") == doubtful
        assert (await server.cli("doctor"))["unsure_held"] == WINDOW

        listed = await server.cli("message", "unsure", "list")
        again = [message["id"] for message in listed[:4]]
        assert await server.cli("message", "unsure", "resend", *map(str, again)) == {"ids": again}
        await until(lambda: smsc.repeats == 4, 5, "four go again")
        gone = await server.cli("message", "unsure", "fail", "--all")
        assert len(gone["ids"]) == WINDOW - 4

        statuses = _statuses(await customer.final(order))
        resent = {int(message["number"]) for message in listed[:4]}
        assert {number for number, status in statuses.items() if status == 112} == doubtful - resent
        assert {number for (number, _), times in smsc.counts.items() if times == 2} == resent
        assert await self._unsure(server, "resent") == resent
        assert await self._unsure(server, "failed") == doubtful - resent
        await self._check_end(server, customer, smsc, RECIPIENTS - WINDOW + 4)

    async def test_fail(self, sqlite_server: Server, open_smsc: OpenSmsc) -> None:
        server, smsc = sqlite_server, await open_smsc(answer_delay=(0.005, 0.015))
        customer, order, doubtful = await self._cut(server, smsc, "fail")
        statuses = _statuses(await customer.final(order))
        assert {number for number, status in statuses.items() if status == 112} == doubtful
        assert smsc.repeats == 0
        assert await self._unsure(server, "failed") == doubtful
        await self._check_end(server, customer, smsc, RECIPIENTS - WINDOW)


async def test_an_order_waits_for_a_carrier_and_everybody_says_so(
    sqlite_server: Server, open_smsc: OpenSmsc
) -> None:
    server, smsc = sqlite_server, await open_smsc()
    keys = server.account()
    await server.start()
    customer = server.customer(keys)
    order = await customer.order("merhaba", [FIRST])
    status, state = await server.ready()
    assert (status, state["ready"], state["orders_waiting"]) == (503, False, 1)
    found = await server.cli("doctor")
    assert (found["ok"], found["no_carrier"]) == (True, [{"prefix": str(FIRST), "orders": 1}])
    assert (await customer.report(order))["status"] == 113

    words = [f"port={smsc.port}", "host=127.0.0.1", "system_id=late", "password=secret"]
    await server.cli("carrier", "add", "late", "--kind", "smpp", "--set", *words)
    assert await until(lambda: smsc.submits, ADDED + BUSY, "the new carrier sends") < ADDED + BUSY
    assert (await customer.final(order))["status"] == 114
    status, state = await server.ready()
    assert (status, state["ready"], state["links"], state["orders_waiting"]) == (200, True, {"late": "up"}, 0)
    assert (await server.cli("doctor"))["no_carrier"] == []


async def test_orders_of_a_removed_carrier_go_by_another(server: Server, open_smsc: OpenSmsc) -> None:
    first, second = await open_smsc(answer_delay=(0.02, 0.06)), await open_smsc()
    keys = server.account()
    server.carrier("first", first.port, window=WINDOW)
    server.carrier("second", second.port, window=WINDOW, priority=5)
    await server.start()
    customer = server.customer(keys)
    order = await customer.order("kampanya", _numbers())
    await until(lambda: len(first.submits) >= RECIPIENTS // 4, 15, "the first carrier is at work")
    assert second.submits == []  # Asked before: when the command has ended, the server may have moved on.
    await server.cli("carrier", "remove", "first")
    report = await customer.final(order, 20)
    assert set(_statuses(report).values()) == {111}
    assert (await server.cli("message", "unsure", "list")) == []
    assert not first.numbers & second.numbers
    assert first.numbers | second.numbers == set(_numbers())
    assert first.repeats + second.repeats == 0
    assert first.sessions == []
    assert server.read(audit.check) == []


class TestRouting:
    """An order goes by one carrier: the longest prefix of all its numbers, then the lowest priority."""

    GENERAL, SPECIAL = 905_350_000_001, 905_360_000_001

    @pytest.fixture
    async def links(self, sqlite_server: Server, open_smsc: OpenSmsc) -> dict[str, Smsc]:
        links = {name: await open_smsc() for name in ("special", "first", "second")}
        sqlite_server.carrier("second", links["second"].port, priority=2)
        sqlite_server.carrier("first", links["first"].port, priority=1)
        sqlite_server.carrier("special", links["special"].port, prefix="90536", priority=9)
        return links

    async def _sent_by(self, customer: Customer, links: dict[str, Smsc], numbers: list[int]) -> str:
        order = await customer.order(f"merhaba {numbers}", numbers)
        await customer.final(order)
        (name,) = (name for name, link in links.items() if set(numbers) <= link.numbers)
        return name

    async def test_prefix_and_priority(self, sqlite_server: Server, links: dict[str, Smsc]) -> None:
        keys = sqlite_server.account()
        await sqlite_server.start()
        await until(lambda: all(link.sessions for link in links.values()), 10, "all links are up")
        customer = sqlite_server.customer(keys)
        assert await self._sent_by(customer, links, [self.SPECIAL, self.SPECIAL + 1]) == "special"
        assert await self._sent_by(customer, links, [self.GENERAL]) == "first"
        assert await self._sent_by(customer, links, [self.GENERAL + 1, self.SPECIAL + 2]) == "first"

    async def test_links_that_are_down(self, sqlite_server: Server, links: dict[str, Smsc]) -> None:
        """Another of the same prefix is taken; for another prefix nobody steps in."""
        ports = {name: link.port for name, link in links.items()}
        await links["first"].close()
        await links["special"].close()
        keys = sqlite_server.account()
        await sqlite_server.start()
        await until(lambda: links["second"].sessions, 10, "the second link is up")
        customer = sqlite_server.customer(keys)
        assert await self._sent_by(customer, links, [self.GENERAL]) == "second"
        order = await customer.order("merhaba", [self.SPECIAL])
        await asyncio.sleep(0.6)
        _, state = await sqlite_server.ready()
        assert state["links"] == {"special": "down", "first": "down", "second": "up"}
        assert state["orders_waiting"] == 1
        assert (await customer.report(order))["status"] == 113
        back = await Smsc().open(ports["special"])
        try:
            await until(lambda: back.submits, 15, "the order goes when its link is back")
            assert self.SPECIAL not in links["second"].numbers
            await customer.final(order)
        finally:
            await back.close()
