"""What parcels cost, moved between the ledger accounts of whoever sends them."""

from __future__ import annotations

from ulak.core.consignments import Consignment
from ulak.core.errors import Refusal
from ulak.core.ledger import TRY, Move, Posting
from ulak.service.parcels import Denied
from ulak.store import ledger
from ulak.store.engine import Tx


def short_of(tx: Tx, account_id: int, amount: int) -> Denied | None:
    """Refuse what an account cannot pay (kuruş). Its balance stays locked until the transaction ends."""
    available = ledger.locked(tx, [(account_id, TRY)])[account_id, TRY].available
    return Denied(Refusal.NO_CREDIT) if amount > available else None


def move(tx: Tx, consignment: Consignment, what: Move, amount: int) -> None:
    """Post a movement of money for a consignment; nothing is posted for nothing."""
    if not amount:
        return
    key = (consignment.account_id, TRY)
    balances = ledger.locked(tx, [key])
    posting = Posting(*key, what, amount, consignment_id=consignment.id)
    balances[key].apply(posting)
    ledger.save(tx, balances, [posting])
