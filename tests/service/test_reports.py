"""Reports of carriers: once, whatever their order, repetition or spelling."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

import pytest
from tests import cast
from tests.conftest import FakeClock

from ulak.core.doubts import OnUncertain
from ulak.core.ledger import Balance
from ulak.core.ports import Accepted, Report, ReportState
from ulak.core.references import IdForm, Stray
from ulak.core.states import MessageState, OrderState
from ulak.service import carriers, dispatch, reports
from ulak.service.clocks import TOLERANCE
from ulak.service.dispatch import ClaimedOrder, Step
from ulak.service.reports import ReportBatch
from ulak.store import leases
from ulak.store.engine import Database, Row, Sql, Tx
from ulak.store.ids import Ids
from ulak.store.vault import Vault
from ulak.store.writer import sync_read, sync_write

pytestmark = pytest.mark.fault(
    "F6 receipts", "the rules one by one: early, doubled, contradicting, of parts, to another number"
)

Q, S = MessageState.QUEUED, MessageState.SENT
D, U = MessageState.DELIVERED, MessageState.UNDELIVERED
FIRST = cast.FIRST
NUMBER = cast.numbers(1)[0]

_STRAYS = Sql("SELECT spelled, state, why FROM stray_report ORDER BY id")
_REFERENCES = Sql(
    "SELECT carrier_id, message_id, part, spelled FROM reference ORDER BY carrier_id, message_id, part"
)


def strays(database: Database) -> list[Row]:
    """What was kept beside the messages: (reference, state, why)."""
    return sync_read(database, lambda tx: tx.all(_STRAYS))


def states(database: Database, who: cast.Tenant, number: int = FIRST) -> list[MessageState]:
    return [row.state for row in cast.report_of(database, who, number).messages]


def sent_order(
    database: Database, who: cast.Tenant, references: list[tuple[str, ...]], form: IdForm = IdForm.TEXT
) -> ClaimedOrder:
    """An order whose messages the carrier took under these references, one tuple a message."""
    parts = len(references[0])
    cast.place(database, who, [cast.text(cast.numbers(len(references)), parts=parts)])
    (order,) = cast.claim(database)
    outcomes = [
        (cast.sent(database, order, row), Accepted(names))
        for row, names in zip(order.rows, references, strict=True)
    ]
    cast.step(database, outcomes, [(order.id, order.last_id, order.last_id)], form=form)
    return order


def test_reports_settle_messages_money_and_the_order(database: Database) -> None:
    alice = cast.alice(database)
    sent_order(database, alice, [("a",), ("b",), ("c",)])
    cast.report(database, cast.delivered("b"), cast.undelivered("a"))
    assert states(database, alice) == [U, D, S]
    shown = cast.report_of(database, alice, FIRST).order
    assert (shown.state, shown.delivered, shown.undelivered, shown.price) == (OrderState.SENDING, 1, 1, 2)
    assert cast.balance(database, alice) == Balance(-1000, 998, 1, 1)
    cast.report(database, cast.delivered("c"))
    shown = cast.report_of(database, alice, FIRST).order
    assert (shown.state, shown.price) == (OrderState.DONE, 2)
    assert cast.balance(database, alice) == Balance(-1000, 998, 0, 2)


def test_an_order_that_reached_a_carrier_is_done_even_if_nothing_arrived(database: Database) -> None:
    alice = cast.alice(database)
    sent_order(database, alice, [("a",)])
    cast.report(database, cast.undelivered("a"))
    assert cast.report_of(database, alice, FIRST).order.state is OrderState.DONE
    assert cast.balance(database, alice) == Balance(-1000, 1000, 0, 0)


def test_doubled_reports_have_one_effect(database: Database) -> None:
    alice = cast.alice(database)
    sent_order(database, alice, [("a",), ("b",)])
    cast.report(database, cast.delivered("a"), cast.delivered("a"))
    cast.report(database, cast.delivered("a"), cast.undelivered("b"), cast.undelivered("b"))
    assert cast.balance(database, alice) == Balance(-1000, 999, 0, 1)
    assert strays(database) == []


def test_a_report_that_contradicts_a_final_state_is_only_kept(database: Database) -> None:
    alice = cast.alice(database)
    sent_order(database, alice, [("a",), ("b",)])
    cast.report(database, cast.delivered("a"), cast.undelivered("b"))
    cast.report(database, cast.undelivered("a"), cast.delivered("b"))
    assert states(database, alice) == [D, U]
    assert strays(database) == [("a", 3, Stray.CONTRADICTION), ("b", 2, Stray.CONTRADICTION)]


def test_a_message_may_be_under_way_for_long(database: Database) -> None:
    alice = cast.alice(database)
    sent_order(database, alice, [("a",)])
    underway = Report("a", 0, ReportState.UNDERWAY, "stat:ENROUTE")
    cast.report(database, underway)
    assert states(database, alice) == [S]
    cast.report(database, cast.delivered("a"), underway)
    cast.report(database, underway)
    assert states(database, alice) == [D]
    assert strays(database) == []


# Several parts.


def test_a_message_is_delivered_when_all_its_parts_are(database: Database) -> None:
    alice = cast.alice(database)
    sent_order(database, alice, [("a1", "a2", "a3")])
    cast.report(database, cast.delivered("a3"), cast.delivered("a3"))
    cast.report(database, cast.delivered("a1"))
    assert states(database, alice) == [S]
    cast.report(database, cast.delivered("a2"))
    assert states(database, alice) == [D]
    assert cast.balance(database, alice).spent == 3


def test_one_part_undelivered_makes_the_message_undelivered(database: Database) -> None:
    alice = cast.alice(database)
    sent_order(database, alice, [("a1", "a2")])
    cast.report(database, cast.delivered("a1"), cast.undelivered("a2"), cast.delivered("a1"))
    assert states(database, alice) == [U]
    assert cast.balance(database, alice) == Balance(-1000, 1000, 0, 0)
    assert [why for _, _, why in strays(database)] == [Stray.CONTRADICTION]


def test_a_long_message_that_went_in_one_piece_has_one_report(database: Database) -> None:
    """With message_payload the operator splits the text, and gives one reference."""
    alice = cast.alice(database)
    cast.place(database, alice, [cast.text([NUMBER], parts=7)])
    (order,) = cast.claim(database)
    cast.accept_all(database, order)
    cast.report(database, cast.delivered(f"r{order.id}-0"))
    assert states(database, alice) == [D]
    assert cast.balance(database, alice).spent == 7


# Before the answer that names the message.


def test_an_early_report_waits_for_its_message(database: Database, clock: FakeClock) -> None:
    alice = cast.alice(database)
    cast.place(database, alice, 2)
    (order,) = cast.claim(database)
    first, second = (cast.sent(database, order, row) for row in order.rows)
    clock.advance(10)
    cast.report(database, cast.delivered("a", first.number), cast.undelivered("b", second.number))
    assert [why for _, _, why in strays(database)] == [Stray.PARKED] * 2
    clock.advance(10)
    cast.step(database, [(first, Accepted(("a",))), (second, Accepted(("b",)))])
    assert states(database, alice) == [D, U]
    assert strays(database) == []
    cast.report(database, cast.delivered("a", first.number))
    assert cast.balance(database, alice) == Balance(-1000, 999, 0, 1)


def test_early_reports_of_parts(database: Database) -> None:
    alice = cast.alice(database)
    cast.place(database, alice, [cast.text([NUMBER], parts=2)])
    (order,) = cast.claim(database)
    cast.report(database, cast.delivered("a2", NUMBER), cast.delivered("a2", NUMBER))
    cast.step(database, [(cast.sent(database, order, order.rows[0]), Accepted(("a1", "a2")))])
    assert states(database, alice) == [S]
    cast.report(database, cast.delivered("a1", NUMBER))
    assert states(database, alice) == [D]


@pytest.mark.parametrize("about", [0, NUMBER + 1])
def test_an_early_report_to_another_number_stays_parked(database: Database, about: int) -> None:
    alice = cast.alice(database)
    cast.place(database, alice)
    (order,) = cast.claim(database)
    cast.report(database, cast.delivered("a", about))
    cast.step(database, [(cast.sent(database, order, order.rows[0]), Accepted(("a",)))])
    assert states(database, alice) == [S]
    assert len(strays(database)) == 1


def test_a_report_from_before_the_message_left_is_not_about_it(database: Database, clock: FakeClock) -> None:
    alice = cast.alice(database)
    cast.report(database, cast.delivered("a", NUMBER))
    clock.advance(TOLERANCE + 1)  # as far as the clocks of two machines may be apart
    cast.place(database, alice)
    (order,) = cast.claim(database)
    cast.step(database, [(cast.sent(database, order, order.rows[0]), Accepted(("a",)))])
    assert states(database, alice) == [S]
    assert len(strays(database)) == 1


def test_an_early_report_of_another_carrier_is_not_about_it(database: Database) -> None:
    alice = cast.alice(database)
    cast.place(database, alice)
    (order,) = cast.claim(database)
    cast.report(database, cast.delivered("a", NUMBER), carrier=2)
    cast.step(database, [(cast.sent(database, order, order.rows[0]), Accepted(("a",)))])
    cast.report(database, cast.delivered("a", NUMBER), carrier=2)
    assert states(database, alice) == [S]


# References.


def test_the_newest_message_owns_a_reference(database: Database) -> None:
    alice = cast.alice(database)
    sent_order(database, alice, [("a",)])
    cast.report(database, cast.delivered("a"))
    sent_order(database, alice, [("a",)])
    cast.report(database, cast.undelivered("a"))
    assert states(database, alice, FIRST) == [D]
    assert states(database, alice, FIRST + 1) == [U]


def test_a_reference_that_one_answer_uses_twice(database: Database) -> None:
    """It is the last message's; the batch as a whole does not fail over it."""
    alice = cast.alice(database)
    sent_order(database, alice, [("a",), ("a",)])
    cast.report(database, cast.delivered("a"))
    assert states(database, alice) == [S, D]


