"""The sender of callbacks and the connections that it keeps: used again, closed, and never a wrong one."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook
from tests.workers.sinks import OK, sink
from tests.workers.test_callback_worker import (
    ARRIVED,
    BEHIND,
    DIALECT,
    DUE,
    FAMILIES,
    Gate,
    Office,
    until,
)
from tests.workers.test_callback_worker import both as both
from tests.workers.test_callback_worker import office as office

from ulak.outbound import Outbound
from ulak.service import endpoints
from ulak.workers import callback as worker
from ulak.workers import lines
from ulak.workers.callback import CallbackSender

pytestmark = pytest.mark.fault(
    "F13 bad endpoint", "it closes or breaks the connections that are kept for callbacks"
)


async def test_what_follows_goes_on_the_same_connection(office: Office) -> None:
    async with sink() as there, office.sending():
        alice = await office.proven(there.url())
        for count in range(2, 6):
            await office.happen(alice, count)
            await office.until([ARRIVED] * count)
    assert there.connections == 2, "one for the first attempt, and one that is kept"


@pytest.mark.parametrize("aborts", [False, True])
async def test_connections_that_the_other_side_closes_cost_nothing(office: Office, aborts: bool) -> None:
    """Each serves once, and is closed when it is idle, or when the next request has come."""
    fresh: set[asyncio.StreamWriter] = set()

    async def behave(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if writer in fresh:
            writer.transport.abort()
            return
        fresh.add(writer)
        taken.append(json.loads(there.bodies[-1])["n"])
        writer.write(OK)
        await writer.drain()
        if not aborts:
            writer.close()

    taken: list[int] = []
    async with sink(behave) as there, office.sending():
        alice = await office.proven(there.url())
        taken.clear()
        await office.happen(alice, *range(1, 41))
        await office.until([ARRIVED] * 41)
    assert sorted(taken) == list(range(40))
    assert await office.notes() == [], "none of it counts as a failure"


async def test_an_endpoint_that_breaks_every_connection_fails(office: Office) -> None:
    async def behave(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if broken_now:
            writer.transport.abort()
        else:
            writer.write(OK)

    broken_now = False
    async with sink(behave) as there, office.sending():
        alice = await office.proven(there.url())
        await office.happen(alice, 1, 2, 3)
        await office.until([ARRIVED] * 4)
        broken_now = True
        before = len(there.requests)
        await office.happen(alice, 4)
        await office.until([ARRIVED] * 4 + [DUE])
        assert len(there.requests) - before <= 4 + 1, "once on each that was kept, and once on a new one"


async def test_a_new_address_holds_for_connections_that_are_in_use(both: Office) -> None:
    gate = Gate()
    async with sink(gate) as old, sink() as new, both.sending() as sender:
        alice = await both.proven(old.url())
        gate.open.clear()
        await both.happen(alice, *range(20))
        await until(lambda: gate.waiting == 8, "eight are under way")
        made = await both.books.write(
            lambda tx: endpoints.set_endpoint(tx, alice, DIALECT, FAMILIES, new.url(), both.vault)
        )
        sender.wake()
        await until(lambda: _address(sender) == new.url(), "the sender knows")
        gate.open.set()
        await both.until([ARRIVED] * 21)
    assert (len(old.requests), len(new.requests)) == (9, 12)
    for request in new.requests:
        Webhook(made.secret).verify(request.body, request.headers)


def _address(sender: CallbackSender) -> str:
    (lane,) = sender._lanes.values()
    return lane.endpoint.url


async def test_an_address_that_changes_while_a_connection_is_made(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    connecting, go_on = asyncio.Event(), asyncio.Event()
    line = Outbound.line

    async def slow(outbound: Outbound, url: str, *, limit: int) -> Any:
        made = await line(outbound, url, limit=limit)
        connecting.set()
        await go_on.wait()
        return made

    monkeypatch.setattr(Outbound, "line", slow)
    async with sink() as old, sink() as new, office.sending() as sender:
        alice = await office.proven(old.url())
        await office.happen(alice, *range(10))
        await asyncio.wait_for(connecting.wait(), 10)
        await office.books.write(
            lambda tx: endpoints.set_endpoint(tx, alice, DIALECT, FAMILIES, new.url(), office.vault)
        )
        sender.wake()
        await until(lambda: _address(sender) == new.url(), "the sender knows")
        go_on.set()
        await office.until([ARRIVED] * 11)
    assert (len(old.requests), len(new.requests)) == (1, 10)


async def test_a_new_secret_holds_on_a_connection_that_is_kept(office: Office) -> None:
    async with sink() as there, office.sending():
        alice = await office.proven(there.url())
        await office.happen(alice, 1)
        await office.until([ARRIVED] * 2)
        made = await office.books.write(
            lambda tx: endpoints.set_endpoint(tx, alice, DIALECT, FAMILIES, there.url(), office.vault)
        )
        await office.happen(alice, 2)
        await office.until([ARRIVED] * 3)
    assert made.secret != office.secrets["alice"]
    Webhook(made.secret).verify(there.requests[-1].body, there.requests[-1].headers)
    assert there.connections == 2


async def test_a_connection_that_nobody_uses_is_closed(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "KEEP", 0.05)
    monkeypatch.setattr(lines, "LOOK_IDLE", 0.0)
    monkeypatch.setattr(worker, "POLL", 0.02)
    gone = asyncio.Event()

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await writer.drain()
        if len(there.requests) == 2:
            assert await reader.read() == b""
            gone.set()

    async with sink(behave) as there, office.sending():
        alice = await office.proven(there.url())
        await office.happen(alice, 1)
        await office.until([ARRIVED] * 2)
        await asyncio.wait_for(gone.wait(), 10)


async def test_what_is_under_way_on_a_kept_connection_is_given_back_when_we_stop(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "LAST", 0.05)
    gate = Gate()
    async with sink(gate) as there:
        async with office.sending():
            alice = await office.proven(there.url())
            await office.happen(alice, 1)
            await office.until([ARRIVED] * 2)
            gate.open.clear()
            await office.happen(alice, 2, 2, 3)
            await until(lambda: gate.waiting == 2, "some are under way")
        assert await office.states() == [ARRIVED, ARRIVED, DUE, BEHIND, DUE]
        assert [row.tries for row in await office.listed()] == [1, 1, 0, 0, 0]
        gate.open.set()
        async with office.sending():
            await office.until([ARRIVED] * 5)
