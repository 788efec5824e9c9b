"""Nobody is written to who does not want it: at acceptance, and again before a message leaves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import psycopg
import pytest
from tests import cast
from tests.cast import MINUTE
from tests.conftest import FakeClock

from ulak.core.accounts import Account
from ulak.core.consents import Audience, Channel, Decision, Origin, Source
from ulak.core.doubts import OnUncertain
from ulak.core.errors import Refusal
from ulak.core.orders import ConsentNeeded, OrderDraft, Placed, Ruling, TextDraft
from ulak.core.ports import Accepted
from ulak.core.references import IdForm
from ulak.core.states import MessageState, OrderState
from ulak.service import barring, dispatch
from ulak.service.suppressions import no_key
from ulak.store import reports
from ulak.store.engine import Database, Sql, Tx
from ulak.store.ids import Ids
from ulak.store.writer import sync_read, sync_write

ONE, TWO, THREE = cast.numbers(3)
BRAND = 100200

_BLOCK = Sql(
    "INSERT INTO block (account_id, number, origin, added) VALUES (:account, :number, :origin, :now)"
)
_SAY = Sql(
    "INSERT INTO consent (account_id, brand, channel, audience, recipient, decision, source, given, changed)"
    " VALUES (:account, :brand, :channel, :audience, :recipient, :decision, :source, :now, :now)"
    " ON CONFLICT (account_id, brand, channel, audience, recipient)"
    " DO UPDATE SET decision = excluded.decision, changed = excluded.changed"
)


def block(database: Database, who: cast.Tenant, *numbers: int) -> None:
    def change(tx: Tx) -> None:
        for number in numbers:
            tx.run(_BLOCK, account=who.id, number=number, origin=int(Origin.API), now=tx.now)

    sync_write(database, change)


def say(
    database: Database,
    who: cast.Tenant,
    decision: Decision,
    *numbers: int,
    audience: Audience = Audience.BIREYSEL,
    channel: Channel = Channel.MESAJ,
    brand: int = BRAND,
) -> None:
    def change(tx: Tx) -> None:
        for number in numbers:
            tx.run(
                _SAY,
                account=who.id,
                brand=brand,
                channel=int(channel),
                audience=int(audience),
                recipient=str(number),
                decision=int(decision),
                source=int(Source.HS_WEB),
                now=tx.now,
            )

    sync_write(database, change)


def commercial(
    who: cast.Tenant, texts: Iterable[TextDraft], *, due: int | None = None, presumed: bool = False
) -> OrderDraft:
    """An order that only those may get who have agreed."""
    ruling = Ruling(due=due, consent=ConsentNeeded(BRAND, Audience.BIREYSEL, presumed))

    def judge(_account: Account, _now: int) -> Ruling:
        return ruling

    return OrderDraft(cast.DIALECT, who.sender, list(texts), judge, cast.CHECKS)


def place(database: Database, who: cast.Tenant, draft: OrderDraft) -> int:
    (placed,) = cast.place_all(database, [cast.submission(who, draft)])
    assert isinstance(placed, Placed), placed
    return placed.number


def states(database: Database, who: cast.Tenant, number: int) -> list[MessageState]:
    return [row.state for row in cast.report_of(database, who, number).messages]


D, N, Q, S = (
    MessageState.DELIVERED,
    MessageState.UNDELIVERED,
    MessageState.QUEUED,
    MessageState.SENT,
)


def test_a_blocked_number_is_left_out_and_costs_nothing(database: Database) -> None:
    alice, bob = cast.alice(database, credit=3), cast.bob(database)
    block(database, alice, TWO)
    number = cast.place(database, alice, [cast.text([ONE, TWO, THREE])])
    assert states(database, alice, number) == [Q, N, Q]
    assert cast.balance(database, alice).held == 2
    assert states(database, bob, cast.place(database, bob, [cast.text([TWO])])) == [Q], "not Bob's block"


def test_when_everybody_is_blocked_there_is_no_recipient(database: Database) -> None:
    alice = cast.alice(database)
    block(database, alice, ONE, TWO)
    group = [
        cast.submission(alice, cast.draft(alice.sender, [cast.text([ONE, TWO])])),
        cast.submission(alice, cast.draft(alice.sender, [cast.text([0], odd={0: "x"})])),
        cast.submission(alice, cast.draft(alice.sender, [cast.text([ONE, THREE])])),
    ]
    results = cast.place_all(database, group)
    assert results[0] is Refusal.NO_RECIPIENT
    # What was said of one order has nothing to do with its neighbours.
    assert [type(result) for result in results[1:]] == [Placed, Placed]


def test_a_sender_that_is_not_approved_is_seen_first(database: Database) -> None:
    alice = cast.alice(database)
    block(database, alice, ONE)
    refused = cast.place_all(database, [cast.submission(alice, cast.draft("NOBODY", [cast.text([ONE])]))])
    assert refused == [Refusal.SENDER_NOT_APPROVED]


def test_only_who_agreed_gets_a_commercial_message(database: Database) -> None:
    alice = cast.alice(database)
    say(database, alice, Decision.ONAY, ONE)
    say(database, alice, Decision.RET, TWO)
    number = place(database, alice, commercial(alice, [cast.text([ONE, TWO, THREE])]))
    assert states(database, alice, number) == [Q, N, N]
    assert cast.balance(database, alice).held == 1


@pytest.mark.parametrize(
    "other",
    [{"audience": Audience.TACIR}, {"channel": Channel.ARAMA}, {"brand": BRAND + 1}],
    ids=["audience", "channel", "brand"],
)
def test_an_agreement_about_something_else_does_not_count(database: Database, other: dict[str, int]) -> None:
    alice = cast.alice(database)
    say(database, alice, Decision.ONAY, ONE, **other)  # type: ignore[arg-type]
    number = place(database, alice, commercial(alice, [cast.text([ONE])]))
    assert states(database, alice, number) == [N]


def test_an_order_that_nobody_agreed_to_is_taken_and_fails(database: Database) -> None:
    alice = cast.alice(database)
    number = place(database, alice, commercial(alice, [cast.text([ONE])]))
    report = cast.report_of(database, alice, number)
    assert (report.order.state, report.order.price) == (OrderState.FAILED, 0)
    assert cast.claim(database) == []


def test_who_said_nothing_may_count_as_agreed(database: Database) -> None:
    alice = cast.alice(database)
    say(database, alice, Decision.RET, TWO)
    number = place(database, alice, commercial(alice, [cast.text([ONE, TWO])], presumed=True))
    assert states(database, alice, number) == [Q, N]


def test_a_block_of_meanwhile_holds_back_what_was_scheduled(database: Database, clock: FakeClock) -> None:
    alice = cast.alice(database)
    number = cast.place(database, alice, [cast.text([ONE, TWO])], due=clock.now + 5 * MINUTE)
    clock.advance(MINUTE)
    block(database, alice, ONE)
    clock.advance(5 * MINUTE)
    (order,) = cast.claim(database)
    assert [row.number for row in order.rows] == [TWO]
    references = cast.accept_all(database, order)
    cast.report(database, cast.delivered(references[order.rows[0].id][0], TWO))
    assert states(database, alice, number) == [N, D]
    balance = cast.balance(database, alice)
    assert (balance.held, balance.spent) == (0, 1)


def test_an_order_of_which_nothing_is_left_ends_without_a_link(database: Database, clock: FakeClock) -> None:
    alice = cast.alice(database)
    number = cast.place(database, alice, [cast.text([ONE])], due=clock.now + MINUTE)
    block(database, alice, ONE)
    clock.advance(MINUTE)
    assert cast.claim(database) == []
    assert cast.report_of(database, alice, number).order.state is OrderState.FAILED
    assert cast.balance(database, alice).held == 0


def test_a_block_in_the_middle_of_an_order_holds_back_what_is_not_open(database: Database) -> None:
    alice = cast.alice(database)
    number = cast.place(database, alice, [cast.text([ONE, TWO, THREE])])
    (order,) = cast.claim(database, slots=1)
    assert order.opened == order.id
    block(database, alice, ONE, TWO)
    # The first is with the carrier already; the second must not follow.
    item = dispatch.Step(
        order.carrier_id,
        IdForm.TEXT,
        OnUncertain.RESEND,
        [(cast.sent(database, order, order.rows[0]), Accepted(("r1",)))],
        [(order.id, order.id + 2, order.id)],
        [(order.id, order.id + 1), (order.id, order.id + 2)],
    )
    (stepped,) = sync_write(database, lambda tx: dispatch.step_group(tx, [item], Ids()))
    assert stepped.withheld == {order.id + 1}
    assert states(database, alice, number) == [S, N, Q]


def test_what_was_withheld_is_withheld_when_the_step_is_repeated(database: Database) -> None:
    """PostgreSQL may be away when it should say that it has committed: nobody heard what must not leave."""
    alice = cast.alice(database)
    cast.place(database, alice, [cast.text([ONE, TWO])])
    (order,) = cast.claim(database, slots=0)
    block(database, alice, ONE)
    leaving = [(order.id, order.id), (order.id, order.id + 1)]
    advances = [(order.id, order.id + 1, order.id - 1)]
    item = dispatch.Step(order.carrier_id, IdForm.TEXT, OnUncertain.RESEND, [], advances, leaving)
    for step in (item, replace(item, repeated=True)):
        (stepped,) = sync_write(database, partial(dispatch.step_group, items=[step], _ids=Ids()))
        assert stepped.withheld == {order.id}
    assert cast.balance(database, alice).held == 1


def test_consent_that_is_withdrawn_holds_back_commercial_messages_alone(
    database: Database, clock: FakeClock
) -> None:
    alice = cast.alice(database)
    say(database, alice, Decision.ONAY, ONE, TWO)
    due = clock.now + MINUTE
    advertising = place(database, alice, commercial(alice, [cast.text([ONE, TWO])], due=due))
    plain = cast.place(database, alice, [cast.text([ONE], "Kod 1")], due=due)
    clock.advance(1)
    say(database, alice, Decision.RET, ONE)
    clock.advance(MINUTE)
    assert sorted(row.number for order in cast.claim(database) for row in order.rows) == [ONE, TWO]
    assert states(database, alice, advertising) == [N, Q]
    assert states(database, alice, plain) == [Q]


def test_after_a_crash_what_was_blocked_since_does_not_go_again(database: Database) -> None:
    alice = cast.alice(database)
    number = cast.place(database, alice, [cast.text([ONE, TWO])])
    (order,) = cast.claim(database)
    block(database, alice, TWO)
    _, (again,) = sync_write(
        database,
        lambda tx: dispatch.take_over(tx, order.carrier_id, OnUncertain.RESEND, 0, 100),
    )
    assert [row.number for row in again.again] == [ONE]
    assert states(database, alice, number) == [Q, N]


def test_what_is_taken_up_is_looked_at_again_when_it_leaves(database: Database) -> None:
    """Between a crash and the next time that the carrier is there, people may say that they want no more."""
    alice = cast.alice(database)
    number = cast.place(database, alice, [cast.text([ONE, TWO])])
    (order,) = cast.claim(database)
    _, (again,) = sync_write(
        database,
        lambda tx: dispatch.take_over(tx, order.carrier_id, OnUncertain.RESEND, 0, 100),
    )
    block(database, alice, TWO)
    leaving = [(order.id, row.id) for row in again.again]
    item = dispatch.Step(
        order.carrier_id, IdForm.TEXT, OnUncertain.RESEND, [], [(order.id, order.last_id, order.id)], leaving
    )
    (stepped,) = sync_write(database, lambda tx: dispatch.step_group(tx, [item], Ids()))
    assert stepped.withheld == {order.id + 1}
    assert states(database, alice, number) == [Q, N]
    assert cast.balance(database, alice).held == 1


def test_what_was_left_unsent_and_is_blocked_since_is_not_asked_for_again(database: Database) -> None:
    alice = cast.alice(database)
    number = cast.place(database, alice, [cast.text([ONE])])
    (order,) = cast.claim(database)
    left = [cast.sent(database, order, order.rows[0])]
    sync_write(database, lambda tx: dispatch.leave_unsent(tx, order.carrier_id, left))
    block(database, alice, ONE)
    taken = sync_write(
        database, lambda tx: dispatch.take_over(tx, order.carrier_id, OnUncertain.RESEND, 0, 100)
    )
    assert taken == (0, [])
    assert sync_read(database, reports.carriers_asked) == [order.carrier_id]
    assert sync_write(database, lambda tx: dispatch.take_asked(tx, order.carrier_id, 10)) == []
    assert sync_read(database, reports.carriers_asked) == [], "nobody asks for ever"
    report = cast.report_of(database, alice, number)
    assert (report.order.state, states(database, alice, number)) == (OrderState.FAILED, [N])
    assert cast.balance(database, alice).held == 0


def test_a_block_that_was_begun_before_an_order_and_committed_after_it_counts(
    database: Database, clock: FakeClock
) -> None:
    """Another process may be at it: its change has the time at which it began."""
    alice = cast.alice(database)
    clock.advance(500)
    cast.place(database, alice, [cast.text([ONE, TWO])])
    clock.advance(-500)
    block(database, alice, ONE)
    clock.advance(500)
    (order,) = cast.claim(database)
    assert [row.number for row in order.rows] == [TWO]


class Plans:
    """How PostgreSQL carries out what is asked: (statement, values) that go through it, with their plans."""

    def __init__(self, connection: psycopg.Connection[Any], now: int) -> None:
        self.read: list[str] = []
        self._connection = connection
        self.tx = Tx(self, now, postgres=True)

    def execute(self, statement: str, values: dict[str, Any]) -> Any:
        for mode in ("force_custom_plan", "force_generic_plan"):
            self._connection.execute(f"SET plan_cache_mode = {mode}".encode())
            rows = self._connection.execute(b"EXPLAIN " + statement.encode(), values, prepare=True).fetchall()
            self.read += [row[0] for row in rows]
        return self._connection.execute(statement.encode(), values)


@pytest.mark.parametrize("news", [False, True])
def test_postgresql_does_not_read_whole_tables(postgres_database: Database, news: bool) -> None:
    """Many blocks, words and orders, of few accounts: this must not make every claim and step dear."""
    assert [cast.tenant(postgres_database, name).id for name in ("one", "two", "three")] == [1, 2, 3]
    now = postgres_database.clock()
    with psycopg.connect(postgres_database.url or "", autocommit=True) as connection:
        for statement in MANY:
            connection.execute(statement.encode(), {"before": now - 10 * MINUTE, "now": now})
        if news:
            connection.execute("UPDATE block SET added = %s WHERE number = 905300000003", [now])
        plans = Plans(connection, now)
        ranges = [(first, first - 1, first + 9) for first in range(1, 3000, 300)]
        held = barring.withheld(plans.tx, ranges)
        assert held == ({3: 1} if news else {})
        assert barring.blocked(plans.tx, [(1, [cast.text([905300000003])])], no_key) == {1: {905300000003}}
        whole = [line for line in plans.read if "Seq Scan" in line]
        # Nobody was erased: these tables are empty.
        assert [line for line in whole if "erasure" not in line and "suppression" not in line] == []


MANY = [
    "INSERT INTO block SELECT account, 905300000000 + n, 2, %(before)s"
    " FROM generate_series(1, 3) AS account, generate_series(1, 10000) AS n",
    "INSERT INTO consent SELECT account, 100200, 2, 2, (905300000000 + n)::text, 3, 4, 0, %(before)s"
    " FROM generate_series(1, 3) AS account, generate_series(1, 10000) AS n",
    "INSERT INTO message SELECT n, 905300000000 + n, 20, 1, 1, 0 FROM generate_series(1, 50000) AS n",
    "INSERT INTO sms_order (id, account_id, number, dialect, sender, state, submitted, due, total, delivered,"
    " undelivered, held, posted, prefix, carrier_id, opened, settled, first_message, announced, audience,"
    " brand) SELECT n * 10 - 9, n %% 3 + 1, n, 'x', 'S', 12, %(now)s, 0, 10, 0, 0, 10, 0, '90', 1,"
    " n * 10 - 10, n * 10 - 10, 1, n * 10, 2, 100201 FROM generate_series(1, 5000) AS n",
    "ANALYZE",
]
