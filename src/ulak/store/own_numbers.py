"""Numbers of the operator's own: which are free, and what they were used for.

A number is rented by one purchase at a time. `number_use` says for which services it was used, and in the row
without a service when it was last given to anybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ulak.core.pools import ANY
from ulak.store.engine import Row, Sql, Tx

_FIELDS = "number, carrier_id, pool, services, handset, purchase_id, created"
_ADD = Sql(
    f"INSERT INTO own_number ({_FIELDS}) SELECT number, carrier_id, pool, services, handset, NULL, :now"
    " FROM {numbers} AS added WHERE true ON CONFLICT (number) DO NOTHING",
    numbers=("number int8", "carrier_id int8", "pool int8", "services text", "handset int8"),
)
_ALL = Sql(f"SELECT {_FIELDS} FROM own_number ORDER BY pool, number")
_FIND = Sql(f"SELECT {_FIELDS} FROM own_number WHERE number = :number")
_OF_PURCHASE = Sql(f"SELECT {_FIELDS} FROM own_number WHERE purchase_id = :purchase ORDER BY number LIMIT 1")
_USES = Sql("SELECT number, service FROM number_use WHERE service <> '' ORDER BY number, at, service")
_REMOVE = Sql("DELETE FROM own_number WHERE number = :number AND purchase_id IS NULL")
_FORGET_USES = Sql("DELETE FROM number_use WHERE number = :number")

_ALLOWED = "(own.services = '' OR ',' || own.services || ',' LIKE '%,' || :service || ',%')"
_HERE = "own.carrier_id = :carrier AND own.purchase_id IS NULL AND (own.pool = :pool OR :pool = :anywhere)"
_UNUSED = (
    "NOT EXISTS (SELECT 1 FROM number_use AS used WHERE used.number = own.number"
    " AND used.service IN (:service, 'full'))"
)
_LAST = "coalesce((SELECT at FROM number_use AS given WHERE given.number = own.number AND service = ''), 0)"
_FOR_CODE = Sql(
    f"SELECT own.number, own.pool FROM own_number AS own WHERE {_HERE} AND {_ALLOWED} AND {_UNUSED}"
    f" AND own.handset >= :handset ORDER BY {_LAST}, own.created, own.number LIMIT 1",
    lock="FOR UPDATE OF own SKIP LOCKED",
)
_FOR_RENT = Sql(
    f"SELECT own.number, own.pool FROM own_number AS own WHERE {_HERE} AND {_ALLOWED}"
    " AND own.handset >= :handset ORDER BY"
    " EXISTS (SELECT 1 FROM number_use AS used WHERE used.number = own.number AND used.service <> ''),"
    f" {_LAST}, own.created, own.number LIMIT 1",
    lock="FOR UPDATE OF own SKIP LOCKED",
)
_RENT = Sql("UPDATE own_number SET purchase_id = :purchase WHERE number = :number AND purchase_id IS NULL")
_FREE = Sql("UPDATE own_number SET purchase_id = NULL WHERE number = :number AND purchase_id = :purchase")
_NOTE = Sql(
    "INSERT INTO number_use (number, service, at) VALUES (:number, :service, :now)"
    " ON CONFLICT (number, service) DO UPDATE SET at = excluded.at"
)

_NOT_FULL = (
    "NOT EXISTS (SELECT 1 FROM number_use AS used WHERE used.number = own.number AND used.service = 'full')"
)
_COUNTS = Sql(
    f"SELECT own.services, count(*) FROM own_number AS own WHERE {_HERE} AND {_NOT_FULL}"
    " GROUP BY own.services"
)
_USED_COUNTS = Sql(
    "SELECT own.services, used.service, count(*) FROM own_number AS own"
    f" JOIN number_use AS used ON used.number = own.number WHERE {_HERE} AND used.service <> ''"
    f" AND {_NOT_FULL.replace('used', 'whole')} GROUP BY own.services, used.service"
)
_POOLS = Sql(
    f"SELECT DISTINCT own.pool FROM own_number AS own WHERE {_HERE} AND {_NOT_FULL} ORDER BY own.pool"
)
_RENTALS = Sql(
    f"SELECT DISTINCT own.pool FROM own_number AS own WHERE {_HERE} AND {_ALLOWED} ORDER BY own.pool"
)


class OwnNumber(NamedTuple):
    """A number of the operator's. `services` are those it may be rented for; none: all."""

    number: int
    carrier_id: int
    pool: int
    services: tuple[str, ...]
    handset: bool
    purchase_id: int | None
    created: int


