"""`ulak message unsure`: an operator decides about messages that may have gone."""

from __future__ import annotations

import pytest
from tests import cast
from tests.cli.conftest import Command

from ulak.core.doubts import OnUncertain
from ulak.core.ports import Unknown
from ulak.core.states import MessageEvent
from ulak.service import audit, dispatch
from ulak.service.settlement import Settlement
from ulak.store import reports
from ulak.store.engine import Database, Tx
from ulak.store.writer import sync_read, sync_write


@pytest.fixture
def carrier(ulak: Command) -> int:
    """A carrier whose uncertain messages are held."""
    made: int = ulak("carrier", "add", "op", "--kind", "simulator", "--set", "on_uncertain=hold").value["id"]
    return made


@pytest.fixture
def alice(database: Database) -> cast.Tenant:
    return cast.alice(database)


@pytest.fixture
def held(database: Database, carrier: int, alice: cast.Tenant) -> list[int]:
    """Two messages of one order that may have gone."""
    cast.place(database, alice, 2)
    (order,) = cast.claim(database, carrier=carrier)
    outcomes = [(cast.sent(database, order, row), Unknown("connection lost")) for row in order.rows]
    last = order.covered
    cast.step(database, outcomes, [(order.id, last, last)], carrier=carrier, policy=OnUncertain.HOLD)
    return [row.id for row in order.rows]


def test_they_are_listed(ulak: Command, held: list[int]) -> None:
    listed = ulak("message", "unsure", "list").value
    assert listed[0] == {
        "id": held[0],
        "account": "alice",
        "order": 300000001,
        "number": "+905301000001",
        "carrier": "op",
        "state": "unsure",
        "doubt": "held",
        "why": "connection lost",
        "at": "2026-05-20T11:03:11Z",
    }
    assert [message["id"] for message in listed] == held
    assert ulak("doctor").value["unsure_held"] == 2


def test_they_are_sent_again(ulak: Command, held: list[int], carrier: int, database: Database) -> None:
    assert ulak("message", "unsure", "resend", str(held[1])).value == {"ids": [held[1]]}
    listed = ulak("message", "unsure", "list").value
    assert [(message["state"], message["doubt"]) for message in listed] == [
        ("unsure", "held"),
        ("queued", "asked"),
    ]
    assert sync_read(database, reports.carriers_asked) == [carrier]
    (taken,) = sync_write(database, lambda tx: dispatch.take_asked(tx, carrier, 10))
    assert [row.id for row in taken.again] == [held[1]]
    assert ulak("message", "unsure", "list").value[1]["doubt"] == "resent"
    assert ulak("message", "unsure", "resend", "--all").value == {"ids": [held[0]]}
    assert sync_read(database, audit.check) == []


def test_they_are_given_up(ulak: Command, held: list[int], alice: cast.Tenant, database: Database) -> None:
    assert ulak("message", "unsure", "fail", "--all").value == {"ids": held}
    listed = ulak("message", "unsure", "list").value
    assert {(message["state"], message["doubt"]) for message in listed} == {("undelivered", "failed")}
    report = cast.report_of(database, alice, 300000001)
    assert (report.order.undelivered, report.order.price) == (2, 0)
    assert cast.balance(database, alice).available == 1000
    assert sync_read(database, audit.check) == []
    assert ulak("message", "unsure", "fail", "--all").value == {"ids": []}


def test_what_is_not_held_cannot_be_decided(ulak: Command, held: list[int]) -> None:
    ulak("message", "unsure", "fail", str(held[0]))
    for words in (["fail", str(held[0]), str(held[1])], ["resend", str(held[0])], ["resend", "77"]):
        ended = ulak("message", "unsure", *words)
        assert (ended.code, ended.out) == (1, "")
        assert "does not wait for a decision" in ended.err
    assert ulak("message", "unsure", "list").value[1]["doubt"] == "held"


def test_a_carrier_that_is_gone_sends_nothing_again(ulak: Command, held: list[int]) -> None:
    ulak("carrier", "remove", "op")
    ended = ulak("message", "unsure", "resend", "--all")
    assert (ended.code, ended.out) == (1, "")
    assert "was removed" in ended.err
    assert ulak("message", "unsure", "fail", "--all").value == {"ids": held}


def test_a_late_report_decides_first(ulak: Command, held: list[int], database: Database) -> None:
    def arrive(tx: Tx) -> None:
        settlement = Settlement(tx, [(held[0], held[0])])
        settlement.messages[held[0]].step(MessageEvent.DELIVERED)
        settlement.save()

    sync_write(database, arrive)
    assert ulak("message", "unsure", "fail", str(held[0])).code == 1
    assert ulak("message", "unsure", "fail", "--all").value == {"ids": [held[1]]}
    assert sync_read(database, audit.check) == []