def test_an_operator_that_gives_no_reference(database: Database) -> None:
    alice = cast.alice(database)
    sent_order(database, alice, [("",), ("",)])
    cast.report(database, cast.delivered(""))
    assert states(database, alice) == [S, S]


@pytest.mark.parametrize(
    ("form", "answered", "reported"),
    [
        (IdForm.TEXT, "A1b2-C3", "a1B2-c3"),
        (IdForm.TEXT, "00042", "42"),
        (IdForm.TEXT, " id7\0", "id7"),
        (IdForm.DECIMAL, "0000123", "123"),
        (IdForm.DECIMAL, "not-a-number", "NOT-A-NUMBER"),
        (IdForm.DECIMAL, "9223372036854775808", "9223372036854775808"),
        (IdForm.HEXADECIMAL, "00ff", "FF"),
        (IdForm.HEXADECIMAL, "ffffffffffffffff", "FFFFFFFFFFFFFFFF"),
    ],
)
def test_spellings_of_one_reference(database: Database, form: IdForm, answered: str, reported: str) -> None:
    alice = cast.alice(database)
    sent_order(database, alice, [(answered,)], form)
    cast.report(database, cast.delivered(reported), form=form)
    assert states(database, alice) == [D]


IN_OTHER_BASES = [
    (IdForm.TEXT, "ff", "255"),
    (IdForm.TEXT, "255", "FF"),
    (IdForm.DECIMAL, "255", "ff"),
    (IdForm.DECIMAL, "4096", "1000"),
    (IdForm.HEXADECIMAL, "ff", "255"),
]
"""How an answer spells an id, and a report."""


