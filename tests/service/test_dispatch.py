"""Orders in the hands of carrier links: claimed, stepped through, answered, taken up again."""

from __future__ import annotations

import pytest
from tests import cast
from tests.conftest import FakeClock

from ulak.core.doubts import Doubt, OnUncertain
from ulak.core.leases import Role
from ulak.core.ledger import Balance
from ulak.core.ports import Accepted, Refused, Unknown
from ulak.core.routing import Route
from ulak.core.states import MessageEvent, MessageState, OrderState
from ulak.service import carriers, dispatch, doubts
from ulak.service.dispatch import Claim, ClaimedOrder
from ulak.service.settlement import Settlement
from ulak.store import carriers as carrier_store
from ulak.store import leases, messages, processes
from ulak.store import orders as order_store
from ulak.store import reports as report_store
from ulak.store.engine import Database, Sql, Tx
from ulak.store.ids import Ids
from ulak.store.writer import sync_read, sync_write

Q, S, V = MessageState.QUEUED, MessageState.SENT, MessageState.UNSURE
D, U = MessageState.DELIVERED, MessageState.UNDELIVERED
NUMBERS = cast.numbers(5)

_IN_DOUBT = Sql("SELECT message_id, doubt FROM unsure")


def states(database: Database, who: cast.Tenant, number: int) -> list[MessageState]:
    return [row.state for row in cast.report_of(database, who, number).messages]


def progress(database: Database, order_id: int) -> tuple[int, int]:
    """(messages opened, messages settled) of an order."""
    (order,) = sync_read(database, lambda tx: order_store.sending_by_id(tx, [order_id]))
    return order.opened - order_id + 1, order.settled - order_id + 1


def take_over(
    database: Database,
    policy: OnUncertain = OnUncertain.RESEND,
    carrier: int = cast.CARRIER,
    limit: int = 100,
) -> list[ClaimedOrder]:
    """What a process that starts anew finds under way, all of it."""
    found, after = [], 0
    while True:
        after, claimed = sync_write(
            database,
            lambda tx, a=after: dispatch.take_over(tx, carrier, policy, a, limit),  # type: ignore[misc]
        )
        found += claimed
        if not after:
            return found


def in_doubt(database: Database) -> dict[int, Doubt]:
    """Messages in doubt, and what was done about them."""
    return {row[0]: Doubt(row[1]) for row in sync_read(database, lambda tx: tx.all(_IN_DOUBT))}


# Claims.


def test_due_orders_are_claimed_once(database: Database, clock: FakeClock) -> None:
    alice = cast.alice(database)
    cast.place(database, alice, 3)
    cast.place(database, alice, due=clock.now + 1)
    (claimed,) = cast.claim(database)
    assert claimed.carrier_id == cast.CARRIER
    assert [row.number for row in claimed.rows] == cast.numbers(3)
    assert (claimed.covered, claimed.opened) == (claimed.last_id, claimed.last_id)
    assert progress(database, claimed.id) == (3, 0)
    assert cast.claim(database) == []
    clock.advance(1)
    assert len(cast.claim(database)) == 1


def test_the_longest_due_are_claimed_first(database: Database, clock: FakeClock) -> None:
    alice = cast.alice(database)
    later = cast.place(database, alice, due=clock.now + 2000)
    sooner = cast.place(database, alice, due=clock.now + 1000)
    clock.advance(5000)
    at_once = cast.place(database, alice)
    ids = [cast.order_id(database, alice, number) for number in (sooner, later, at_once)]
    assert [order.id for order in cast.claim(database, limit=2)] == ids[:2]
    assert [order.id for order in cast.claim(database, limit=2)] == ids[2:]


def test_a_claim_opens_what_the_window_has_room_for(database: Database) -> None:
    alice = cast.alice(database)
    cast.place(database, alice, [cast.text(NUMBERS, parts=2)])
    cast.place(database, alice, 3)
    cast.place(database, alice, 1)
    large, small, none = cast.claim(database, slots=8)
    assert [order.opened - order.id + 1 for order in (large, small, none)] == [4, 0, 0]
    assert [len(order.rows) for order in (large, small, none)] == [5, 3, 1]


