"""Callbacks: queued with the event, told in order, tried by the schedule, given up, and sent again."""

from __future__ import annotations

import random
from collections.abc import Callable, Container, Sequence
from functools import partial

import pytest
from tests import cast
from tests.conftest import FakeClock

from ulak.core.callbacks import ATTEMPTS, KEPT, PATIENCE, WAITS, Callback, CallbackState, Outcome
from ulak.core.errors import UlakError
from ulak.core.events import Event, EventKind
from ulak.service import callbacks, endpoints, events
from ulak.service.callbacks import Room, Step
from ulak.store import callbacks as store
from ulak.store import endpoints as endpoint_store
from ulak.store.engine import Database, Sql, Tx
from ulak.store.vault import Vault
from ulak.store.writer import sync_read, sync_write

DIALECT = "comtohome"
URL = "https://alice.example/hook?token=1"
LEASE = 300_000
MIDDLE = 0.5
"""Luck that leaves the schedule as it stands."""

SECOND = 1_000


class Office:
    """Events, attempts and what became of them, one transaction a call."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.vault = Vault(database.directory)
        self.luck: Callable[[], float] = lambda: MIDDLE

    def listen(self, who: cast.Tenant, url: str = URL, families: Sequence[str] = ("consignment",)) -> int:
        made = sync_write(
            self.database,
            lambda tx: endpoints.set_endpoint(tx, who.id, DIALECT, families, url, self.vault),
        )
        return made.endpoint.id

    def happen(
        self, who: cast.Tenant, *subjects: int, kind: EventKind = EventKind.CONSIGNMENT_STATUS
    ) -> None:
        news = [Event(who.id, kind, subject, b'{"n":%d}' % n) for n, subject in enumerate(subjects)]
        sync_write(self.database, lambda tx: events.record(tx, news))

    def claim(
        self,
        each: int = 100,
        whole: int = 1000,
        doubtful: int = 1000,
        failing: int = 1000,
        *,
        good: Container[int] = range(1, 1000),
        start: float = 0,
    ) -> list[Callback]:
        room = Room(each, whole, doubtful, failing, good=good)
        return sync_write(self.database, lambda tx: callbacks.claim(tx, room, LEASE, lambda: start))

    def step(self, outcomes: Sequence[Outcome] = (), returned: Sequence[int] = ()) -> Step:
        return sync_write(
            self.database,
            lambda tx: callbacks.step(
                tx, outcomes, returned, Room(0, 0, 0, 0), lease=LEASE, luck=lambda: self.luck()
            ),
        )

    def outcome(self, callback: int, status: int, note: str = "", wait: str | None = None) -> Outcome:
        return Outcome(callback, self.database.clock(), status, 12, note, wait)

    def arrive(self, *ids: int) -> Step:
        return self.step([self.outcome(one, 200) for one in ids])

    def fail(self, *ids: int, status: int = 500) -> Step:
        return self.step([self.outcome(one, status) for one in ids])

    def listed(self, state: CallbackState | None = None) -> list[store.ListedCallback]:
        """All callbacks, oldest first."""
        return sync_read(self.database, lambda tx: store.listing(tx, None, state, 1000))[::-1]

    def states(self) -> list[CallbackState]:
        return [callback.state for callback in self.listed()]

    def endpoint(self, endpoint_id: int) -> tuple[int | None, int | None]:
        """Since when an endpoint has been failing, and disabled."""
        found = sync_write(self.database, lambda tx: endpoint_store.locked(tx, [endpoint_id]))[endpoint_id]
        return found.failing, found.disabled


DUE, TRYING, BEHIND = CallbackState.DUE, CallbackState.TRYING, CallbackState.BEHIND
ARRIVED, GIVEN_UP = CallbackState.ARRIVED, CallbackState.GIVEN_UP


@pytest.fixture
def office(database: Database) -> Office:
    return Office(database)


@pytest.fixture
def alice(database: Database) -> cast.Tenant:
    return cast.alice(database)


# Queueing.


def test_who_is_told_of_what(office: Office, alice: cast.Tenant, database: Database) -> None:
    bob = cast.bob(database)
    office.listen(alice, families=("consignment", "document"))
    office.happen(alice, 1)
    office.happen(alice, 1, kind=EventKind.DOCUMENT_CREATED)
    office.happen(alice, 1, kind=EventKind.CREDIT_GRANTED)
    office.happen(bob, 1)
    assert [(row.account, row.event) for row in office.listed()] == [
        ("alice", "consignment.status_changed"),
        ("alice", "document.created"),
    ]
    written = sync_read(database, lambda tx: tx.one(_EVENTS))
    assert written == (4,)


def test_an_event_keeps_its_data(office: Office, alice: cast.Tenant) -> None:
    office.listen(alice)
    data = '{"text":"Çıkış \\"Ş\\" \\\\ \\u0000"}'.encode()
    event = Event(alice.id, EventKind.CONSIGNMENT_CREATED, 7, data)
    sync_write(office.database, lambda tx: events.record(tx, [event]))
    (callback,) = office.claim()
    assert callback.event[1:] == (*event[:1], event.kind, 7, data, office.database.clock())
    assert callback.endpoint.url == URL


def test_a_group_of_events_is_queued_in_order(office: Office, alice: cast.Tenant) -> None:
    office.listen(alice)
    office.happen(alice, 1, 2, 1, 1)
    office.happen(alice, 2, 3)
    assert office.states() == [DUE, DUE, BEHIND, BEHIND, BEHIND, DUE]


def test_no_change_no_callback(office: Office, alice: cast.Tenant) -> None:
    office.listen(alice)

    def undone(tx: Tx) -> None:
        events.record(tx, [Event(alice.id, EventKind.CONSIGNMENT_CREATED, 1, b"{}")])
        raise UlakError("no")

    with pytest.raises(UlakError):
        sync_write(office.database, undone)
    assert office.listed() == []
    assert sync_read(office.database, lambda tx: tx.one(_EVENTS)) == (0,)


# Order.


def test_of_one_subject_one_at_a_time_is_told(office: Office, alice: cast.Tenant, clock: FakeClock) -> None:
    """Failures hold up those behind, and only them."""
    office.listen(alice)
    office.happen(alice, 1, 1, 2, 1)
    first, other = office.claim()
    assert (first.event.subject, other.event.subject) == (1, 2)
    office.step([office.outcome(first.id, 500), office.outcome(other.id, 204)])
    assert office.claim() == []
    clock.advance(WAITS[0])
    (again,) = office.claim()
    assert again.id == first.id
    office.arrive(again.id)
    (second,) = office.claim()
    assert second.event.data == b'{"n":1}'
    office.arrive(second.id)
    (third,) = office.claim()
    assert third.event.data == b'{"n":3}'
    office.arrive(third.id)
    assert set(office.states()) == {ARRIVED}


def test_whatever_fails_the_order_holds(office: Office, alice: cast.Tenant, clock: FakeClock) -> None:
    rng = random.Random(7)
    office.listen(alice)
    told: dict[int, list[int]] = {}
    for _ in range(12):
        office.happen(alice, *(rng.randrange(4) for _ in range(3)))
        for callback in office.claim():
            if rng.random() < 0.3:
                office.fail(callback.id)
            elif rng.random() < 0.9:
                told.setdefault(callback.event.subject, []).append(callback.event.id)
                office.arrive(callback.id)
        clock.advance(rng.choice([0, WAITS[0], LEASE]))
        _check_order(office)
    while claimed := office.claim():
        for callback in claimed:
            told.setdefault(callback.event.subject, []).append(callback.event.id)
        office.arrive(*(callback.id for callback in claimed))
        clock.advance(WAITS[3])
    assert set(office.states()) == {ARRIVED}
    assert all(order == sorted(order) for order in told.values())
    assert sum(map(len, told.values())) == 36


def _check_order(office: Office) -> None:
    """Of a subject at most one is due or tried, and whoever waits has somebody to wait for."""
    by_subject: dict[int, list[CallbackState]] = {}
    for row in office.listed():
        if row.state not in (ARRIVED, GIVEN_UP):
            by_subject.setdefault(row.subject, []).append(row.state)
    for found in by_subject.values():
        assert found[0] in (DUE, TRYING)
        assert set(found[1:]) <= {BEHIND}


# The schedule.


def test_ten_attempts_over_75_hours(office: Office, alice: cast.Tenant, clock: FakeClock) -> None:
    endpoint = office.listen(alice)
    office.happen(alice, 1, 1)
    began = clock.now
    tried: list[int] = []
    while len(tried) < ATTEMPTS:
        (callback,) = office.claim()
        tried.append(clock.now - began)
        office.fail(callback.id)
        (row, _) = office.listed()
        clock.advance(max(0, row.due - clock.now - 1))
        if len(tried) < ATTEMPTS:
            assert (row.state, row.tries, row.status) == (DUE, len(tried), 500)
            assert office.claim() == []
            clock.advance(1)
    assert tried == [sum(WAITS[:n]) for n in range(ATTEMPTS)]
    assert tried[-1] == (75 * 3600 + 35 * 60 + 5) * SECOND
    given_up, following = office.listed()
    assert (given_up.state, given_up.tries, given_up.ended) == (GIVEN_UP, 10, clock.now)
    assert following.state is DUE
    assert office.endpoint(endpoint) == (began, None)


def test_jitter_and_what_a_busy_endpoint_asks_for(office: Office, alice: cast.Tenant) -> None:
    office.luck = lambda: 1.0
    office.listen(alice)
    office.happen(alice, 1, 2)
    one, two = office.claim()
    office.step([office.outcome(one.id, 500, wait="60"), office.outcome(two.id, 429, wait="60")])
    assert [row.due - office.database.clock() for row in office.listed()] == [6 * SECOND, 60 * SECOND]


def test_a_date_is_of_the_world_though_the_clock_was_put_forward(
    office: Office, alice: cast.Tenant, clock: FakeClock
) -> None:
    office.listen(alice)
    office.happen(alice, 1)
    (one,) = office.claim()
    at, date = clock.now, "Wed, 20 May 2026 11:04:11 GMT"
    clock.advance(3600 * SECOND)
    office.step([Outcome(one.id, at, 503, 12, "", date)])
    (row,) = office.listed()
    assert row.due - clock.now == 60 * SECOND


def test_what_came_of_an_attempt_is_written_down(office: Office, alice: cast.Tenant) -> None:
    office.listen(alice)
    office.happen(alice, 1, 2)
    good, bad = office.claim()
    office.step([office.outcome(good.id, 204), office.outcome(bad.id, 0, "why" * 200)])
    now = office.database.clock()
    assert [(row.state, row.tries, row.ended, row.status) for row in office.listed()] == [
        (ARRIVED, 1, now, 204),
        (DUE, 1, None, 0),
    ]
    # Of what arrived there is nothing more to say.
    assert sync_read(office.database, lambda tx: tx.all(_ATTEMPTS)) == [
        (bad.id, now, 0, 12, ("why" * 200)[:200]),
    ]


# The health of an endpoint.


def test_an_endpoint_that_is_gone_is_disabled_at_once(office: Office, alice: cast.Tenant) -> None:
    endpoint = office.listen(alice)
    office.happen(alice, 1, 1, 2)
    (first, other) = office.claim()
    done = office.fail(first.id, status=410)
    assert [found.id for found in done.disabled] == [endpoint]
    assert office.endpoint(endpoint)[1] == office.database.clock()
    assert set(office.states()) == {GIVEN_UP}
    office.happen(alice, 3)
    assert len(office.listed()) == 3
    # The other one was under way all the while.
    office.arrive(other.id)
    assert office.states() == [GIVEN_UP, GIVEN_UP, ARRIVED]
    kinds = sync_read(office.database, lambda tx: tx.all(_DISABLED))
    assert kinds == [(alice.id, endpoint)]


def test_five_days_of_failures_disable_an_endpoint(
    office: Office, alice: cast.Tenant, clock: FakeClock
) -> None:
    endpoint = office.listen(alice)
    office.happen(alice, 1)
    office.fail(office.claim()[0].id)
    began = clock.now
    clock.advance(PATIENCE - 1)
    office.fail(office.claim()[0].id)
    assert office.endpoint(endpoint) == (began, None)
    clock.advance(WAITS[1])
    assert office.fail(office.claim()[0].id).disabled
    assert office.endpoint(endpoint) == (began, clock.now)
    assert office.claim() == []


def test_one_success_is_enough(office: Office, alice: cast.Tenant, clock: FakeClock) -> None:
    endpoint = office.listen(alice)
    office.happen(alice, 1, 2)
    one, two = office.claim()
    office.fail(one.id)
    clock.advance(PATIENCE)
    office.arrive(two.id)
    assert office.endpoint(endpoint) == (None, None)
    assert not office.fail(office.claim()[0].id).disabled
    assert office.endpoint(endpoint) == (clock.now, None)


def test_setting_the_address_again_enables_it(office: Office, alice: cast.Tenant) -> None:
    endpoint = office.listen(alice)
    office.happen(alice, 1)
    (callback,) = office.claim()
    office.fail(callback.id, status=410)
    assert office.listen(alice, "https://alice.example/new") == endpoint
    assert office.endpoint(endpoint) == (None, None)
    office.happen(alice, 1)
    (found,) = office.claim()
    assert found.endpoint.url == "https://alice.example/new"
    key = endpoints.signing_key(office.vault, found.endpoint)
    assert len(key) == 32
    assert key != endpoints.signing_key(office.vault, callback.endpoint)


def test_a_removed_endpoint_is_told_nothing(office: Office, alice: cast.Tenant) -> None:
    endpoint = office.listen(alice)
    office.happen(alice, 1, 1, 2)
    office.claim(whole=1)
    assert sync_write(office.database, lambda tx: endpoints.remove(tx, alice.id, DIALECT))
    assert not sync_write(office.database, lambda tx: endpoints.remove(tx, alice.id, DIALECT))
    office.happen(alice, 3)
    assert office.states() == [GIVEN_UP] * 3
    assert office.listen(alice) != endpoint
    with pytest.raises(UlakError, match="removed"):
        sync_write(office.database, lambda tx: callbacks.resend(tx, [office.listed()[0].id]))


# Claims.


def test_a_claim_holds_until_its_lease_ends(office: Office, alice: cast.Tenant, clock: FakeClock) -> None:
    """The process goes away with the claim: another one sends it again, and it counts as no attempt."""
    office.listen(alice)
    office.happen(alice, 1)
    (callback,) = office.claim()
    clock.advance(LEASE - 1)
    assert office.claim() == []
    clock.advance(1)
    assert office.claim() == [callback]
    assert office.listed()[0].tries == 0


def test_a_process_that_begins_takes_over_at_once(office: Office, alice: cast.Tenant) -> None:
    office.listen(alice)
    office.happen(alice, 1, 2, 2)
    before = office.claim()
    assert sync_write(office.database, callbacks.release) == 2
    assert office.claim() == before


def test_what_is_given_back_is_due_and_counts_as_no_attempt(office: Office, alice: cast.Tenant) -> None:
    office.listen(alice)
    office.happen(alice, 1)
    (callback,) = office.claim()
    office.step(returned=[callback.id])
    assert (office.states(), office.listed()[0].tries) == ([DUE], 0)


def test_what_two_processes_say_of_one_callback(office: Office, alice: cast.Tenant) -> None:
    """A claim that ran out: the other one's success stands, and a late failure changes nothing."""
    office.listen(alice)
    office.happen(alice, 1, 1)
    first = office.claim()[0].id
    office.arrive(first)
    office.fail(first)
    office.arrive(first)
    office.step(returned=[first])
    assert office.states() == [ARRIVED, DUE]
    assert office.listed()[0].tries == 1


