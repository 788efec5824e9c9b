"""What links told of SMS that came in: parts until their message is whole, and traces of all for a while."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ulak.store.engine import Sql, Tx

_FIELDS = "part, parts, sender, text, done, at"
_PARTS = Sql(
    f"SELECT {_FIELDS} FROM incoming_part WHERE carrier_id = :carrier AND number = :number AND chain = :chain"
    " ORDER BY part"
)
_ADD = Sql(
    f"INSERT INTO incoming_part (carrier_id, number, chain, {_FIELDS})"
    " VALUES (:carrier, :number, :chain, :part, :parts, :sender, :text, :done, :at)"
)
_DONE = Sql(
    "UPDATE incoming_part SET done = 1 WHERE carrier_id = :carrier AND number = :number AND chain = :chain"
)
_FORGET_CHAIN = Sql(
    "DELETE FROM incoming_part WHERE carrier_id = :carrier AND number = :number AND chain = :chain"
)
_OVERDUE = Sql(
    "SELECT carrier_id, number, chain FROM incoming_part WHERE done = 0 AND at <= :before"
    " ORDER BY at LIMIT :limit"
)
_TRACES_END = Sql(
    "SELECT max(at), count(*) FROM (SELECT at FROM incoming_part WHERE at > :after AND at <= :before"
    " ORDER BY at LIMIT :limit) AS stretch"
)
_FORGET_TRACES = Sql("DELETE FROM incoming_part WHERE at > :after AND at <= :last AND done = 1")
_UNCLAIMED_END = Sql(
    "SELECT max(id), count(*) FROM (SELECT id FROM incoming WHERE id > :after ORDER BY id LIMIT :limit)"
    " AS stretch"
)
_FORGET_UNCLAIMED = Sql(
    "DELETE FROM incoming WHERE id > :after AND id <= :last AND purchase_id IS NULL AND at <= :before"
)

# On PostgreSQL another process may be told of the same message, or of another part of it, at the same time.
# Advisory locks cost no row. SQLite has one writer.
_ALONE_POSTGRES = Sql(
    "SELECT pg_advisory_xact_lock(key) FROM (SELECT key FROM {keys} AS wanted ORDER BY key) AS mine",
    keys=("key int8",),
)


class Chain(NamedTuple):
    """What the parts of a message have in common: the link, the number, a digest of the rest."""

    carrier_id: int
    number: int
    digest: int


class Part(NamedTuple):
    """A part of a message, the `part`-th of `parts`. `done`: the message was passed on."""

    part: int
    parts: int
    sender: str
    text: str
    done: bool
    at: int


def hold(tx: Tx, chains: Iterable[Chain]) -> None:
    """No other process does anything with these messages until the transaction ends."""
    if tx.postgres:
        keys = {(chain.digest + 31 * chain.number + chain.carrier_id) % 2**63 for chain in chains}
        tx.all(_ALONE_POSTGRES, keys=sorted(keys))


def parts(tx: Tx, chain: Chain) -> list[Part]:
    """What came of a message, in order."""
    rows = tx.all(_PARTS, carrier=chain.carrier_id, number=chain.number, chain=chain.digest)
    return [Part(part, count, sender, text, bool(done), at) for part, count, sender, text, done, at in rows]


def add_part(tx: Tx, chain: Chain, part: Part) -> None:
    """One more part; it must not be there yet."""
    number, count, sender, text, done, at = part
    values = {"part": number, "parts": count, "sender": sender, "text": text, "done": int(done), "at": at}
    tx.run(_ADD, carrier=chain.carrier_id, number=chain.number, chain=chain.digest, **values)


def mark_done(tx: Tx, chain: Chain) -> None:
    """A message was passed on; its parts are traces from now on."""
    tx.run(_DONE, carrier=chain.carrier_id, number=chain.number, chain=chain.digest)


def forget_chain(tx: Tx, chain: Chain) -> None:
    """Forget all parts of a message."""
    tx.run(_FORGET_CHAIN, carrier=chain.carrier_id, number=chain.number, chain=chain.digest)


def overdue(tx: Tx, before: int, limit: int) -> list[Chain]:
    """Messages that are not whole, by the parts of them that came until `before` (ms): the `limit` oldest."""
    return list(dict.fromkeys(Chain(*row) for row in tx.all(_OVERDUE, before=before, limit=limit)))


def forget_traces(tx: Tx, after: int, before: int, limit: int) -> int | None:
    """Forget what came until `before` (ms) and was passed on, about `limit` of it.

    `after` and the result are the time of a part, ms; None when none is left.
    """
    row = tx.one(_TRACES_END, after=after, before=before, limit=limit)
    assert row is not None
    last, count = row
    if count:
        tx.run(_FORGET_TRACES, after=after, last=last)
    return last if count == limit else None


def forget_unclaimed(tx: Tx, after: int, before: int, limit: int) -> int | None:
    """Forget SMS for nobody that came until `before` (ms) among the next `limit` ones.

    Returns the id to go on after, None at the end of the table.
    """
    row = tx.one(_UNCLAIMED_END, after=after, limit=limit)
    assert row is not None
    last, count = row
    if count:
        tx.run(_FORGET_UNCLAIMED, after=after, last=last, before=before)
    return last if count == limit else None
