"""What time does by itself."""

from __future__ import annotations

import pytest
from tests import cast
from tests.conftest import ClockedBooks, FakeClock

from ulak.core import callbacks as callback_rules
from ulak.core import once
from ulak.core.callbacks import CallbackState
from ulak.core.doubts import OnUncertain
from ulak.core.events import Event, EventKind
from ulak.core.ledger import Balance
from ulak.core.once import Once
from ulak.core.ports import Accepted, Unknown
from ulak.core.references import Stray
from ulak.core.states import MessageState, OrderState
from ulak.service import sweep
from ulak.service.orders import REPEAT_WINDOW
from ulak.service.sweep import TRACES_KEPT, Hand, sweep_slice
from ulak.store import callbacks, endpoints, events, replies
from ulak.store.engine import Database, Sql, Tx
from ulak.store.writer import sync_read, sync_write
from ulak.workers.sweep import Sweeper

WAIT = 72 * cast.HOUR
S, D, U = MessageState.SENT, MessageState.DELIVERED, MessageState.UNDELIVERED
FIRST = cast.FIRST


def run(database: Database, hand: Hand | None = None) -> tuple[Hand, int]:
    """A whole pass; returns the hand, and how many transactions it took."""
    hand, count = hand or Hand(), 0
    while True:
        hand, more = sync_write(database, lambda tx, h=hand: sweep_slice(tx, h, receipt_wait=WAIT))  # type: ignore[misc]
        count += 1
        if not more:
            return hand, count


def rows(database: Database, table: str) -> int:
    (found,) = sync_read(database, lambda tx: tx.all(Sql(f"SELECT count(*) FROM {table}")))
    return int(found[0])


def states(database: Database, who: cast.Tenant, number: int = FIRST) -> list[MessageState]:
    return [row.state for row in cast.report_of(database, who, number).messages]


def test_fingerprints_are_forgotten_when_the_repeat_check_is_past_them(
    database: Database, clock: FakeClock
) -> None:
    alice = cast.alice(database)
    cast.place(database, alice, repeat_check=True)
    clock.advance(REPEAT_WINDOW - 1)
    cast.place(database, alice, 2, repeat_check=True)
    run(database)
    assert rows(database, "fingerprint") == 2
    clock.advance(1)
    run(database)
    assert rows(database, "fingerprint") == 1


def test_strays_are_forgotten_after_a_day(database: Database, clock: FakeClock) -> None:
    alice = cast.alice(database)
    cast.place(database, alice)
    cast.send_all(database)
    cast.report(database, cast.delivered("r1-0"), cast.undelivered("r1-0"), cast.delivered("unknown"))
    clock.advance(1)
    cast.report(database, cast.delivered("later"))
    clock.advance(TRACES_KEPT - 1)
    run(database)
    assert rows(database, "stray_report") == 1


def test_references_stay_as_tombstones_for_a_day(database: Database, clock: FakeClock) -> None:
    alice = cast.alice(database)
    cast.place(database, alice, 3)
    cast.send_all(database, parts=2)
    clock.advance(2 * TRACES_KEPT)
    cast.report(database, *[cast.delivered(f"r1-{part}") for part in (0, 1)], cast.undelivered("r2-0"))
    clock.advance(TRACES_KEPT - 1000)
    run(database)
    assert rows(database, "reference") == 6
    cast.report(database, cast.undelivered("r1-0"))
    assert rows(database, "stray_report") == 1, "a contradiction of a message that is known"
    clock.advance(1000)
    run(database)
    assert rows(database, "reference") == 2, "only the message without a report is still awaited"


def test_messages_without_a_report_are_given_up(database: Database, clock: FakeClock) -> None:
    alice = cast.alice(database)
    cast.place(database, alice, [cast.text(cast.numbers(3), parts=2)])
    cast.send_all(database, parts=2)
    clock.advance(1000)
    cast.report(database, *[cast.delivered(f"r1-{part}") for part in (0, 1)], cast.delivered("r2-1"))
    clock.advance(WAIT)
    run(database)
    assert states(database, alice) == [D, S, U], "the second had news a second later"
    clock.advance(1000)
    run(database)
    shown = cast.report_of(database, alice, FIRST).order
    assert (shown.state, shown.delivered, shown.undelivered, shown.price) == (OrderState.DONE, 1, 2, 2)
    assert cast.balance(database, alice) == Balance(-1000, 998, 0, 2)


def test_a_report_after_that_is_kept_and_changes_nothing(database: Database, clock: FakeClock) -> None:
    alice = cast.alice(database)
    cast.place(database, alice)
    cast.send_all(database)
    clock.advance(WAIT + 1000)
    run(database)
    cast.report(database, cast.delivered("r1-0"))
    assert states(database, alice) == [U]
    assert cast.balance(database, alice).available == 1000
    found = sync_read(database, lambda tx: tx.all(Sql("SELECT spelled, why FROM stray_report")))
    assert found == [("r1-0", Stray.CONTRADICTION)]


def test_an_order_of_which_nothing_was_heard_has_reached_its_carrier(
    database: Database, clock: FakeClock
) -> None:
    alice = cast.alice(database)
    cast.place(database, alice)
    cast.send_all(database)
    clock.advance(WAIT + 1000)
    run(database)
    assert cast.report_of(database, alice, FIRST).order.state is OrderState.DONE


def test_messages_that_wait_for_a_link_or_an_operator_are_not_given_up(
    database: Database, clock: FakeClock
) -> None:
    alice = cast.alice(database)
    cast.place(database, alice, 3)
    (order,) = cast.claim(database, slots=2)
    doubtful = (cast.sent(database, order, order.rows[0]), Unknown("lost link"))
    cast.step(database, [doubtful], [(order.id, order.opened, order.id)], policy=OnUncertain.HOLD)
    cast.place(database, alice)
    clock.advance(10 * WAIT)
    run(database)
    assert states(database, alice) == [MessageState.UNSURE, MessageState.QUEUED, MessageState.QUEUED]
    assert states(database, alice, FIRST + 1) == [MessageState.QUEUED]


