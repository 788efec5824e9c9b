"""Numbers that people can write to: whose they are, and what came in to them."""

from __future__ import annotations

from heapq import merge
from itertools import islice

from ulak.core.accounts import Account
from ulak.core.errors import UlakError
from ulak.core.own_numbers import with_country
from ulak.service import accounts
from ulak.store import mailboxes as store
from ulak.store import own_numbers
from ulak.store.engine import Tx
from ulak.store.mailboxes import Mail, Mailbox

KEPT = 30 * 24 * 60 * 60 * 1000
"""How long an SMS that is not for a purchase is kept, ms."""

ROWS_MAX = 1_000
"""How many SMS an account is shown: the newest."""


def for_number(tx: Tx, number: int) -> Mailbox | None:
    """The mailbox that an operator means with a number, which may lack its country."""
    found = (store.find(tx, each) for each in with_country(number))
    return next((mailbox for mailbox in found if mailbox is not None), None)


def inbox(tx: Tx, account_id: int) -> list[Mail]:
    """What came in to an account's numbers since they are its own, the newest first."""
    kept = tx.now - KEPT
    boxes = [
        store.came(tx, box.number, max(box.created, kept), ROWS_MAX)
        for box in store.of_account(tx, account_id)
    ]
    return list(islice(merge(*boxes, reverse=True), ROWS_MAX))


# What the operator does.


def add(tx: Tx, account: str, number: int) -> Account:
    """Give a number to an account; that it has it already is no trouble.

    Raises:
        UlakError: no such account, or the number is another's, or one that is rented out.
    """
    found = accounts.named(tx, account)
    if own_numbers.find(tx, number) is not None:
        raise UlakError("this number is one that is rented out; see `ulak number list`")
    if not store.add(tx, number, found.id):
        mailbox = store.find(tx, number)
        if mailbox is None or mailbox.account_id != found.id:
            raise UlakError("this number belongs to another account")
    return found


def remove(tx: Tx, number: int) -> None:
    """Take a number from its account, which does not see any more what came in to it.

    Raises:
        UlakError: it is nobody's.
    """
    if not store.remove(tx, number):
        raise UlakError("this number belongs to no account")
