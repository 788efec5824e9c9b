"""Orders: placed, shown, listed, cancelled."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests import cast
from tests.conftest import FakeClock

from ulak.core.errors import Refusal
from ulak.core.ledger import Balance
from ulak.core.orders import MessageRow, OrderDraft, OrderSummary, Placed, TextDraft
from ulak.core.states import MessageState, OrderState
from ulak.service import accounts, orders
from ulak.service.orders import REPEAT_WINDOW, Submission
from ulak.store.engine import Database
from ulak.store.writer import sync_read, sync_write

FIRST = cast.FIRST
NUMBERS = cast.numbers(3)
Q, D, U = MessageState.QUEUED, MessageState.DELIVERED, MessageState.UNDELIVERED


def place(database: Database, *items: Submission) -> list[Placed | Refusal]:
    return cast.place_all(database, items)


def listing(
    database: Database, who: cast.Tenant, start: int, end: int, offset: int = 0, limit: int = 30
) -> tuple[int, list[OrderSummary]]:
    return sync_read(database, lambda tx: orders.listing(tx, who.id, cast.DIALECT, start, end, offset, limit))


def cancel(database: Database, who: cast.Tenant, number: int) -> Refusal | None:
    return sync_write(database, lambda tx: orders.cancel(tx, who.id, number))


def order(who: cast.Tenant, texts: Sequence[TextDraft], **rest: object) -> Submission:
    return cast.submission(who, cast.draft(who.sender, texts, **rest))  # type: ignore[arg-type]


# Placing.


def test_an_order_holds_its_price_and_shows_its_messages(database: Database, clock: FakeClock) -> None:
    alice = cast.alice(database, credit=10)
    assert place(database, order(alice, [cast.text(NUMBERS, parts=2)])) == [Placed(FIRST)]
    assert cast.balance(database, alice) == Balance(issued=-10, available=4, held=6, spent=0)
    shown = cast.report_of(database, alice, FIRST)
    assert shown.order == OrderSummary(
        FIRST, OrderState.READY, 3, 0, 0, clock.now, clock.now, alice.sender, price=6
    )
    assert shown.messages == [MessageRow(f"+{number}", Q) for number in NUMBERS]


def test_orders_are_numbered_by_account(database: Database) -> None:
    alice, bob = cast.alice(database), cast.bob(database)
    placed = place(database, *map(cast.submission, (alice, bob, alice, bob, bob)))
    assert placed == [Placed(FIRST), Placed(FIRST), Placed(FIRST + 1), Placed(FIRST + 1), Placed(FIRST + 2)]
    assert place(database, cast.submission(alice)) == [Placed(FIRST + 2)]


def test_a_group_is_decided_in_order_on_what_is_left(database: Database) -> None:
    alice = cast.alice(database, credit=2)
    placed = place(database, *[cast.submission(alice)] * 3)
    assert placed == [Placed(FIRST), Placed(FIRST + 1), Refusal.NO_CREDIT]
    assert cast.balance(database, alice) == Balance(-2, 0, 2, 0)


def test_a_large_order_does_not_keep_a_small_one_after_it_out(database: Database) -> None:
    alice = cast.alice(database, credit=2)
    placed = place(database, order(alice, [cast.text(NUMBERS)]), cast.submission(alice))
    assert placed == [Refusal.NO_CREDIT, Placed(FIRST)]


def test_what_is_refused_leaves_no_trace(database: Database) -> None:
    alice = cast.alice(database, credit=1)
    stranger = Submission(cast.DIALECT, "nobody", "nothing", cast.ADDRESS, cast.draft("X", []))
    forger = Submission(
        cast.DIALECT, alice.key, "wrong", cast.ADDRESS, cast.draft("ALICE", [cast.text(NUMBERS)])
    )
    placed = place(
        database,
        stranger,
        forger,
        order(alice, [cast.text(NUMBERS)], repeat_check=True),
        cast.submission(alice, cast.draft("BOB", [cast.text(NUMBERS[:1])])),
        order(alice, [cast.text(NUMBERS[:1])], faults=[Refusal.NO_RECIPIENT]),
    )
    assert placed == [
        Refusal.UNAUTHENTICATED,
        Refusal.UNAUTHENTICATED,
        Refusal.NO_CREDIT,
        Refusal.SENDER_NOT_APPROVED,
        Refusal.NO_RECIPIENT,
    ]
    assert cast.balance(database, alice) == Balance(-1, 1, 0, 0)
    assert listing(database, alice, 0, 2**50) == (0, [])
    assert place(database, order(alice, [cast.text(NUMBERS[:1])])) == [Placed(FIRST)]


def test_the_visible_fault_is_the_earliest_in_the_order_of_checks(database: Database) -> None:
    alice = cast.alice(database, credit=1)
    item = cast.submission(
        alice, cast.draft("NOBODY", [cast.text(NUMBERS)], faults=[Refusal.NO_RECIPIENT, Refusal.REPEATED])
    )
    assert place(database, item) == [Refusal.SENDER_NOT_APPROVED]


def test_a_repeated_order_is_refused_for_ten_minutes(database: Database, clock: FakeClock) -> None:
    alice, bob = cast.alice(database), cast.bob(database)
    first = order(alice, [cast.text(NUMBERS)], repeat_check=True)
    turned = order(alice, [cast.text(NUMBERS[::-1])], repeat_check=True)
    other = order(alice, [cast.text(NUMBERS, body="Selam")], repeat_check=True)
    of_bob = order(bob, [cast.text(NUMBERS)], repeat_check=True)
    assert place(database, first, turned, other, of_bob) == [
        Placed(FIRST),
        Refusal.REPEATED,
        Placed(FIRST + 1),
        Placed(FIRST),
    ]
    clock.advance(REPEAT_WINDOW - 1)
    assert place(database, first) == [Refusal.REPEATED]
    clock.advance(1)
    assert place(database, first, first) == [Placed(FIRST + 2), Refusal.REPEATED]


def test_unreadable_and_barred_numbers_become_undelivered_at_no_cost(database: Database) -> None:
    alice = cast.alice(database, credit=10)
    mixed = cast.text(
        [0, NUMBERS[0], NUMBERS[1], 0], odd={0: "yarın", 3: "123"}, barred=frozenset(NUMBERS[:1])
    )
    assert place(database, order(alice, [mixed])) == [Placed(FIRST)]
    shown = cast.report_of(database, alice, FIRST)
    assert [(row.shown, row.state) for row in shown.messages] == [
        ("yarın", U),
        (f"+{NUMBERS[0]}", U),
        (f"+{NUMBERS[1]}", Q),
        ("123", U),
    ]
    assert (shown.order.total, shown.order.undelivered, shown.order.waiting, shown.order.price) == (
        4,
        3,
        1,
        1,
    )


def test_an_order_in_which_nothing_can_be_sent_is_over_at_once(database: Database) -> None:
    """Trial messages go to one number only; without it among the recipients nothing is left."""
    alice = cast.alice(database)
    placed = cast.place(database, alice, [cast.text(NUMBERS, barred=frozenset(NUMBERS))])
    assert cast.report_of(database, alice, placed).order.state is OrderState.FAILED
    assert cast.claim(database) == []


def test_texts_have_their_own_recipients_and_prices(database: Database) -> None:
    alice = cast.alice(database)
    texts = [cast.text(NUMBERS[:2], "bir", parts=1), cast.text(NUMBERS[2:], "iki" * 99, parts=2)]
    number = cast.place(database, alice, texts)
    assert cast.report_of(database, alice, number).order.price == 4
    (claimed,) = cast.claim(database)
    assert claimed.texts == ((claimed.id, "bir"), (claimed.id + 2, "iki" * 99))
    assert [row.price for row in claimed.rows] == [1, 1, 2]


def test_an_account_without_api_access_cannot_order(database: Database) -> None:
    alice = cast.alice(database)
    sync_write(database, lambda tx: accounts.set_access(tx, "alice", False))
    assert place(database, cast.submission(alice)) == [Refusal.UNAUTHENTICATED]
    sync_write(database, lambda tx: accounts.set_access(tx, "alice", True))
    sync_write(database, lambda tx: accounts.configure(tx, "alice", {"ips": "10.0.0.0/8"}))
    assert place(database, cast.submission(alice)) == [Refusal.UNAUTHENTICATED]
    sync_write(database, lambda tx: accounts.configure(tx, "alice", {"ips": cast.ADDRESS}))
    assert place(database, cast.submission(alice)) == [Placed(FIRST)]


def test_the_dialect_sees_the_account_and_the_time_of_the_transaction(
    database: Database, clock: FakeClock
) -> None:
    alice = cast.alice(database)
    seen = []

    wanted = cast.draft(alice.sender, [cast.text(NUMBERS)])
    ruling = wanted.judge

    def judge(account: object, now: int) -> object:
        seen.append((getattr(account, "name", None), now))
        return ruling(account, now)  # type: ignore[arg-type]

    asking = OrderDraft(cast.DIALECT, alice.sender, wanted.texts, judge, cast.CHECKS)  # type: ignore[arg-type]
    assert place(database, cast.submission(alice, asking)) == [Placed(FIRST)]
    assert seen == [("alice", clock.now)]


# Showing.


def test_pages_of_a_report(database: Database) -> None:
    alice = cast.alice(database)
    number = cast.place(database, alice, 5)

    def page(offset: int, limit: int) -> list[int]:
        shown = sync_read(database, lambda tx: orders.report(tx, alice.id, number, offset, limit))
        assert not isinstance(shown, Refusal)
        return [int(row.shown) for row in shown.messages]

    wanted = cast.numbers(5)
    assert page(0, 2) == wanted[:2]
    assert page(2, 2) == wanted[2:4]
    assert page(4, 2) == wanted[4:]
    assert page(5, 2) == page(500, 2) == []


def test_another_accounts_order_is_like_none(database: Database) -> None:
    alice, bob = cast.alice(database), cast.bob(database)
    number = cast.place(database, alice, due=2**42)
    for order_number in (number, number + 1):
        assert (
            sync_read(database, lambda tx, n=order_number: orders.report(tx, bob.id, n, 0, 1))  # type: ignore[misc]
            is Refusal.NOT_FOUND
        )
        assert cancel(database, bob, order_number) is Refusal.NOT_FOUND
    assert listing(database, bob, 0, 2**50) == (0, [])


def test_a_scheduled_order_is_shown_when_it_is_due(database: Database, clock: FakeClock) -> None:
    alice = cast.alice(database)
    number = cast.place(database, alice, due=clock.now + 1000)
    assert sync_read(database, lambda tx: orders.report(tx, alice.id, number, 0, 10)) is Refusal.NOT_DUE
    clock.advance(1000)
    assert cast.report_of(database, alice, number).order.state is OrderState.SCHEDULED


def test_the_list_of_orders_is_counted_and_paged(database: Database, clock: FakeClock) -> None:
    alice, bob = cast.alice(database), cast.bob(database)
    begin = clock.now
    for _ in range(5):
        cast.place(database, alice)
        cast.place(database, bob)
        clock.advance(1000)

    def page(start: int, end: int, offset: int = 0, limit: int = 2) -> tuple[int, list[int]]:
        count, shown = listing(database, alice, start, end, offset, limit)
        return count, [order.number - FIRST for order in shown]

    assert page(begin, clock.now) == (5, [0, 1])
    assert page(begin, clock.now, offset=4) == (5, [4])
    assert page(begin, clock.now, offset=5) == page(begin, clock.now, offset=50) == (5, [])
    assert page(begin + 1000, begin + 3000, limit=9) == (2, [1, 2])
    assert page(clock.now, begin) == (0, [])


# Cancelling.


def test_cancelling_gives_the_credit_back(database: Database, clock: FakeClock) -> None:
    alice = cast.alice(database, credit=10)
    mixed = cast.text([NUMBERS[0], 0, NUMBERS[1]], parts=2, odd={1: "?"})
    number = cast.place(database, alice, [mixed], due=clock.now + cast.HOUR, repeat_check=True)
    assert cast.balance(database, alice).held == 4
    assert cancel(database, alice, number) is None
    assert cast.balance(database, alice) == Balance(-10, 10, 0, 0)
    clock.advance(cast.HOUR)
    shown = cast.report_of(database, alice, number)
    assert (shown.order.state, shown.order.undelivered, shown.order.price) == (OrderState.CANCELLED, 3, 0)
    assert {row.state for row in shown.messages} == {U}
    assert cast.claim(database) == []


def test_only_the_first_cancel_succeeds(database: Database, clock: FakeClock) -> None:
    alice = cast.alice(database)
    number = cast.place(database, alice, due=clock.now + 1)
    assert cancel(database, alice, number) is None
    assert cancel(database, alice, number) is Refusal.NOT_FOUND


def test_a_cancelled_order_may_be_placed_again(database: Database, clock: FakeClock) -> None:
    alice = cast.alice(database)
    item = order(alice, [cast.text(NUMBERS)], due=clock.now + cast.HOUR, repeat_check=True)
    assert place(database, item, item) == [Placed(FIRST), Refusal.REPEATED]
    assert cancel(database, alice, FIRST) is None
    assert place(database, item) == [Placed(FIRST + 1)]


@pytest.mark.parametrize(("late", "winner"), [(-1, None), (0, Refusal.NOT_FOUND), (1, Refusal.NOT_FOUND)])
def test_cancel_against_due_time(
    database: Database, clock: FakeClock, late: int, winner: Refusal | None
) -> None:
    """From its time on an order is sent, whether or not a link took it yet; before it can be cancelled."""
    alice = cast.alice(database)
    number = cast.place(database, alice, due=clock.now + cast.HOUR)
    clock.advance(cast.HOUR + late)
    assert cancel(database, alice, number) is winner
    assert len(cast.claim(database)) == (winner is not None)


def test_an_immediate_order_cannot_be_cancelled(database: Database) -> None:
    alice = cast.alice(database)
    assert cancel(database, alice, cast.place(database, alice)) is Refusal.NOT_FOUND


def test_a_cancelled_order_that_was_free(database: Database, clock: FakeClock) -> None:
    """Trial messages cost nothing: there is nothing to give back, and no posting about nothing."""
    alice = cast.alice(database, credit=0)
    number = cast.place(database, alice, [cast.text(NUMBERS, parts=0)], due=clock.now + 1)
    assert cancel(database, alice, number) is None
    clock.advance(1)
    assert cast.report_of(database, alice, number).order.state is OrderState.CANCELLED