def test_of_a_large_order_only_the_first_rows_are_read_with_the_claim(database: Database) -> None:
    alice = cast.alice(database, credit=10_000)
    cast.place(database, alice, dispatch.SMALL + 50)
    (claimed,) = cast.claim(database, slots=10_000)
    assert len(claimed.rows) == dispatch.SMALL
    assert claimed.covered == claimed.opened == claimed.id + dispatch.SMALL - 1
    covered, rows = sync_read(
        database, lambda tx: dispatch.more_rows(tx, claimed.covered, claimed.last_id, 30)
    )
    assert (covered, len(rows)) == (claimed.covered + 30, 30)
    covered, rows = sync_read(database, lambda tx: dispatch.more_rows(tx, covered, claimed.last_id, 30))
    assert (covered, len(rows)) == (claimed.last_id, 20)


def test_rows_that_are_not_queued_are_passed_over(database: Database) -> None:
    alice = cast.alice(database)
    cast.place(database, alice, [cast.text([0, *NUMBERS[:2], 0], odd={0: "a", 3: "b"})])
    (claimed,) = cast.claim(database)
    assert [row.number for row in claimed.rows] == NUMBERS[:2]
    assert claimed.opened == claimed.last_id


@pytest.mark.parametrize(
    ("routes", "carrier"),
    [
        ([Route(1, "", 0, True), Route(2, "905301", 0, True)], 2),
        ([Route(1, "", 0, True), Route(2, "905302", 0, True)], 1),
        ([Route(1, "", 0, True), Route(2, "905301", 0, False)], None),
        ([Route(1, "", 5, True), Route(2, "", 3, True)], 2),
        ([Route(1, "", 5, True), Route(2, "", 3, False)], 1),
        ([Route(1, "905302", 0, True)], None),
        ([], None),
    ],
)
def test_an_order_goes_by_the_longest_prefix_then_the_priority(
    database: Database, routes: list[Route], carrier: int | None
) -> None:
    alice = cast.alice(database)
    cast.place(database, alice)
    assert [order.carrier_id for order in cast.claim(database, routes=routes)] == (
        [carrier] if carrier else []
    )


def test_orders_that_no_link_can_take_do_not_keep_others_waiting(database: Database) -> None:
    alice = cast.alice(database)
    for _ in range(5):
        cast.place(database, alice, [cast.text([905331000001])])
    cast.place(database, alice, [cast.text([905301000001])])
    (claimed,) = cast.claim(database, routes=[Route(1, "90530", 0, True)], limit=1)
    assert claimed.rows[0].number == 905301000001
    assert sync_read(database, order_store.waiting) == 5


def test_equal_links_take_turns(database: Database) -> None:
    alice = cast.alice(database)
    for _ in range(4):
        cast.place(database, alice)
    claimed = cast.claim(database, routes=[Route(1, "", 0, True), Route(2, "", 0, True)])
    assert [order.carrier_id for order in claimed] == [1, 2, 1, 2]


# Steps.


def test_a_message_is_sent_once_the_carrier_has_it(database: Database) -> None:
    alice = cast.alice(database)
    number = cast.place(database, alice, 2)
    (order,) = cast.claim(database)
    first, second = (cast.sent(database, order, row) for row in order.rows)
    cast.step(database, [(first, Accepted(("a",)))], [(order.id, order.last_id, first.id)])
    assert states(database, alice, number) == [S, Q]
    assert progress(database, order.id) == (2, 1)
    cast.step(database, [(second, Refused("11"))], [(order.id, order.last_id, order.last_id)])
    assert states(database, alice, number) == [S, U]
    assert cast.balance(database, alice) == Balance(-1000, 999, 1, 0)


def test_an_order_that_no_carrier_took_has_failed(database: Database) -> None:
    alice = cast.alice(database)
    number = cast.place(database, alice, 2)
    (order,) = cast.claim(database)
    cast.step(database, [(cast.sent(database, order, row), Refused("11")) for row in order.rows])
    shown = cast.report_of(database, alice, number).order
    assert (shown.state, shown.undelivered, shown.price) == (OrderState.FAILED, 2, 0)
    assert cast.balance(database, alice) == Balance(-1000, 1000, 0, 0)


