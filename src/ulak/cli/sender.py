"""`ulak sender`: names that accounts may send under."""

from __future__ import annotations

from typing import Any

from cyclopts import App

from ulak.cli.common import DEFAULTS, Common
from ulak.service import accounts
from ulak.store import accounts as store
from ulak.store.engine import Tx

app = App(name="sender", help="Names that accounts may send under.")


@app.command
def approve(account: str, name: str, /, *, common: Common = DEFAULTS) -> None:
    """Let an account send under a name, byte for byte.

    Shows {"account", "senders": [...]}.
    """

    def change(tx: Tx) -> dict[str, Any]:
        found = accounts.approve_sender(tx, account, name)
        return {"account": found.name, "senders": store.senders(tx, found.id)}

    common.show(common.write(change))
