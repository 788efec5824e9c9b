"""Purchases as rows, and the SMS that came to their numbers."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

from ulak.core.purchases import Incoming, Purchase, key_of
from ulak.core.states import MESSAGE_STATES, MessageState, PurchaseKind, PurchaseState, Resolve
from ulak.store.engine import Row, Sql, Tx

_FIELDS = [field.name for field in fields(Purchase)]
_COLUMNS = ", ".join(f"purchase.{name}" for name in _FIELDS)
_KIND, _STATE, _RESOLVE, _PREPAID, _HANDSET = map(
    _FIELDS.index, ("kind", "state", "resolve", "prepaid", "handset")
)
_NAMES = [name for name in _FIELDS if name != "id"]
_FOR_GOOD = {"public_id", "account_id", "dialect", "kind", "price", "prepaid", "payment_hash", "preimage"}
_FOR_GOOD |= {"service", "weeks", "handset", "text", "referrer", "endpoint_id", "created", "once"}
_CHANGEABLE = [name for name in _NAMES if name not in _FOR_GOOD]

_INSERT = Sql(
    f"INSERT INTO purchase (key, {', '.join(_NAMES)}) VALUES (:key, {', '.join(':' + n for n in _NAMES)})"
    " RETURNING id"
)
_SAVE = Sql(
    f"UPDATE purchase SET {', '.join(f'{name} = :{name}' for name in _CHANGEABLE)} WHERE id = :id"
    " AND state = :was"
)
# Answered from indexes, whether there is such a key or not.
_FIND = Sql("SELECT (SELECT max(id) FROM purchase), (SELECT id FROM purchase WHERE key = :key)")
_SHOW = Sql(f"SELECT {_COLUMNS} FROM purchase WHERE id <= :id ORDER BY id DESC LIMIT 1")
_ONCE = Sql(
    f"SELECT {_COLUMNS} FROM purchase WHERE account_id = :account AND once >= :once AND once < :until"
    " AND once IS NOT NULL AND created > :since ORDER BY id DESC LIMIT 1"
)
_LOAD = Sql(
    f"SELECT {_COLUMNS} FROM {{ids}} AS wanted JOIN purchase ON purchase.id = wanted.id ORDER BY purchase.id",
    ids=("id int8",),
)
_LOCKED = Sql(
    f"SELECT {_COLUMNS} FROM {{ids}} AS wanted JOIN purchase ON purchase.id = wanted.id ORDER BY purchase.id",
    lock="FOR UPDATE OF purchase",
    ids=("id int8",),
)
_BY_HASH = Sql(
    "SELECT purchase.id FROM {hashes} AS wanted JOIN purchase ON purchase.payment_hash = wanted.hash",
    hashes=("hash text",),
)
_SET_HASH = Sql("UPDATE purchase SET payment_hash = :hash WHERE id = :id AND payment_hash IS NULL")
_OWNERS = Sql(
    "SELECT purchase.id, account_id FROM {ids} AS wanted JOIN purchase ON purchase.id = wanted.id",
    ids=("id int8",),
)
_DUE = Sql("SELECT id FROM purchase WHERE due > 0 AND due <= :now ORDER BY due LIMIT :limit")
_LOOK = Sql(
    "SELECT purchase.id, kind, purchase.state, carrier_id, reference, purchase.number, service, paid,"
    " assigned, (SELECT message.state FROM message WHERE message.id = purchase.message_id) FROM purchase"
    " WHERE look > 0 AND look <= :now"
    " AND (carrier_id IS NULL OR carrier_id NOT IN (SELECT id FROM {busy} AS busy))"
    " ORDER BY look LIMIT :limit",
    busy=("id int8",),
)
_VERIFY = Sql("SELECT id FROM purchase WHERE verify > 0 AND verify <= :now ORDER BY verify LIMIT :limit")
_ANY_DUE = Sql(
    "SELECT EXISTS (SELECT 1 FROM purchase WHERE due > 0 AND due <= :now),"
    " EXISTS (SELECT 1 FROM purchase WHERE look > 0 AND look <= :now),"
    " EXISTS (SELECT 1 FROM purchase WHERE verify > 0 AND verify <= :now)"
)
# Only what still waits: what was done meanwhile has no such time any more.
_LOOK_AT = Sql(
    "UPDATE purchase SET look = fresh.at FROM {fresh} AS fresh WHERE purchase.id = fresh.id AND look > 0",
    fresh=("id int8", "at int8"),
)
_VERIFY_AT = Sql(
    "UPDATE purchase SET verify = fresh.at FROM {fresh} AS fresh WHERE purchase.id = fresh.id AND verify > 0",
    fresh=("id int8", "at int8"),
)
_DUE_AT = Sql(
    "UPDATE purchase SET due = fresh.at FROM {fresh} AS fresh WHERE purchase.id = fresh.id AND due > 0",
    fresh=("id int8", "at int8"),
)
_VERIFY_ALL = Sql("UPDATE purchase SET verify = :now WHERE verify > 0 AND verify > :now")
_CREDITS = Sql(
    f"SELECT {_COLUMNS} FROM purchase WHERE account_id = :account AND kind = 5 AND state = 67"
    " ORDER BY id DESC LIMIT :limit"
)
_CREDITED = Sql(
    "SELECT coalesce(sum(posted), 0) FROM purchase WHERE account_id = :account AND kind = 5 AND state = 67"
)
_ADD_INCOMING = Sql(
    "INSERT INTO incoming (purchase_id, carrier_id, number, sender, text, code, digest, at)"
    " VALUES (:purchase, :carrier, :number, :sender, :text, :code, :digest, :at)"
    " ON CONFLICT (carrier_id, number, digest) DO NOTHING"
)
# An order that no carrier took: its message is the only one, and has its id.
_WITHDRAW_ORDER = Sql(
    "UPDATE sms_order SET state = 15, undelivered = total, held = 0"
    " WHERE id = :id AND total = 1 AND state IN (10, 11)"
)
_WITHDRAW_MESSAGE = Sql("UPDATE message SET state = 24, changed = :seconds WHERE id = :id AND state = 20")
_ANY_INCOMING = Sql("SELECT 1 FROM incoming WHERE purchase_id = :purchase LIMIT 1")
_INCOMING = Sql("SELECT sender, text, code, at FROM incoming WHERE purchase_id = :purchase ORDER BY at, id")


class Look(NamedTuple):
    """A purchase about which its source, or the order engine, is to be asked now, and where its message
    stands, if it is one."""

    id: int
    kind: PurchaseKind
    state: PurchaseState
    carrier_id: int | None
    reference: str | None
    number: int | None
    service: str
    paid: int | None
    assigned: int | None
    message: MessageState | None


def insert(tx: Tx, purchase: Purchase) -> int:
    """A new purchase; its id. That of the object is not looked at."""
    values: dict[str, Any] = {name: _plain(getattr(purchase, name)) for name in _NAMES}
    row = tx.one(_INSERT, key=key_of(purchase.public_id), **values)
    assert row is not None
    purchase_id: int = row[0]
    return purchase_id


def save(tx: Tx, purchase: Purchase, was: PurchaseState) -> bool:
    """Write what can change, if the state is still what it was; whether it is written."""
    values: dict[str, Any] = {name: _plain(getattr(purchase, name)) for name in _CHANGEABLE}
    return tx.run(_SAVE, id=purchase.id, was=int(was), **values) == 1


def set_hash(tx: Tx, purchase_id: int, payment_hash: str) -> None:
    """The hash of an invoice whose preimage is the node's."""
    tx.run(_SET_HASH, id=purchase_id, hash=payment_hash)


