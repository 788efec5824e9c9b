"""Callbacks and their attempts as rows.

Only what is still to be told is in the indexes that are asked all the time. An endpoint's queue is a range
of one of them, and which endpoints have something due is found by hops from one endpoint to the next: a
queue of 100,000 costs no more than one of ten.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from ulak.core.callbacks import CallbackState, EventRow
from ulak.core.events import EventKind
from ulak.store.engine import Sql, Tx

_INSERT = Sql(
    "INSERT INTO callback (endpoint_id, event_id, subject, state, tries, due, created)"
    " SELECT endpoint_id, event_id, subject, state, 0, :now, :now FROM {fresh} AS fresh WHERE true",
    fresh=("endpoint_id int8", "event_id int8", "subject int8", "state int2"),
)
_OPEN = Sql(
    "SELECT endpoint_id, subject FROM {pairs} AS wanted WHERE EXISTS (SELECT 1 FROM callback"
    " WHERE callback.endpoint_id = wanted.endpoint_id AND callback.subject = wanted.subject"
    " AND callback.state IN (2, 3, 4))",
    pairs=("endpoint_id int8", "subject int8"),
)

_QUEUES = (
    "WITH RECURSIVE queue(id) AS ("
    "SELECT min(endpoint_id) FROM callback WHERE state IN (2, 3) UNION ALL"
    " SELECT (SELECT min(endpoint_id) FROM callback WHERE state IN (2, 3) AND endpoint_id > queue.id)"
    " FROM queue WHERE queue.id IS NOT NULL)"
    " SELECT endpoint.id, endpoint.failing FROM queue JOIN endpoint ON endpoint.id = queue.id"
    " WHERE endpoint.disabled IS NULL AND endpoint.removed IS NULL AND (SELECT min(due) FROM callback"
    " WHERE callback.endpoint_id = queue.id AND callback.state IN (2, 3)) <= :now"
)
_WITH_DUE = Sql(_QUEUES)
_ANY_DUE = Sql(_QUEUES + " LIMIT 1")
_FIRST = (
    "(SELECT id FROM callback WHERE callback.endpoint_id = wanted.id AND callback.state IN (2, 3)"
    " AND callback.due <= :now ORDER BY callback.due LIMIT :room"
)
_FIRST_SQLITE = Sql(
    f"SELECT taken.id FROM {{ids}} AS wanted JOIN callback AS taken ON taken.id IN {_FIRST})",
    ids=("id int8",),
)
_FIRST_POSTGRES = Sql(
    f"SELECT taken.id FROM {{ids}} AS wanted CROSS JOIN LATERAL {_FIRST} FOR UPDATE SKIP LOCKED) AS taken",
    ids=("id int8",),
)
_TAKE = Sql(
    "UPDATE callback SET state = 3, due = :until, claim = :claim WHERE id IN (SELECT id FROM {ids} AS taken)",
    ids=("id int8",),
)
_TAKEN = Sql(
    "SELECT callback.id, endpoint_id, event.id, account_id, kind, event.subject, data, at"
    " FROM {ids} AS taken JOIN callback ON callback.id = taken.id JOIN event ON event.id = callback.event_id"
    " ORDER BY callback.due, callback.id",
    ids=("id int8",),
)
_RELEASE = Sql(
    "UPDATE callback SET state = 2, due = :now WHERE state IN (2, 3) AND state = 3"
    " AND claim NOT IN (SELECT process.id FROM process)"
)

_COPIES = Sql(
    "SELECT callback.id, endpoint_id, subject, state, tries, created FROM {ids} AS wanted"
    " JOIN callback ON callback.id = wanted.id ORDER BY callback.id",
    lock="FOR UPDATE OF callback",
    ids=("id int8",),
)
_OWNERS = Sql(
    "SELECT DISTINCT endpoint_id FROM {ids} AS wanted JOIN callback ON callback.id = wanted.id",
    ids=("id int8",),
)
_SAVE = Sql(
    "UPDATE callback SET state = fresh.state, tries = fresh.tries, due = fresh.due,"
    " status = coalesce(fresh.status, callback.status),"
    " ended = CASE WHEN fresh.state IN (5, 6) THEN :now END"
    " FROM {fresh} AS fresh WHERE callback.id = fresh.id",
    fresh=("id int8", "state int2", "tries int2", "due int8", "status int2"),
)
_PROMOTE = Sql(
    "UPDATE callback SET state = 2, due = :now WHERE id IN (SELECT (SELECT min(id) FROM callback AS behind"
    " WHERE behind.endpoint_id = pair.endpoint_id AND behind.subject = pair.subject"
    " AND behind.state IN (2, 3, 4) AND behind.state = 4) FROM {pairs} AS pair"
    " WHERE NOT EXISTS (SELECT 1 FROM callback AS ahead WHERE ahead.endpoint_id = pair.endpoint_id"
    " AND ahead.subject = pair.subject AND ahead.state IN (2, 3, 4) AND ahead.state <> 4))",
    pairs=("endpoint_id int8", "subject int8"),
)
_GIVE_UP = Sql(
    "UPDATE callback SET state = 6, ended = :now WHERE state IN (2, 3, 4)"
    " AND endpoint_id IN (SELECT id FROM {ids} AS gone)",
    ids=("id int8",),
)
_ATTEMPTS = Sql(
    "INSERT INTO attempt (callback_id, at, status, took, note)"
    " SELECT callback_id, at, status, took, note FROM {fresh} AS fresh WHERE true",
    fresh=("callback_id int8", "at int8", "status int2", "took int4", "note text"),
)

_ENDED = Sql(
    "SELECT callback.id FROM callback JOIN endpoint ON endpoint.id = callback.endpoint_id"
    " WHERE callback.created > :since AND callback.state = :state AND endpoint.account_id = :account"
    " AND endpoint.removed IS NULL ORDER BY callback.id"
)
_LIST = (
    "SELECT callback.id, account.name, endpoint.dialect, event.kind, callback.subject, callback.state,"
    " callback.tries, callback.due, callback.ended, callback.status, endpoint.url"
    " FROM callback JOIN endpoint ON endpoint.id = callback.endpoint_id"
    " JOIN account ON account.id = endpoint.account_id JOIN event ON event.id = callback.event_id WHERE "
)
_NEWEST = " ORDER BY callback.id DESC LIMIT :limit"
_ALL = Sql(_LIST + "callback.state BETWEEN :least AND :most" + _NEWEST)
_ALL_OF_ACCOUNT = Sql(
    _LIST + "endpoint.account_id = :account AND callback.state BETWEEN :least AND :most" + _NEWEST
)

_END = Sql(
    "SELECT max(id), count(*) FROM"
    " (SELECT id FROM callback WHERE id > :after ORDER BY id LIMIT :limit) AS stretch"
)
_DELETE_ATTEMPTS = Sql(
    "DELETE FROM attempt WHERE callback_id IN (SELECT id FROM callback WHERE id > :after AND id <= :last"
    " AND created <= :before AND state IN (5, 6))"
)
_DELETE = Sql(
    "DELETE FROM callback WHERE id > :after AND id <= :last AND created <= :before AND state IN (5, 6)"
)


class CallbackRow(NamedTuple):
    """What a change of a callback has to know of it. `created` is ms."""

    id: int
    endpoint_id: int
    subject: int
    state: CallbackState
    tries: int
    created: int


class ListedCallback(NamedTuple):
    """A callback as an operator sees it; `status` is that of its last attempt, None before the first."""

    id: int
    account: str
    dialect: str
    event: str
    subject: int
    state: CallbackState
    tries: int
    due: int
    ended: int | None
    status: int | None
    url: str


def insert(tx: Tx, rows: Sequence[tuple[int, int, int, CallbackState]]) -> None:
    """Queue (endpoint, event, subject, state)."""
    if rows:
        tx.run(_INSERT, fresh=rows, now=tx.now)


def with_open(tx: Tx, pairs: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
    """Those (endpoint, subject) with a callback that has not ended."""
    return {(row[0], row[1]) for row in tx.all(_OPEN, pairs=sorted(set(pairs)))}


def any_due(tx: Tx) -> bool:
    """Whether anything is to be tried now."""
    return tx.one(_ANY_DUE, now=tx.now) is not None


def queues(tx: Tx) -> dict[int, bool]:
    """The endpoints in use with something to be tried now, by id, and whether they are failing."""
    return {row[0]: row[1] is not None for row in sorted(tx.all(_WITH_DUE, now=tx.now))}


def take(tx: Tx, rooms: Mapping[int, int], until: int, claim: int) -> list[tuple[int, int, EventRow]]:
    """Claim what is due, so many of an endpoint as it has room, the longest due first; the claim ends at
    `until` (ms). `claim` is the process that takes it. Returns (callback, endpoint, event)."""
    by_room: dict[int, list[int]] = {}
    for endpoint_id, room in rooms.items():
        by_room.setdefault(room, []).append(endpoint_id)
    first = _FIRST_POSTGRES if tx.postgres else _FIRST_SQLITE
    ids = [
        row[0]
        for room, endpoints in by_room.items()
        for row in tx.all(first, ids=endpoints, room=room, now=tx.now)
    ]
    if not ids:
        return []
    tx.run(_TAKE, ids=ids, until=until, claim=claim)
    return [
        (row[0], row[1], EventRow(row[2], row[3], EventKind(row[4]), row[5], bytes(row[6]), row[7]))
        for row in tx.all(_TAKEN, ids=ids)
    ]


def release(tx: Tx) -> int:
    """What processes were trying that are gone is due; how many those are."""
    return tx.run(_RELEASE, now=tx.now)


def owners(tx: Tx, ids: Collection[int]) -> list[int]:
    """The endpoints that callbacks belong to."""
    return [row[0] for row in tx.all(_OWNERS, ids=sorted(set(ids)))]


def copies(tx: Tx, ids: Collection[int]) -> dict[int, CallbackRow]:
    """Callbacks by id, locked."""
    return {
        row[0]: CallbackRow(row[0], row[1], row[2], CallbackState(row[3]), row[4], row[5])
        for row in tx.all(_COPIES, ids=sorted(set(ids)))
    }


def save(tx: Tx, rows: Sequence[tuple[int, CallbackState, int, int, int | None]]) -> None:
    """Set (id, state, tries, due, what it was answered); it ends now if the state says so. None: it was not
    tried."""
    if rows:
        tx.run(_SAVE, fresh=rows, now=tx.now)


def promote(tx: Tx, pairs: Collection[tuple[int, int]]) -> None:
    """Let the next callback of each (endpoint, subject) be tried, where none is under way."""
    if pairs:
        tx.run(_PROMOTE, pairs=sorted(set(pairs)), now=tx.now)


def give_up(tx: Tx, endpoint_ids: Collection[int]) -> int:
    """End everything that is still to be told to these endpoints. Returns how many those are."""
    return tx.run(_GIVE_UP, ids=sorted(endpoint_ids), now=tx.now) if endpoint_ids else 0


def log_attempts(tx: Tx, rows: Sequence[tuple[int, int, int, int, str]]) -> None:
    """Write down (callback, at, status, took, note) of attempts that failed."""
    if rows:
        tx.run(_ATTEMPTS, fresh=rows)


def ended(tx: Tx, account_id: int, state: CallbackState, since: int) -> list[int]:
    """The ids of an account's callbacks in a state, created after `since` (ms), of endpoints not removed."""
    return [row[0] for row in tx.all(_ENDED, account=account_id, state=state, since=since)]


def listing(tx: Tx, account_id: int | None, state: CallbackState | None, limit: int) -> list[ListedCallback]:
    """The newest callbacks, of an account or of all, in a state or in any."""
    span = {
        "least": CallbackState.DUE if state is None else state,
        "most": CallbackState.GIVEN_UP if state is None else state,
    }
    if account_id is None:
        rows = tx.all(_ALL, limit=limit, **span)
    else:
        rows = tx.all(_ALL_OF_ACCOUNT, account=account_id, limit=limit, **span)
    return [ListedCallback(*row)._replace(state=CallbackState(row[5])) for row in rows]


def forget(tx: Tx, after: int, before: int, limit: int) -> int | None:
    """Delete the ended callbacks created until `before` (ms), and their attempts, among the next `limit`.

    Returns the id to go on after, None at the end of the table.
    """
    row = tx.one(_END, after=after, limit=limit)
    assert row is not None
    last, count = row
    if count:
        tx.run(_DELETE_ATTEMPTS, after=after, last=last, before=before)
        tx.run(_DELETE, after=after, last=last, before=before)
    return last if count == limit else None
