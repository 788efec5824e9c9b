"""The writer: one commit for what has come meanwhile, and no request pays for another one's trouble."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests import cast
from tests.conftest import ClockedBooks, FakeClock

from ulak.core.doubts import OnUncertain
from ulak.core.errors import Refusal, StoreUnavailable
from ulak.core.ledger import Balance
from ulak.core.orders import Placed
from ulak.core.ports import Accepted
from ulak.core.references import IdForm
from ulak.core.routing import Route
from ulak.service import audit
from ulak.service.dispatch import CLAIM, STEP, Claim, ClaimedOrder, Step
from ulak.service.orders import PLACE
from ulak.service.reports import REPORTS, ReportBatch
from ulak.store import settings, writer
from ulak.store.books import Books
from ulak.store.engine import Conflict, Database, Sql, Tx
from ulak.store.ids import BLOCK, Ids, lease
from ulak.store.writer import GroupKind, sync_read, sync_write
from ulak.wiring import GROUP_KINDS

NOTE, ALONE = "note", "alone"
BACKEND = Sql("SELECT pg_backend_pid()")
ROWS = Sql("SELECT name FROM setting WHERE value = 'noted' ORDER BY name")


@dataclass
class Notes:
    """A kind whose items are names to be stored; it remembers which were decided together.

    `trouble` is called with each group before it is decided.
    """

    trouble: Callable[[Tx, Sequence[str]], None] = lambda _tx, _items: None
    groups: list[list[str]] = field(default_factory=list)

    def decide(self, tx: Tx, items: Sequence[str], _ids: Ids) -> list[str]:
        self.groups.append(list(items))
        self.trouble(tx, items)
        for item in items:
            settings.put(tx, item, "noted")
        return [item.upper() for item in items]


@contextlib.asynccontextmanager
async def opened(database: Database, notes: Notes) -> AsyncIterator[Books]:
    books = Books(database, {NOTE: GroupKind(notes.decide)})
    yield books
    await books.close()


def noted(database: Database) -> list[str]:
    return [row[0] for row in sync_read(database, lambda tx: tx.all(ROWS))]


async def settle(tickets: Sequence[asyncio.Future[Any]]) -> list[Any]:
    """Results and exceptions, in order."""
    return await asyncio.gather(*tickets, return_exceptions=True)


async def hold_writer(books: Books) -> threading.Event:
    """Keep the writer busy until the event is set; returns once it is."""
    busy, release = threading.Event(), threading.Event()

    def change(_tx: Tx) -> None:
        busy.set()
        release.wait(10)

    _background.add(asyncio.ensure_future(books.write(change)))
    await asyncio.to_thread(busy.wait, 10)
    return release


_background: set[asyncio.Future[None]] = set()


# Groups.


async def test_what_comes_while_the_writer_is_busy_is_committed_together(database: Database) -> None:
    notes = Notes()
    async with opened(database, notes) as books:
        release = await hold_writer(books)
        tickets = [books.gather(NOTE, f"n{i:02}") for i in range(30)]
        release.set()
        assert await settle(tickets) == [f"N{i:02}" for i in range(30)]
    assert notes.groups == [[f"n{i:02}" for i in range(30)]]
    assert noted(database) == notes.groups[0]


async def test_a_group_is_never_longer_than_agreed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "GROUP_MAX", 4)
    notes = Notes()
    async with opened(database, notes) as books:
        release = await hold_writer(books)
        tickets = [books.gather(NOTE, f"{i}") for i in range(10)]
        release.set()
        await settle(tickets)
    assert [len(group) for group in notes.groups] == [4, 4, 2]


async def test_one_poisonous_item_does_not_spoil_the_others(database: Database) -> None:
    def trouble(_tx: Tx, items: Sequence[str]) -> None:
        if "bad" in items:
            raise KeyError("a mistake of ours")

    async with opened(database, Notes(trouble)) as books:
        release = await hold_writer(books)
        tickets = [books.gather(NOTE, name) for name in ("one", "bad", "two")]
        release.set()
        one, bad, two = await settle(tickets)
    assert (one, two) == ("ONE", "TWO")
    assert isinstance(bad, KeyError)
    assert noted(database) == ["one", "two"]


async def test_an_item_that_the_database_refuses(database: Database) -> None:
    twice = Sql("INSERT INTO setting (name, value) VALUES ('taken', 'x')")

    def trouble(tx: Tx, items: Sequence[str]) -> None:
        if "bad" in items:
            tx.run(twice)
            tx.run(twice)

    async with opened(database, Notes(trouble)) as books:
        release = await hold_writer(books)
        tickets = [books.gather(NOTE, name) for name in ("bad", "good")]
        release.set()
        bad, good = await settle(tickets)
    assert isinstance(bad, Exception)
    assert good == "GOOD"
    assert noted(database) == ["good"]


async def test_a_group_that_lost_against_another_transaction_is_decided_again(database: Database) -> None:
    losses = iter([True, True, False])

    def trouble(_tx: Tx, _items: Sequence[str]) -> None:
        if next(losses):
            raise Conflict("deadlock")

    notes = Notes(trouble)
    async with opened(database, notes) as books:
        assert await books.gather(NOTE, "a") == "A"
    assert notes.groups == [["a"]] * 3


async def test_a_group_that_always_loses_is_given_up(database: Database) -> None:
    def trouble(_tx: Tx, _items: Sequence[str]) -> None:
        raise Conflict("deadlock")

    async with opened(database, Notes(trouble)) as books:
        with pytest.raises(StoreUnavailable):
            await books.gather(NOTE, "a")
    assert noted(database) == []


# Overload and the end.


async def test_too_much_waiting_is_refused_before_anything_is_promised(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "PENDING_MAX", 3)
    async with opened(database, Notes()) as books:
        release = await hold_writer(books)
        tickets = [books.gather(NOTE, "a"), books.gather(NOTE, "b")]
        with pytest.raises(StoreUnavailable, match="too much"):
            books.gather(NOTE, "c")
        release.set()
        assert await settle(tickets) == ["A", "B"]
        assert await books.gather(NOTE, "c") == "C"


async def test_closing_finishes_what_was_given(database: Database) -> None:
    books = Books(database, {NOTE: GroupKind(Notes().decide)})
    tickets = [books.gather(NOTE, f"{i}") for i in range(100)]
    await books.close()
    assert len(await settle(tickets)) == 100
    assert len(noted(database)) == 100
    with pytest.raises(StoreUnavailable):
        books.gather(NOTE, "late")
    with pytest.raises(StoreUnavailable):
        await books.read(settings.clock_offset)


async def test_a_caller_that_went_away_does_not_matter(database: Database) -> None:
    async with opened(database, Notes()) as books:
        release = await hold_writer(books)
        gone, stays = books.gather(NOTE, "gone"), books.gather(NOTE, "stays")
        gone.cancel()
        release.set()
        assert await stays == "STAYS"
    assert noted(database) == ["gone", "stays"]


async def test_questions_that_wait_are_answered_together_and_one_failure_is_its_own(
    database: Database,
) -> None:
    """Of many questions at once some share a transaction; one that fails in the middle spoils no other."""
    async with opened(database, Notes()) as books:
        held, release = threading.Event(), threading.Event()
        views: list[Tx] = []

        def hold(_tx: Tx) -> None:
            held.set()
            release.wait(10)

        def view(tx: Tx) -> None:
            tx.all(ROWS)
            views.append(tx)

        def fail(tx: Tx) -> None:
            tx.all(Sql("SELECT no_such_column FROM setting"))

        holding = [asyncio.create_task(books.read(hold)) for _ in range(2)]
        await asyncio.to_thread(held.wait, 10)
        await asyncio.sleep(0.05)
        asked = [asyncio.create_task(books.read(fail if n == 3 else view)) for n in range(12)]
        await asyncio.sleep(0.05)
        release.set()
        results = await asyncio.gather(*asked, return_exceptions=True)
        await asyncio.gather(*holding)
    assert [n for n, result in enumerate(results) if isinstance(result, BaseException)] == [3]
    assert len(views) == 11
    assert len({id(tx) for tx in views}) < 11


async def test_changes_that_wait_share_a_commit_and_one_failure_is_its_own(database: Database) -> None:
    """The one that fails leaves nothing, the others are there, and the calls say which was which."""
    txs: list[Tx] = []

    def note(name: str) -> Callable[[Tx], str]:
        def change(tx: Tx) -> str:
            txs.append(tx)
            settings.put(tx, name, "there")
            if name == "bad":
                raise ValueError(name)
            return name

        return change

    async with opened(database, Notes()) as books:
        release = await hold_writer(books)
        good = [asyncio.create_task(books.write(note(f"n{n}"))) for n in range(10)]
        await asyncio.sleep(0.05)
        release.set()
        assert await asyncio.gather(*good) == [f"n{n}" for n in range(10)]
        assert len({id(tx) for tx in txs}) == 1

        release = await hold_writer(books)
        mixed = [asyncio.create_task(books.write(note(name))) for name in ("a", "bad", "b")]
        await asyncio.sleep(0.05)
        release.set()
        results = await asyncio.gather(*mixed, return_exceptions=True)
        assert [str(result) for result in results] == ["a", "bad", "b"]
        assert isinstance(results[1], ValueError)
        assert await books.read(lambda tx: settings.get(tx, "bad")) is None
        assert await books.read(lambda tx: settings.get(tx, "b")) == "there"


async def test_changes_that_lose_together_are_done_alone(database: Database) -> None:
    """Two changes that lock each in its own order may be one side of a deadlock; alone they are not."""
    groups: list[int] = []

    def change(tx: Tx) -> str:
        groups.append(id(tx))
        if groups.count(id(tx)) == 2:
            raise Conflict("lost")
        return "done"

    async with opened(database, Notes()) as books:
        release = await hold_writer(books)
        both = [asyncio.create_task(books.write(change)) for _ in range(2)]
        await asyncio.sleep(0.05)
        release.set()
        assert await asyncio.gather(*both) == ["done", "done"]


async def test_a_long_question_does_not_hold_up_a_short_one(database: Database) -> None:
    """A single one, so that no backlog wakes the other thread."""
    async with opened(database, Notes()) as books:
        release = threading.Event()
        long = asyncio.create_task(books.read(lambda _tx: release.wait(10)))
        await asyncio.sleep(0.05)
        assert await asyncio.wait_for(books.read(settings.clock_offset), 5) == 0
        release.set()
        assert await long


async def test_who_asks_after_a_change_sees_it(database: Database) -> None:
    async with opened(database, Notes()) as books:

        async def change_and_look(n: int) -> bool:
            name = f"n{n}"
            await books.write(lambda tx: settings.put(tx, name, "there"))
            return await books.read(lambda tx: settings.get(tx, name)) == "there"

        assert all(await asyncio.gather(*(change_and_look(n) for n in range(100))))


async def test_reads_do_not_wait_for_the_writer(database: Database) -> None:
    async with opened(database, Notes()) as books:
        release = await hold_writer(books)
        assert await asyncio.wait_for(books.read(settings.clock_offset), 5) == 0
        release.set()


async def test_trouble_of_a_question_or_a_change_is_its_own(database: Database) -> None:
    def mistake(_tx: Tx) -> None:
        raise KeyError("a mistake of ours")

    async with opened(database, Notes()) as books:
        with pytest.raises(KeyError):
            await books.read(mistake)
        with pytest.raises(KeyError):
            await books.write(mistake)
        assert await books.gather(NOTE, "a") == "A"


# Without a database.


async def test_a_database_that_is_away_and_comes_back(
    tmp_path: Path, sqlite_template: Path, clock: FakeClock
) -> None:
    database = Database(tmp_path / "later", None, clock)
    async with opened(database, Notes()) as books:
        for wish in (books.gather(NOTE, "a"), books.write(settings.clock_offset), books.read(noted_in)):
            with pytest.raises(StoreUnavailable):
                await wish
        database.directory.mkdir()
        database.path.write_bytes(sqlite_template.read_bytes())
        assert await books.gather(NOTE, "a") == "A"
        assert await books.read(noted_in) == 1


def noted_in(tx: Tx) -> int:
    return len(tx.all(ROWS))


async def test_a_group_whose_connection_is_cut_is_not_done_and_the_next_one_is(
    postgres_database: Database,
) -> None:
    cuts = iter([True, False])

    def trouble(tx: Tx, _items: Sequence[str]) -> None:
        if next(cuts):
            assert postgres_database.url is not None
            with psycopg.connect(postgres_database.url) as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", tx.one(BACKEND))

    notes = Notes(trouble)
    async with opened(postgres_database, notes) as books:
        release = await hold_writer(books)
        tickets = [books.gather(NOTE, name) for name in ("a", "b")]
        release.set()
        assert [type(result) for result in await settle(tickets)] == [StoreUnavailable] * 2
        assert await books.gather(NOTE, "c") == "C"
    assert noted(postgres_database) == ["c"]
    assert notes.groups == [["a", "b"], ["c"]], "a server that is away is not asked item by item"


# Ids.


def test_ids_are_leased_in_blocks_and_never_twice(database: Database) -> None:
    ids = Ids()
    assert ids.short(1) == BLOCK
    ids.refill(sync_write(database, lambda tx: lease(tx, BLOCK)))
    assert [ids.take(3), ids.take(1), ids.take(5)] == [1, 4, 5]
    assert ids.short(BLOCK - 9) == 0
    assert ids.short(BLOCK - 8) == BLOCK
    assert ids.short(BLOCK + 1) == BLOCK + 1
    assert sync_write(database, lambda tx: lease(tx, 10)) == range(BLOCK + 1, BLOCK + 11)


# Orders.


async def test_a_thousand_orders_at_once_on_credit_for_a_hundred(books: ClockedBooks) -> None:
    alice = cast.alice(books.database, credit=100)
    item = cast.submission(alice)
    results = await asyncio.gather(*[books.gather(PLACE, item) for _ in range(1000)])
    accepted = [result.number for result in results if isinstance(result, Placed)]
    assert accepted == list(range(cast.FIRST, cast.FIRST + 100))
    assert Counter(results)[Refusal.NO_CREDIT] == 900
    assert cast.balance(books.database, alice) == Balance(-100, 0, 100, 0)


async def test_two_processes_on_one_account(postgres_database: Database) -> None:
    """Each has a writer of its own; the account's row decides who is first."""
    alice, bob = cast.alice(postgres_database, credit=100), cast.bob(postgres_database, credit=100)
    items = [cast.submission(alice), cast.submission(bob)]
    both = [Books(postgres_database, GROUP_KINDS) for _ in range(2)]
    results = await asyncio.gather(*[books.gather(PLACE, items[i % 2]) for i in range(200) for books in both])
    for books in both:
        await books.close()
    assert Counter(map(type, results)) == {Placed: 200, Refusal: 200}
    for who in (alice, bob):
        assert cast.balance(postgres_database, who) == Balance(-100, 0, 100, 0)


