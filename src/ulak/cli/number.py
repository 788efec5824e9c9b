"""`ulak number`: telephone numbers of the operator's own, which are rented out for codes.

A number is shown as {"number": "+905301234567", "country", "pool", "services": [all if empty], "handset",
"carrier", "state": "free" or "rented", "used": [services]}. SMS to them come in over the SMPP links.
"""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import App, Parameter

from ulak.cli.common import DEFAULTS, Common
from ulak.cli.errors import UsageError
from ulak.core.own_numbers import number_of, services_of
from ulak.core.phone import display
from ulak.core.pools import ANY, POOLS, pool_named
from ulak.service import inventory
from ulak.service.inventory import Shown
from ulak.store.engine import Tx
from ulak.store.vault import Vault

app = App(name="number", help="Telephone numbers of your own.")


@app.command
def add(
    *numbers: str,
    country: Annotated[str, Parameter(help="name, ISO code or number of the country")],
    service: Annotated[str, Parameter(help="codes or names of services, with commas; all if left out")] = "",
    handset: Annotated[bool, Parameter(negative="", help="they are in handsets")] = False,
    carrier: Annotated[str | None, Parameter(help="the inventory they belong to")] = None,
    common: Common = DEFAULTS,
) -> None:
    """Add numbers, in international form; they can be rented at once. Shows an array of numbers.

    They belong to a carrier of kind inventory, which is made (as "inventory") when there is none.
    """
    if not numbers:
        raise UsageError("no number was given")
    pool = pool_named(country)
    if pool is None or pool == ANY:
        raise UsageError(f"there is no country {country!r}; one is like TR, Turkey or 62")
    try:
        wanted, services = [number_of(number) for number in numbers], services_of(service)
    except ValueError as error:
        raise UsageError(str(error)) from None

    def change(tx: Tx, vault: Vault) -> list[Shown]:
        owner = inventory.carrier_for_numbers(tx, carrier, vault)
        return inventory.add(tx, wanted, owner, pool, services, handset)

    common.show([_shown(number) for number in common.seal(change)])


@app.command(name="list")
def list_(*, common: Common = DEFAULTS) -> None:
    """List all numbers, by country: an array of numbers."""
    common.show([_shown(number) for number in common.read(inventory.every_number)])


@app.command
def remove(number: str, /, *, common: Common = DEFAULTS) -> None:
    """Take a number out, unless it is rented, and forget its uses. Shows {"number", "removed": true}."""
    try:
        wanted = number_of(number)
    except ValueError as error:
        raise UsageError(str(error)) from None
    common.write(lambda tx: inventory.remove(tx, wanted))
    common.show({"number": display(wanted), "removed": True})


def _shown(shown: Shown) -> dict[str, Any]:
    own = shown.own
    return {
        "number": display(own.number),
        "country": POOLS[own.pool].name if own.pool in POOLS else str(own.pool),
        "pool": own.pool,
        "services": list(own.services),
        "handset": own.handset,
        "carrier": shown.carrier,
        "state": "free" if own.purchase_id is None else "rented",
        "used": list(shown.used),
    }
