"""The sender of callbacks against sinks: what they get, in which order, and what becomes of it."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import pytest_asyncio
from standardwebhooks.webhooks import Webhook
from tests import cast
from tests.conftest import ClockedBooks, FakeClock
from tests.workers.sinks import HERE, OK, Sink, answer, silence, sink

from ulak.core.callbacks import WAITS, CallbackState, EventRow, RenderedCallback, Renderer
from ulak.core.errors import StoreUnavailable
from ulak.core.events import Event, EventKind
from ulak.outbound import Outbound
from ulak.service import audit, endpoints, events
from ulak.service import callbacks as callback_service
from ulak.store import callbacks as store
from ulak.store.callbacks import ListedCallback
from ulak.store.engine import Database, Sql, Tx
from ulak.store.vault import Vault
from ulak.store.writer import sync_read
from ulak.workers import callback as worker
from ulak.workers.callback import CallbackSender

pytestmark = pytest.mark.fault(
    "F13 bad endpoint", "dead, silent, boundless, redirecting, gone; many of them beside a live one"
)

DIALECT = "comtohome"
DUE, TRYING, BEHIND = CallbackState.DUE, CallbackState.TRYING, CallbackState.BEHIND
ARRIVED, GIVEN_UP = CallbackState.ARRIVED, CallbackState.GIVEN_UP


def render(event: EventRow) -> RenderedCallback:
    body = json.dumps({"id": event.id, "about": event.subject, **json.loads(event.data)})
    return RenderedCallback(body.encode(), headers={"x-dialect": DIALECT})


def broken(_event: EventRow) -> RenderedCallback:
    raise KeyError("text")


FAMILIES = frozenset({"consignment"})


class Office:
    """An office with one account that wants to be told, and a sender at work."""

    def __init__(self, books: ClockedBooks) -> None:
        self.books = books
        self.vault = Vault(books.database.directory)
        self.renderers = {DIALECT: Renderer(FAMILIES, render)}
        self.allow = {HERE}
        self.sender: CallbackSender | None = None
        self.world: Callable[[], int] = lambda: time.time_ns() // 1_000_000
        self.secrets: dict[str, str] = {}

    async def listen(self, url: str, name: str = "alice") -> int:
        """A new account with an endpoint; the account's id."""
        who = await asyncio.to_thread(cast.tenant, self.books.database, name, 0)
        made = await self.books.write(
            lambda tx: endpoints.set_endpoint(tx, who.id, DIALECT, FAMILIES, url, self.vault)
        )
        self.secrets[name] = made.secret
        return who.id

    async def happen(self, account_id: int, *subjects: int) -> None:
        news = [
            Event(account_id, EventKind.CONSIGNMENT_STATUS, subject, b'{"n":%d}' % n)
            for n, subject in enumerate(subjects)
        ]
        await self.books.write(lambda tx: events.record(tx, news))
        if self.sender:
            self.sender.wake()

    @asynccontextmanager
    async def sending(self, books: Any = None) -> AsyncIterator[CallbackSender]:
        stop = asyncio.Event()
        async with Outbound(self.allow) as outbound:
            self.sender = CallbackSender(
                books or self.books,
                outbound,
                self.renderers,
                lambda endpoint: endpoints.signing_key(self.vault, endpoint),
                lambda: 0.5,
                lambda: self.world(),
            )
            running = asyncio.create_task(self.sender.run(stop))
            try:
                yield self.sender
            finally:
                stop.set()
                await running
                self.sender = None

    async def listed(self) -> list[ListedCallback]:
        found = await self.books.read(lambda tx: store.listing(tx, None, None, 1000))
        return found[::-1]

    async def proven(self, url: str) -> int:
        """A new account whose endpoint has been told of something already."""
        account_id = await self.listen(url)
        await self.happen(account_id, 0)
        await self.until([ARRIVED])
        return account_id

    async def states(self) -> list[CallbackState]:
        return [row.state for row in await self.listed()]

    async def notes(self) -> list[tuple[int, str]]:
        return await self.books.read(lambda tx: tx.all(Sql("SELECT status, note FROM attempt ORDER BY id")))

    async def until(self, wanted: Sequence[CallbackState]) -> None:
        async def reached() -> bool:
            return await self.states() == list(wanted)

        await until(reached, f"they are {wanted}")

    def later(self, ms: int) -> None:
        """Move the clock of the books."""
        self.books.clock.advance(ms)
        assert self.sender
        self.sender.wake()


