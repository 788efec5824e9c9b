"""The invoices of the node that lives in this database, and its key.

A state is only left by a statement that names it, so that of two who want to change one invoice one does.
"""

from __future__ import annotations

from typing import NamedTuple

from ulak.core.funding import InvoiceState
from ulak.store.engine import Sql, Tx

_COLUMNS = "payment_hash, payreq, amount, state, hold, preimage, expires, changed"

_INSERT = Sql(
    f"INSERT INTO memory_invoice ({_COLUMNS}) VALUES"
    " (:payment_hash, :payreq, :amount, 2, :hold, :preimage, :expires, :now) ON CONFLICT DO NOTHING"
)
_FIND = Sql(f"SELECT {_COLUMNS} FROM memory_invoice WHERE payment_hash = :payment_hash")
_PAY = Sql(
    "UPDATE memory_invoice SET state = CASE WHEN hold = 1 THEN 3 ELSE 4 END, changed = :now"
    " WHERE payment_hash = :payment_hash AND state = 2 AND expires > :now"
)
_EXPIRE = Sql(
    "UPDATE memory_invoice SET state = 5, changed = :now"
    " WHERE payment_hash = :payment_hash AND state = 2 AND expires <= :now"
)
_SETTLE = Sql(
    "UPDATE memory_invoice SET state = 4, preimage = :preimage, changed = :now"
    " WHERE payment_hash = :payment_hash AND state = 3"
)
_CANCEL = Sql(
    "UPDATE memory_invoice SET state = 5, changed = :now"
    " WHERE payment_hash = :payment_hash AND state IN (2, 3)"
)
# Its first condition is that of the index, to the letter.
_PAID_SINCE = Sql(
    "SELECT payment_hash, changed FROM memory_invoice"
    " WHERE (state = 3 OR (state = 4 AND hold = 0)) AND changed >= :since ORDER BY changed"
)
_HELD = Sql("SELECT payment_hash, changed FROM memory_invoice WHERE state = 3 ORDER BY changed")

_KEY = Sql("SELECT value FROM setting WHERE name = 'memory_node_key'")
_KEEP_KEY = Sql(
    "INSERT INTO setting (name, value) VALUES ('memory_node_key', :value) ON CONFLICT (name) DO NOTHING"
)


class MemoryInvoice(NamedTuple):
    """An invoice. Hash and preimage are hexadecimal, the preimage encrypted; it is there when the invoice is
    plain or settled. `changed` is when it came into its state."""

    payment_hash: str
    payreq: str
    amount: int
    state: InvoiceState
    hold: bool
    preimage: str | None
    expires: int
    changed: int


class Paid(NamedTuple):
    """An invoice that somebody paid, and when."""

    payment_hash: str
    changed: int


def insert(
    tx: Tx, payment_hash: str, payreq: str, amount: int, hold: bool, preimage: str | None, expires: int
) -> bool:
    """A new invoice that can be paid; False, and nothing is changed, if there is one with this hash."""
    count = tx.run(
        _INSERT,
        payment_hash=payment_hash,
        payreq=payreq,
        amount=amount,
        hold=int(hold),
        preimage=preimage,
        expires=expires,
        now=tx.now,
    )
    return count == 1


def find(tx: Tx, payment_hash: str) -> MemoryInvoice | None:
    """The invoice with this hash."""
    row = tx.one(_FIND, payment_hash=payment_hash)
    if row is None:
        return None
    found = MemoryInvoice(*row)
    return found._replace(state=InvoiceState(found.state), hold=bool(found.hold))


def pay(tx: Tx, payment_hash: str) -> bool:
    """Open and not expired: held, or settled if it is a plain one. Whether it was."""
    return tx.run(_PAY, payment_hash=payment_hash, now=tx.now) == 1


def expire(tx: Tx, payment_hash: str) -> bool:
    """Open, and its time is over: cancelled. Whether it was."""
    return tx.run(_EXPIRE, payment_hash=payment_hash, now=tx.now) == 1


def settle(tx: Tx, payment_hash: str, preimage: str) -> bool:
    """Held: settled with this preimage. Whether it was."""
    return tx.run(_SETTLE, payment_hash=payment_hash, preimage=preimage, now=tx.now) == 1


def cancel(tx: Tx, payment_hash: str) -> bool:
    """Open or held: cancelled. Whether it was."""
    return tx.run(_CANCEL, payment_hash=payment_hash, now=tx.now) == 1


def paid_since(tx: Tx, since: int) -> list[Paid]:
    """What was paid from this moment on, oldest first: what is held now, and plain ones that are settled."""
    return [Paid(*row) for row in tx.all(_PAID_SINCE, since=since)]


def held(tx: Tx) -> list[Paid]:
    """All that is held now, oldest first."""
    return [Paid(*row) for row in tx.all(_HELD)]


def key(tx: Tx) -> str | None:
    """The node's key as it was kept, None if it has none yet."""
    row = tx.one(_KEY)
    return row[0] if row else None


def keep_key(tx: Tx, value: str) -> str:
    """Keep this key if there is none; returns the one that is kept."""
    tx.run(_KEEP_KEY, value=value)
    found = key(tx)
    assert found is not None
    return found
