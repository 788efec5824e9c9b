"""Fair turns: a campaign of 50,000 recipients keeps nobody waiting who has one message to send."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import pytest
from tests.chain.rig import Customer, Server, spread, until
from tests.chain.smsc import Smsc

RECIPIENTS = 50_000
CAMPAIGN = 905_310_000_001
SINGLE = 905_320_000_001
WINDOW = 50
ANSWER_DELAY = (0.01, 0.03)
LIMIT = 1.0
"""Seconds from the answer to a small order to its submit."""

OVERTAKEN = 4 * WINDOW
"""Messages of the campaign that may go in between: the window is full of them when the order comes, and the
next ones are on their way."""

LONG = "Sayın müşterimiz, " + "siparişiniz yola çıktı. " * 34
"""Seven parts."""


class Turn(NamedTuple):
    """How long a small order waited, and for how many messages of others."""

    seconds: float
    overtaken: int


async def _turn(customer: Customer, smsc: Smsc, text: str, number: int) -> Turn:
    """Place an order of one message, and wait for its first submit."""
    clock = asyncio.get_running_loop().time
    await customer.order(text, [number])
    accepted, before = clock(), len(smsc.submits)
    await until(lambda: (number, 1) in smsc.counts, 20, "the small order is sent")
    place = next(i for i, submit in enumerate(smsc.submits) if submit.number == number)
    return Turn(max(0.0, smsc.submits[place].at - accepted), max(0, place - before))


async def test_a_single_message_does_not_wait_for_a_campaign(
    server: Server, open_smsc: Callable[..., Awaitable[Smsc]], capsys: pytest.CaptureFixture[str]
) -> None:
    smsc = await open_smsc(answer_delay=ANSWER_DELAY)
    campaigner, single = server.account("campaigner"), server.account("single")
    server.carrier("link", smsc.port, window=WINDOW)
    await server.start()
    await server.customer(campaigner).order("kampanya", range(CAMPAIGN, CAMPAIGN + RECIPIENTS))
    await until(lambda: len(smsc.submits) > 500, 20, "the campaign is under way")
    customer = server.customer(single)
    turns = []
    for i in range(20):
        turns.append(await _turn(customer, smsc, f"tek {i}", SINGLE + i))
        await asyncio.sleep(0.05)
    went = sum(submit.number < SINGLE for submit in smsc.submits)
    with capsys.disabled():
        print(f"\n{went} messages of the campaign meanwhile; single: {spread(t.seconds for t in turns)}")
        print(f"  overtaken by {sorted(t.overtaken for t in turns)}")
    assert went < RECIPIENTS, "not exercised: the campaign was through"
    for turn in turns:
        assert turn.seconds < LIMIT
        assert turn.overtaken <= OVERTAKEN


class TestSevenParts:
    """The parts of a message need room together, which a busy window of ten never has by chance."""

    async def test_a_long_message_during_a_campaign(
        self, sqlite_server: Server, open_smsc: Callable[..., Awaitable[Smsc]]
    ) -> None:
        smsc = await open_smsc(answer_delay=ANSWER_DELAY)
        keys = sqlite_server.account()
        sqlite_server.carrier("link", smsc.port, window=10)
        await sqlite_server.start()
        customer = sqlite_server.customer(keys)
        await customer.order("kampanya", range(CAMPAIGN, CAMPAIGN + RECIPIENTS))
        await until(lambda: len(smsc.submits) > 100, 20, "the campaign is under way")
        turns = [await _turn(customer, smsc, f"{i} {LONG}", SINGLE + i) for i in range(5)]
        assert max(turn.seconds for turn in turns) < LIMIT

    async def test_a_long_campaign_during_many_single_messages(
        self, sqlite_server: Server, open_smsc: Callable[..., Awaitable[Smsc]]
    ) -> None:
        smsc = await open_smsc(answer_delay=ANSWER_DELAY)
        keys = sqlite_server.account()
        sqlite_server.carrier("link", smsc.port, window=10)
        await sqlite_server.start()
        customers = [sqlite_server.customer(keys) for _ in range(12)]
        numbers = iter(range(SINGLE, SINGLE + RECIPIENTS))

        async def order_all_the_time(customer: Customer) -> None:
            while True:
                await _turn(customer, smsc, "tek", next(numbers))

        async with asyncio.TaskGroup() as group:
            busy = [group.create_task(order_all_the_time(customer)) for customer in customers[1:]]
            await until(lambda: len(smsc.submits) > 100, 20, "the single messages are under way")
            await customers[0].order(LONG, range(CAMPAIGN, CAMPAIGN + 1000))
            await asyncio.sleep(3)
            for task in busy:
                task.cancel()
        went = sum(submit.number < SINGLE for submit in smsc.submits)
        share = went / (len(smsc.submits) - 100)
        assert share > 0.2, f"the campaign had {went} of {len(smsc.submits)} submits"
