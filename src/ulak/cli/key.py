"""`ulak key`: the key with which secrets are sealed, and what to do when it is lost."""

from __future__ import annotations

from typing import Any

from cyclopts import App

from ulak.cli.common import DEFAULTS, Common, note
from ulak.service import keys
from ulak.store.vault import Vault

app = App(name="key", help="The key with which secrets are sealed.")


@app.command
def check(*, common: Common = DEFAULTS) -> None:
    """Look whether the key that is here opens what is sealed. Shows {"unreadable": [what it does not open]};
    fails where servers have another key."""
    vault = common.vault()
    common.show(_shown(common.read(lambda tx: keys.unreadable(tx, vault))))


@app.command
def accept(*, common: Common = DEFAULTS) -> None:
    """Go on with the key that is here, or with a new one, when the one before is lost. Shows as `check`.

    Stop the servers before. What cannot be opened any more has to be given anew: passwords with `ulak carrier
    set`, secrets of callbacks with `ulak account callback`. Preimages of payments that are held are lost, so
    these go back to their payers; links to labels change, and erased numbers are not known as blocked.
    """
    config = common.options()
    vault = Vault(config.data, config.key)
    common.show(_shown(common.write(lambda tx: keys.accept(tx, vault))))
    note("Give what is unreadable anew, then start the servers.")


def _shown(unreadable: list[str]) -> dict[str, Any]:
    return {"unreadable": unreadable}