def test_an_answer_that_is_given_twice_counts_once(database: Database) -> None:
    """A step whose commit was not heard of is given again."""
    alice = cast.alice(database)
    number = cast.place(database, alice, 2)
    (order,) = cast.claim(database)
    first, second = (cast.sent(database, order, row) for row in order.rows)
    for _ in range(2):
        cast.step(database, [(first, Accepted(("a",))), (second, Refused("11"))])
    cast.report(database, cast.delivered("a"))
    cast.step(database, [(first, Accepted(("a",)))])
    assert states(database, alice, number) == [D, U]
    assert cast.balance(database, alice) == Balance(-1000, 999, 0, 1)


@pytest.mark.parametrize(
    ("policy", "state", "doubt", "order_state", "balance"),
    [
        (OnUncertain.RESEND, Q, Doubt.RESENT, OrderState.SENDING, Balance(-10, 9, 1, 0)),
        (OnUncertain.HOLD, V, Doubt.HELD, OrderState.SENDING, Balance(-10, 9, 1, 0)),
        # Nobody knows that it failed everywhere, so the order as a whole did not.
        (OnUncertain.FAIL, U, Doubt.FAILED, OrderState.DONE, Balance(-10, 10, 0, 0)),
    ],
)
def test_an_uncertain_message(
    database: Database,
    policy: OnUncertain,
    state: MessageState,
    doubt: Doubt,
    order_state: OrderState,
    balance: Balance,
) -> None:
    alice = cast.alice(database, credit=10)
    number = cast.place(database, alice)
    (order,) = cast.claim(database)
    (row,) = order.rows
    cast.step(database, [(cast.sent(database, order, row), Unknown("lost link"))], policy=policy)
    assert states(database, alice, number) == [state]
    assert in_doubt(database) == {row.id: doubt}
    assert cast.report_of(database, alice, number).order.state is order_state
    assert cast.balance(database, alice) == balance


def test_an_uncertain_message_that_was_taken_after_all(database: Database) -> None:
    alice = cast.alice(database)
    number = cast.place(database, alice)
    (order,) = cast.claim(database)
    sent = cast.sent(database, order, order.rows[0])
    cast.step(database, [(sent, Unknown("lost link"))], policy=OnUncertain.HOLD)
    cast.step(database, [(sent, Accepted(("late",)))], policy=OnUncertain.HOLD)
    assert states(database, alice, number) == [S]
    cast.report(database, cast.delivered("late"))
    assert cast.balance(database, alice).spent == 1


# After a crash.


def claimed_and_half_answered(database: Database, who: cast.Tenant, count: int = 4) -> ClaimedOrder:
    """An order of which all but the last message were opened, and the first was answered."""
    cast.place(database, who, count)
    (order,) = cast.claim(database, slots=count - 1)
    cast.step(
        database,
        [(cast.sent(database, order, order.rows[0]), Accepted(("r0",)))],
        [(order.id, order.opened, order.id)],
    )
    return order


def test_what_was_open_goes_again_and_is_marked(database: Database) -> None:
    alice = cast.alice(database)
    order = claimed_and_half_answered(database, alice)
    (again,) = take_over(database)
    assert [row.id for row in again.again] == [order.id + 1, order.id + 2]
    assert (again.id, again.rows, again.covered, again.opened) == (order.id, (), order.id + 2, order.id + 2)
    assert again.texts == order.texts
    assert in_doubt(database) == {order.id + 1: Doubt.RESENT, order.id + 2: Doubt.RESENT}
    _, rest = sync_read(database, lambda tx: dispatch.more_rows(tx, again.covered, again.last_id, 100))
    assert [row.id for row in rest] == [order.last_id]


def test_taking_over_twice_is_taking_over_once(database: Database) -> None:
    """The process that takes over may be killed as well."""
    alice = cast.alice(database)
    claimed_and_half_answered(database, alice)
    first = take_over(database)
    assert take_over(database) == first


def test_held_messages_are_not_sent_again(database: Database) -> None:
    alice = cast.alice(database)
    order = claimed_and_half_answered(database, alice)
    (left,) = take_over(database, OnUncertain.HOLD)
    assert left.again == ()
    assert in_doubt(database) == {order.id + 1: Doubt.HELD, order.id + 2: Doubt.HELD}
    assert states(database, alice, cast.FIRST) == [S, V, V, Q]


