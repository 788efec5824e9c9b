"""What parcels cost, moved between the ledger accounts of whoever sends them."""

from __future__ import annotations

from ulak.core.consignments import Consignment
from ulak.core.ledger import TRY, Balance, Move, Posting
from ulak.store import ledger
from ulak.store.engine import Tx

Purse = dict[ledger.Key, Balance]
"""What an account has to pay parcels with; locked until the transaction ends."""


def purse(tx: Tx, account_id: int) -> Purse:
    """An account's money for parcels."""
    return ledger.locked(tx, [(account_id, TRY)])


def can_pay(money: Purse, amount: int) -> bool:
    """Whether there are so many kuruş in it."""
    return all(balance.available >= amount for balance in money.values())


def move(tx: Tx, consignment: Consignment, what: Move, amount: int, money: Purse | None = None) -> None:
    """Post a movement of money for a consignment; nothing is posted for nothing."""
    if not amount:
        return
    balances = purse(tx, consignment.account_id) if money is None else money
    posting = Posting(consignment.account_id, TRY, what, amount, consignment_id=consignment.id)
    balances[consignment.account_id, TRY].apply(posting)
    ledger.save(tx, balances, [posting])