@pytest.mark.parametrize(("form", "answered", "reported"), IN_OTHER_BASES)
@pytest.mark.parametrize(("about", "state"), [(NUMBER, D), (NUMBER + 1, S), (0, S)])
def test_another_base_needs_the_same_destination(
    database: Database, form: IdForm, answered: str, reported: str, about: int, state: MessageState
) -> None:
    alice = cast.alice(database)
    sent_order(database, alice, [(answered,)], form)
    cast.report(database, cast.delivered(reported, about), form=form)
    assert states(database, alice) == [state]
    assert len(strays(database)) == (state is S)


def test_an_exact_match_wins_over_another_base(database: Database) -> None:
    alice = cast.alice(database)
    sent_order(database, alice, [("ff",), ("255",)])
    cast.report(database, cast.delivered("255", NUMBER))
    assert states(database, alice) == [S, D]


@pytest.mark.parametrize(
    ("before", "answered", "now", "reported"),
    [
        (IdForm.TEXT, "255", IdForm.DECIMAL, "255"),
        (IdForm.TEXT, "00ff", IdForm.HEXADECIMAL, "FF"),
        (IdForm.TEXT, "255", IdForm.HEXADECIMAL, "ff"),
        (IdForm.DECIMAL, "255", IdForm.TEXT, "255"),
        (IdForm.DECIMAL, "255", IdForm.TEXT, "ff"),
        (IdForm.HEXADECIMAL, "ff", IdForm.DECIMAL, "ff"),
        (IdForm.HEXADECIMAL, "a-1", IdForm.TEXT, "A-1"),
    ],
)
def test_what_was_sent_before_the_form_was_changed_is_found(
    database: Database, before: IdForm, answered: str, now: IdForm, reported: str
) -> None:
    alice = cast.alice(database)
    sent_order(database, alice, [(answered,)], before)
    cast.report(database, cast.delivered(reported, NUMBER), form=now)
    assert states(database, alice) == [D]


