"""The checker itself: it finds each thing that can be wrong, and says which row it is."""

from __future__ import annotations

import pytest
from tests import cast, parcel_cast

from ulak.core.callbacks import CallbackState
from ulak.core.consignments import Paper, PaperKind, PaperState, Seen
from ulak.core.doubts import OnUncertain
from ulak.core.events import Event, EventKind
from ulak.core.jobs import JobKind
from ulak.core.ledger import TRY, Move, Posting
from ulak.core.once import Once
from ulak.core.ports import Unknown
from ulak.core.states import ParcelState
from ulak.service import audit
from ulak.store import callbacks, consignments, endpoints, events, jobs, ledger, papers, replies
from ulak.store.engine import Database, Sql, Tx
from ulak.store.writer import sync_read, sync_write

UNREADABLE = (
    "message 5: its number is unreadable, so it must be undelivered, cost nothing,"
    " and have what was submitted beside it"
)


def counters(order: int, state: int, said: tuple[int, ...], rows: tuple[int, ...], reached: int) -> str:
    """An order whose counters (messages, delivered, undelivered, held, posted) are not those of its rows."""
    return (
        "order {}, state {}: it says {} messages, {} delivered, {} undelivered, {} credits held"
        " and {} posted, but its message rows say {}, {}, {}, {} and {}, and {} reached a carrier"
    ).format(order, state, *said, *rows, reached)


def a_day(database: Database) -> None:
    """Three orders: the first (messages 1-3) delivered, undelivered and sent; the second (4-5) with an
    unreadable number, in doubt; the third (6) waiting."""
    alice = cast.alice(database, credit=100)
    cast.place(database, alice, 3)
    cast.place(database, alice, [cast.text([cast.numbers(1)[0], 0], odd={1: "yarın"})])
    first, second = cast.claim(database)
    cast.accept_all(database, first)
    cast.report(database, cast.delivered("r1-0"), cast.undelivered("r2-0"))
    unknown = (cast.sent(database, second, second.rows[0]), Unknown("lost link"))
    cast.step(database, [unknown], [(second.id, second.last_id, second.last_id)], policy=OnUncertain.HOLD)
    cast.place(database, alice)


def findings(database: Database, *damage: str) -> list[str]:
    """What is found after these statements."""

    def harm(tx: Tx) -> None:
        for statement in damage:
            tx.run(Sql(statement))

    sync_write(database, harm)
    return sync_read(database, audit.check)


def test_all_is_well_in_an_empty_database(either_database: Database) -> None:
    assert findings(either_database) == []


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("UPDATE account SET name = 'carol'", []),
        (
            "UPDATE balance SET available = available + 1, spent = spent - 1",
            [
                "account 1, SMS: the balance is off its postings by issued 0, available 1, held 0, spent -1",
                "account 1: the balance has 0 more held and -1 more spent than its orders say",
            ],
        ),
        (
            "DELETE FROM posting WHERE move = 1",
            [
                "account 1, SMS: the balance is off its postings by issued -100, available 100,"
                " held 0, spent 0"
            ],
        ),
        (
            "UPDATE posting SET order_id = 77 WHERE move = 3",
            [
                "order 1: it has -1 more held and 1 more posted than its postings say",
                "order 77: it has 1 more held and -1 more posted than its postings say",
                "posting 4: order 77 is not one of account 1",
            ],
        ),
        (
            "UPDATE sms_order SET account_id = 2 WHERE id = 6",
            [
                "account 1: the balance has 1 more held and 0 more spent than its orders say",
                "account 2: the balance has -1 more held and 0 more spent than its orders say",
                "posting 6: order 6 is not one of account 1",
            ],
        ),
        (
            "UPDATE sms_order SET delivered = 2 WHERE id = 1",
            [counters(1, 12, (3, 2, 1, 1, 1), (3, 1, 1, 1, 1), 3)],
        ),
        (
            "UPDATE sms_order SET state = 13 WHERE id = 6",
            [counters(6, 13, (1, 0, 0, 1, 0), (1, 0, 0, 1, 0), 0)],
        ),
        (
            "UPDATE message SET state = 23 WHERE id = 3",
            [counters(1, 12, (3, 1, 1, 1, 1), (3, 2, 1, 0, 2), 3)],
        ),
        (
            "UPDATE message SET state = 20, parts = 2 WHERE id = 3",
            [counters(1, 12, (3, 1, 1, 1, 1), (3, 1, 1, 2, 1), 2)],
        ),
        (
            "DELETE FROM message WHERE id = 6",
            [counters(6, 11, (1, 0, 0, 1, 0), (0, 0, 0, 0, 0), 0)],
        ),
        (
            "UPDATE message SET state = 19 WHERE id = 3",
            [
                counters(1, 12, (3, 1, 1, 1, 1), (3, 1, 1, 0, 1), 2),
                "message 3: there is no state 19",
            ],
        ),
        (
            "UPDATE sms_order SET settled = 3, opened = 2 WHERE id = 1",
            ["order 1: settled up to 3 and opened up to 2 of 3 is not in order"],
        ),
        (
            "UPDATE sms_order SET opened = 9 WHERE id = 1",
            ["order 1: settled up to 3 and opened up to 9 of 3 is not in order"],
        ),
        (
            "INSERT INTO message VALUES (50, 905301000001, 20, 1, 1, 0)",
            ["message 50: it belongs to no order"],
        ),
        (
            "UPDATE account SET next_number = 300000003",
            ["account 1: its next order gets number 300000003, but it has order 300000003 already"],
        ),
        ("UPDATE id_block SET next = 6", ["message 6: its id was never leased (the next to be leased is 6)"]),
        ("DELETE FROM order_text WHERE order_id = 4", ["order 4: it has no text"]),
        (
            "INSERT INTO order_text VALUES (4, 6, 'x')",
            ["order 4: no message of it has id 6, from which a text of it is sent"],
        ),
        (
            "DELETE FROM odd_number",
            [UNREADABLE],
        ),
        (
            "UPDATE odd_number SET message_id = 3",
            [
                UNREADABLE,
                "message 3: an unreadable number is kept for it, but it has a readable one",
            ],
        ),
        (
            "UPDATE unsure SET order_id = 1",
            ["message 4: it is in doubt, but order 1 has no such message"],
        ),
        (
            "DELETE FROM unsure",
            ["message 4: it waits for an operator, but is not on the list of those in doubt"],
        ),
        (
            "UPDATE reference SET order_id = 6, key = 42 WHERE message_id = 2",
            ["reference 42 of carrier 1: it names message 2, which order 6 does not have"],
        ),
    ],
)
def test_what_is_wrong_is_found_and_named(either_database: Database, damage: str, found: list[str]) -> None:
    a_day(either_database)
    # So that an id is not also found to be one that was never leased.
    sync_write(either_database, lambda tx: tx.run(Sql("UPDATE id_block SET next = 100")))
    assert findings(either_database, damage) == found