def test_failed_messages_are_given_up(database: Database) -> None:
    alice = cast.alice(database)
    claimed_and_half_answered(database, alice)
    (left,) = take_over(database, OnUncertain.FAIL)
    assert left.again == ()
    assert states(database, alice, cast.FIRST) == [S, U, U, Q]
    assert cast.balance(database, alice) == Balance(-1000, 998, 2, 0)


def test_an_order_that_was_through_needs_nothing(database: Database) -> None:
    alice = cast.alice(database)
    cast.place(database, alice, 3)
    (order,) = cast.claim(database)
    cast.accept_all(database, order)
    assert take_over(database) == []


def test_orders_are_taken_over_in_portions_and_by_carrier(database: Database) -> None:
    alice = cast.alice(database)
    for _ in range(5):
        cast.place(database, alice, 2)
    claimed = cast.claim(database)
    cast.place(database, alice, 2)
    cast.claim(database, carrier=2)
    for limit in (2, 5, 100):
        assert [order.id for order in take_over(database, limit=limit)] == [order.id for order in claimed]


# Messages that are sent although their order is past them.


def test_what_a_stopped_link_had_not_sent_goes_first_and_is_not_in_doubt(database: Database) -> None:
    alice = cast.alice(database)
    cast.place(database, alice, 2)
    (order,) = cast.claim(database)
    left = [cast.sent(database, order, row) for row in order.rows]
    sync_write(database, lambda tx: dispatch.leave_unsent(tx, cast.CARRIER, left))
    assert take_over(database) == []
    assert sync_read(database, report_store.carriers_asked) == [cast.CARRIER]
    (again,) = sync_write(database, lambda tx: dispatch.take_asked(tx, cast.CARRIER, 100))
    assert [row.id for row in again.again] == [row.id for row in order.rows]
    assert in_doubt(database) == {}
    assert sync_write(database, lambda tx: dispatch.take_asked(tx, cast.CARRIER, 100)) == []


def test_a_message_that_has_ended_meanwhile_is_asked_for_by_nobody(database: Database) -> None:
    alice = cast.alice(database)
    number = cast.place(database, alice, 1)
    (order,) = cast.claim(database)
    left = [cast.sent(database, order, row) for row in order.rows]
    sync_write(database, lambda tx: dispatch.leave_unsent(tx, cast.CARRIER, left))
    # Somebody else has decided about it before the link is there again.
    wanted = [(order.id, order.id)]

    def end(tx: Tx) -> None:
        settlement = Settlement(tx, wanted)
        settlement.messages[order.id].step(MessageEvent.EXPIRED)
        settlement.save()

    sync_write(database, end)
    assert sync_read(database, report_store.carriers_asked) == []
    assert sync_write(database, lambda tx: dispatch.take_asked(tx, cast.CARRIER, 100)) == []
    assert cast.report_of(database, alice, number).order.undelivered == 1


def test_what_was_taken_after_being_left_is_found_again_after_a_crash(database: Database) -> None:
    alice = cast.alice(database)
    cast.place(database, alice, 3)
    (order,) = cast.claim(database)
    left = cast.sent(database, order, order.rows[1])
    done = [(cast.sent(database, order, order.rows[i]), Accepted((f"r{i}",))) for i in (0, 2)]
    cast.step(database, done, [(order.id, order.last_id, order.last_id)])
    sync_write(database, lambda tx: dispatch.leave_unsent(tx, cast.CARRIER, [left]))
    sync_write(database, lambda tx: dispatch.take_asked(tx, cast.CARRIER, 100))
    (again,) = take_over(database)
    assert [row.id for row in again.again] == [left.id]


def carrier(database: Database, name: str = "link") -> int:
    made = sync_write(database, lambda tx: carrier_store.insert(tx, name, "smpp", '{"plain":{},"sealed":{}}'))
    assert made is not None
    return made


