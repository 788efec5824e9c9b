"""`ulak price`: what numbers and single messages cost.

A price is shown as {"tariff", "country", "service", "sats"}; `country` null is everywhere, `service` null
all of them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from ulak.cli.common import DEFAULTS, Common
from ulak.cli.errors import Failed, UsageError
from ulak.core.money import parse_amount
from ulak.core.pools import ANY, POOLS, pool_named, service_named
from ulak.core.purchases import Tariff
from ulak.service.prices import SATS_MAX
from ulak.store import prices
from ulak.store.engine import Tx
from ulak.store.prices import Price

app = App(name="price", help="Prices of numbers and single messages, in sats.")

TariffName = Literal["receive", "send", "rent", "handset"]
Country = Annotated[str | None, Parameter(help="a country's name, ISO code or number", show_default=False)]
Service = Annotated[str | None, Parameter(help="a service's name or code", show_default=False)]


@app.command(name="list")
def list_(*, common: Common = DEFAULTS) -> None:
    """List all prices: those that hold where nothing else is said, then those that were set."""
    configured = common.options().prices
    general = [_shown(Price(tariff, None, "", amount)) for tariff, amount in configured.items()]
    common.show(general + [_shown(price) for price in common.read(prices.every)])


@app.command(name="set")
def set_(
    tariff: TariffName,
    sats: str,
    /,
    *,
    country: Country = None,
    service: Service = None,
    common: Common = DEFAULTS,
) -> None:
    """Set a price, for a country, a service, both or everywhere; shows it. It holds at once.

    Who was shown another price in the last five minutes still pays that one.
    """
    try:
        amount = parse_amount(sats, "SAT")
    except ValueError as error:
        raise UsageError(str(error)) from None
    if not 1 <= amount <= SATS_MAX:
        raise UsageError(f"a price is 1 to {SATS_MAX} sats")
    price = Price(Tariff[tariff.upper()], _pool(country), _service(service), amount)
    common.write(lambda tx: prices.put(tx, price))
    common.show(_shown(price))


@app.command
def clear(
    tariff: TariffName, /, *, country: Country = None, service: Service = None, common: Common = DEFAULTS
) -> None:
    """Forget a price that was set; shows {"cleared": true}, and fails where there was none."""
    pool, code = _pool(country), _service(service)

    def change(tx: Tx) -> bool:
        return prices.clear(tx, Tariff[tariff.upper()], pool, code)

    cleared = common.write(change)
    common.show({"cleared": cleared})
    if not cleared:
        raise Failed


def _pool(country: str | None) -> int | None:
    if country is None:
        return None
    pool = pool_named(country)
    if pool is None or pool == ANY:
        raise UsageError(f"there is no country {country!r}")
    return pool


def _service(service: str | None) -> str:
    if service is None:
        return ""
    return service_named(service) or service.strip().lower()


def _shown(price: Price) -> dict[str, Any]:
    return {
        "tariff": price.tariff.name.lower(),
        "country": None if price.pool is None else POOLS[price.pool].name,
        "service": price.service or None,
        "sats": price.amount,
    }
