"""A telephone number in every table: where it stands, and how it is taken out.

Nothing has an index by number but what is asked by it, so tables are read whole; that is done without a lock
and a stretch at a time, and what is found is changed by its key, if it is still what it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Integer, LargeBinary, Table, Text

from ulak.core.phone import ERASED
from ulak.core.spellings import Spellings
from ulak.store.engine import Row, Sql, Tx
from ulak.store.tables import metadata

NUMBERS = {
    "block": "number",
    "contact": "number",
    "incoming": "number",
    "incoming_part": "number",
    "mailbox": "number",
    "message": "number",
    "number_use": "number",
    "own_number": "number",
    "purchase": "number",
    "stray_report": "number",
}
"""Tables with a telephone number as an integer, and the column it is in."""

JSON = {
    ("consignment", "shipment"),
    ("consignment", "costs"),
    ("consignment", "measures"),
    ("consignment", "draft"),
    ("saved_party", "party"),
    ("event", "data"),
    ("reply", "body"),
}
"""Columns whose text has to stay JSON."""

FILES = {("label_file", "content"), ("paper_file", "content")}
"""Columns with octets that are no text."""

OF_OPERATORS = {"account", "carrier", "process", "sender", "setting", "special_service"}
"""Tables in which a number is the operator's own business: it is only told that it stands there."""

_FIXED = {
    "asset",
    "claim",
    "dialect",
    "digest",
    "families",
    "key_digest",
    "kind",
    "mime",
    "nonce",
    "payment_hash",
    "preimage",
    "secret_digest",
    "source",
    "uuid",
}
"""Columns of words and digests of ours, in which nobody writes anything."""

STRETCH, FILES_MAX = 20_000, 200
"""Rows that are looked at together, and of tables that hold files: those are read into memory."""

LAST = 2**62
"""No key is above it."""

_LETTERS = "abcdefghijklmnopqrstuvwxyz"

_FIND_NUMBER = {
    table: Sql(
        f"SELECT {', '.join(column.name for column in metadata.tables[table].primary_key)}"
        f" FROM {table} WHERE {column} = :number"
    )
    for table, column in NUMBERS.items()
}


_STRETCH_ENDS = {
    table.name: Sql(
        f"SELECT max({key}), count(*) FROM (SELECT {key} FROM {table.name} WHERE {key} > :after"
        f" ORDER BY {key} LIMIT :limit) AS stretch"
    )
    for table in metadata.sorted_tables
    for key in [next(iter(table.primary_key)).name]
}


class Found(NamedTuple):
    """A row in whose texts the number stands: its primary key, and the columns with what is in them."""

    table: str
    key: dict[str, Any]
    texts: dict[str, Any]


def texts_of(table: Table) -> list[str]:
    """The columns of a table in which a number may be written."""
    return [
        column.name
        for column in table.columns
        if isinstance(column.type, Text | LargeBinary) and column.name not in _FIXED
    ]


def with_number(tx: Tx, table: str, number: int) -> list[Row]:
    """The primary keys of the rows whose number it is."""
    return tx.all(_FIND_NUMBER[table], number=number)


def searched() -> list[str]:
    """The tables in whose texts a number may stand."""
    return [table.name for table in metadata.sorted_tables if texts_of(table)]


def find(tx: Tx, table: str, spellings: Spellings, after: int | None) -> tuple[list[Found], int | None]:
    """The rows of a stretch of a table in whose texts the number stands, and where to go on; None at the end.

    A table is walked by the first column of its key; one whose key begins with a text is small.
    """
    described = metadata.tables[table]
    keys, texts = [column.name for column in described.primary_key], texts_of(described)
    walked = isinstance(described.columns[keys[0]].type, BigInteger | Integer)
    first, last = -LAST if after is None else after, LAST
    if walked:
        limit = STRETCH if FILES.isdisjoint((table, name) for name in texts) else FILES_MAX
        end = tx.one(_STRETCH_ENDS[table], after=first, limit=limit)
        assert end is not None
        last = end[0] if end[1] == limit else LAST
    sql, values = _search(tx, table, keys, texts, spellings, walked=walked)
    if walked:
        values |= {"after": first, "last": last}
    found = []
    for row in tx.all(sql, **values):
        held = {name: _octets(value) for name, value in zip(texts, row[len(keys) :], strict=True)}
        within = {
            name: value for name, value in held.items() if value and _stands(table, name, value, spellings)
        }
        if within:
            found.append(Found(table, dict(zip(keys, row, strict=False)), within))
    return found, last if last != LAST else None


