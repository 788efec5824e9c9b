"""Callbacks: which are tried now, and what becomes of those that were."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import msgspec

from ulak.core.callbacks import (
    GONE,
    KEPT,
    NOTE_MAX,
    PATIENCE,
    Callback,
    CallbackState,
    Endpoint,
    Outcome,
    next_wait,
)
from ulak.core.errors import UlakError
from ulak.core.events import Event, EventKind
from ulak.service import announcing, events
from ulak.store import callbacks as store
from ulak.store import endpoints
from ulak.store.callbacks import CallbackRow
from ulak.store.engine import Tx

Luck = Callable[[], float]
"""A random number from 0 to 1, for the jitter."""


@dataclass(frozen=True, slots=True)
class Room:
    """For how many callbacks there is room. `busy` tells how many of an endpoint are claimed already.

    Of an endpoint that is known to be `good` at most `each` are claimed, of any other at most one: nobody
    knows how long that takes. `whole` bounds what is claimed now in all, `doubtful` how much of it goes to
    the others, and `failing` how much of that to those that are failing.
    """

    each: int
    whole: int
    doubtful: int
    failing: int
    busy: Mapping[int, int] = field(default_factory=dict)
    good: Container[int] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """What a step did: what is claimed now, which endpoints it disabled, and how those stand that were asked
    for; the ones that are not to be told any more are missing."""

    claimed: Sequence[Callback]
    disabled: Sequence[Endpoint]
    asked: Mapping[int, Endpoint]


def any_due(tx: Tx) -> bool:
    """Whether anything is to be tried now."""
    return store.any_due(tx)


def step(
    tx: Tx,
    outcomes: Sequence[Outcome],
    returned: Collection[int],
    room: Room,
    *,
    ask: Collection[int] = (),
    lease: int,
    luck: Luck,
    process: int = 0,
) -> Step:
    """Write down what came of attempts, give back what was claimed and not tried, and claim what is due.

    One commit serves all three. `returned` are ids of callbacks; `ask` are endpoints with callbacks that are
    claimed and not tried yet; `lease` is how long a claim holds, ms, and `process` whose it is.
    """
    disabled = finish(tx, outcomes, luck) if outcomes else []
    if returned:
        give_back(tx, returned)
    asked = endpoints.in_use(tx, ask) if ask else {}
    return Step(claim(tx, room, lease, luck, process), disabled, asked)


def claim(tx: Tx, room: Room, lease: int, luck: Luck, process: int = 0) -> list[Callback]:
    """Claim callbacks that are due, fairly: no endpoint has a second one before each has one.

    Where there is not room for all endpoints, luck says which come first.
    """
    rooms = _shares(store.queues(tx), room, luck())
    taken = store.take(tx, rooms, tx.now + lease, process) if rooms else []
    known = endpoints.in_use(tx, {endpoint_id for _, endpoint_id, _ in taken}) if taken else {}
    whole = announcing.filled(tx, [event for _, _, event in taken]) if taken else {}
    return [
        Callback(callback_id, known[endpoint_id], event._replace(data=whole.get(event.id, event.data)))
        for callback_id, endpoint_id, event in taken
        if endpoint_id in known
    ]


def _shares(queues: Mapping[int, bool], room: Room, start: float) -> dict[int, int]:
    """How many to claim of each endpoint."""
    order = sorted(queues)  # PostgreSQL gives them in any order.
    first = int(start * len(order))
    turn = [*order[first:], *order[:first]]
    doubtful = [one for one in turn if one not in room.good and not room.busy.get(one, 0)]
    fresh = [one for one in doubtful if not queues[one]]
    failing = [one for one in doubtful if queues[one]][: max(0, room.failing)]
    shares = dict.fromkeys([*fresh, *failing][: max(0, min(room.doubtful, room.whole))], 1)
    whole = max(0, room.whole - len(shares))
    good = [one for one in turn if one in room.good and room.busy.get(one, 0) < room.each][:whole]
    if good:
        share, rest = divmod(whole, len(good))
        for place, one in enumerate(good):
            shares[one] = min(share + (place < rest), room.each - room.busy.get(one, 0))
    return shares


def release(tx: Tx) -> int:
    """What processes were trying that are gone is due again; how many those are."""
    return store.release(tx)


def give_back(tx: Tx, ids: Collection[int]) -> None:
    """What was claimed was not tried; it is due again."""
    copies = store.copies(tx, ids)
    store.save(
        tx,
        [
            (copy.id, CallbackState.DUE, copy.tries, tx.now, None)
            for copy in copies.values()
            if copy.state is CallbackState.TRYING
        ],
    )


def finish(tx: Tx, outcomes: Sequence[Outcome], luck: Luck) -> list[Endpoint]:
    """Write down what came of attempts. Returns the endpoints that are disabled because of it.

    What has arrived, or was given up after its last attempt, lets the next one about its subject go. An
    failure of a callback that somebody else has dealt with meanwhile is only logged; that it arrived always
    counts.
    """
    # An endpoint is locked before its callbacks are looked at, as by whoever adds to its queue.
    ids = [outcome.callback_id for outcome in outcomes]
    known = endpoints.locked(tx, store.owners(tx, ids))
    finishing = _Finishing(tx, known, store.copies(tx, ids), luck)
    for outcome in outcomes:
        if outcome.callback_id in finishing.copies:
            finishing.add(outcome)
    return finishing.save(outcomes)


class _Finishing:
    """The working copy of a group of outcomes."""

    def __init__(
        self, tx: Tx, known: Mapping[int, Endpoint], copies: dict[int, CallbackRow], luck: Luck
    ) -> None:
        self.copies = copies
        self._tx = tx
        self._luck = luck
        self._before = known
        self._endpoints = dict(known)
        self._fresh: dict[int, tuple[int, CallbackState, int, int, int]] = {}
        self._ended: set[tuple[int, int]] = set()
        self._disabled: list[Endpoint] = []

    def add(self, outcome: Outcome) -> None:
        """Decide what becomes of a callback and of its endpoint."""
        copy = self.copies[outcome.callback_id]
        endpoint = self._endpoints[copy.endpoint_id]
        self._tx.count("callback_attempts", "arrived" if outcome.arrived else "failed")
        if outcome.arrived:
            self._endpoints[endpoint.id] = endpoint._replace(failing=None)
            if copy.state is not CallbackState.ARRIVED:
                self._set(copy, CallbackState.ARRIVED, outcome)
            return
        self._fail(endpoint, outcome)
        if copy.state is not CallbackState.TRYING:
            return
        # A date in the answer is of the world's time, as is that of the attempt.
        wait = next_wait(copy.tries + 1, outcome, outcome.at, self._luck())
        if wait is None:
            self._tx.count("callbacks_given_up")
            self._set(copy, CallbackState.GIVEN_UP, outcome)
        else:
            self._set(copy, CallbackState.DUE, outcome, wait)

    def _set(self, copy: CallbackRow, state: CallbackState, outcome: Outcome, wait: int = 0) -> None:
        tries = copy.tries + 1
        self._fresh[copy.id] = (copy.id, state, tries, self._tx.now + wait, outcome.status)
        self.copies[copy.id] = copy._replace(state=state, tries=tries)
        if state is not CallbackState.DUE:
            self._ended.add((copy.endpoint_id, copy.subject))

    def _fail(self, endpoint: Endpoint, outcome: Outcome) -> None:
        """An endpoint that says it is gone is disabled at once, any other after a long time of failures."""
        now = self._tx.now
        failing = now if endpoint.failing is None else endpoint.failing
        fresh = endpoint._replace(failing=failing)
        if endpoint.disabled is None and (outcome.status == GONE or now - failing >= PATIENCE):
            fresh = fresh._replace(disabled=now)
            self._disabled.append(fresh)
        self._endpoints[endpoint.id] = fresh

    def save(self, outcomes: Sequence[Outcome]) -> list[Endpoint]:
        """Write it all; returns the endpoints that are disabled now."""
        tx = self._tx
        store.save(tx, list(self._fresh.values()))
        store.promote(tx, self._ended)
        store.log_attempts(
            tx,
            [
                (o.callback_id, o.at, o.status, o.took, o.note[:NOTE_MAX])
                for o in outcomes
                if o.callback_id in self.copies and not o.arrived
            ],
        )
        endpoints.save_health(
            tx,
            [
                (one.id, one.failing, one.disabled)
                for one in self._endpoints.values()
                if one != self._before[one.id]
            ],
        )
        given_up = store.give_up(tx, [endpoint.id for endpoint in self._disabled])
        tx.count("callbacks_given_up", by=given_up)
        events.record(tx, [_disabled_event(endpoint) for endpoint in self._disabled])
        return self._disabled


def _disabled_event(endpoint: Endpoint) -> Event:
    data = {
        "id": endpoint.id,
        "dialect": endpoint.dialect,
        "url": shown_url(endpoint.url),
        "failing": endpoint.failing,
    }
    return Event(endpoint.account_id, EventKind.ENDPOINT_DISABLED, endpoint.id, msgspec.json.encode(data))


def shown_url(url: str) -> str:
    """An address without its query, which may hold a secret."""
    return urlsplit(url)._replace(query="", fragment="").geturl()


def resend(tx: Tx, ids: Collection[int]) -> list[int]:
    """Send callbacks of the last 30 days again from the start of the schedule; returns which.

    One that waits for its next attempt is tried now. Those about one subject stay in order.

    Raises:
        UlakError: one of them is being tried, is too old, or has no endpoint to go to.
    """
    known = endpoints.locked(tx, store.owners(tx, ids))
    removed = endpoints.removed(tx, known)
    copies = store.copies(tx, ids)
    for one in sorted(set(ids)):
        copy = copies.get(one)
        if copy is None or copy.created <= tx.now - KEPT:
            raise UlakError(f"there is no callback {one} of the last 30 days")
        if copy.state is CallbackState.TRYING:
            raise UlakError(f"callback {one} is being tried now")
        endpoint = known[copy.endpoint_id]
        if endpoint.id in removed:
            raise UlakError(f"callback {one} has nowhere to go: its endpoint was removed")
        if endpoint.disabled is not None:
            raise UlakError(f"the endpoint of callback {one} is disabled: set its address again first")
    due, behind = CallbackState.DUE, CallbackState.BEHIND
    store.save(tx, [(one, due if copies[one].state is due else behind, 0, tx.now, None) for one in copies])
    store.promote(tx, {(copy.endpoint_id, copy.subject) for copy in copies.values()})
    return sorted(copies)


def resend_failed(tx: Tx, account_id: int) -> list[int]:
    """Send everything of an account again that was given up in the last 30 days; returns which.

    Raises:
        UlakError: an endpoint is disabled.
    """
    return resend(tx, store.ended(tx, account_id, CallbackState.GIVEN_UP, tx.now - KEPT))
