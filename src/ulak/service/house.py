"""Accounts of the house: nobody logs in to them, and money has to be somewhere."""

from __future__ import annotations

from enum import Enum

from ulak.core.errors import UlakError
from ulak.service.accounts import FIRST_NUMBER
from ulak.store import accounts, settings
from ulak.store.engine import Tx


class House(Enum):
    """Whose money it is. The value is the account's name, unless somebody else has it."""

    WALK_IN = "walk-in"
    """Of customers without an account."""
    PARKED = "parked"
    """Taken by mistake: it came late, or twice, and could not be given back by itself."""
    REFERRALS = "referrals"
    """Owed to those who referred customers."""


def account_of(tx: Tx, house: House) -> int:
    """The id of an account of the house, which is made when it is first needed."""
    name = f"house_{house.name.lower()}"
    known = settings.get(tx, name)
    if known is not None:
        return int(known)
    account_id = _made(tx, house)
    accounts.set_access(tx, account_id, False)
    settings.put(tx, name, str(account_id))
    return account_id


def known_account(tx: Tx, house: House) -> int | None:
    """The same, None where it was not needed yet; for those who only read."""
    known = settings.get(tx, f"house_{house.name.lower()}")
    return None if known is None else int(known)


def _made(tx: Tx, house: House) -> int:
    for suffix in ("", *(f" {count}" for count in range(2, 100))):
        account_id = accounts.insert(tx, house.value + suffix, FIRST_NUMBER)
        if account_id is not None:
            return account_id
    raise UlakError(f"every name for the account of {house.value} is taken")
