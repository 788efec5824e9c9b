"""Pruning: what goes, what stays, and that every balance can still be proved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests import cast
from tests.cast import HOUR
from tests.conftest import ClockedBooks, FakeClock
from tests.partition_rig import names, partitions_of
from tests.service import parcel_desk, shop_rig
from tests.service.shop_rig import code, message

from ulak.core.callbacks import CallbackState
from ulak.core.errors import Refusal
from ulak.core.ledger import Move
from ulak.core.ports import Refused
from ulak.core.states import OrderState, ParcelState
from ulak.service import audit, credits, endpoints, orders, prune
from ulak.service.house import House
from ulak.service.prune import Prune, What
from ulak.store import callbacks as callback_store
from ulak.store import ids, partitions, pruning
from ulak.store.engine import Database, Sql, Tx
from ulak.store.vault import Vault
from ulak.store.writer import sync_read, sync_write

DAY = 24 * HOUR
KEEP = 30 * DAY

LEDGER = Sql(
    "SELECT account_id, asset, move, sum(amount) FROM (SELECT account_id, asset, move, amount FROM posting"
    " UNION ALL SELECT account_id, asset, move, amount FROM posting_sum) AS every_posting"
    " GROUP BY account_id, asset, move ORDER BY account_id, asset, move"
)
BALANCES = Sql("SELECT * FROM balance ORDER BY account_id, asset")


def go(database: Database, *what: What, span: int = KEEP, dry: bool = False) -> dict[str, int]:
    """Prune, and say what went."""
    before = sync_read(database, lambda tx: tx.now) - span
    counted = Prune(database, before, what or list(What), dry=dry).run()
    return {name: count for name, count in counted.items() if count}


def rows(database: Database, table: str) -> int:
    found = sync_read(database, lambda tx: tx.one(Sql(f"SELECT count(*) FROM {table}")))
    assert found is not None
    return int(found[0])


def money(database: Database) -> tuple[Any, Any]:
    """Every balance, and what was ever posted."""
    return sync_read(database, lambda tx: (tx.all(BALANCES), [tuple(map(str, r)) for r in tx.all(LEDGER)]))


def settled(database: Database, who: cast.Tenant, texts: Any = 1, **rest: Any) -> int:
    """An order that was sent, and reported as delivered."""
    number = cast.place(database, who, texts, **rest)
    for order in cast.claim(database):
        references = cast.accept_all(database, order)
        cast.report(database, *[cast.delivered(name) for each in references.values() for name in each])
    return number


# Orders.


def test_an_old_order_goes_with_all_that_belongs_to_it(database: Database, clock: FakeClock) -> None:
    alice, bob = cast.alice(database), cast.bob(database)
    texts = [cast.text([905301000001, 0], odd={1: "yok"}), cast.text(cast.numbers(3), body="Selam")]
    old = settled(database, alice, texts, repeat_check=True)
    kept = settled(database, bob)
    clock.advance(KEEP + DAY)
    young = settled(database, alice)
    before = money(database)
    assert go(database) == {"orders": 2, "messages": 6}
    assert money(database) == before
    for who, number in ((alice, old), (bob, kept)):
        assert sync_read(database, lambda tx: orders.report(tx, who.id, number, 0, 10)) is Refusal.NOT_FOUND  # noqa: B023
        assert sync_write(database, lambda tx: orders.cancel(tx, who.id, number)) is Refusal.NOT_FOUND  # noqa: B023
    count, listed = sync_read(
        database, lambda tx: orders.listing(tx, alice.id, cast.DIALECT, 0, 2**60, 0, 10)
    )
    assert (count, [order.number for order in listed]) == (1, [young])
    assert cast.report_of(database, alice, young).order.delivered == 1
    for table in ("order_text", "message", "sms_order", "reference"):
        assert rows(database, table) == 1, table
    for table in ("odd_number", "fingerprint", "unsure"):
        assert rows(database, table) == 0, table
    assert cast.place(database, alice) == young + 1, "numbers are not used again"


def test_postings_of_what_went_are_one_row_a_move(database: Database, clock: FakeClock) -> None:
    alice = cast.alice(database)
    for _ in range(3):
        settled(database, alice, 2)
    scheduled = cast.place(database, alice, 5, due=clock.now + HOUR)
    sync_write(database, lambda tx: orders.cancel(tx, alice.id, scheduled))
    clock.advance(KEEP + DAY)
    before = money(database)
    assert go(database) == {"orders": 4, "messages": 11}
    assert money(database) == before
    assert rows(database, "posting") == 1, "what was granted"
    kept = sync_read(
        database, lambda tx: tx.all(Sql("SELECT move, amount, postings FROM posting_sum ORDER BY move"))
    )
    assert kept == [(Move.HOLD, 11, 4), (Move.POST, 6, 3), (Move.VOID, 5, 1)]
    assert go(database) == {}, "a second run finds nothing"


def test_what_is_under_way_or_young_stays(database: Database, clock: FakeClock) -> None:
    alice = cast.alice(database)
    sent = cast.place(database, alice)
    cast.send_all(database)
    queued = cast.place(database, alice)
    far = cast.place(database, alice, due=clock.now + 2 * KEEP)
    clock.advance(KEEP - 1000)
    settled_late = cast.place(database, alice)
    (order,) = [
        order for order in cast.claim(database) if order.id == cast.order_id(database, alice, settled_late)
    ]
    cast.accept_all(database, order)
    clock.advance(DAY)
    cast.report(database, cast.delivered(f"r{order.id}-0"))
    assert go(database) == {}
    for number in (sent, queued, settled_late):
        assert cast.report_of(database, alice, number)
    assert sync_read(database, lambda tx: orders.report(tx, alice.id, far, 0, 1)) is Refusal.NOT_DUE
    # The first went a month and a day ago; a report that comes now makes it as good as new.
    cast.report(database, cast.delivered("r1-0"))
    assert cast.report_of(database, alice, sent).order.state is OrderState.DONE
    assert go(database) == {}
    clock.advance(KEEP - DAY)
    assert go(database) == {}
    clock.advance(DAY + 1000)
    assert go(database) == {"orders": 2, "messages": 2}


def test_what_was_refused_goes_with_its_doubts(database: Database, clock: FakeClock) -> None:
    alice = cast.alice(database)
    number = cast.place(database, alice, 3)
    (order,) = cast.claim(database)
    outcomes: list[Any] = [(cast.sent(database, order, row), Refused("0x45")) for row in order.rows]
    cast.step(database, outcomes, [(order.id, order.covered, order.covered)])
    sync_write(
        database,
        lambda tx: tx.run(
            Sql(
                "INSERT INTO unsure (message_id, order_id, carrier_id, doubt, why, at)"
                " VALUES (:id, :id, 1, 2, 'x', 1)"
            ),
            id=order.id,
        ),
    )
    clock.advance(KEEP + 1000)
    assert go(database) == {"orders": 1, "messages": 3}
    assert rows(database, "unsure") == 0
    assert cast.balance(database, alice).spent == 0
    assert sync_read(database, lambda tx: orders.report(tx, alice.id, number, 0, 1)) is Refusal.NOT_FOUND


def test_late_traces_are_gone_before_their_orders(database: Database, clock: FakeClock) -> None:
    """References of what has long been final, which the sweep had no time for; and reports for what went."""
    alice = cast.alice(database)
    settled(database, alice, 3)
    clock.advance(2 * DAY)
    assert rows(database, "reference") == 3
    assert go(database, span=prune.SHORTEST) == {"orders": 1, "messages": 3}
    assert rows(database, "reference") == 0
    cast.report(database, cast.undelivered("r1-0", 905301000001))
    assert rows(database, "stray_report") == 1


def test_slices(database: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many orders, young ones between them, and few messages in a transaction."""
    monkeypatch.setattr(prune, "ROWS", 4)
    monkeypatch.setattr(prune, "MESSAGES", 6)
    alice = cast.alice(database)
    for size in (1, 5, 2, 9, 1, 3, 1):
        settled(database, alice, size)
    cast.place(database, alice, 2, due=clock.now + 2 * KEEP)
    for _ in range(4):
        settled(database, alice)
    clock.advance(KEEP + 1000)
    assert go(database, dry=True) == {"orders": 11, "messages": 26}
    assert rows(database, "sms_order") == 12
    assert go(database) == {"orders": 11, "messages": 26}
    assert (rows(database, "sms_order"), rows(database, "message")) == (1, 2)


