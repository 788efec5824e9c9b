"""SIGTERM under load: what was begun is finished, nothing is lost, and the next start goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tests.chain.rig import CREDITS, Customer, Server, until
from tests.chain.smsc import Smsc

from ulak.service import audit

pytestmark = pytest.mark.fault(
    "stop under load", "SIGTERM in the middle of a campaign, with an operator that answers or falls silent"
)

OpenSmsc = Callable[..., Awaitable[Smsc]]

CAMPAIGN = range(905_380_000_001, 905_380_000_401)
SINGLES = 905_390_000_001
WINDOW = 20
PATIENCE = 8.0
"""Seconds a stop may take: two for the operator's answers, one to say goodbye, more on a busy machine."""


class Orders:
    """Single orders, one after the other, until the server is gone."""

    def __init__(self, customer: Customer) -> None:
        self._customer = customer
        self.taken: dict[str, int] = {}
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        number = SINGLES
        while True:
            try:
                order = await self._customer.order(f"tek {number}", [number])
            except OSError:
                return
            self.taken[order] = number
            number += 1
            await asyncio.sleep(0.005)


async def _final(server: Server, customer: Customer, campaign: str, orders: Orders) -> None:
    """Everything that was accepted is delivered, and paid for once."""
    for order in (campaign, *orders.taken):
        report = await customer.final(order, 20)
        assert {row["status"] for row in report["message"]} == {111}
    assert await customer.balance() == CREDITS - len(CAMPAIGN) - len(orders.taken)
    assert server.read(audit.check) == []


async def test_an_operator_that_answers(server: Server, open_smsc: OpenSmsc) -> None:
    """Nothing goes twice, and nothing is in doubt."""
    smsc = await open_smsc(answer_delay=(0.05, 0.15), receipt_delay=(0.0, 0.5))
    keys = server.account()
    server.carrier("link", smsc.port, window=WINDOW)
    await server.start()
    orders = Orders(server.customer(keys))
    campaign = await server.customer(keys).order("kampanya", CAMPAIGN)
    await until(lambda: len(smsc.submits) >= 100, 15, "the campaign is under way")
    assert await server.stop() < PATIENCE
    await orders.task
    assert smsc.sessions == []
    sent = len(smsc.submits)
    assert sent < len(CAMPAIGN), "not exercised: there was nothing left to send"
    assert await server.cli("message", "unsure", "list") == []
    assert (await server.cli("doctor"))["ok"]

    await server.start()
    await _final(server, server.customer(keys), campaign, orders)
    assert smsc.numbers == {*CAMPAIGN, *orders.taken.values()}
    assert smsc.repeats == 0
    assert await server.cli("message", "unsure", "list") == []


async def test_an_operator_that_falls_silent(sqlite_server: Server, open_smsc: OpenSmsc) -> None:
    """Exactly what was not answered is in doubt, and goes again."""
    server, smsc = sqlite_server, await open_smsc(answer_delay=(0.05, 0.15), receipt_delay=(0.0, 0.5))
    keys = server.account()
    server.carrier("link", smsc.port, window=WINDOW)
    await server.start()
    orders = Orders(server.customer(keys))
    campaign = await server.customer(keys).order("kampanya", CAMPAIGN)
    await until(lambda: len(smsc.submits) >= 100, 15, "the campaign is under way")
    smsc.answering = False
    await until(lambda: len(smsc.unanswered) == WINDOW, 15, "the window is full")
    assert await server.stop() < PATIENCE
    await orders.task
    listed = await server.cli("message", "unsure", "list")
    assert {int(message["number"]) for message in listed} == set(smsc.unanswered)

    smsc.answering = True
    await server.start()
    await _final(server, server.customer(keys), campaign, orders)
    assert {number for (number, _), times in smsc.counts.items() if times == 2} == set(smsc.unanswered)
    assert smsc.repeats == WINDOW
