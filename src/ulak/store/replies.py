"""Requests that carry a key of their own: what was answered, so that they are carried out once."""

from __future__ import annotations

from typing import NamedTuple

from ulak.core.once import KEPT, Earlier, Once, ReplyState
from ulak.store.engine import Row, Sql, Tx
from ulak.store.parcel_rows import storable

_COLUMNS = "state, digest, until, consignment_id, body"
_OWN = "account_id = :account AND scope = :scope AND key = :key"
_FIND = Sql(f"SELECT {_COLUMNS} FROM reply WHERE {_OWN} AND at > :forgotten")
_LOCKED = Sql(f"SELECT {_COLUMNS}, at FROM reply WHERE {_OWN}", lock="FOR UPDATE")
_BEGIN = Sql(
    "INSERT INTO reply (account_id, scope, key, digest, state, until, at)"
    " VALUES (:account, :scope, :key, :digest, :state, :until, :now) ON CONFLICT DO NOTHING"
)
_BEGIN_AGAIN = Sql(
    "UPDATE reply SET digest = :digest, state = :state, until = :until, consignment_id = :consignment,"
    f" body = NULL, at = :now WHERE {_OWN}"
)
_END = Sql(
    f"UPDATE reply SET state = :state, until = :now, consignment_id = :consignment, body = :body WHERE {_OWN}"
)
_ATTACH = Sql(f"UPDATE reply SET consignment_id = :consignment WHERE {_OWN}")
_RUNNING = Sql(
    "SELECT scope, key, digest FROM reply"
    " WHERE account_id = :account AND consignment_id = :consignment AND state = :state"
)


class Claimed(NamedTuple):
    """Whether the request is now the caller's to carry out, and what was known of it before.

    Won with something earlier: go on with that consignment. Not won: `earlier` says why.
    """

    won: bool
    earlier: Earlier | None


def find(tx: Tx, account_id: int, scope: str, key: str) -> Earlier | None:
    """What is known of a key; after a day, nothing."""
    row = tx.one(_FIND, account=account_id, scope=storable(scope), key=storable(key), forgotten=tx.now - KEPT)
    return _earlier(row) if row else None


def claim(tx: Tx, account_id: int, once: Once, *, until: int) -> Claimed:
    """Begin a request: RUNNING until then (ms), if nobody else is at it and it was not done.

    One that failed may be begun again, with other content too. One whose claim is over may be gone on with,
    if its content is the same. Both keep their consignment. What is older than a day counts as nothing.
    However many begin at once, one wins; the others learn what it left as soon as it has committed.
    """
    who = _who(account_id, once)
    running = {"digest": once.digest, "state": int(ReplyState.RUNNING), "until": until, "now": tx.now}
    row = None
    while row is None:  # Between the two statements it may have been swept.
        if tx.run(_BEGIN, **who, **running):
            return Claimed(True, None)
        row = tx.one(_LOCKED, **who)
    earlier, at = _earlier(row), row[5]
    forgotten = at <= tx.now - KEPT
    if not forgotten and not _may_go_on(earlier, once, tx.now):
        return Claimed(False, earlier)
    known = None if forgotten else earlier
    tx.run(_BEGIN_AGAIN, **who, **running, consignment=known.consignment_id if known else None)
    return Claimed(True, known)


def attach(tx: Tx, account_id: int, once: Once, consignment_id: int) -> None:
    """Say which consignment a running request is about, as soon as it has one."""
    tx.run(_ATTACH, **_who(account_id, once), consignment=consignment_id)


def finish(tx: Tx, account_id: int, once: Once, consignment_id: int, body: bytes | None) -> None:
    """The request was carried out; every repetition is answered with `body` (None: made again each time)."""
    _end(tx, account_id, once, ReplyState.DONE, consignment_id, body)


def fail(tx: Tx, account_id: int, once: Once, consignment_id: int | None) -> None:
    """The request was not carried out. It may be sent again, and is then about the same consignment."""
    _end(tx, account_id, once, ReplyState.FAILED, consignment_id, None)


def running(tx: Tx, account_id: int, consignment_id: int) -> list[Once]:
    """The requests that somebody began about a consignment and did not end. Reads all that the account asked
    within a day, so it is for those who clear up after a crash."""
    found = tx.all(_RUNNING, account=account_id, consignment=consignment_id, state=int(ReplyState.RUNNING))
    return [Once(*row) for row in found]


def _may_go_on(earlier: Earlier, once: Once, now: int) -> bool:
    if earlier.state is ReplyState.FAILED:
        return True
    is_left = earlier.state is ReplyState.RUNNING and not earlier.is_claimed(now)
    return is_left and earlier.digest == once.digest


def _end(
    tx: Tx, account_id: int, once: Once, state: ReplyState, consignment_id: int | None, body: bytes | None
) -> None:
    who = _who(account_id, once)
    tx.run(_END, **who, state=int(state), consignment=consignment_id, body=body, now=tx.now)


def _who(account_id: int, once: Once) -> dict[str, object]:
    return {"account": account_id, "scope": storable(once.scope), "key": storable(once.key)}


def _earlier(row: Row) -> Earlier:
    return Earlier(ReplyState(row[0]), row[1], row[2], row[3], row[4])