def test_a_walk_ends_where_all_is_young(
    database: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune, "ROWS", 2)
    alice = cast.alice(database)
    settled(database, alice)
    clock.advance(KEEP + 2 * DAY)
    for _ in range(9):
        settled(database, alice)
    asked: list[int] = []
    stretch = pruning.stretch

    def counted(tx: Tx, after: int, before: int, limit: int) -> pruning.Stretch:
        asked.append(after)
        return stretch(tx, after, before, limit)

    monkeypatch.setattr(pruning, "stretch", counted)
    assert go(database, What.MESSAGES)["orders"] == 1
    assert len(asked) == 2


# Callbacks.


def test_an_order_waits_until_its_callbacks_are_through(database: Database, clock: FakeClock) -> None:
    alice = cast.alice(database)
    vault = Vault(database.directory)
    sync_write(
        database,
        lambda tx: endpoints.set_endpoint(
            tx, alice.id, cast.DIALECT, ["message"], "https://a.example/", vault
        ),
    )
    settled(database, alice, 2)
    sync_write(database, lambda tx: credits.grant(tx, "alice", 5))
    assert (rows(database, "event"), rows(database, "callback")) == (4, 4)
    clock.advance(2 * DAY)
    span = DAY
    assert go(database, span=span) == {}
    sync_write(
        database,
        lambda tx: tx.run(
            Sql("UPDATE callback SET state = :arrived, ended = :now"),
            arrived=int(CallbackState.ARRIVED),
            now=tx.now,
        ),
    )
    sync_write(database, lambda tx: callback_store.log_attempts(tx, [(1, 1, 500, 1, "")]))
    assert go(database, span=span) == {"orders": 1, "messages": 2}
    assert (rows(database, "event"), rows(database, "callback"), rows(database, "attempt")) == (0, 0, 0)


