"""Prices that an operator has set, where they differ from the configured ones."""

from __future__ import annotations

from typing import NamedTuple

from ulak.core.purchases import Tariff
from ulak.store.engine import Sql, Tx

_SET = Sql(
    "INSERT INTO price (tariff, place, service, amount) VALUES (:tariff, :place, :service, :amount)"
    " ON CONFLICT (tariff, place, service) DO UPDATE SET amount = excluded.amount"
)
_CLEAR = Sql("DELETE FROM price WHERE tariff = :tariff AND place = :place AND service = :service")
_ALL = Sql("SELECT tariff, place, service, amount FROM price ORDER BY tariff, place, service")
# What is set for a country and a service goes before what is set for a country, and that before a service.
_FIND = Sql(
    "SELECT amount FROM price WHERE tariff = :tariff AND place IN (0, :place) AND service IN ('', :service)"
    " ORDER BY place DESC, service DESC LIMIT 1"
)


class Price(NamedTuple):
    """A price that was set. `pool` None: everywhere; `service` empty: for all."""

    tariff: Tariff
    pool: int | None
    service: str
    amount: int


def _place(pool: int | None) -> int:
    return 0 if pool is None else pool + 1


def put(tx: Tx, price: Price) -> None:
    """Set a price."""
    tx.run(
        _SET,
        tariff=int(price.tariff),
        place=_place(price.pool),
        service=price.service,
        amount=price.amount,
    )


def clear(tx: Tx, tariff: Tariff, pool: int | None, service: str) -> bool:
    """Let the wider price count again; whether there was one to clear."""
    return tx.run(_CLEAR, tariff=int(tariff), place=_place(pool), service=service) == 1


def every(tx: Tx) -> list[Price]:
    """All prices that were set."""
    return [Price(Tariff(row[0]), row[1] - 1 if row[1] else None, row[2], row[3]) for row in tx.all(_ALL)]


def find(tx: Tx, tariff: Tariff, pool: int | None, service: str) -> int | None:
    """The price that was set for a pool and a service, or for one of the two, or for all; None: none was."""
    row = tx.one(_FIND, tariff=int(tariff), place=_place(pool), service=service)
    return None if row is None else row[0]