def test_many_of_one_endpoint_do_not_hide_the_others(
    office: Office, alice: cast.Tenant, database: Database
) -> None:
    bob, carol = cast.bob(database), cast.tenant(database, "carol")
    for who in (alice, bob, carol):
        office.listen(who)
    office.happen(alice, *range(500))
    office.happen(bob, *range(3))
    office.happen(carol, 1)
    taken = office.claim(each=100, whole=12)
    counts = [
        sum(callback.endpoint.account_id == who.id for callback in taken) for who in (alice, bob, carol)
    ]
    assert counts == [4, 3, 1]


def test_where_there_is_not_room_for_all_they_take_turns(
    office: Office, alice: cast.Tenant, database: Database
) -> None:
    who = [alice, *(cast.tenant(database, f"t{n}") for n in range(4))]
    ids = [office.listen(one) for one in who]
    for one in who:
        office.happen(one, 1, 2, 3)
    first = [callback.endpoint.id for callback in office.claim(whole=2, start=0.4)]
    assert sorted(first) == ids[2:4]
    second = [callback.endpoint.id for callback in office.claim(whole=2, start=0.9)]
    assert sorted(second) == [ids[0], ids[4]]


def test_one_that_is_not_known_to_be_good_has_one_try_at_a_time_and_not_all_the_room(
    office: Office, alice: cast.Tenant, database: Database
) -> None:
    who = [alice, cast.bob(database), cast.tenant(database, "carol")]
    ids = [office.listen(one) for one in who]
    for one in who:
        office.happen(one, *range(5))
    room = Room(4, 1000, 1, 1, good={ids[2]}, busy={ids[0]: 1, ids[2]: 1})
    taken = sync_write(database, lambda tx: callbacks.claim(tx, room, LEASE, lambda: 0.0))
    assert sorted(callback.endpoint.id for callback in taken) == [ids[1], *[ids[2]] * 3]
    assert office.claim(doubtful=0, good=()) == []
    assert len(office.claim(doubtful=2, good=())) == 2


