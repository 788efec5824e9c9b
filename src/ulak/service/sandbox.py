"""A sandbox: data in which the clock may be moved, with an account to play with."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from ulak.core.accounts import Account
from ulak.core.errors import UlakError
from ulak.core.ledger import SAT, TRY
from ulak.service import accounts, carriers, credits
from ulak.store import accounts as account_store
from ulak.store import ledger, settings
from ulak.store.engine import Tx

ACCOUNT = "demo"
SENDER = "ULAK"
CREDITS, KURUS, SATS = 10_000, 1_000_000, 1_000_000
CARRIER, PARCELS, NUMBERS = "sandbox", "sandbox parcels", "sandbox numbers"
"""The carriers of a sandbox: of messages, of parcels, and the source of its numbers."""

KEYS = ("key", "hash", "apikey", "api_key")
"""Under which names the credentials are kept."""

# A brand code, because the SDKs ask for a look into the consent registry unless they are told not to. What
# they send then arrives, unless somebody has refused.
_SETTINGS = {
    "iys_brand": "123456",
    "iys_subscription": "on",
    "iys_presumed": "on",
    "test_number": "905301234567",
}


@dataclass(frozen=True, slots=True)
class Demo:
    """The account of a sandbox, with credentials in the clear and the number its next order gets.

    `now` is the sandbox's own time (ms UTC), which may be ahead of the machine's.
    """

    account: str
    key: str
    hash: str
    apikey: str
    api_key: str
    sender: str
    next_number: int
    now: int


def prepare(tx: Tx, known: Mapping[str, str]) -> Demo:
    """Make these data a sandbox, or go on with the one they are. `known` are the credentials of the last
    time, by `KEYS`; what is missing or does not fit any more is issued anew.

    Raises:
        UlakError: the data are real: a carrier was configured before they were a sandbox.
    """
    if settings.get(tx, settings.SANDBOX) != "on" and carriers.active(tx):
        raise UlakError("these data have carriers and are no sandbox: choose another directory with --data")
    settings.put(tx, settings.SANDBOX, "on")
    account = account_store.find(tx, ACCOUNT)
    if account is None:
        account, known = _new_account(tx)
    owned = ledger.of_account(tx, account.id)
    for asset, amount in ((TRY, KURUS), (SAT, SATS)):
        if asset not in owned:
            credits.grant(tx, ACCOUNT, amount, asset)
    key, key_hash, apikey, api_key = (known.get(name, "") for name in KEYS)
    if not _opens(tx, account.id, "iletimerkezi", key, key_hash):
        key, key_hash = accounts.issue(tx, account.id)
    if not _opens(tx, account.id, "comtohome", apikey, ""):
        apikey = accounts.issue_apikey(tx, account.id)
    if not _opens(tx, account.id, "sms4sats", api_key, ""):
        api_key = accounts.issue_apikey(tx, account.id, "sms4sats")
    number = account_store.next_number(tx, account.id)
    return Demo(ACCOUNT, key, key_hash, apikey, api_key, SENDER, number, tx.now)


def _new_account(tx: Tx) -> tuple[Account, Mapping[str, str]]:
    made = accounts.create(tx, ACCOUNT)
    accounts.configure(tx, ACCOUNT, _SETTINGS)
    accounts.approve_sender(tx, ACCOUNT, SENDER)
    credits.grant(tx, ACCOUNT, CREDITS)
    keys = (made.iletimerkezi_key, made.iletimerkezi_hash, made.comtohome_key, made.sms4sats_key)
    return made.account, dict(zip(KEYS, keys, strict=True))


def advance(tx: Tx, span: int) -> tuple[int, int]:
    """Put the clock forward by `span` ms; returns the new time and how far it is ahead of the machine's.

    Raises:
        UlakError: the data are no sandbox.
    """
    if settings.get(tx, settings.SANDBOX) != "on":
        raise UlakError("these data are no sandbox: their clock cannot be moved")
    return tx.now + span, settings.move_clock(tx, span)


def _opens(tx: Tx, account_id: int, dialect: str, key: str, secret: str) -> bool:
    """Whether these credentials let into the account."""
    found = account_store.credential(tx, dialect, accounts.digest(key))
    return (
        found is not None
        and found.is_known
        and found.account.id == account_id
        and hmac.compare_digest(found.secret_digest, accounts.digest(secret))
    )