def test_an_operator_lets_held_messages_go_again(database: Database) -> None:
    alice = cast.alice(database)
    link = carrier(database)
    number = cast.place(database, alice, 2)
    (order,) = cast.claim(database, carrier=link)
    unknown = [(cast.sent(database, order, row), Unknown("lost link")) for row in order.rows]
    done = [(order.id, order.last_id, order.last_id)]
    cast.step(database, unknown, done, carrier=link, policy=OnUncertain.HOLD)
    first, second = (row.id for row in order.rows)
    assert sync_write(database, lambda tx: doubts.resend(tx, [first])) == [first]
    assert sync_write(database, lambda tx: doubts.fail(tx, None)) == [second]
    assert states(database, alice, number) == [Q, U]
    (again,) = sync_write(database, lambda tx: dispatch.take_asked(tx, link, 100))
    assert [row.id for row in again.again] == [first]
    assert in_doubt(database) == {first: Doubt.RESENT, second: Doubt.FAILED}


def test_another_carrier_takes_what_a_removed_one_had_not_sent(database: Database) -> None:
    alice = cast.alice(database)
    link = carrier(database)
    number = cast.place(database, alice, 3)
    (order,) = cast.claim(database, carrier=link, slots=2)
    cast.step(
        database,
        [(cast.sent(database, order, order.rows[0]), Accepted(("r0",)))],
        [(order.id, order.opened, order.id)],
        carrier=link,
    )
    assert sync_write(database, dispatch.give_back) == 0
    sync_write(database, lambda tx: carriers.remove(tx, "link"))
    assert sync_write(database, dispatch.give_back) == 1
    (again,) = cast.claim(database, carrier=link + 1)
    assert [row.id for row in again.rows] == [order.id + 1, order.id + 2]
    # The second was open: it may go twice, and whoever reads the list of doubts can see that.
    assert in_doubt(database) == {order.id + 1: Doubt.RESENT}
    assert states(database, alice, number) == [S, Q, Q]


def test_orders_that_a_removed_carrier_has_sent_stay_with_it(database: Database) -> None:
    alice = cast.alice(database)
    link = carrier(database)
    cast.place(database, alice, 2)
    (order,) = cast.claim(database, carrier=link)
    cast.accept_all(database, order)
    sync_write(database, lambda tx: carriers.remove(tx, "link"))
    assert sync_write(database, dispatch.give_back) == 0


def test_queued_rows_of_several_ranges(database: Database) -> None:
    alice = cast.alice(database)
    first = cast.order_id(database, alice, cast.place(database, alice, 3))
    second = cast.order_id(database, alice, cast.place(database, alice, 3))
    found = sync_read(database, lambda tx: messages.queued(tx, [(first, first + 1), (second - 1, second)]))
    assert [row.id for row in found] == [first + 1, second]


def test_a_full_link_takes_small_orders_only(database: Database) -> None:
    alice = cast.alice(database)
    campaign = range(905301000001, 905301000001 + dispatch.SMALL + 1)
    large = cast.place(database, alice, [cast.text(list(campaign))])
    cast.place(database, alice, [cast.text([905301000001])])
    claim = Claim([Route(1, "", 0, True)], {1: 10}, 10, 10, 0, full=frozenset({1}))
    (claimed,) = sync_write(database, lambda tx: dispatch.claim_group(tx, [claim], Ids()))
    assert [order.last_id - order.id for order in claimed] == [0]
    (claimed,) = sync_write(
        database,
        lambda tx: dispatch.claim_group(tx, [Claim([Route(1, "", 0, True)], {1: 10}, 10, 10, 0)], Ids()),
    )
    assert len(claimed) == 1
    assert large


def test_a_removed_carrier_whose_link_still_works_keeps_its_orders(database: Database) -> None:
    alice = cast.alice(database)
    cast.place(database, alice, [cast.text([905301000001])])
    carrier_id = carrier(database, "x")
    cast.claim(database, routes=[Route(carrier_id, "", 0, True)], slots=0)
    sync_write(database, lambda tx: carrier_store.remove(tx, "x"))
    process = sync_write(database, lambda tx: processes.register(tx, "me", Role.WORKER, "here", "1"))
    assert sync_write(database, lambda tx: leases.acquire(tx, carrier_id, process)) == 1
    assert sync_write(database, dispatch.give_back) == 0
    assert sync_read(database, order_store.waiting) == 0
    sync_write(database, lambda tx: processes.bury(tx, process))
    assert sync_write(database, dispatch.give_back) == 1
