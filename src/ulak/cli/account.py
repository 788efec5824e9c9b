"""`ulak account`: tenants, their switches and their keys.

An account is shown as {"id", "name", "api_access", "settings": {every key: value in force}, "senders": [...],
"balances": {"SMS": {"available", "held", "spent"}}}.
"""

from __future__ import annotations

from typing import Any, Literal

from cyclopts import App

from ulak.cli.callback import set_callback
from ulak.cli.common import DEFAULTS, Common, note, pairs
from ulak.cli.errors import UsageError
from ulak.core.accounts import SETTINGS, Account
from ulak.core.ledger import SMS, Balance
from ulak.core.money import main_units
from ulak.service import accounts
from ulak.store import accounts as store
from ulak.store import ledger
from ulak.store.engine import Tx

app = App(name="account", help="Accounts: who may use the server.")


@app.command
def create(name: str, /, *, common: Common = DEFAULTS) -> None:
    """Create an account with API access, and nothing else.

    Shows {"id", "name", "iletimerkezi": {"key", "hash"}, "comtohome": {"apikey"}, "sms4sats": {"api_key"}}:
    the only time the keys are shown.
    """
    fresh = common.write(lambda tx: accounts.create(tx, name))
    common.show(
        {
            "id": fresh.account.id,
            "name": fresh.account.name,
            "iletimerkezi": {"key": fresh.iletimerkezi_key, "hash": fresh.iletimerkezi_hash},
            "comtohome": {"apikey": fresh.comtohome_key},
            "sms4sats": {"api_key": fresh.sms4sats_key},
        }
    )
    note("Keep the keys: only their digests are stored, and they are not shown again.")


@app.command(name="list")
def list_(*, common: Common = DEFAULTS) -> None:
    """List all accounts: an array of accounts."""
    common.show(common.read(lambda tx: [_shown(tx, account) for account in store.every(tx)]))


@app.command
def show(account: str, /, *, common: Common = DEFAULTS) -> None:
    """Show an account, named by its id or its name."""
    common.show(common.read(lambda tx: _shown(tx, accounts.named(tx, account))))


@app.command(name="set")
def set_(account: str, /, *changes: str, common: Common = DEFAULTS) -> None:
    """Change settings, given as key=value; shows the account.

    An empty value is allowed where the default is empty. `ulak account show` shows every key.
    """
    wanted = pairs(changes)
    if not wanted:
        raise UsageError(f"nothing to set; the keys are {', '.join(SETTINGS)}")
    common.show(common.write(lambda tx: _shown(tx, accounts.configure(tx, account, wanted))))


@app.command
def api_access(state: Literal["on", "off"], account: str, /, *, common: Common = DEFAULTS) -> None:
    """Let an account in, or lock it out; shows the account."""
    common.show(common.write(lambda tx: _shown(tx, accounts.set_access(tx, account, state == "on"))))


@app.command
def login(account: str, username: str, /, *, common: Common = DEFAULTS) -> None:
    """Give an account a username, which may be a mobile number, and a new password; the old ones end.

    Shows {"account", "username", "password"}, the only time the password is shown. They count while the
    account's setting `legacy_login` is on.
    """
    found, password = common.write(lambda tx: accounts.set_login(tx, account, username))
    common.show({"account": found.name, "username": username, "password": password})
    note("Keep the password: only its digest is stored, and it is not shown again.")
    if not found.switch("legacy_login"):
        note(f"It counts after `ulak account set {account} legacy_login=on`.")


@app.command
def callback(account: str, url: str, /, *, dialect: str = "iletimerkezi", common: Common = DEFAULTS) -> None:
    """Tell an account of events at this address, in the words of a dialect; or no more, with `off`.

    Shows {"account", "dialect", "url", "secret"}, the only time the secret is shown, which signs what is
    told; for `off` {"account", "dialect", "url": null}.
    """
    set_callback(account, url, dialect, common)


def _shown(tx: Tx, account: Account) -> dict[str, Any]:
    balances = {SMS: Balance()} | ledger.of_account(tx, account.id)
    return {
        "id": account.id,
        "name": account.name,
        "api_access": account.api_access,
        "settings": {key: account.setting(key) for key in SETTINGS},
        "senders": store.senders(tx, account.id),
        "balances": {asset: amounts(balance, asset) for asset, balance in sorted(balances.items())},
    }


def amounts(balance: Balance, asset: str) -> dict[str, Any]:
    """A balance in main units."""
    return {
        "available": main_units(balance.available, asset),
        "held": main_units(balance.held, asset),
        "spent": main_units(balance.spent, asset),
    }