def look_again(database: Database) -> None:
    """What the sweep does, two reports at a time."""
    for after in range(10):
        sync_write(database, partial(reports.look_again, after=after, limit=2))


def configured(database: Database, form: IdForm) -> None:
    """A carrier that writes ids so."""
    terms = {"id_form": form.value}
    vault = Vault(database.directory)
    added = sync_write(database, lambda tx: carriers.add(tx, "link", "smpp", terms, lambda _: None, vault))
    assert added.id == cast.CARRIER


@pytest.mark.parametrize(("form", "answered", "reported"), IN_OTHER_BASES)
@pytest.mark.parametrize(("about", "state"), [(NUMBER, D), (NUMBER + 1, S), (0, S)])
def test_an_early_report_in_another_base_is_looked_at_when_all_is_answered(
    database: Database,
    clock: FakeClock,
    form: IdForm,
    answered: str,
    reported: str,
    about: int,
    state: MessageState,
) -> None:
    configured(database, form)
    alice = cast.alice(database)
    cast.place(database, alice)
    (order,) = cast.claim(database)
    cast.report(database, cast.delivered(reported, about), form=form)
    outcome = (cast.sent(database, order, order.rows[0]), Accepted((answered,)))
    cast.step(database, [outcome], [(order.id, order.last_id, order.last_id)], form=form)
    clock.advance(reports.ANSWERED - 1)
    look_again(database)
    assert states(database, alice) == [S]
    clock.advance(1)
    look_again(database)
    assert states(database, alice) == [state]
    assert len(strays(database)) == (state is S)


def test_an_early_report_is_about_what_it_names_exactly_though_that_is_answered_last(
    database: Database, clock: FakeClock
) -> None:
    configured(database, IdForm.TEXT)
    alice = cast.alice(database)
    cast.place(database, alice, [cast.text([NUMBER]), cast.text([NUMBER])])
    (order,) = cast.claim(database)
    cast.report(database, cast.delivered("255", NUMBER))
    first, second = (cast.sent(database, order, row) for row in order.rows)
    cast.step(database, [(first, Accepted(("ff",)))])
    clock.advance(1_000)
    cast.step(database, [(second, Accepted(("255",)))])
    assert states(database, alice) == [S, D]
    clock.advance(reports.ANSWERED)
    look_again(database)
    assert states(database, alice) == [S, D]


def test_no_guess_is_made_while_a_message_to_the_number_has_no_answer(
    database: Database, clock: FakeClock
) -> None:
    """However long the operator takes."""
    configured(database, IdForm.TEXT)
    alice = cast.alice(database)
    cast.place(database, alice, [cast.text([NUMBER]), cast.text([NUMBER])])
    (order,) = cast.claim(database)
    cast.report(database, cast.delivered("255", NUMBER))
    first, second = (cast.sent(database, order, row) for row in order.rows)
    cast.step(database, [(first, Accepted(("ff",)))])
    clock.advance(10 * reports.ANSWERED)
    look_again(database)
    assert states(database, alice) == [S, Q]
    cast.step(database, [(second, Accepted(("7",)))], [(order.id, order.last_id, order.last_id)])
    look_again(database)
    assert states(database, alice) == [D, S]


def test_a_report_from_before_the_order_was_due_is_not_about_it(database: Database, clock: FakeClock) -> None:
    configured(database, IdForm.TEXT)
    alice = cast.alice(database)
    cast.report(database, cast.delivered("255", NUMBER))
    clock.advance(TOLERANCE + 1)
    sent_order(database, alice, [("ff",)])
    clock.advance(reports.ANSWERED)
    look_again(database)
    assert states(database, alice) == [S]
    assert len(strays(database)) == 1


def test_an_early_report_of_one_part_is_looked_at_after_that_of_the_other(
    database: Database, clock: FakeClock
) -> None:
    configured(database, IdForm.TEXT)
    alice = cast.alice(database)
    cast.place(database, alice, [cast.text([NUMBER], parts=2)])
    (order,) = cast.claim(database)
    cast.report(database, cast.delivered("255", NUMBER))
    item = cast.sent(database, order, order.rows[0])
    cast.step(database, [(item, Accepted(("ff", "fe")))], [(order.id, order.last_id, order.last_id)])
    clock.advance(20 * cast.HOUR)  # nobody was there to look
    cast.report(database, cast.delivered("fe", NUMBER))
    look_again(database)
    assert states(database, alice) == [D]