async def until(done: Callable[[], Any], what: str) -> None:
    """Wait for something to be true."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = done()
        if await found if asyncio.iscoroutine(found) else found:
            return
        await asyncio.sleep(0.005)
    raise AssertionError(f"not in time: {what}")


@pytest.fixture
def both(books: ClockedBooks) -> Office:
    """On either database, where it matters what is stored."""
    return Office(books)


@pytest_asyncio.fixture
async def office(sqlite_database: Database, clock: FakeClock) -> AsyncIterator[Office]:
    """On one database, where it matters what is sent."""
    books = ClockedBooks(sqlite_database, {})
    books.clock = clock
    yield Office(books)
    await books.close()
    assert sync_read(sqlite_database, audit.check) == []


async def test_an_endpoint_is_told_and_can_check_who_tells_it(both: Office) -> None:
    async with sink() as there, both.sending():
        alice = await both.listen(there.url())
        await both.happen(alice, 7)
        await both.until([ARRIVED])
    (request,) = there.requests
    assert Webhook(both.secrets["alice"]).verify(request.body, request.headers)["about"] == 7
    (row,) = await both.listed()
    assert request.headers["webhook-id"] == f"msg_{row.id}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-dialect"] == DIALECT
    assert (row.tries, row.status, await both.notes()) == (1, 200, [])


async def test_it_is_told_again_under_the_same_id_and_a_new_time(office: Office) -> None:
    answers = [answer(500), answer(302, "Location: http://169.254.169.254/"), OK]

    async def behave(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answers.pop(0))

    async with sink(behave) as there, office.sending():
        now = 1_779_274_991_000
        office.world = lambda: now
        await office.happen(await office.listen(there.url()), 7)
        for n in range(2):
            await until(partial(_sent, there, n + 1), "it is tried")
            await office.until([DUE])
            now += WAITS[n]
            office.later(WAITS[n])
        await office.until([ARRIVED])
    assert len({request.headers["webhook-id"] for request in there.requests}) == 1
    times = [int(request.headers["webhook-timestamp"]) for request in there.requests]
    assert times == [1_779_274_991, 1_779_274_996, 1_779_275_296]
    assert [status for status, _ in await office.notes()] == [500, 302]
    assert [row.status for row in await office.listed()] == [200]


def _sent(there: Sink, count: int) -> bool:
    return len(there.requests) == count


async def test_a_redirect_leads_nowhere(office: Office) -> None:
    async with sink() as inside:
        async with sink(answer(307, f"Location: {inside.url()}")) as there, office.sending():
            await office.happen(await office.listen(there.url()), 1)
            await until(lambda: there.requests, "it is tried")
            await office.until([DUE])
        assert inside.requests == []


async def test_of_one_subject_all_arrive_in_order_whatever_fails(both: Office) -> None:
    rng = random.Random(3)

    async def behave(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        good = rng.random() < 0.8
        if good:
            taken.append(json.loads(there.bodies[-1]))
        await asyncio.sleep(rng.random() / 100)
        writer.write(OK if good else answer(503))

    taken: list[dict[str, int]] = []
    async with sink(behave) as there, both.sending():
        alice = await both.listen(there.url())
        await both.happen(alice, *(rng.randrange(5) for _ in range(40)))

        async def all_arrived() -> bool:
            both.later(WAITS[1])
            return set(await both.states()) == {ARRIVED}

        await until(all_arrived, "all have arrived")
    for subject in range(5):
        numbers = [told["n"] for told in taken if told["about"] == subject]
        assert numbers == sorted(numbers)
    assert len(taken) == 40


class Gate:
    """A sink that answers while it is open, and otherwise lets wait; it counts who does."""

    def __init__(self, opened: bool = True) -> None:
        self.open = asyncio.Event()
        if opened:
            self.open.set()
        self.waiting = 0
        self.most = 0
        self.say = OK

    async def __call__(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        await self.open.wait()
        self.waiting -= 1
        writer.write(self.say)


async def test_eight_are_tried_at_once(office: Office) -> None:
    gate = Gate()
    async with sink(gate) as there, office.sending():
        alice = await office.proven(there.url())
        gate.open.clear()
        await office.happen(alice, *range(30))
        await until(lambda: gate.waiting == 8, "eight are under way")
        gate.open.set()
        await office.until([ARRIVED] * 31)
    assert gate.most == 8
    assert there.connections <= 1 + 8  # the first attempt had one of its own


async def test_one_is_tried_at_an_endpoint_that_nobody_knows(office: Office) -> None:
    gate = Gate(opened=False)
    async with sink(gate) as there, office.sending():
        await office.happen(await office.listen(there.url()), *range(30))
        await until(lambda: gate.waiting == 1, "one is under way")
        await asyncio.sleep(0.1)
        assert gate.most == 1
        gate.open.set()
        await office.until([ARRIVED] * 30)


async def test_one_is_tried_at_a_time_at_an_endpoint_that_fails(office: Office) -> None:
    """The eight that are under way fail together; what waited behind them is given back."""
    gate = Gate()
    async with sink(gate) as there, office.sending():
        alice = await office.proven(there.url())
        gate.open.clear()
        await office.happen(alice, *range(30))
        await until(lambda: gate.waiting == 8, "eight are under way")
        gate.say = answer(500)
        gate.open.set()
        await until(lambda: gate.waiting == 0, "they have failed")
        gate.open.clear()
        gate.most = 0
        await until(lambda: gate.waiting == 1, "another is tried")
        await asyncio.sleep(0.1)
        assert gate.most == 1
        gate.say = OK
        gate.open.set()
        await until(lambda: len(there.requests) > 30, "the others follow once one got through")
        office.later(WAITS[0])
        await office.until([ARRIVED] * 31)


async def test_a_dead_endpoint_is_not_hammered(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "REST_MIN", 30.0)
    async with sink(answer(500)) as there, office.sending():
        await office.happen(await office.listen(there.url()), *range(200))
        await until(lambda: len(there.requests) > worker.BURST, "the burst is over")
        await asyncio.sleep(0.3)
        assert len(there.requests) == worker.BURST + 1
        assert TRYING not in await office.states()


async def test_dead_endpoints_do_not_hold_up_a_live_one(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "LAST", 0.01)
    monkeypatch.setattr(worker, "DOUBTFUL", 6)
    async with sink(silence) as dead, sink() as live, office.sending():
        ids = [await office.listen(dead.url(), f"dead{n}") for n in range(5)]
        alice = await office.listen(live.url())
        for account_id in ids:
            await office.happen(account_id, *range(20))
        await until(lambda: len(dead.requests) == 5, "the dead ones are tried")
        await office.happen(alice, 1)
        await until(lambda: live.requests, "the live one is told meanwhile")


async def test_what_a_process_left_behind_is_told_by_the_next(both: Office) -> None:
    async with sink() as there:
        await both.happen(await both.listen(there.url()), 1, 1)
        room = callback_service.Room(10, 10, 10, 10)
        assert (
            len(await both.books.write(lambda tx: callback_service.claim(tx, room, 300_000, lambda: 0.0)))
            == 1
        )
        async with both.sending():
            await both.until([ARRIVED, ARRIVED])


async def test_a_claim_that_ran_out_while_we_try_is_not_tried_twice(both: Office) -> None:
    gate = Gate(opened=False)
    async with sink(gate) as there, both.sending():
        await both.happen(await both.listen(there.url()), 1)
        await until(lambda: gate.waiting == 1, "it is tried")
        both.later(worker.LEASE)
        await both.happen(await both.listen(there.url(), "bob"), 1)
        await until(lambda: gate.waiting == 2, "another is tried")
        gate.open.set()
        await both.until([ARRIVED, ARRIVED])
    assert len(there.requests) == 2


async def test_what_is_under_way_when_we_stop_is_ended(both: Office) -> None:
    gate = Gate()
    async with sink(gate) as there:
        async with both.sending():
            alice = await both.proven(there.url())
            gate.open.clear()
            await both.happen(alice, *range(20))
            await until(lambda: gate.waiting == 8, "some are under way")
            asyncio.get_running_loop().call_later(0.05, gate.open.set)
        assert len(there.requests) == 9
        assert sorted(await both.states()) == [DUE] * 12 + [ARRIVED] * 9


async def test_what_does_not_end_is_given_back(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "LAST", 0.05)
    async with sink(silence) as there:
        async with office.sending():
            await office.happen(await office.listen(there.url()), 1, 1)
            await until(lambda: there.requests, "it is tried")
        assert await office.states() == [DUE, BEHIND]
        assert [row.tries for row in await office.listed()] == [0, 0]


async def test_an_endpoint_that_says_nothing_fails_in_time(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "TIMEOUT", 0.1)
    async with sink(silence) as there, office.sending():
        await office.happen(await office.listen(there.url()), 1)
        await until(lambda: there.requests, "it is tried")
        await office.until([DUE])
        assert await office.notes() == [(0, "no answer within 0.1 seconds")]


async def test_the_status_of_a_boundless_answer_counts(office: Office) -> None:
    async def boundless(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
            await writer.drain()

    async with sink(boundless) as there, office.sending():
        await office.happen(await office.listen(there.url()), 1)
        await office.until([ARRIVED])
    assert [row.status for row in await office.listed()] == [200]


async def test_an_address_that_is_not_allowed_any_more_is_not_gone_to(office: Office) -> None:
    office.allow = set()
    async with sink() as there, office.sending():
        await office.happen(await office.listen(f"https://{HERE}:{there.port}/"), 1)

        async def tried() -> bool:
            return bool(await office.notes())

        await until(tried, "it is tried")
        assert await office.notes() == [(0, f"{HERE} is not a public address")]
        assert there.connections == 0


async def test_what_cannot_be_rendered_or_signed_is_a_failed_attempt(office: Office) -> None:
    async with sink() as there:
        alice = await office.listen(there.url())
        await office.happen(alice, 1)

        async def tried(times: int) -> None:
            async def told() -> bool:
                return len(await office.notes()) == times

            await until(told, "it is tried")

        office.renderers = {DIALECT: Renderer(FAMILIES, broken)}
        async with office.sending():
            await tried(1)
            office.renderers.clear()
            office.later(WAITS[0])
            await tried(2)
        office.renderers[DIALECT] = Renderer(FAMILIES, render)
        office.vault = Vault(office.books.database.directory, bytes(32))
        async with office.sending():
            office.later(WAITS[1])
            await tried(3)
        assert there.requests == []
        notes = [note for _, note in await office.notes()]
        assert [note.split(":")[0] for note in notes] == [
            "it could not be made; the log says why",
            "this version tells nothing in the words of comtohome",
            f"the secret of callbacks of account {alice}, comtohome cannot be read",
        ]


async def test_an_endpoint_that_is_gone_is_disabled(both: Office) -> None:
    async with sink(answer(410)) as there, both.sending():
        await both.happen(await both.listen(there.url()), 1, 1)
        await both.until([GIVEN_UP, GIVEN_UP])
    assert len(there.requests) == 1


class Moody:
    """Books that cannot take a change now and then."""

    def __init__(self, books: ClockedBooks, fails: Sequence[int]) -> None:
        self._books = books
        self._fails = fails
        self._writes = 0
        self.done = 0
        self.read = books.read

    async def write(self, change: Callable[[Tx], Any]) -> Any:
        self._writes += 1
        if self._writes in self._fails:
            raise StoreUnavailable("disk full")
        result = await self._books.write(change)
        self.done += 1
        return result


async def test_an_endpoint_that_is_removed_is_told_no_more_of_what_is_claimed(office: Office) -> None:
    gate, books = Gate(), Moody(office.books, ())
    async with sink(gate) as there, office.sending(books) as sender:
        alice = await office.proven(there.url())
        gate.open.clear()
        await office.happen(alice, *range(20))
        await until(lambda: gate.waiting == 8, "eight are under way")
        await office.books.write(lambda tx: endpoints.remove(tx, alice, DIALECT))
        before = books.done
        sender.wake()
        await until(lambda: books.done > before, "the sender has looked")
        gate.open.set()
        await office.until([ARRIVED] * 9 + [GIVEN_UP] * 12)
    assert len(there.requests) == 9


async def test_a_store_that_fails_costs_nothing_but_time(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "POLL", 0.02)
    async with sink() as there, office.sending(Moody(office.books, (1, 3, 5, 6))):
        await office.happen(await office.listen(there.url()), 1, 1, 1)
        await office.until([ARRIVED] * 3)
    assert len(there.requests) == 3


async def test_what_another_process_writes_is_noticed(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "POLL", 0.02)
    async with sink() as there, office.sending():
        alice = await office.listen(there.url())
        news = [Event(alice, EventKind.CONSIGNMENT_CREATED, 1, b"{}")]
        await office.books.write(lambda tx: events.record(tx, news))
        await office.until([ARRIVED])
