"""`ulak carrier`: the configured ways out.

A carrier is shown as {"id", "name", "kind", "settings": {as given, secrets as ***}}.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from cyclopts import App, Parameter

from ulak.cli.common import DEFAULTS, Common, pairs
from ulak.cli.errors import UsageError
from ulak.core.errors import UlakError
from ulak.service import carriers
from ulak.service.carriers import Carrier
from ulak.store.engine import Tx
from ulak.store.vault import Vault

app = App(name="carrier", help="Carriers: the ways out.")


@app.command
def add(
    name: str,
    /,
    *,
    kind: str,
    settings: Annotated[
        list[str] | None,
        Parameter(name="--set", negative="", consume_multiple=True, help="settings, as key=value"),
    ] = None,
    common: Common = DEFAULTS,
) -> None:
    """Add a carrier; a running server begins to use it within two seconds. Shows the carrier.

    KIND is smpp, iletimerkezi, simulator, manual, comtohome, karrio or another. Every kind has the settings
    id_form, on_uncertain, prefix and priority; smpp has host, port, system_id, password, bind, window, rate,
    tls and others. What a kind has is listed when one is wrong.
    """
    from ulak.wiring import CARRIER_KINDS

    words = pairs(settings or [])
    if kind not in CARRIER_KINDS:
        raise UsageError(f"carriers of kind {kind!r} are not there yet; there are {', '.join(CARRIER_KINDS)}")
    check = CARRIER_KINDS[kind].check
    made = common.seal(lambda tx, vault: carriers.add(tx, name, kind, words, check, vault))
    common.show(_shown(made))


@app.command(name="set")
def set_(name: str, /, *changes: str, common: Common = DEFAULTS) -> None:
    """Change settings of a carrier, given as key=value; the others stay. Shows the carrier.

    It stays the same carrier: what it has is still its own, and receipts find their messages. An empty value
    sets a key back to its default. A running server takes the link down and up again within two seconds.
    """
    from ulak.wiring import CARRIER_KINDS

    wanted = pairs(changes)
    if not wanted:
        raise UsageError("nothing to set")

    def change(tx: Tx, vault: Vault) -> Carrier:
        carrier = carriers.named(tx, name)
        kind = CARRIER_KINDS.get(carrier.kind)
        if kind is None:
            raise UlakError(f"this version knows no carriers of kind {carrier.kind!r}")
        words = carrier.settings(vault, but=wanted) | {key: value for key, value in wanted.items() if value}
        return carriers.change(tx, name, words, kind.check, vault)

    common.show(_shown(common.seal(change)))


@app.command(name="list")
def list_(*, common: Common = DEFAULTS) -> None:
    """List the carriers in use: an array of carriers."""
    common.show([_shown(carrier) for carrier in common.read(carriers.active)])


@app.command
def remove(name: str, /, *, common: Common = DEFAULTS) -> None:
    """Take a carrier out of use. Shows {"name", "removed": true}."""
    common.write(lambda tx: carriers.remove(tx, name))
    common.show({"name": name, "removed": True})


@app.command(name="test")
def try_(name: str, /, *, common: Common = DEFAULTS) -> None:
    """Connect to a carrier once, as the server would; fails if it cannot. Shows {"name", "ok", "answer"}."""
    from ulak.wiring import CARRIER_KINDS

    carrier = common.read(lambda tx: carriers.named(tx, name))
    settings = carrier.settings(common.vault())
    try:
        answer = asyncio.run(CARRIER_KINDS[carrier.kind].probe(settings))
    except OSError as error:
        raise UlakError(f"{name}: {error}") from None
    common.show({"name": name, "ok": True, "answer": answer})


def _shown(carrier: Carrier) -> dict[str, Any]:
    return {"id": carrier.id, "name": carrier.name, "kind": carrier.kind, "settings": carrier.shown}