def test_failing_ones_leave_room_for_those_that_nobody_knows(
    office: Office, alice: cast.Tenant, database: Database
) -> None:
    who = [alice, cast.bob(database), cast.tenant(database, "carol")]
    ids = [office.listen(one) for one in who]
    for one in who[:2]:
        office.happen(one, *range(5))
    office.fail(*(callback.id for callback in office.claim(each=1)))
    office.happen(who[2], 1, 2)
    assert [callback.endpoint.id for callback in office.claim(doubtful=1, good=())] == [ids[2]]
    taken = office.claim(doubtful=5, failing=1, good=())
    assert sorted(callback.endpoint.id for callback in taken) == [ids[0], ids[2]]


# Sending again.


def test_what_ended_can_be_sent_again(office: Office, alice: cast.Tenant, clock: FakeClock) -> None:
    office.listen(alice)
    office.happen(alice, 1, 1, 1)
    for _ in range(3):
        office.arrive(office.claim()[0].id)
    ids = [row.id for row in office.listed()]
    clock.advance(KEPT - 1)
    assert sync_write(office.database, lambda tx: callbacks.resend(tx, ids[1:])) == ids[1:]
    assert office.states() == [ARRIVED, DUE, BEHIND]
    assert [(row.tries, row.ended) for row in office.listed()[1:]] == [(0, None)] * 2
    (callback,) = office.claim()
    assert callback.id == ids[1]
    office.arrive(callback.id)
    assert [callback.id for callback in office.claim()] == ids[2:]


