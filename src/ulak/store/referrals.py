"""Shares that are owed to those who referred customers, as rows."""

from __future__ import annotations

from ulak.core.referrals import Referral, ReferralState
from ulak.store.engine import Sql, Tx

_INSERT = Sql(
    "INSERT INTO referral (purchase_id, address, amount, state, why, changed)"
    " VALUES (:purchase, :address, :amount, 2, '', :now) ON CONFLICT (purchase_id) DO NOTHING"
)
_FIND = Sql(
    "SELECT purchase_id, address, amount, state, payreq, payment_hash FROM referral WHERE purchase_id = :id",
    lock="FOR UPDATE",
)
_MOVE = Sql(
    "UPDATE referral SET state = :state, payreq = :payreq, payment_hash = :hash, why = :why, changed = :now"
    " WHERE purchase_id = :id AND state = :was AND coalesce(payment_hash, '') = :was_hash"
)
_DROP = Sql("DELETE FROM referral WHERE purchase_id = :id AND state = 2")
_OPEN = Sql(
    "SELECT state, count(*), sum(amount) FROM referral WHERE state <> 4 GROUP BY state ORDER BY state"
)


def insert(tx: Tx, purchase_id: int, address: str, amount: int) -> bool:
    """Owe a share; whether it was not owed before."""
    return tx.run(_INSERT, purchase=purchase_id, address=address, amount=amount, now=tx.now) == 1


def find(tx: Tx, purchase_id: int) -> Referral | None:
    """The share of a purchase, locked."""
    row = tx.one(_FIND, id=purchase_id)
    return None if row is None else Referral(row[0], row[1], row[2], ReferralState(row[3]), row[4], row[5])


def move(tx: Tx, share: Referral, before: Referral, why: str = "") -> bool:
    """Write a share's state and invoice, if both are still what they were before; whether it is written."""
    return (
        tx.run(
            _MOVE,
            id=share.purchase_id,
            was=int(before.state),
            was_hash=before.payment_hash or "",
            state=int(share.state),
            payreq=share.payreq,
            hash=share.payment_hash,
            why=why[:200],
            now=tx.now,
        )
        == 1
    )


def drop(tx: Tx, purchase_id: int) -> bool:
    """Forget a share that is owed and of which nothing was begun; whether there was one."""
    return tx.run(_DROP, id=purchase_id) == 1


def unpaid(tx: Tx) -> dict[ReferralState, tuple[int, int]]:
    """How many shares are not paid, and their sats, by state."""
    return {ReferralState(row[0]): (row[1], int(row[2])) for row in tx.all(_OPEN)}
