"""A sandbox: data in which the clock may be moved, with an account to play with."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from ulak.core.errors import UlakError
from ulak.service import accounts, carriers, credits
from ulak.store import accounts as account_store
from ulak.store import settings
from ulak.store.engine import Tx

ACCOUNT = "demo"
SENDER = "ULAK"
CREDITS = 10_000
CARRIER = "sandbox"

# A brand code, because the SDKs ask for a look into the consent registry unless they are told not to.
_SETTINGS = {"iys_brand": "123456", "test_number": "905301234567"}


@dataclass(frozen=True, slots=True)
class Demo:
    """The account of a sandbox, with credentials in the clear and the number its next order gets.

    `now` is the sandbox's own time (ms UTC), which may be ahead of the machine's.
    """

    account: str
    key: str
    hash: str
    sender: str
    next_number: int
    now: int


def prepare(tx: Tx, known: tuple[str, str] | None) -> Demo:
    """Make these data a sandbox, or go on with the one they are. `known` is a key and hash of the last time.

    Raises:
        UlakError: the data are real: a carrier was configured before they were a sandbox.
    """
    if settings.get(tx, settings.SANDBOX) != "on" and carriers.active(tx):
        raise UlakError("these data have carriers and are no sandbox: choose another directory with --data")
    settings.put(tx, settings.SANDBOX, "on")
    account = account_store.find(tx, ACCOUNT)
    if account is None:
        fresh = accounts.create(tx, ACCOUNT)
        account, known = fresh.account, (fresh.iletimerkezi_key, fresh.iletimerkezi_hash)
        accounts.configure(tx, ACCOUNT, _SETTINGS)
        accounts.approve_sender(tx, ACCOUNT, SENDER)
        credits.grant(tx, ACCOUNT, CREDITS)
    if known is None or not _opens(tx, account.id, *known):
        known = accounts.issue(tx, account.id)
    return Demo(ACCOUNT, *known, SENDER, account_store.next_number(tx, account.id), tx.now)


def advance(tx: Tx, span: int) -> tuple[int, int]:
    """Put the clock forward by `span` ms; returns the new time and how far it is ahead of the machine's.

    Raises:
        UlakError: the data are no sandbox.
    """
    if settings.get(tx, settings.SANDBOX) != "on":
        raise UlakError("these data are no sandbox: their clock cannot be moved")
    return tx.now + span, settings.move_clock(tx, span)


def _opens(tx: Tx, account_id: int, key: str, key_hash: str) -> bool:
    """Whether these credentials let into the account."""
    name = ("iletimerkezi", accounts.digest(key))
    found = account_store.credentials(tx, [name]).get(name)
    return (
        found is not None
        and found.account.id == account_id
        and hmac.compare_digest(found.secret_digest, accounts.digest(key_hash))
    )