def look(tx: Tx, public_id: str) -> tuple[Purchase, bool] | None:
    """The purchase that its customer knows by this id, and True; or any other, and False: whoever asks for
    an id then gets his answer from the same work, whether somebody has it or not. None where there are none.
    """
    key = key_of(public_id)
    found = tx.one(_FIND, key=key)
    assert found is not None
    last, known = found
    if last is None:
        return None
    another = 1 + key % last
    row = tx.one(_SHOW, id=another if known is None else known)
    if row is None:
        # The first rows are gone; the last one is there.
        row = tx.one(_SHOW, id=last)
    if row is None:
        return None
    fits = hmac.compare_digest(row[1].encode(), public_id.encode("utf-8", "replace"))
    return _read(row), fits


def shown(tx: Tx, public_id: str) -> Purchase | None:
    """The purchase that its customer knows by this id, or None."""
    found = look(tx, public_id)
    return found[0] if found is not None and found[1] else None


def bought_once(tx: Tx, account_id: int, once: str, since: int) -> Purchase | None:
    """What an account bought last since then (ms) with a key whose stored form begins so, in hexadecimal."""
    row = tx.one(_ONCE, account=account_id, once=once, until=once + "g", since=since)
    return None if row is None else _read(row)


def load(tx: Tx, ids: Iterable[int]) -> dict[int, Purchase]:
    """Purchases by their ids."""
    return {row[0]: _read(row) for row in tx.all(_LOAD, ids=sorted(set(ids)))}


def owners(tx: Tx, ids: Iterable[int]) -> dict[int, int]:
    """The account of each purchase; not locked, it never changes."""
    return {row[0]: row[1] for row in tx.all(_OWNERS, ids=sorted(set(ids)))}