def test_orders_that_overlap(either_database: Database) -> None:
    a_day(either_database)
    found = findings(either_database, "UPDATE sms_order SET total = 4 WHERE id = 1")
    assert "order 4: its messages begin among those of order 1" in found


def test_only_the_first_of_many_are_named(either_database: Database) -> None:
    a_day(either_database)
    damage = [f"INSERT INTO message VALUES ({1000 + i}, 905301000001, 20, 1, 1, 0)" for i in range(25)]
    found = findings(either_database, "UPDATE id_block SET next = 5000", *damage)
    assert len(found) == audit.SHOWN + 1
    assert found[-1] == "… and 5 more like the last"


def parcels(database: Database) -> None:
    """Three consignments: the first booked, with a label, a sighting and a document; the second waiting; the
    third cancelled, and paid back. The owner is told of two events, one after the other; bob has nothing."""
    alice = parcel_cast.shipper(database)
    parcel_cast.shipper(database, "bob", credit=0)
    seen = Seen(0, None, 0, 0, ParcelState.BOOKED, "", None, "")
    booked = parcel_cast.stored(database, parcel_cast.consignment(alice.id, posted=900, seen=[seen]))
    waiting = parcel_cast.stored(
        database,
        parcel_cast.consignment(alice.id, state=ParcelState.WAITING, held=500, posted=0, labels=[]),
    )
    cancelled = parcel_cast.stored(database, parcel_cast.consignment(alice.id, posted=70))
    request = Once("POST /consignments", "key", "digest")

    def go_on(tx: Tx) -> None:
        jobs.put(tx, JobKind.BOOK, waiting.id, 0)
        replies.claim(tx, alice.id, request, until=0)
        replies.attach(tx, alice.id, request, waiting.id)
        papers.insert(
            tx,
            Paper(0, alice.id, booked.id, PaperKind.CN22, PaperState.APPROVED, "a", "b", 0, 0),
            b"",
            None,
            None,
        )
        balances = ledger.locked(tx, [(alice.id, TRY)])
        refund = Posting(alice.id, TRY, Move.REFUND, cancelled.posted, consignment_id=cancelled.id)
        balances[alice.id, TRY].apply(refund)
        ledger.save(tx, balances, [refund])
        cancelled.state, cancelled.posted = ParcelState.CANCELLED, 0
        consignments.save(tx, cancelled)
        endpoint = endpoints.put(tx, alice.id, "comtohome", ["consignment"], "", "").id
        news = Event(alice.id, EventKind.CONSIGNMENT_STATUS, booked.id, b"{}")
        for event, state in zip(
            events.insert(tx, [news, news]), (CallbackState.DUE, CallbackState.BEHIND), strict=True
        ):
            callbacks.insert(tx, [(endpoint, event, booked.id, state)])

    sync_write(database, go_on)


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("UPDATE account SET name = 'carol' WHERE id = 1", []),
        (
            "UPDATE balance SET available = available + 1, spent = spent - 1",
            [
                "account 1, TRY: the balance is off its postings by issued 0, available 1, held 0, spent -1",
                "account 1: the balance has 0 more held and -1 more spent than its consignments say",
            ],
        ),
        (
            "UPDATE posting SET amount = 71 WHERE move = 5",
            [
                "account 1, TRY: the balance is off its postings by issued 0, available -1, held 0, spent 1",
                "consignment 3: it has 0 more held and 1 more posted than its postings say",
            ],
        ),
        (
            "UPDATE consignment SET held = 501 WHERE id = 2",
            [
                "account 1: the balance has -1 more held and 0 more spent than its consignments say",
                "consignment 2: it has 1 more held and 0 more posted than its postings say",
            ],
        ),
        (
            "UPDATE posting SET order_id = 77 WHERE id = 4",
            [
                "posting 4: order 77 is not one of account 1",
                "posting 4, move 2: it is for order 77, consignment 2 and purchase None, but a posting is for"
                " one of the three, and a grant for none",
            ],
        ),
        (
            "UPDATE posting SET consignment_id = NULL WHERE id = 4",
            [
                "posting 4, move 2: it is for order None, consignment None and purchase None, but a posting"
                " is for one of the three, and a grant for none",
                "consignment 2: it has 500 more held and 0 more posted than its postings say",
            ],
        ),
        (
            "UPDATE posting SET consignment_id = 1 WHERE id = 1",
            [
                "posting 1, move 1: it is for order None, consignment 1 and purchase None, but a posting is"
                " for one of the three, and a grant for none",
            ],
        ),
        (
            "UPDATE posting SET consignment_id = 99 WHERE id = 7",
            [
                "consignment 3: it has 0 more held and -70 more posted than its postings say",
                "consignment 99: it has 0 more held and 70 more posted than its postings say",
                "posting 7: consignment 99 is not one of account 1",
            ],
        ),
        (
            "UPDATE consignment SET account_id = 2 WHERE id = 1",
            [
                "account 1: the balance has 0 more held and 900 more spent than its consignments say",
                "account 2: the balance has 0 more held and -900 more spent than its consignments say",
                "posting 2: consignment 1 is not one of account 1",
                "posting 3: consignment 1 is not one of account 1",
                "label 1: consignment 1 is not one of account 1",
                "document 1: consignment 1 is not one of account 1",
            ],
        ),
        *(
            (
                f"UPDATE consignment SET state = {state} WHERE id = {which}",
                [f"consignment {which}: in state {state} it cannot have {held} held and {posted} posted"],
            )
            for which, held, posted, states in (
                (1, 0, 900, (30, 32, 43, 29, 48)),
                (2, 500, 0, (30, 32, 43)),
            )
            for state in states
        ),
        ("UPDATE consignment SET state = 45 WHERE id = 1", []),
        (
            "UPDATE consignment SET state = 42 WHERE id = 2",
            [
                "consignment 2: in state 42 it cannot have 500 held and 0 posted",
                "consignment 2: in state 42 it must have a label",
            ],
        ),
        ("DELETE FROM label WHERE id = 1", ["consignment 1: in state 33 it must have a label"]),
        ("DELETE FROM label WHERE id = 2", []),
        (
            "UPDATE label SET consignment_id = 99 WHERE id = 2",
            ["label 2: consignment 99 is not one of account 1"],
        ),
        ("UPDATE label SET account_id = 2 WHERE id = 2", ["label 2: consignment 3 is not one of account 2"]),
        ("UPDATE sighting SET consignment_id = 99", ["sighting 1: there is no consignment 99"]),
        ("UPDATE paper SET consignment_id = NULL", []),
        ("UPDATE paper SET account_id = 2", ["document 1: consignment 1 is not one of account 2"]),
        (
            "DELETE FROM job",
            [
                "consignment 2: it waits to be booked, but no job goes on with it",
                "account 1: request 'key' to POST /consignments is under way, but no job goes on with"
                " consignment 2",
            ],
        ),
        ("UPDATE reply SET consignment_id = NULL", []),
        (
            "UPDATE callback SET state = 3",
            ["endpoint 1: of the 2 callbacks about 1 that have not ended one must be told now, not 2"],
        ),
        (
            "UPDATE callback SET state = 5, ended = 1 WHERE id = 1",
            ["endpoint 1: of the 1 callbacks about 1 that have not ended one must be told now, not 0"],
        ),
        ("UPDATE callback SET ended = 7 WHERE id = 2", ["callback 2: in state 4 it cannot have ended at 7"]),
        (
            "UPDATE callback SET state = 6",
            [f"callback {n}: in state 6 it cannot have ended at None" for n in (1, 2)],
        ),
        (
            "UPDATE callback SET event_id = 99 WHERE id = 2",
            ["callback 2: event 99 and endpoint 1 are not there, or not one account's"],
        ),
        (
            "UPDATE event SET account_id = 2 WHERE id = 1",
            ["callback 1: event 1 and endpoint 1 are not there, or not one account's"],
        ),
        (
            "DELETE FROM endpoint",
            [f"callback {n}: event {n} and endpoint 1 are not there, or not one account's" for n in (1, 2)],
        ),
    ],
)
def test_what_is_wrong_with_parcels_is_found(
    either_database: Database, damage: str, found: list[str]
) -> None:
    parcels(either_database)
    assert findings(either_database, damage) == found