def test_the_wait_begins_when_the_message_was_sent(database: Database, clock: FakeClock) -> None:
    """Not when its order was due: a link may have been down in between."""
    alice = cast.alice(database)
    cast.place(database, alice)
    clock.advance(WAIT)
    cast.send_all(database)
    clock.advance(WAIT)
    run(database)
    assert states(database, alice) == [S]


def test_walks_are_due_again_by_the_databases_own_clock(database: Database, clock: FakeClock) -> None:
    cast.alice(database)
    hand, count = run(database)
    assert count == len(hand.begun) > 1
    assert run(database, hand) == (hand, 1), "nothing is due again"
    clock.advance(REPEAT_WINDOW)
    hand, some = run(database, hand)
    assert 1 < some < count
    clock.advance(25 * cast.HOUR)
    assert run(database, hand)[1] == count
    clock.advance(-100 * cast.HOUR)
    assert run(database, hand)[1] == count, "a clock that was put back must not stop the sweep"


@pytest.mark.parametrize("stretch", [1, 2, 3, 7, 100])
def test_tables_are_walked_in_short_stretches(
    database: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, stretch: int
) -> None:
    monkeypatch.setattr(sweep, "STRETCH", stretch)
    monkeypatch.setattr(sweep, "ORDERS_MAX", stretch)
    monkeypatch.setattr(sweep, "EXPIRED_MAX", stretch)
    alice = cast.alice(database)
    for size in (1, 4, 2):
        cast.place(database, alice, size, repeat_check=True)
    cast.send_all(database)
    cast.report(database, cast.delivered("r2-0"), *[cast.delivered(f"nothing-{i}") for i in range(5)])
    clock.advance(WAIT + 1000)
    hand, _ = run(database)
    assert rows(database, "fingerprint") == rows(database, "stray_report") == 0
    assert rows(database, "reference") == 6
    assert cast.balance(database, alice) == Balance(-1000, 999, 0, 1)
    clock.advance(TRACES_KEPT)
    run(database, hand)
    assert rows(database, "reference") == 0


def test_references_of_several_carriers(database: Database, clock: FakeClock) -> None:
    alice = cast.alice(database)
    for carrier in (3, 1, 2):
        cast.place(database, alice, 2)
        (order,) = cast.claim(database, carrier=carrier)
        outcomes = [(cast.sent(database, order, row), Accepted((f"{row.id}",))) for row in order.rows]
        cast.step(database, outcomes, carrier=carrier)
        cast.report(database, cast.delivered(f"{order.id}"), carrier=carrier)
    clock.advance(TRACES_KEPT)
    run(database)
    assert rows(database, "reference") == 3


async def test_the_worker_goes_on_until_a_pass_is_complete(
    books: ClockedBooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "STRETCH", 1)
    alice = cast.alice(books.database)
    for size in (1, 2, 3):
        cast.place(books.database, alice, size, repeat_check=True)
    books.clock.advance(REPEAT_WINDOW)
    sweeper = Sweeper(books, WAIT)
    await sweeper.sweep()
    assert rows(books.database, "fingerprint") == 0
    cast.place(books.database, alice, repeat_check=True)
    await sweeper.sweep()
    books.clock.advance(REPEAT_WINDOW)
    await sweeper.sweep()
    assert rows(books.database, "fingerprint") == 0


def test_requests_with_a_key_are_forgotten_after_a_day(database: Database, clock: FakeClock) -> None:
    def ask(number: int) -> None:
        request = Once("POST /consignments", f"key-{number}", "digest")

        def carry_out(tx: Tx) -> None:
            replies.claim(tx, 1, request, until=tx.now)
            replies.finish(tx, 1, request, number, b"{}")

        sync_write(database, carry_out)

    ask(1)
    clock.advance(1)
    for number in (2, 3):
        ask(number)
    clock.advance(once.KEPT - 1)
    hand, _ = run(database)
    assert rows(database, "reply") == 2
    clock.advance(cast.HOUR)
    run(database, hand)
    assert rows(database, "reply") == 0


@pytest.mark.parametrize("stretch", [1, 2, 100])
def test_what_was_told_is_forgotten_after_a_month(
    database: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, stretch: int
) -> None:
    monkeypatch.setattr(sweep, "STRETCH", stretch)
    alice = cast.alice(database)

    def told(state: CallbackState | None) -> None:
        """Something happened, and an endpoint was told so, or not."""

        def happen(tx: Tx) -> None:
            (event,) = events.insert(tx, [Event(alice.id, EventKind.CREDIT_GRANTED, 0, b"{}")])
            if state is not None:
                callbacks.insert(tx, [(endpoint, event, event, CallbackState.DUE)])
                (made,) = tx.all(Sql("SELECT max(id) FROM callback"))
                callbacks.log_attempts(tx, [(made[0], tx.now, 500, 1, "")])
                callbacks.save(tx, [(made[0], state, 1, tx.now, 500)])

        sync_write(database, happen)

    endpoint = sync_write(database, lambda tx: endpoints.put(tx, alice.id, "x", ["credit"], "", "")).id
    for state in (CallbackState.ARRIVED, CallbackState.DUE, None, CallbackState.GIVEN_UP):
        told(state)
    clock.advance(1)
    told(CallbackState.ARRIVED)
    clock.advance(callback_rules.KEPT - 1)
    run(database)
    counts = [rows(database, table) for table in ("event", "callback", "attempt")]
    assert counts == [2, 2, 2], "what is still to be told, and what is younger"
