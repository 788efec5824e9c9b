"""What is on offer, where, and for how much."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec import UNSET

from ulak.core.numbers import RENTAL_WEEKS
from ulak.core.pools import ANY, FULL, POOLS
from ulak.core.purchases import Tariff
from ulak.dialects.door import Books, Call, Reply
from ulak.dialects.sms4sats import forms, wire
from ulak.dialects.sms4sats.serve.visit import Shop, answered, service_in
from ulak.dialects.sms4sats.shown import AUTO_SELECT, memo, service_name
from ulak.service.prices import Prices

IMAGE = "assets/services/{}.png"
"""The path of a service's picture on the vendor's website (ours)."""


_QUERIED = ("country", "service")


class _Sats(NamedTuple):
    """Prices, by tariff."""

    receive: int
    send: int
    rent: int
    handset: int


class Catalogue:
    """Answers about countries, services and prices."""

    def __init__(self, books: Books, shop: Shop, prices: Prices) -> None:
        self._books = books
        self._shop = shop
        self._prices = prices

    async def countries(self, _call: Call) -> Reply:
        """GET /getCountries: `ANY` first, the others by name."""
        codes, rentals = await self._shop.pools(), await self._shop.rentals(FULL)
        known = sorted((codes | rentals) & POOLS.keys(), key=lambda pool: POOLS[pool].name.casefold())
        rows = [_country(ANY, AUTO_SELECT, bool(codes), bool(rentals))]
        rows += [_country(pool, POOLS[pool].name, pool in codes, pool in rentals) for pool in known]
        return answered(rows)

    async def numbers(self, call: Call) -> Reply:
        """GET /getnumbersstatus: what is in stock in a country."""
        return answered([_offer(code, count) for code, count in await self._in_stock(call)])

    async def services(self, call: Call) -> Reply:
        """GET /getServices: the same for a demonstration client."""
        return answered(
            [wire.ServiceName(code, service_name(code)) for code, _ in await self._in_stock(call)]
        )

    async def rental_countries(self, call: Call) -> Reply:
        """GET /getRentalCountries."""
        wanted = forms.parameters(call.query).get("service")
        service = await service_in(self._shop, wanted, ANY, rental=True)
        pools = sorted(await self._shop.rentals(service), key=lambda pool: (pool not in POOLS, pool))

        def question(tx: Any) -> list[int]:
            return [self._prices.charge(tx, call.address, Tariff.RENT, pool, service) for pool in pools]

        rows = [
            wire.Rental(pool, POOLS[pool].name, str(RENTAL_WEEKS), price)
            for pool, price in zip(pools, await self._books.read(question), strict=True)
            if pool in POOLS
        ]
        return answered(sorted(rows, key=lambda row: row.country.casefold()))

    async def price(self, call: Call) -> Reply:
        """GET /price. What is computed is what an invoice asks for in the next five minutes."""
        return answered(await self._price(call))

    async def price_first(self, call: Call) -> Reply:
        """GET /getPrice: the same for a demonstration client."""
        found = await self._price(call)
        price = int(found.receive) if found.computed is UNSET else found.computed.price
        return answered(
            wire.PriceFirst(
                price, found.receive, found.send, found.rent, found.s4s, found.query, found.computed
            )
        )

    async def _price(self, call: Call) -> wire.Price:
        sent = forms.parameters(call.query)
        query = {name: value for name, value in sent.items() if name in _QUERIED}
        pool = forms.pool_of(query["country"]) if query.get("country") else None
        code = None
        if query.get("service"):
            where = ANY if pool is None else pool
            # A rental can be asked for as well: `full` is a service of rentals only.
            code = await service_in(self._shop, query["service"], where, rental=True)
        sats = await self._books.read(self._question(call.address, pool, code))
        computed: wire.Computed | Any = UNSET
        if pool is not None and code is not None:
            price = sats.rent if code == FULL else sats.receive
            said = forms.said_service(query["service"], code)
            computed = wire.Computed(price, pool, memo(pool, said))
        return wire.Price(str(sats.receive), sats.send, sats.rent, str(sats.handset), query, computed)

    def _question(self, caller: str, pool: int | None, code: str | None) -> Callable[[Any], _Sats]:
        """The prices for one service in one country, which hold from now on; or those in general."""

        def quoted(tx: Any) -> _Sats:
            assert code is not None
            receive, rent, handset = (
                self._prices.quote(tx, caller, tariff, pool, code)
                for tariff in (Tariff.RECEIVE, Tariff.RENT, Tariff.HANDSET)
            )
            return _Sats(receive, send(tx), rent, handset)

        def general(tx: Any) -> _Sats:
            receive, rent, handset = (
                self._prices.general(tx, tariff) for tariff in (Tariff.RECEIVE, Tariff.RENT, Tariff.HANDSET)
            )
            return _Sats(receive, send(tx), rent, handset)

        def send(tx: Any) -> int:
            return self._prices.quote(tx, caller, Tariff.SEND, None, "")

        return general if pool is None or code is None else quoted

    async def _in_stock(self, call: Call) -> list[tuple[str, int]]:
        """The services that are in stock where the call says, by name."""
        pool = forms.pool_of(forms.parameters(call.query).get("country"))
        stock = await self._shop.stock(pool)
        rows = [(code, count) for code, count in stock.items() if count > 0]
        return sorted(rows, key=lambda row: (service_name(row[0]).casefold(), row[0]))


def _country(pool: int, name: str, visible: bool, rent: bool) -> wire.Country:
    return wire.Country(pool, name, int(visible), int(rent), pool, name)


def _offer(code: str, count: int) -> wire.Offer:
    return wire.Offer(code, code, service_name(code), str(count), wire.Image(True, IMAGE.format(code)))
