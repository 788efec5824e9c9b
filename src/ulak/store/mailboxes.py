"""Numbers and short codes that people can write to, the account each belongs to, and what came in to them."""

from __future__ import annotations

from typing import NamedTuple

from ulak.store.engine import Sql, Tx

_ADD = Sql(
    "INSERT INTO mailbox (number, account_id, created) VALUES (:number, :account, :now)"
    " ON CONFLICT (number) DO NOTHING"
)
_REMOVE = Sql("DELETE FROM mailbox WHERE number = :number")
_FIND = Sql("SELECT number, account_id, created FROM mailbox WHERE number = :number")
_ALL = Sql("SELECT number, account_id, created FROM mailbox ORDER BY account_id, number")
_OF_ACCOUNT = Sql(
    "SELECT number, account_id, created FROM mailbox WHERE account_id = :account ORDER BY number"
)
_CAME = Sql(
    "SELECT at, id, number, sender, text FROM incoming WHERE purchase_id IS NULL AND number = :number"
    " AND at >= :since ORDER BY at DESC, id DESC LIMIT :limit"
)


class Mailbox(NamedTuple):
    """A number that people can write to, whose it is, and since when (ms UTC)."""

    number: int
    account_id: int
    created: int


class Mail(NamedTuple):
    """An SMS to a mailbox, when it came (ms UTC), and its sender as the operator told of it."""

    at: int
    id: int
    number: int
    sender: str
    text: str


def add(tx: Tx, number: int, account_id: int) -> bool:
    """Give a number to an account; whether it was free."""
    return tx.run(_ADD, number=number, account=account_id, now=tx.now) == 1


def remove(tx: Tx, number: int) -> bool:
    """Take a number from its account; whether it had one."""
    return tx.run(_REMOVE, number=number) == 1


def find(tx: Tx, number: int) -> Mailbox | None:
    """One mailbox."""
    row = tx.one(_FIND, number=number)
    return None if row is None else Mailbox(*row)


def every(tx: Tx) -> list[Mailbox]:
    """All mailboxes, by account."""
    return [Mailbox(*row) for row in tx.all(_ALL)]


def of_account(tx: Tx, account_id: int) -> list[Mailbox]:
    """The mailboxes of an account."""
    return [Mailbox(*row) for row in tx.all(_OF_ACCOUNT, account=account_id)]


def came(tx: Tx, number: int, since: int, limit: int) -> list[Mail]:
    """The newest SMS for no purchase that came to a number from `since` (ms) on, the newest first."""
    return [Mail(*row) for row in tx.all(_CAME, number=number, since=since, limit=limit)]