def test_callbacks_about_what_is_there_stay(database: Database, clock: FakeClock) -> None:
    alice = cast.alice(database)
    vault = Vault(database.directory)
    sync_write(
        database,
        lambda tx: endpoints.set_endpoint(
            tx, alice.id, cast.DIALECT, ["message"], "https://a.example/", vault
        ),
    )
    cast.place(database, alice)
    cast.send_all(database)
    clock.advance(2 * DAY)
    assert go(database, span=DAY) == {}
    assert (rows(database, "event"), rows(database, "callback")) == (1, 1)


# Partitions.


@pytest.fixture
def small(postgres_database: Database) -> Iterator[Database]:
    with partitions_of(postgres_database, 100, 4):
        yield postgres_database
        assert sync_read(postgres_database, audit.check) == []


def test_a_partition_of_old_orders_is_dropped_as_a_whole(small: Database, clock: FakeClock) -> None:
    alice = cast.alice(small)
    for _ in range(5):
        settled(small, alice, 60)  # one a partition; the last makes its own, a large one
    clock.advance(KEEP + 1000)
    (last,) = [settled(small, alice, 60)]
    before = money(small)
    assert go(small, dry=True) == {"orders": 5, "messages": 300, "partitions": 4}
    assert go(small) == {"orders": 5, "messages": 300, "partitions": 4}
    assert money(small) == before
    assert len(names(small)) == 1
    assert cast.report_of(small, alice, last).order.delivered == 60
    assert cast.place(small, alice) == last + 1


