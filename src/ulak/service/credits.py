"""Credit: granted by the operator, held, posted and voided by orders."""

from __future__ import annotations

from ulak.core.errors import UlakError
from ulak.core.ledger import SMS, Balance, Move, Posting
from ulak.service import accounts
from ulak.store import accounts as account_store
from ulak.store import ledger
from ulak.store.engine import Tx

AMOUNT_MAX = 10**15
"""A grant beyond this is a slip of the keyboard."""


def available(tx: Tx, account_id: int, asset: str = SMS) -> int:
    """What an account may still spend."""
    balance = ledger.of_account(tx, account_id).get(asset)
    return balance.available if balance else 0


def grant(tx: Tx, account: str, amount: int, asset: str = SMS) -> Balance:
    """Give credit, in the asset's smallest unit.

    Raises:
        UlakError: no such account, or no amount that can be given.
    """
    if not 0 < amount <= AMOUNT_MAX:
        raise UlakError(f"an amount is between 1 and {AMOUNT_MAX} of the smallest unit")
    found = accounts.named(tx, account)
    account_store.lock(tx, found.id)  # A balance that is not there yet cannot be locked.
    balances = ledger.locked(tx, [(found.id, asset)])
    posting = Posting(found.id, asset, Move.GRANT, amount)
    balances[found.id, asset].apply(posting)
    ledger.save(tx, balances, [posting])
    return balances[found.id, asset]