def test_one_that_is_sent_again_waits_for_its_turn(office: Office, alice: cast.Tenant) -> None:
    office.listen(alice)
    office.happen(alice, 1, 1)
    first = office.claim()[0].id
    office.arrive(first)
    (second,) = office.claim()
    sync_write(office.database, lambda tx: callbacks.resend(tx, [first]))
    assert office.states() == [BEHIND, TRYING]
    office.arrive(second.id)
    assert office.states() == [DUE, ARRIVED]


def test_everything_that_was_given_up_is_sent_again(
    office: Office, alice: cast.Tenant, database: Database
) -> None:
    bob = cast.bob(database)
    for who in (alice, bob):
        office.listen(who)
        office.happen(who, 1, 2)
    done = office.claim()
    office.arrive(done[0].id)
    office.fail(*(callback.id for callback in done[1:]), status=410)
    with pytest.raises(UlakError, match="disabled"):
        sync_write(database, lambda tx: callbacks.resend_failed(tx, alice.id))
    office.listen(alice)
    assert sync_write(database, lambda tx: callbacks.resend_failed(tx, alice.id)) == [done[1].id]
    assert office.states() == [ARRIVED, DUE, GIVEN_UP, GIVEN_UP]


def test_what_waits_for_its_next_attempt_can_be_tried_now(
    office: Office, alice: cast.Tenant, clock: FakeClock
) -> None:
    """Whoever has mended his endpoint need not wait for hours."""
    office.listen(alice)
    office.happen(alice, 1)
    for _ in range(2):
        office.fail(office.claim()[0].id)
        clock.advance(10 * 60_000)
    office.fail(office.claim()[0].id)
    assert office.claim() == []
    (row,) = office.listed()
    assert sync_write(office.database, lambda tx: callbacks.resend(tx, [row.id])) == [row.id]
    assert [callback.id for callback in office.claim()] == [row.id]


def test_what_cannot_be_sent_again(office: Office, alice: cast.Tenant, clock: FakeClock) -> None:
    office.listen(alice)
    office.happen(alice, 1)
    (row,) = office.listed()
    (claimed,) = office.claim()
    for one, why in ((row.id, "is being tried now"), (row.id + 1, "no callback")):
        with pytest.raises(UlakError, match=why):
            sync_write(office.database, partial(callbacks.resend, ids=[one]))
    office.arrive(claimed.id)
    clock.advance(KEPT)
    with pytest.raises(UlakError, match="30 days"):
        sync_write(office.database, lambda tx: callbacks.resend(tx, [row.id]))


_EVENTS = Sql("SELECT count(*) FROM event")
_ATTEMPTS = Sql("SELECT callback_id, at, status, took, note FROM attempt ORDER BY id")
_DISABLED = Sql("SELECT account_id, subject FROM event WHERE kind = 'endpoint.disabled'")