def test_the_spelling_is_kept_where_the_key_is_only_a_digest(database: Database) -> None:
    alice = cast.alice(database)
    order = sent_order(database, alice, [("A-1",)], IdForm.TEXT)
    assert sync_read(database, lambda tx: tx.all(_REFERENCES)) == [(1, order.id, 0, "A-1")]


def test_a_report_about_nothing_is_parked(database: Database) -> None:
    cast.alice(database)
    cast.report(database, cast.delivered("nothing", NUMBER), cast.undelivered("0xZZ"))
    assert strays(database) == [("nothing", 2, Stray.PARKED), ("0xZZ", 3, Stray.PARKED)]


def test_reports_of_many_orders_and_accounts_in_one_group(database: Database) -> None:
    who = [cast.alice(database), cast.bob(database)]
    for turn in range(20):
        sent_order(database, who[turn % 2], [(f"{turn}-a",), (f"{turn}-b",)])
    said = [cast.delivered(f"{turn}-a") for turn in range(20)]
    said += [cast.undelivered(f"{turn}-b") for turn in range(20)]
    cast.report(database, *said[::-1])
    assert cast.balance(database, who[0]) == cast.balance(database, who[1]) == Balance(-1000, 990, 0, 10)


def test_which_references_are_awaited_is_told_in_stretches(database: Database) -> None:
    alice = cast.alice(database)
    sent_order(database, alice, [("Seven:1",), ("7:2",), ("7:3",)])
    cast.report(database, cast.delivered("7:2"))

    def walk(carrier: int, limit: int) -> list[str]:
        found: list[str] = []
        after: int | None = -1
        while after is not None:
            after, names = sync_read(
                database, partial(reports.awaited, carrier_id=carrier, after=after, limit=limit)
            )
            found += names
        return sorted(found)

    for limit in (1, 2, 3, 1000):
        assert walk(cast.CARRIER, limit) == ["7:3", "Seven:1"]
    assert walk(cast.CARRIER + 1, 2) == []


def test_of_some_references_it_is_told_which_are_kept(database: Database) -> None:
    alice = cast.alice(database)
    sent_order(database, alice, [("A:1",), ("a:2",)])
    cast.report(database, cast.undelivered("a:2"))
    asked = ["a:1", "A:2", "a:3"]
    kept = sync_read(database, lambda tx: reports.kept(tx, cast.CARRIER, IdForm.TEXT, asked))
    assert kept == {"a:1": True, "A:2": False}
    assert sync_read(database, lambda tx: reports.kept(tx, cast.CARRIER + 1, IdForm.TEXT, asked)) == {}


@pytest.mark.parametrize("is_first", [True, False], ids=["answer first", "report first"])
def test_an_answer_and_its_report_are_committed_by_two_processes_at_once(
    postgres_database: Database, is_first: bool
) -> None:
    """While a link moves, both have a session with the operator."""
    alice = cast.alice(postgres_database)
    cast.place(postgres_database, alice, [cast.text(cast.numbers(1))])
    (order,) = cast.claim(postgres_database)
    fence = sync_write(postgres_database, lambda tx: leases.seize(tx, cast.CARRIER)) or 0
    outcomes = [(cast.sent(postgres_database, order, order.rows[0]), Accepted(("a",)))]
    last = order.last_id
    done = Step(
        cast.CARRIER,
        IdForm.TEXT,
        OnUncertain.RESEND,
        outcomes,
        [(order.id, last, last)],
        [(order.id, last)],
        fence=fence,
    )
    said = ReportBatch(cast.CARRIER, IdForm.TEXT, [cast.delivered("a", number=NUMBER)])
    works: list[Callable[[Tx], object]] = [
        lambda tx: dispatch.step_group(tx, [done], Ids()),
        lambda tx: reports.report_group(tx, [said], Ids()),
    ]
    first, second = works if is_first else works[::-1]
    begun = threading.Event()

    def slow(tx: Tx) -> None:
        first(tx)
        begun.set()
        time.sleep(0.3)

    one = threading.Thread(target=lambda: sync_write(postgres_database, slow))
    one.start()
    begun.wait(10)
    sync_write(postgres_database, second)
    one.join()
    assert states(postgres_database, alice) == [D]
    assert strays(postgres_database) == []
