"""Accounts: who may come in, and what an operator changes about them."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from ulak.core.accounts import SETTINGS, Account, check_setting
from ulak.core.errors import UlakError
from ulak.core.phone import normalise
from ulak.store import accounts as store
from ulak.store.engine import Tx

FIRST_NUMBER = 300_000_001
"""The first order number of an account; the ids of iletiMerkezi have nine digits and lie below 2^31."""

LOGIN = "iletimerkezi login"
"""The dialect of credentials that are a username and a password, the way in of that vendor's old clients."""

_SWITCHES = {LOGIN: "legacy_login"}
"""Kinds of credentials that count only while a setting of the account is on."""

_NOBODY = hashlib.sha256(b"").hexdigest()


def digest(secret: str) -> str:
    """What is stored of a key or secret. They are long and random, so a fast digest is enough."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def admit(known: store.Credential | None, secret: str, address: str) -> Account | None:
    """The account behind a credential, if the secret fits and the caller may use it.

    An unknown key costs the same comparison as a wrong secret, and what is compared is bytes.
    """
    expected = known.secret_digest if known else _NOBODY
    fits = hmac.compare_digest(expected.encode(), digest(secret).encode())
    if known is None or not (fits and known.is_known):
        return None
    account = known.account
    switch = _SWITCHES.get(known.dialect)
    if not account.api_access or (switch is not None and not account.switch(switch)):
        return None
    return account if account.admits(address) else None


def authenticate(tx: Tx, dialect: str, key: str, secret: str, address: str) -> Account | None:
    """The account that a caller at `address` may act for, or None; the reasons are not told apart.

    Questions that share a transaction and come from one caller are let in once.
    """
    caller = (authenticate, dialect, key, secret, address)
    if tx.known is not None and caller in tx.known:
        known: Account | None = tx.known[caller]
        return known
    account = admit(store.credential(tx, dialect, digest(key)), secret, address)
    if tx.known is not None:
        tx.known[caller] = account
    return account


@dataclass(frozen=True, slots=True)
class NewAccount:
    """A new account and its credentials in the clear, shown this once."""

    account: Account
    iletimerkezi_key: str
    iletimerkezi_hash: str
    comtohome_key: str
    sms4sats_key: str


def create(tx: Tx, name: str) -> NewAccount:
    """A new account with API access and no credit, sender or brand code.

    Raises:
        UlakError: the name is empty, too long or taken.
    """
    if not name.strip() or len(name) > 100 or not name.isprintable():
        raise UlakError("an account's name is 1 to 100 printable characters")
    account_id = store.insert(tx, name, FIRST_NUMBER)
    if account_id is None:
        raise UlakError(f"there is an account called {name!r} already")
    key, key_hash = issue(tx, account_id)
    account = store.find(tx, name)
    assert account is not None
    return NewAccount(
        account, key, key_hash, issue_apikey(tx, account_id), issue_apikey(tx, account_id, "sms4sats")
    )


def issue(tx: Tx, account_id: int) -> tuple[str, str]:
    """A further iletiMerkezi key and hash for an account, in the clear.

    The hash is what that vendor's panel shows: HMAC-SHA256 of the key, keyed with a secret.
    """
    key = secrets.token_hex(16)
    key_hash = hmac.new(secrets.token_bytes(32), key.encode(), hashlib.sha256).hexdigest()
    store.add_credential(tx, account_id, "iletimerkezi", digest(key), digest(key_hash))
    return key, key_hash


def issue_apikey(tx: Tx, account_id: int, dialect: str = "comtohome") -> str:
    """A further key of an account, in the clear, for an API that knows no second secret."""
    key = secrets.token_hex(32)
    store.add_credential(tx, account_id, dialect, digest(key), digest(""))
    return key


def set_login(tx: Tx, account: str, username: str) -> tuple[Account, str]:
    """A username for an account, and a new password for it, in the clear. What it had before counts no more.

    Raises:
        UlakError: no such account, no such name, or it is another account's.
    """
    found = named(tx, account)
    if not 1 <= len(username) <= 100 or not username.isprintable() or not login_name(username):
        raise UlakError("a username is a mobile number, or 1 to 100 printable characters")
    store.remove_credentials(tx, found.id, LOGIN)
    password = secrets.token_hex(16)
    if not store.add_credential(tx, found.id, LOGIN, digest(login_name(username)), digest(password)):
        raise UlakError("this username is another account's")
    return found, password


def login_name(username: str) -> str:
    """The one spelling of a username: a mobile number has several, and blanks around a name say nothing."""
    written_as_number = not username.strip(" +-.()0123456789")
    number = normalise(username) if written_as_number else 0
    return str(number) if number else username.strip()


def named(tx: Tx, account: str) -> Account:
    """The account with this id or name.

    Raises:
        UlakError: there is none.
    """
    found = store.find(tx, account)
    if found is None:
        raise UlakError(f"no account {account!r}")
    return found


def configure(tx: Tx, account: str, changes: dict[str, str]) -> Account:
    """Change settings; what equals its default is not stored.

    Raises:
        UlakError: no such account or setting, or a value that does not fit.
    """
    found = named(tx, account)
    settings = dict(found.settings)
    for key, value in changes.items():
        try:
            settings[key] = check_setting(key, value)
        except ValueError as error:
            raise UlakError(str(error)) from None
    kept = {key: value for key, value in settings.items() if value != SETTINGS[key].default}
    store.set_settings(tx, found.id, kept)
    return named(tx, account)


def set_access(tx: Tx, account: str, on: bool) -> Account:
    """Let an account in, or lock it out, whatever its credentials.

    Raises:
        UlakError: no such account.
    """
    store.set_access(tx, named(tx, account).id, on)
    return named(tx, account)


def approve_sender(tx: Tx, account: str, name: str) -> Account:
    """Let an account send under a name of 1 to 11 characters (GSM 03.40 alphanumeric address).

    Raises:
        UlakError: no such account, or no such name.
    """
    found = named(tx, account)
    if not 1 <= len(name) <= 11 or not name.isprintable() or not name.strip():
        raise UlakError("a sender's name is 1 to 11 printable characters")
    store.approve_sender(tx, found.id, name)
    return found