def add(
    tx: Tx, numbers: Iterable[int], carrier_id: int, pool: int, services: Sequence[str], handset: bool
) -> int:
    """Add numbers that are not there yet; how many those were."""
    words = ",".join(services)
    rows = [(number, carrier_id, pool, words, int(handset)) for number in sorted(set(numbers))]
    return tx.run(_ADD, numbers=rows, now=tx.now)


def all_numbers(tx: Tx) -> list[OwnNumber]:
    """Every number, by country."""
    return [_read(row) for row in tx.all(_ALL)]


def find(tx: Tx, number: int) -> OwnNumber | None:
    """One number."""
    row = tx.one(_FIND, number=number)
    return None if row is None else _read(row)


def of_purchase(tx: Tx, purchase_id: int) -> OwnNumber | None:
    """The number that a purchase has."""
    row = tx.one(_OF_PURCHASE, purchase=purchase_id)
    return None if row is None else _read(row)


def uses(tx: Tx) -> dict[int, list[str]]:
    """What numbers were used for, the first use first."""
    found: dict[int, list[str]] = {}
    for number, service in tx.all(_USES):
        found.setdefault(number, []).append(service)
    return found


def remove(tx: Tx, number: int) -> bool:
    """Forget a number that is free, and what it was used for; whether there was one."""
    if tx.run(_REMOVE, number=number) != 1:
        return False
    tx.run(_FORGET_USES, number=number)
    return True


def free_for_code(tx: Tx, carrier_id: int, pool: int, service: str, handset: bool) -> tuple[int, int] | None:
    """A free number, and its pool, that a service has not seen yet: the one that was rested longest."""
    return _pick(tx, _FOR_CODE, carrier_id, pool, service, handset)


def free_to_rent(tx: Tx, carrier_id: int, pool: int, service: str, handset: bool) -> tuple[int, int] | None:
    """The same for a rental: numbers that were never used for anything go first, then others."""
    return _pick(tx, _FOR_RENT, carrier_id, pool, service, handset)


def _pick(
    tx: Tx, sql: Sql, carrier_id: int, pool: int, service: str, handset: bool
) -> tuple[int, int] | None:
    row = tx.one(sql, service=service, handset=int(handset), **_here(carrier_id, pool))
    return None if row is None else (row[0], row[1])


def rent(tx: Tx, number: int, purchase_id: int) -> bool:
    """Give a free number to a purchase; whether it was free."""
    if tx.run(_RENT, number=number, purchase=purchase_id) != 1:
        return False
    tx.run(_NOTE, number=number, service="", now=tx.now)
    return True


def free(tx: Tx, number: int, purchase_id: int, used_for: str | None) -> bool:
    """Take a number back from a purchase and note what it was used for, if it was; whether it had it."""
    if tx.run(_FREE, number=number, purchase=purchase_id) != 1:
        return False
    for service in ("", used_for) if used_for else ("",):
        tx.run(_NOTE, number=number, service=service, now=tx.now)
    return True


def stock(tx: Tx, carrier_id: int, pool: int) -> list[tuple[tuple[str, ...], int, Mapping[str, int]]]:
    """Free numbers for codes, `ANY`: everywhere, by the services that they may be rented for.

    With each such group how many there are, and how many of them were used for which service before.
    """
    here = _here(carrier_id, pool)
    used: dict[str, dict[str, int]] = {}
    for services, service, count in tx.all(_USED_COUNTS, **here):
        used.setdefault(services, {})[service] = count
    return [(_split(services), count, used.get(services, {})) for services, count in tx.all(_COUNTS, **here)]


def pools(tx: Tx, carrier_id: int) -> list[int]:
    """Where there are free numbers for codes."""
    return [row[0] for row in tx.all(_POOLS, **_here(carrier_id, ANY))]


def rentals(tx: Tx, carrier_id: int, service: str) -> list[int]:
    """Where there are free numbers that can be rented for a service, or `FULL`, for all."""
    return [row[0] for row in tx.all(_RENTALS, service=service, **_here(carrier_id, ANY))]


def _here(carrier_id: int, pool: int) -> dict[str, int]:
    return {"carrier": carrier_id, "pool": pool, "anywhere": ANY}


def _split(services: str) -> tuple[str, ...]:
    return tuple(services.split(",")) if services else ()


def _read(row: Row) -> OwnNumber:
    number, carrier_id, pool, services, handset, purchase_id, created = row
    return OwnNumber(number, carrier_id, pool, _split(services), bool(handset), purchase_id, created)