def _stands(table: str, name: str, value: Any, spellings: Spellings) -> bool:
    return spellings.within_json(value) if (table, name) in JSON else spellings.within(value)


def _octets(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value


def _search(
    tx: Tx, table: str, keys: Sequence[str], texts: Sequence[str], spellings: Spellings, *, walked: bool
) -> tuple[Sql, dict[str, Any]]:
    """What may hold the number, as far as SQL can tell."""
    tests, values = [], dict[str, Any]()
    for name in texts:
        if (table, name) in FILES:
            for letter, octets in zip(_LETTERS, spellings.octets, strict=False):
                found = (
                    f"position(:file_{letter} in {name}) > 0"
                    if tx.postgres
                    else f"instr({name}, :file_{letter})"
                )
                tests.append(found)
                values[f"file_{letter}"] = octets
        elif isinstance(metadata.tables[table].columns[name].type, LargeBinary):
            text = f"encode({name}, 'escape')" if tx.postgres else f"CAST({name} AS TEXT)"
            tests.append(f"{text} LIKE :pattern")
        else:
            tests.append(f"{name} LIKE :pattern")
    if any(test.endswith(":pattern") for test in tests):
        values["pattern"] = spellings.like
    stretch = f"{keys[0]} > :after AND {keys[0]} <= :last AND " if walked else ""
    return Sql(
        f"SELECT {', '.join((*keys, *texts))} FROM {table} WHERE {stretch}({' OR '.join(tests)})"
    ), values


def hide(tx: Tx, found: Found, spellings: Spellings) -> bool:
    """Make the number unreadable in a row, if it is still what it was; whether it was."""
    fresh = {name: _hidden(found.table, name, text, spellings) for name, text in found.texts.items()}
    return _update(tx, found, fresh)


def _hidden(table: str, name: str, text: Any, spellings: Spellings) -> Any:
    if isinstance(text, bytes):
        return spellings.hidden_octets(text)
    return spellings.hidden_json(text) if (table, name) in JSON else spellings.hidden(text)


def _update(tx: Tx, found: Found, fresh: dict[str, Any]) -> bool:
    letters = dict(zip(fresh, _LETTERS, strict=False))
    changes = ", ".join(f"{name} = :new_{letter}" for name, letter in letters.items())
    tests, values = _where(found.key)
    tests += "".join(f" AND {name} = :old_{letter}" for name, letter in letters.items())
    values |= {f"new_{letters[name]}": value for name, value in fresh.items()}
    values |= {f"old_{letters[name]}": found.texts[name] for name in fresh}
    return tx.run(Sql(f"UPDATE {found.table} SET {changes} WHERE {tests}"), **values) == 1


def _where(key: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """A row by its key. Parameters are called by letters."""
    letters = dict(zip(key, _LETTERS, strict=False))
    tests = " AND ".join(f"{name} = :key_{letter}" for name, letter in letters.items())
    return tests, {f"key_{letters[name]}": value for name, value in key.items()}


def delete(tx: Tx, table: str, key: dict[str, Any]) -> int:
    """Delete a row by its key; how many there were."""
    tests, values = _where(key)
    return tx.run(Sql(f"DELETE FROM {table} WHERE {tests}"), **values)


def state_of(tx: Tx, table: str, key: dict[str, Any]) -> int | None:
    """The state of a row, None if it is gone."""
    tests, values = _where(key)
    row = tx.one(Sql(f"SELECT state FROM {table} WHERE {tests}", lock="FOR UPDATE"), **values)
    return row[0] if row else None


_OWN_ENDPOINT = Sql("SELECT 1 FROM endpoint WHERE id = :id AND removed IS NULL AND named = 0")
_REMOVE_ENDPOINT = Sql("UPDATE endpoint SET removed = :now WHERE id = :id AND removed IS NULL")


def is_own_endpoint(tx: Tx, endpoint_id: int) -> bool:
    """Whether an account is told of everything there."""
    return tx.one(_OWN_ENDPOINT, id=endpoint_id) is not None


def remove_endpoint(tx: Tx, endpoint_id: int) -> None:
    """Tell nobody anything there any more."""
    tx.run(_REMOVE_ENDPOINT, id=endpoint_id, now=tx.now)


# Messages.

_ORDERS_OF = Sql(
    "SELECT wanted.id, (SELECT max(id) FROM sms_order WHERE sms_order.id <= wanted.id) FROM {ids} AS wanted",
    ids=("id int8",),
)
_ERASE_MESSAGES = Sql(
    "UPDATE message SET number = :erased WHERE id IN (SELECT id FROM {ids} AS gone){message.id}",
    span=("ids", 0, 0),
    ids=("id int8",),
)
_EMPTY_TEXTS = Sql(
    "UPDATE order_text SET body = '' FROM {texts} AS gone"
    " WHERE order_text.order_id = gone.order_id AND order_text.first_id = gone.first_id",
    texts=("order_id int8", "first_id int8"),
)
_FORGET_PREFIX = Sql(
    "UPDATE sms_order SET prefix = '' WHERE id IN (SELECT id FROM {orders} AS gone) AND prefix = :digits",
    orders=("id int8",),
)
_FORGET_FINGERPRINTS = Sql(
    "DELETE FROM fingerprint WHERE order_id IN (SELECT id FROM {orders} AS gone)", orders=("id int8",)
)


def orders_of(tx: Tx, ids: Sequence[int]) -> list[tuple[int, int]]:
    """(message, its order) of messages that are there."""
    return [(row[0], row[1]) for row in tx.all(_ORDERS_OF, ids=ids) if row[1] is not None]


def erase_messages(tx: Tx, ids: Sequence[int], orders: Sequence[int], digits: str) -> None:
    """Take the number out of messages, and what their orders know of it."""
    tx.run(_ERASE_MESSAGES, ids=ids, erased=ERASED)
    tx.run(_FORGET_PREFIX, orders=orders, digits=digits)
    tx.run(_FORGET_FINGERPRINTS, orders=orders)


def empty_texts(tx: Tx, texts: Sequence[tuple[int, int]]) -> None:
    """Forget these texts, (order, first message)."""
    if texts:
        tx.run(_EMPTY_TEXTS, texts=texts)


# Purchases and what came in.

_PURCHASES = Sql("SELECT id, message_id FROM purchase WHERE number = :number ORDER BY id")
_ERASE_PURCHASES = Sql(
    "UPDATE purchase SET number = :erased, text = CASE WHEN text IS NULL THEN NULL ELSE '' END"
    " WHERE id IN (SELECT id FROM {ids} AS gone)",
    ids=("id int8",),
)
_ERASE_INCOMING = Sql(
    "UPDATE incoming SET number = :erased WHERE purchase_id IN (SELECT id FROM {ids} AS gone)"
    " AND number = :number",
    ids=("id int8",),
)
_ERASE_MAIL = Sql("UPDATE incoming SET number = :erased WHERE purchase_id IS NULL AND number = :number")
_DELETE_PARTS = Sql("DELETE FROM incoming_part WHERE number = :number")
_ERASE_SENDER = Sql("UPDATE incoming SET sender = '', text = '', code = NULL WHERE id = :id")
_MAIL = Sql("SELECT id FROM incoming WHERE id = :id AND purchase_id IS NULL")


def purchases(tx: Tx, number: int) -> list[tuple[int, int | None]]:
    """The purchases with this number, as (id, message)."""
    return [(row[0], row[1]) for row in tx.all(_PURCHASES, number=number)]


def erase_purchases(tx: Tx, ids: Sequence[int], number: int) -> None:
    """Take the number out of purchases, with the texts that were sent to it."""
    if ids:
        tx.run(_ERASE_PURCHASES, ids=ids, erased=ERASED)
        tx.run(_ERASE_INCOMING, ids=ids, number=number, erased=ERASED)


def erase_sender(tx: Tx, incoming_id: int) -> None:
    """Delete an SMS that somebody sent; one that came for a purchase stays, without who sent it and what."""
    if tx.one(_MAIL, id=incoming_id) is not None:
        delete(tx, "incoming", {"id": incoming_id})
    else:
        tx.run(_ERASE_SENDER, id=incoming_id)


def erase_mail(tx: Tx, number: int) -> int:
    """Take the number out of SMS that came to it."""
    return tx.run(_ERASE_MAIL, number=number, erased=ERASED)


def erase_parts(tx: Tx, number: int) -> int:
    """Forget traces of SMS that came to it."""
    return tx.run(_DELETE_PARTS, number=number)


# People.

_BLOCKS = Sql("SELECT account_id FROM block WHERE number = :number ORDER BY account_id")
_CONSENTS = Sql(
    "SELECT account_id, brand, channel, audience, decision FROM consent WHERE recipient = :digits"
    " ORDER BY account_id, brand, channel, audience"
)
_DELETE_CONSENTS = Sql("DELETE FROM consent WHERE account_id = :account AND recipient = :digits")
_DELETE_CONTACT = [
    Sql("DELETE FROM group_member WHERE contact_id = :id"),
    Sql("DELETE FROM contact_value WHERE contact_id = :id"),
    Sql("DELETE FROM contact WHERE id = :id"),
]


def blocks(tx: Tx, number: int) -> list[int]:
    """The accounts that have blocked it."""
    return [row[0] for row in tx.all(_BLOCKS, number=number)]


def consents(tx: Tx, digits: str) -> list[Row]:
    """(account, brand, channel, audience, decision) of what was said about it."""
    return tx.all(_CONSENTS, digits=digits)


def delete_consents(tx: Tx, account_id: int, digits: str) -> int:
    """Forget what was said to an account; how many words."""
    return tx.run(_DELETE_CONSENTS, account=account_id, digits=digits)


def delete_contact(tx: Tx, contact_id: int) -> None:
    """Forget a contact with all that is known of it."""
    for statement in _DELETE_CONTACT:
        tx.run(statement, id=contact_id)


# Parcels.

_LOCKED = Sql(
    "SELECT state, shipment, barcode FROM consignment WHERE id = :id",
    lock="FOR UPDATE",
)
_SAVE_SHIPMENT = Sql("UPDATE consignment SET shipment = :shipment WHERE id = :id")
_REVOKE = Sql("UPDATE label SET revoked = :now WHERE consignment_id = :id AND revoked IS NULL")
_DELETE_LABELS = Sql(
    "DELETE FROM label_file WHERE label_id IN (SELECT label.id FROM label WHERE label.consignment_id = :id)"
)
_DELETE_FILES = Sql(
    "DELETE FROM paper_file WHERE paper_id IN (SELECT paper.id FROM paper WHERE paper.consignment_id = :id)"
)
_DELETE_PAPERS = Sql("DELETE FROM paper WHERE consignment_id = :id")
_DROP_ANSWERS = Sql(
    "UPDATE booking_key SET state = 3, answer = NULL WHERE answer IS NOT NULL"
    " AND key = (SELECT uuid FROM consignment WHERE id = :id)"
)

WITH_PARCELS = ("booking_key", "label_file", "paper", "paper_file")
"""Tables in which something goes when a parcel loses a person."""


def shipment(tx: Tx, consignment_id: int) -> tuple[int, str, str] | None:
    """(state, shipment, barcode) of a consignment, locked."""
    row = tx.one(_LOCKED, id=consignment_id)
    return (row[0], row[1], row[2]) if row else None


def save_shipment(tx: Tx, consignment_id: int, fresh: str) -> None:
    """Write a shipment without the person; the labels are revoked, and their files and all documents gone,
    also those that its carrier sent when it was given up already."""
    tx.run(_SAVE_SHIPMENT, id=consignment_id, shipment=fresh)
    tx.run(_REVOKE, id=consignment_id, now=tx.now)
    for statement in (_DELETE_LABELS, _DELETE_FILES, _DELETE_PAPERS, _DROP_ANSWERS):
        tx.run(statement, id=consignment_id)


# The log.

_BEGIN = Sql(
    "INSERT INTO erasure (digest, who, found, began) VALUES (:digest, :who, '{}', :now) RETURNING id"
)
_END = Sql("UPDATE erasure SET found = :found, ended = :now WHERE id = :id")
_LOG = Sql("SELECT digest, who, found, began, ended FROM erasure ORDER BY id")


def begin(tx: Tx, digest: str, who: str) -> int:
    """Write down that a number is being erased. Links ask from now on what has ended meanwhile."""
    row = tx.one(_BEGIN, digest=digest, who=who, now=tx.now)
    assert row is not None
    erasure_id: int = row[0]
    return erasure_id


def end(tx: Tx, erasure_id: int, found: str) -> None:
    """It is done. `found` is JSON."""
    tx.run(_END, id=erasure_id, found=found, now=tx.now)


def log(tx: Tx) -> list[Row]:
    """(digest, who, found, began, ended) of all erasures, the oldest first."""
    return tx.all(_LOG)