async def test_an_order_is_claimed_by_one_of_two_processes(postgres_database: Database) -> None:
    alice = cast.alice(postgres_database)
    cast.place_all(postgres_database, [cast.submission(alice)] * 300)
    both = [Books(postgres_database, GROUP_KINDS) for _ in range(2)]
    claim = Claim([Route(1, "", 0, up=True)], {1: 10}, small=20, large=20, turn=0)
    claims: list[list[ClaimedOrder]] = await asyncio.gather(
        *[books.gather(CLAIM, claim) for _ in range(20) for books in both]
    )
    for books in both:
        await books.close()
    claimed = [order.id for orders in claims for order in orders]
    assert len(claimed) == len(set(claimed)) == 300


async def test_two_processes_place_send_and_report_for_the_same_accounts(postgres_database: Database) -> None:
    """Each works a link of its own; both move the same balances, and neither loses what the other did."""
    who = [cast.alice(postgres_database), cast.bob(postgres_database)]
    both = [Books(postgres_database, GROUP_KINDS) for _ in range(2)]

    async def work(books: Books, carrier: int) -> None:
        for turn in range(15):
            items = [cast.submission(who[(turn + i) % 2]) for i in range(8)]
            placed = asyncio.gather(*[books.gather(PLACE, item) for item in items])
            claim = Claim([Route(carrier, "", 0, up=True)], {carrier: 100}, small=20, large=20, turn=0)
            claimed: list[ClaimedOrder] = await books.gather(CLAIM, claim)
            outcomes = [
                (cast.sent(postgres_database, order, row), Accepted((f"{carrier}-{row.id}",)))
                for order in claimed
                for row in order.rows
            ]
            advances = [(order.id, order.last_id, order.last_id) for order in claimed]
            step = Step(carrier, IdForm.TEXT, OnUncertain.RESEND, outcomes, advances, [])
            reports = [cast.delivered(outcome.references[0]) for _, outcome in outcomes]
            await books.gather(STEP, step)
            halves = [ReportBatch(carrier, IdForm.TEXT, reports[i::2]) for i in range(2)]
            await asyncio.gather(*[books.gather(REPORTS, batch) for batch in halves], placed)

    await asyncio.gather(*[work(books, carrier) for carrier, books in enumerate(both, start=1)])
    for books in both:
        await books.close()
    spent = [cast.balance(postgres_database, one).spent for one in who]
    assert sum(spent) > 100
    assert sync_read(postgres_database, audit.check) == []
