"""The operator's own numbers as a source: what is in stock, who gets which number, and giving it back."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.conftest import ClockedBooks

from ulak.carriers.inventory import InventorySource, check_settings, probe
from ulak.core.errors import StoreUnavailable, UlakError
from ulak.core.numbers import Activation, Got, NoneLeft, Unreached, Want
from ulak.core.pools import ANY, FULL, SERVICES
from ulak.service import carriers, inventory
from ulak.service.inventory import InventoryShelf
from ulak.store.engine import Tx
from ulak.store.vault import Vault

TURKEY, POLAND = 62, 15
ONE, TWO, THREE = 905301234561, 905301234562, 48501234563

NO_SECRETS = Vault(Path("/nowhere"))
"""Nothing here is sealed."""


async def opened(books: ClockedBooks, *numbers: tuple[int, int, str]) -> InventorySource:
    """A source with these numbers, each with its pool and services."""

    def begin(tx: Tx) -> int:
        carrier = inventory.carrier_for_numbers(tx, None, NO_SECRETS)
        for number, pool, services in numbers:
            inventory.add(tx, [number], carrier, pool, services.split(",") if services else [], False)
        return carrier.id

    carrier_id = await books.write(begin)
    return InventorySource(InventoryShelf(books, carrier_id))


def active(key: int, got: object, service: str, rental: bool = False) -> Activation:
    assert isinstance(got, Got)
    return Activation(key, got.reference, got.number, service, 0, rental)


async def test_stock_of_numbers_for_all_and_for_some(books: ClockedBooks) -> None:
    source = await opened(books, (ONE, TURKEY, ""), (TWO, TURKEY, "wa,zz"), (THREE, POLAND, "tg"))
    assert set(await source.pools()) == {TURKEY, POLAND}  # type: ignore[arg-type]
    assert await source.stock(TURKEY) == dict.fromkeys(SERVICES, 1) | {"wa": 2, "zz": 2}
    assert await source.stock(POLAND) == {"tg": 1}
    assert await source.stock(ANY) == dict.fromkeys(SERVICES, 1) | {"wa": 2, "zz": 2, "tg": 2}
    assert await source.stock(0) == {}
    assert list(await source.rentals(FULL)) == [TURKEY]  # type: ignore[arg-type]
    assert list(await source.rentals("tg")) == [POLAND, TURKEY]  # type: ignore[arg-type]
    assert list(await source.rentals("%")) == []  # type: ignore[arg-type]


async def test_a_service_nobody_knows_can_be_tried_where_a_number_is_for_all(books: ClockedBooks) -> None:
    source = await opened(books, (ONE, TURKEY, ""), (THREE, POLAND, "tg"))
    assert source.unlisted("newthing")
    assert not source.unlisted("wa"), "its stock is known"
    assert not source.unlisted(FULL)
    assert not source.unlisted("no such service!")
    got = await source.buy(Want(1, ANY, "newthing"))
    assert got == Got("1", ONE, TURKEY)
    assert isinstance(await source.buy(Want(2, ANY, "newthing")), NoneLeft)
    assert await source.stock(POLAND) == {"tg": 1}
    assert not source.unlisted("newthing"), "no free number is for all"
    await source.finish(active(1, got, "newthing"), True)
    assert isinstance(await source.buy(Want(3, ANY, "newthing")), NoneLeft)
    await source.stock(TURKEY)
    assert source.unlisted("another")


async def test_a_purchase_gets_one_number_however_often_it_asks(books: ClockedBooks) -> None:
    source = await opened(books, (ONE, TURKEY, ""), (TWO, TURKEY, ""))
    want = Want(11, TURKEY, "wa")
    got = await source.buy(want)
    assert got == await source.buy(want) == Got("11", ONE, TURKEY)
    assert await source.buy(Want(12, TURKEY, "wa")) == Got("12", TWO, TURKEY)
    assert isinstance(await source.buy(Want(13, TURKEY, "wa")), NoneLeft)
    assert isinstance(await source.buy(Want(13, TURKEY, "' OR 1=1")), NoneLeft)
    assert (await source.stock(TURKEY), source.every) == ({}, None)
    assert await source.news([active(11, got, "wa")], 0) == [()]


async def test_a_number_comes_back_and_is_not_sold_twice_for_what_it_was_used(books: ClockedBooks) -> None:
    source = await opened(books, (ONE, TURKEY, ""))
    first = active(1, await source.buy(Want(1, ANY, "wa")), "wa")
    assert await source.finish(first, False) is None
    second = active(2, await source.buy(Want(2, ANY, "wa")), "wa")
    assert await source.finish(first, True) is None, "it was given back before: nothing happens"
    assert isinstance(await source.buy(Want(3, ANY, "tg")), NoneLeft), "the second still has it"
    for _ in range(2):
        assert await source.finish(second, True) is None
    assert isinstance(await source.buy(Want(4, ANY, "wa")), NoneLeft)
    stock = await source.stock(ANY)
    assert stock == {service: 1 for service in SERVICES if service != "wa"}
    assert isinstance(await source.buy(Want(5, ANY, "tg")), Got)


async def test_a_number_that_was_rented_as_a_whole_is_rented_again_and_not_sold(books: ClockedBooks) -> None:
    source = await opened(books, (ONE, TURKEY, ""))
    rental = active(1, await source.buy(Want(1, TURKEY, FULL, weeks=2)), FULL, rental=True)
    assert await source.rentals(FULL) == []
    await source.finish(rental, True)
    assert await source.stock(ANY) == {}
    assert await source.pools() == []
    assert await source.rentals(FULL) == [TURKEY]
    assert await source.buy(Want(2, TURKEY, FULL, weeks=2)) == Got("2", ONE, TURKEY)


async def test_numbers_of_one_inventory_are_not_those_of_another(books: ClockedBooks) -> None:
    source = await opened(books, (ONE, TURKEY, ""))
    other = InventorySource(InventoryShelf(books, 99))
    assert isinstance(await other.buy(Want(1, ANY, "wa")), NoneLeft)
    await source.buy(Want(1, ANY, "wa"))
    assert isinstance(await other.buy(Want(1, ANY, "wa")), NoneLeft)
    assert (await other.stock(ANY), other.unlisted("x")) == ({}, False)


async def test_the_inventory_that_is_meant(books: ClockedBooks) -> None:
    await opened(books, (ONE, TURKEY, ""))

    def change(tx: Tx) -> None:
        first = inventory.carrier_for_numbers(tx, None, NO_SECRETS)
        assert (first.name, first.kind) == ("inventory", "inventory")
        second = carriers.add(
            tx, "second", "inventory", {"pattern.wa": r"x(\d+)"}, check_settings, NO_SECRETS
        )
        carriers.add(tx, "sim", "simulator", {}, lambda _: None, NO_SECRETS)
        assert inventory.carrier_for_numbers(tx, "second", NO_SECRETS) == second
        for name, said in ((None, "several"), ("sim", "of kind simulator"), ("none", "no carrier")):
            with pytest.raises(UlakError, match=said):
                inventory.carrier_for_numbers(tx, name, NO_SECRETS)
        with pytest.raises(UlakError, match="already"):
            inventory.add(tx, [ONE], second, TURKEY, [], False)
        with pytest.raises(UlakError, match="no such number"):
            inventory.remove(tx, 1)

    await books.write(change)


class NoShelf:
    """A shelf whose database is away."""

    async def pools(self) -> list[int]:
        raise StoreUnavailable("away")

    async def rentals(self, service: str) -> list[int]:
        raise StoreUnavailable(service)

    async def stock(self, pool: int) -> tuple[dict[str, int], bool]:
        raise StoreUnavailable(str(pool))

    async def take(self, want: Want) -> Got | None:
        raise StoreUnavailable(str(want))

    async def give_back(self, activation: Activation, used: bool) -> None:
        raise StoreUnavailable(f"{activation} {used}")


async def test_a_database_that_is_away_is_a_source_that_cannot_be_asked() -> None:
    source = InventorySource(NoShelf())
    given = Activation(1, "1", ONE, "wa", 0)
    for answer in (
        await source.pools(),
        await source.rentals("wa"),
        await source.stock(ANY),
        await source.buy(Want(1, ANY, "wa")),
        await source.finish(given, True),
    ):
        assert answer == Unreached("the database is away")
    await source.close()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"host": "x"}, "no setting 'host'"),
        ({"pattern.wa": "("}, "pattern.wa: a pattern that cannot be read"),
        ({"pattern.wa": r"(\d+)*"}, "pattern.wa"),
        ({"pattern.": "x"}, "does not name a service"),
        ({"pattern.a,b": "x"}, "does not name a service"),
        ({"pattern.token": "x"}, "does not name a service"),
    ],
)
async def test_settings_that_an_inventory_cannot_have(settings: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        await probe(settings)
    assert "database" in await probe({"pattern.wa": r"code (\d{4})", "prefix": "90", "priority": "1"})