def locked(tx: Tx, ids: Iterable[int]) -> dict[int, Purchase]:
    """The same, locked in the order of their ids. Balances that will change are locked before."""
    return {row[0]: _read(row) for row in tx.all(_LOCKED, ids=sorted(set(ids)))}


def by_hash(tx: Tx, payment_hashes: Collection[str]) -> list[int]:
    """The purchases that are paid by these hashes (hexadecimal)."""
    return [row[0] for row in tx.all(_BY_HASH, hashes=sorted(set(payment_hashes)))]


def due(tx: Tx, limit: int) -> list[int]:
    """Purchases that time itself changes now, the longest due first."""
    return [row[0] for row in tx.all(_DUE, now=tx.now, limit=limit)]


def to_look(tx: Tx, limit: int, busy: Collection[int] = ()) -> list[Look]:
    """Purchases about which their source, or the order engine, is to be asked now, the longest due first; but
    not those of sources that are busy."""
    return [
        Look._make((row[0], _KINDS[row[1]], _STATES[row[2]], *row[3:9], MESSAGE_STATES.get(row[9])))
        for row in tx.all(_LOOK, now=tx.now, limit=limit, busy=sorted(busy))
    ]


def look_at(tx: Tx, times: Sequence[tuple[int, int]]) -> None:
    """When these (purchase, ms) are looked at next."""
    if times:
        tx.run(_LOOK_AT, fresh=times)


def verify_at(tx: Tx, times: Sequence[tuple[int, int]]) -> None:
    """When the node is asked next about these (purchase, ms)."""
    if times:
        tx.run(_VERIFY_AT, fresh=times)


def due_at(tx: Tx, times: Sequence[tuple[int, int]]) -> None:
    """When time changes these (purchase, ms)."""
    if times:
        tx.run(_DUE_AT, fresh=times)


def to_verify(tx: Tx, limit: int) -> list[int]:
    """Purchases about whose payment the node is to be asked now."""
    return [row[0] for row in tx.all(_VERIFY, now=tx.now, limit=limit)]


def any_due(tx: Tx) -> tuple[bool, bool, bool]:
    """Whether there is anything due, to look at, to verify."""
    row = tx.one(_ANY_DUE, now=tx.now)
    assert row is not None
    return bool(row[0]), bool(row[1]), bool(row[2])


def verify_all(tx: Tx) -> int:
    """Have the node asked about all that is open, as after a start; how many those are."""
    return tx.run(_VERIFY_ALL, now=tx.now)


def credits(tx: Tx, account_id: int, limit: int) -> tuple[int, list[Purchase]]:
    """What an account was credited in all, and its last fundings, newest first."""
    row = tx.one(_CREDITED, account=account_id)
    assert row is not None
    return int(row[0]), [_read(found) for found in tx.all(_CREDITS, account=account_id, limit=limit)]


def add_incoming(
    tx: Tx, purchase_id: int | None, carrier_id: int, number: int, digest: int, sms: Incoming
) -> bool:
    """Keep an SMS that came in; whether it was new."""
    return (
        tx.run(
            _ADD_INCOMING,
            purchase=purchase_id,
            carrier=carrier_id,
            number=number,
            sender=sms.sender,
            text=sms.text,
            code=sms.code,
            digest=digest,
            at=sms.at,
        )
        == 1
    )


def withdraw_message(tx: Tx, message_id: int) -> bool:
    """Take a message back that was bought by itself, if no carrier has taken it; whether it was so."""
    if tx.run(_WITHDRAW_ORDER, id=message_id) != 1:
        return False
    tx.run(_WITHDRAW_MESSAGE, id=message_id, seconds=tx.now // 1000)
    return True


def any_incoming(tx: Tx, purchase_id: int) -> bool:
    """Whether an SMS came to a purchase's number."""
    return tx.one(_ANY_INCOMING, purchase=purchase_id) is not None


def incoming(tx: Tx, purchase_id: int) -> Sequence[Incoming]:
    """The SMS that came to a purchase's number, oldest first."""
    return [Incoming(*row) for row in tx.all(_INCOMING, purchase=purchase_id)]


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, int) else value


_KINDS = {int(kind): kind for kind in PurchaseKind}
_STATES = {int(state): state for state in PurchaseState}
_RESOLVES = {int(resolve): resolve for resolve in Resolve}


def _read(row: Row) -> Purchase:
    values = list(row)
    values[_KIND], values[_STATE] = _KINDS[row[_KIND]], _STATES[row[_STATE]]
    values[_RESOLVE] = _RESOLVES[row[_RESOLVE]]
    values[_PREPAID], values[_HANDSET] = bool(row[_PREPAID]), bool(row[_HANDSET])
    return Purchase(*values)