def test_a_partition_with_an_order_under_way_is_emptied_and_goes_later(
    small: Database, clock: FakeClock
) -> None:
    alice = cast.alice(small)
    settled(small, alice, 40)
    open_ = cast.place(small, alice, 40)
    (order,) = cast.claim(small)
    cast.accept_all(small, order)
    settled(small, alice, 60)
    settled(small, alice, 60)
    clock.advance(KEEP + 1000)
    assert go(small) == {"orders": 3, "messages": 160, "partitions": 1}, "the last one is still leased from"
    assert names(small)[0] == partitions.name_of(1)
    assert cast.report_of(small, alice, open_).order.waiting == 40
    cast.report(small, *[cast.delivered(f"r{order.id + i}-0") for i in range(40)])
    clock.advance(KEEP + 1000)
    assert go(small) == {"orders": 1, "messages": 40, "partitions": 1}
    assert names(small)[0] == partitions.name_of(201)


def test_a_partition_with_ids_that_may_be_used_stays(postgres_database: Database, clock: FakeClock) -> None:
    """A process that rests has leased a block in it, and has the rest of that for an hour."""
    with partitions_of(postgres_database, ids.BLOCK, 2):
        alice = cast.alice(postgres_database)
        sync_write(
            postgres_database,
            lambda tx: tx.run(Sql("INSERT INTO id_block (name, next) VALUES ('message', 2)")),
        )
        settled(postgres_database, alice)
        clock.advance(KEEP + 1000)
        sync_write(postgres_database, lambda tx: tx.run(Sql("UPDATE id_block SET next = 1")))
        sync_write(postgres_database, lambda tx: ids.lease(tx, ids.BLOCK))
        assert go(postgres_database) == {"orders": 1, "messages": 1}
        clock.advance(ids.LEASE_KEPT + 1)
        assert go(postgres_database) == {"partitions": 1}
    assert sync_read(postgres_database, audit.check) == []


def test_an_order_over_a_border_keeps_both_partitions(small: Database, clock: FakeClock) -> None:
    """Processes of the version before leased such blocks."""
    alice = cast.alice(small)
    settled(small, alice, 60)
    sync_write(small, lambda tx: tx.run(Sql("UPDATE id_block SET next = 301")))
    sync_write(small, lambda tx: tx.run(Sql("UPDATE message SET id = id + 70 WHERE id >= 1")))
    for table, column in (
        ("sms_order", "id"),
        ("order_text", "order_id"),
        ("order_text", "first_id"),
        ("posting", "order_id"),
        ("reference", "message_id"),
        ("reference", "order_id"),
        ("sms_order", "opened"),
        ("sms_order", "settled"),
        ("sms_order", "announced"),
    ):
        sync_write(small, lambda tx: tx.run(Sql(f"UPDATE {table} SET {column} = {column} + 70")))  # noqa: B023
    assert sync_read(small, audit.check) == []
    clock.advance(KEEP + 1000)
    assert go(small) == {"orders": 1, "messages": 60, "partitions": 1}, "the third holds nothing at all"
    assert go(small) == {"partitions": 2}


# What else is bought.


async def test_bought_messages_go_with_their_orders(books: ClockedBooks) -> None:
    database, clock = books.database, books.clock
    rig = shop_rig.Rig(books, database.directory)
    sent = await rig.paid(message())
    await rig.work()
    for order in cast.claim(database):
        references = cast.accept_all(database, order)
    await rig.after(20_000, step=1_000)
    cast.report(database, cast.delivered(next(iter(references.values()))[0]))
    await rig.after(120_000, step=10_000)
    unpaid = await rig.order(message())
    lost = rig.of(unpaid)
    await rig.after(2 * HOUR)
    assert [rig.get(one.id).state.name for one in (sent, lost)] == ["DELIVERED", "EXPIRED"]
    clock.advance(KEEP)
    before = money(database)
    assert go(database, What.PARCELS) == {}
    assert go(database, What.MESSAGES, dry=True) == {"orders": 1, "messages": 1, "purchases": 2}
    assert go(database, What.MESSAGES) == {"orders": 1, "messages": 1, "purchases": 2}
    assert money(database) == before
    for table in ("purchase", "sms_order", "message", "event"):
        assert rows(database, table) == 0, table


