"""Whom an account must not write to: said by itself, by the people, or by the operator.

Each may take back what it said, and the operator everything.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from ulak.core.accounts import Account
from ulak.core.consents import Origin
from ulak.core.errors import UlakError
from ulak.service import accounts
from ulak.service.suppressions import Digest
from ulak.store import blocks as store
from ulak.store import suppressions
from ulak.store.blocks import Block
from ulak.store.engine import Tx

_FIRST_WORD = re.compile(r"[\W_]*([^\W_]+)")


def wants_out(text: str) -> bool:
    """Whether an SMS begins with the word RET, in capitals or not and whatever stands around it."""
    word = _FIRST_WORD.match(text)
    return word is not None and word[1].casefold() == "ret"


def opted_out(tx: Tx, account_id: int, number: int) -> None:
    """A person does not want to hear from an account any more. Only the operator can undo that.

    A block that the account had asked for becomes one that it cannot lift.
    """
    store.add(tx, account_id, number, Origin.REPLY)


def block(tx: Tx, account_id: int, number: int) -> None:
    """An account asks not to write to a number; that it was blocked before is no trouble."""
    store.add(tx, account_id, number, Origin.API)


def lift(tx: Tx, account_id: int, number: int) -> bool:
    """An account takes back a block that it asked for; whether there was one, and it was its to take back."""
    return store.lift(tx, account_id, number)


# What the operator does.


def block_all(tx: Tx, account: str, numbers: Collection[int]) -> list[Block]:
    """Block numbers so that the account cannot lift that; a person's own word stays a person's.

    Raises:
        UlakError: no such account.
    """
    found = accounts.named(tx, account)
    for number in numbers:
        store.add(tx, found.id, number, Origin.OPERATOR)
    return _blocks(tx, found, numbers)


def lift_all(tx: Tx, account: str, numbers: Collection[int], digest: Digest) -> list[Block]:
    """Lift blocks, all or none, wherever they came from; what they were. Of a number that was erased nothing
    is known any more but that it was blocked.

    Raises:
        UlakError: no such account, or one of the numbers is not blocked.
    """
    found = accounts.named(tx, account)
    lifted = _blocks(tx, found, numbers)
    erased = bool(suppressions.with_any(tx, [found.id]))
    for number in dict.fromkeys(numbers):
        known = store.remove(tx, found.id, number)
        if erased:
            known |= suppressions.remove(tx, found.id, digest(number))
        if not known:
            raise UlakError("one of these numbers is not blocked")
    return lifted


def _blocks(tx: Tx, account: Account, numbers: Collection[int]) -> list[Block]:
    found = [store.find(tx, account.id, number) for number in dict.fromkeys(numbers)]
    return [each for each in found if each is not None]
