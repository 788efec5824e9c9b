"""Accounts that want to hear of each message: accepted before its end, once each, with number and text."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import msgspec
import pytest
from tests import cast
from tests.cast import HOUR, MINUTE
from tests.conftest import FakeClock
from tests.service.test_barring import block

from ulak.core.callbacks import Callback, Outcome
from ulak.core.events import MessageNews
from ulak.core.messages import QueuedMessage
from ulak.core.ports import Accepted, Refused
from ulak.dialects.iletimerkezi.callbacks import RENDERER
from ulak.service import announcing, callbacks, endpoints, orders
from ulak.service.callbacks import Room
from ulak.service.sweep import Hand, sweep_slice
from ulak.store.engine import Database, Sql
from ulak.store.vault import Vault
from ulak.store.writer import sync_read, sync_write

ONE, TWO, THREE = cast.numbers(3)
ROOM = Room(100_000, 100_000, 100_000, 100_000, good=range(1, 1000))
_EVENTS = Sql("SELECT kind, subject, data FROM event ORDER BY id")


def listen(database: Database, who: cast.Tenant, families: Sequence[str] = ("message",)) -> int:
    made = sync_write(
        database,
        lambda tx: endpoints.set_endpoint(
            tx, who.id, "iletimerkezi", families, "https://a.example/", Vault(database.directory)
        ),
    )
    return made.endpoint.id


def happened(database: Database) -> list[tuple[str, int]]:
    """(what, the name of its message) of everything that is told, in order."""
    rows = sync_read(database, lambda tx: tx.all(_EVENTS))
    named = msgspec.json.Decoder(MessageNews)
    return [(row[0].removeprefix("message."), named.decode(bytes(row[2])).name) for row in rows]


def told(database: Database) -> list[dict[str, object]]:
    """The bodies of all callbacks, each told when it may be and taken."""
    bodies = []
    while claimed := _claimed(database):
        bodies += [json.loads(RENDERER.render(callback.event).body)["report"] for callback in claimed]
        outcomes = [Outcome(callback.id, database.clock(), 200, 1) for callback in claimed]
        sync_write(database, partial(callbacks.finish, outcomes=outcomes, luck=lambda: 0.5))
    return bodies


def _claimed(database: Database) -> list[Callback]:
    return sync_write(database, lambda tx: callbacks.claim(tx, ROOM, 300_000, lambda: 0.0))


def test_accepted_comes_before_the_end(database: Database) -> None:
    alice = cast.alice(database)
    listen(database, alice)
    number = cast.place(database, alice, [cast.text([ONE, TWO], "Kargoda")])
    (order,) = cast.claim(database)
    references = cast.accept_all(database, order)
    first, second = (references[row.id][0] for row in order.rows)
    cast.report(database, cast.delivered(first, ONE), cast.undelivered(second, TWO))
    bodies = told(database)
    rows = [(body["id"], body["status"], body["to"]) for body in bodies]
    assert sorted(rows) == [
        (1, "accepted", f"+{ONE}"),
        (1, "delivered", f"+{ONE}"),
        (2, "accepted", f"+{TWO}"),
        (2, "undelivered", f"+{TWO}"),
    ]
    for name in (1, 2):
        assert next(status for own, status, _ in rows if own == name) == "accepted"
    assert {(body["packet_id"], body["body"]) for body in bodies} == {(number, "Kargoda")}
    assert list(bodies[0]) == ["id", "packet_id", "status", "to", "body"]


def test_a_number_that_is_refused_at_once_is_only_undelivered(database: Database) -> None:
    alice = cast.alice(database)
    listen(database, alice)
    block(database, alice, TWO)
    cast.place(database, alice, [cast.text([ONE, 0, TWO], odd={1: "12"})])
    assert happened(database) == [("accepted", 1), ("undelivered", 2), ("undelivered", 3)]
    shown = {body["id"]: body["to"] for body in told(database)}
    assert shown == {1: f"+{ONE}", 2: "12", 3: f"+{TWO}"}


def test_each_text_is_told_to_its_own_recipients(database: Database) -> None:
    alice = cast.alice(database)
    listen(database, alice)
    cast.place(database, alice, [cast.text([ONE, TWO], "A"), cast.text([ONE], "B")])
    assert [(body["to"], body["body"]) for body in told(database)] == [
        (f"+{ONE}", "A"),
        (f"+{TWO}", "A"),
        (f"+{ONE}", "B"),
    ]


def test_nobody_is_told_who_did_not_ask(database: Database) -> None:
    alice, bob = cast.alice(database), cast.bob(database)
    listen(database, bob)
    listen(database, alice, ["consignment"])
    cast.place(database, alice)
    cast.send_all(database)
    assert happened(database) == []


def test_who_asks_later_hears_only_of_ends(database: Database) -> None:
    alice = cast.alice(database)
    cast.place(database, alice)
    listen(database, alice)
    (order,) = cast.claim(database)
    references = cast.accept_all(database, order)
    cast.report(database, cast.delivered(references[order.id][0]))
    assert happened(database) == [("delivered", 1)]


def test_a_cancelled_order_says_no_more(database: Database, clock: FakeClock) -> None:
    alice = cast.alice(database)
    listen(database, alice)
    number = cast.place(database, alice, 2, due=clock.now + HOUR)
    assert sync_write(database, lambda tx: orders.cancel(tx, alice.id, number)) is None
    assert happened(database) == [("accepted", 1), ("accepted", 2)]


def test_what_nobody_reports_on_is_undelivered_in_the_end(database: Database, clock: FakeClock) -> None:
    alice = cast.alice(database)
    listen(database, alice)
    cast.place(database, alice)
    cast.send_all(database)
    clock.advance(2 * HOUR)
    hand, more = Hand(), True
    while more:
        hand, more = sync_write(database, partial(sweep_slice, hand=hand, receipt_wait=HOUR))
    assert happened(database) == [("accepted", 1), ("undelivered", 1)]


def test_a_report_that_is_repeated_is_told_once(database: Database) -> None:
    alice = cast.alice(database)
    listen(database, alice)
    cast.place(database, alice)
    (order,) = cast.claim(database)
    reference = cast.accept_all(database, order)[order.id][0]
    for _ in range(3):
        cast.report(database, cast.delivered(reference))
    cast.report(database, cast.undelivered(reference))
    assert happened(database) == [("accepted", 1), ("delivered", 1)]


def test_names_are_counted_by_account_and_fit_into_32_bits(database: Database) -> None:
    alice, bob = cast.alice(database), cast.bob(database)
    for who in (alice, bob):
        listen(database, who)
    last = Sql("UPDATE account SET next_message = 2147483646 WHERE id = :id")
    sync_write(database, lambda tx: tx.run(last, id=alice.id))
    cast.place(database, alice, 4)
    cast.place(database, alice, [cast.text([ONE], "B")])
    cast.place(database, bob)
    names = [name for _, name in happened(database)]
    assert names == [2147483646, 2147483647, 1, 2, 3, 1]


LARGE = announcing.AT_ONCE + 2 * announcing.STRETCH + 5


def announce(database: Database, times: int | None = None) -> int:
    """Let the announcer work; how many stretches it made."""
    made = 0
    while (times is None or made < times) and sync_write(database, announcing.go_on):
        made += 1
    return made


def test_a_large_order_is_announced_after_it_was_accepted(database: Database) -> None:
    alice = cast.alice(database, credit=10_000)
    listen(database, alice)
    block(database, alice, ONE)
    cast.place(database, alice, [cast.text(cast.numbers(LARGE))])
    assert happened(database) == [], "no other order waits for its callbacks"
    assert sync_read(database, announcing.any_left)
    assert announce(database) == 3
    assert not sync_read(database, announcing.any_left)
    assert happened(database) == [("undelivered", 1)] + [("accepted", name) for name in range(2, LARGE + 1)]


@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_an_end_that_is_ahead_brings_its_acceptance_along(database: Database, ahead: int) -> None:
    alice = cast.alice(database, credit=10_000)
    listen(database, alice)
    cast.place(database, alice, [cast.text(cast.numbers(LARGE))])
    announce(database, ahead)
    (order,) = cast.claim(database, slots=10)
    place = announcing.STRETCH * 3 // 2
    middle = order.id + place - 1
    # Rows beyond those that were read with the claim are sent as any others.
    for message_id in (order.id, middle):
        row = QueuedMessage(message_id, cast.numbers(LARGE)[message_id - order.id], 1)
        accepted = (cast.sent(database, order, row), Accepted((f"r{message_id}",)))
        cast.step(database, [accepted], [(order.id, middle, order.id - 1)])
        cast.report(database, cast.delivered(f"r{message_id}"))
    announce(database)
    news = happened(database)
    assert len(news) == LARGE + 2
    assert len(set(news)) == LARGE + 2, "nothing is told twice"
    for name in (1, place):
        assert news.index(("accepted", name)) < news.index(("delivered", name))


def test_ends_beside_the_announcer_in_another_process(postgres_database: Database) -> None:
    """Whatever comes first, each message is accepted once, before its end, and ends once."""
    database = postgres_database
    alice = cast.alice(database, credit=10_000)
    listen(database, alice)
    cast.place(database, alice, [cast.text(cast.numbers(LARGE))])
    (order,) = cast.claim(database)
    rows = [QueuedMessage(order.id + n, number, 1) for n, number in enumerate(cast.numbers(LARGE))]
    cast.accept_all(database, dataclasses.replace(order, rows=tuple(rows), covered=order.last_id))
    random.Random(7).shuffle(rows)
    with ThreadPoolExecutor() as threads:
        announced = [threads.submit(announce, database) for _ in range(2)]
        for first in range(0, LARGE, 40):
            cast.report(database, *(cast.delivered(f"r{row.id}-0") for row in rows[first : first + 40]))
        assert sum(done.result() for done in announced) <= 3
    announce(database)
    news = happened(database)
    assert sorted(news) == [
        (kind, name) for kind in ("accepted", "delivered") for name in range(1, LARGE + 1)
    ]
    places = {one: place for place, one in enumerate(news)}
    assert all(places["accepted", name] < places["delivered", name] for name in range(1, LARGE + 1))


@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_a_large_trial_is_told_once(database: Database, ahead: int) -> None:
    """Who gets a trial message costs nothing either, as those who were refused at once."""
    alice = cast.alice(database)
    listen(database, alice)
    numbers = cast.numbers(LARGE)
    cast.place(database, alice, [cast.text(numbers, parts=0, barred=frozenset(numbers[1:]))])
    announce(database, ahead)
    (order,) = cast.claim(database)
    cast.step(database, [(cast.sent(database, order, order.rows[0]), Refused("no"))])
    announce(database)
    news = happened(database)
    assert [kind for kind, name in news if name == 1] == ["accepted", "undelivered"][not ahead :]
    assert sorted(news)[-LARGE + 1 :] == [("undelivered", name) for name in range(2, LARGE + 1)]
    assert len(set(news)) == len(news)


def test_a_callback_that_waits_long_still_knows_what_it_tells(database: Database, clock: FakeClock) -> None:
    alice = cast.alice(database)
    listen(database, alice)
    cast.place(database, alice, [cast.text([ONE], "Kargoda")])
    (callback,) = _claimed(database)
    failed = Outcome(callback.id, clock.now, 500, 1)
    sync_write(database, lambda tx: callbacks.finish(tx, [failed], lambda: 0.5))
    clock.advance(10 * MINUTE)
    assert [body["body"] for body in told(database)] == ["Kargoda"]