async def test_numbers_go_when_their_money_is_resolved(books: ClockedBooks) -> None:
    database, clock = books.database, books.clock
    rig = shop_rig.Rig(books, database.directory)
    alice = rig.account(sats=50_000)
    done = await rig.waiting(code(referrer="bob@example.com"))
    rig.source.send(done.id, "Your code is 12345")
    await rig.after(1000)
    own = await rig.shop.buy(code(prepaid=True), alice, shop_rig.CALLER)
    assert own
    await rig.after(30 * 60_000, step=60_000)
    cancelled = await rig.paid()
    await rig.cancel(cancelled)
    await rig.after(1000)
    unpaid = await rig.order()
    clock.advance(KEEP + DAY)
    before = money(database)
    gone = go(database, What.NUMBERS)
    assert gone == {"purchases": 2}, "one waits for its referrer, one for time to pass"
    assert money(database) == before
    assert rig.get(done.id).state.name == "DONE"
    assert rig.of(unpaid).state.name == "UNPAID"
    assert rig.house(House.REFERRALS).available == 150


async def test_parcels_go_with_labels_and_documents(books: ClockedBooks) -> None:
    database, clock = books.database, books.clock
    rig = parcel_desk.rig_of(database, books)
    cancelled, under_way = await rig.booked(), await rig.booked()
    rejected = await rig.rejected()
    await rig.cancel(cancelled.id)
    draft = rig.stored(rejected).state
    assert draft is ParcelState.REJECTED
    sync_write(database, lambda tx: tx.run(Sql("DELETE FROM job WHERE subject <> :id"), id=under_way.id))
    clock.advance(KEEP + 1000)
    before = money(database)
    assert go(database, What.PARCELS) == {"parcels": 2}
    assert money(database) == before
    assert [one.id for one in rig.all()] == [under_way.id]
    assert {
        row[0] for row in sync_read(database, lambda tx: tx.all(Sql("SELECT consignment_id FROM label")))
    } == {under_way.id}
    assert rows(database, "event") == len([kind for kind, news in rig.events() if news.id == under_way.id])


# The proof.

DAMAGE = [
    ("UPDATE pruned SET posted = posted + 1", "its pruned orders have 0 more held and 1 more posted"),
    ("UPDATE posting_sum SET amount = amount + 1 WHERE move = 3", "the balance is off its postings"),
    ("UPDATE posting_sum SET amount = amount + 1 WHERE move = 2", "its pruned orders have -1 more held"),
    ("DELETE FROM posting_sum WHERE move = 2", "its pruned orders have"),
    ("DELETE FROM pruned", "its pruned orders have 0 more held and -4 more posted"),
    ("UPDATE pruned SET account_id = 77", "account 77"),
]


@pytest.mark.parametrize(("harm", "found"), DAMAGE)
def test_the_checker_proves_what_was_pruned(
    either_database: Database, clock: FakeClock, harm: str, found: str
) -> None:
    alice = cast.alice(either_database)
    settled(either_database, alice, 4)
    clock.advance(KEEP + 1000)
    go(either_database)
    assert sync_read(either_database, audit.check) == []
    sync_write(either_database, lambda tx: tx.run(Sql(harm)))
    assert found in "\n".join(sync_read(either_database, audit.check))


def test_postings_for_an_order_that_never_was_are_not_added_up(
    either_database: Database, clock: FakeClock
) -> None:
    alice = cast.alice(either_database)
    settled(either_database, alice)
    clock.advance(KEEP + 1000)
    go(either_database)
    wrong = Sql(
        "INSERT INTO posting (account_id, asset, move, amount, order_id, at) VALUES (1, 'SMS', :m, 5, 900, 1)"
    )
    sync_write(either_database, lambda tx: [tx.run(wrong, m=move) for move in (2, 4)])
    go(either_database)
    found = sync_read(either_database, audit.check)
    assert [line for line in found if "order 900 is not one of account 1" in line], found
