"""`ulak inbox`: numbers and short codes that people can write to, and what they wrote.

SMS to them come in over the SMPP links. One that begins with RET puts its sender on the account's blacklist.
"""

from __future__ import annotations

from cyclopts import App

from ulak.cli.common import DEFAULTS, Common, stamp
from ulak.cli.errors import UsageError
from ulak.core.accounts import Account
from ulak.core.own_numbers import mailbox_of, shown_number
from ulak.service import accounts, mailboxes
from ulak.store import accounts as account_store
from ulak.store import mailboxes as store
from ulak.store.engine import Tx
from ulak.store.mailboxes import Mailbox

app = App(name="inbox", help="Numbers that people can write to, and what they wrote.")


@app.command
def add(account: str, number: str, /, *, common: Common = DEFAULTS) -> None:
    """Give an account a number, with its country code, or a short code of 3 to 8 digits.

    Shows {"number", "account"}.
    """
    wanted = _read(number)
    found = common.write(lambda tx: mailboxes.add(tx, account, wanted))
    common.show({"number": shown_number(wanted), "account": found.name})


@app.command
def remove(number: str, /, *, common: Common = DEFAULTS) -> None:
    """Take a number from its account. Shows {"number", "removed": true}."""
    wanted = _read(number)
    common.write(lambda tx: mailboxes.remove(tx, wanted))
    common.show({"number": shown_number(wanted), "removed": True})


@app.command(name="list")
def list_(*, common: Common = DEFAULTS) -> None:
    """List all such numbers, by account: an array of {"number", "account", "created"}."""

    def question(tx: Tx) -> tuple[list[Mailbox], list[Account]]:
        return store.every(tx), account_store.every(tx)

    boxes, owners = common.read(question)
    names = {owner.id: owner.name for owner in owners}
    common.show(
        [
            {
                "number": shown_number(box.number),
                "account": names[box.account_id],
                "created": stamp(box.created),
            }
            for box in boxes
        ]
    )


@app.command
def show(account: str, /, *, common: Common = DEFAULTS) -> None:
    """Show what came in to an account's numbers in the last 30 days, the newest first, at most 1,000.

    An array of {"at", "sender", "number", "text"}.
    """
    found = common.read(lambda tx: mailboxes.inbox(tx, accounts.named(tx, account).id))
    common.show(
        [
            {
                "at": stamp(mail.at),
                "sender": mail.sender,
                "number": shown_number(mail.number),
                "text": mail.text,
            }
            for mail in found
        ]
    )


def _read(number: str) -> int:
    try:
        return mailbox_of(number)
    except ValueError as error:
        raise UsageError(str(error)) from None
