"""Numbers of the operator's own as rows: which are free, for what, and which goes first."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from tests.conftest import FakeClock

from ulak.core.pools import ANY, FULL
from ulak.store import own_numbers as store
from ulak.store.engine import Database, Tx
from ulak.store.writer import sync_read, sync_write

Write = Callable[[Callable[[Tx], object]], Any]

OURS, OTHERS = 7, 8
TURKEY, POLAND = 62, 15
ONE, TWO, THREE, FOUR = 905301234561, 905301234562, 905301234563, 48501234564


@pytest.fixture
def write(either_database: Database) -> Write:
    """Change the data, which have three numbers in Turkey and one in Poland."""

    def begin(tx: Tx) -> None:
        assert store.add(tx, [ONE, TWO], OURS, TURKEY, [], False) == 2
        assert store.add(tx, [THREE], OURS, TURKEY, ["wa", "xy"], True) == 1
        assert store.add(tx, [FOUR], OURS, POLAND, ["tg"], False) == 1
        assert store.add(tx, [ONE, 905301234569], OTHERS, TURKEY, [], False) == 1

    sync_write(either_database, begin)
    return lambda change: sync_write(either_database, change)


def rented(tx: Tx, purchase_id: int, service: str, pool: int = TURKEY, handset: bool = False) -> int | None:
    found = store.free_for_code(tx, OURS, pool, service, handset)
    if found is None:
        return None
    assert store.rent(tx, found[0], purchase_id)
    return found[0]


def test_a_number_is_as_it_was_added(write: Write) -> None:
    def look(tx: Tx) -> None:
        numbers = store.all_numbers(tx)
        assert [own.number for own in numbers] == [FOUR, ONE, TWO, THREE, 905301234569]
        assert numbers[3] == store.find(tx, THREE)
        assert numbers[3] == (THREE, OURS, TURKEY, ("wa", "xy"), True, None, tx.now)
        assert store.find(tx, 1) is None
        assert store.pools(tx, OURS) == [POLAND, TURKEY]

    write(look)


def test_a_number_goes_to_one_purchase_and_once_for_a_service(write: Write, clock: FakeClock) -> None:
    assert write(lambda tx: rented(tx, 101, "wa")) == ONE
    clock.advance(1)
    assert write(lambda tx: rented(tx, 102, "wa")) == TWO
    clock.advance(1)
    assert write(lambda tx: rented(tx, 103, "wa")) == THREE
    assert write(lambda tx: rented(tx, 104, "wa")) is None
    assert write(lambda tx: store.rent(tx, ONE, 104)) is False
    assert write(lambda tx: store.of_purchase(tx, 102)) == write(lambda tx: store.find(tx, TWO))
    clock.advance(1)
    assert write(lambda tx: store.free(tx, ONE, 102, "wa")) is False
    assert write(lambda tx: store.free(tx, ONE, 101, "wa")) is True
    assert write(lambda tx: store.free(tx, TWO, 102, None)) is True
    assert write(lambda tx: store.free(tx, TWO, 102, "wa")) is False, "not the customer's any more"
    assert write(store.uses) == {ONE: ["wa"]}
    assert write(lambda tx: rented(tx, 105, "wa")) == TWO, "it was not used"
    assert write(lambda tx: rented(tx, 106, "tg")) == ONE, "another service"


def test_the_number_that_rested_longest_goes_first(write: Write, clock: FakeClock) -> None:
    for purchase_id in range(1, 7):
        number = write(partial(rented, purchase_id=purchase_id, service="tg"))
        assert number == (ONE, TWO)[(purchase_id - 1) % 2]
        clock.advance(1000)
        write(partial(store.free, number=number, purchase_id=purchase_id, used_for=None))
        clock.advance(1000)


def test_services_countries_and_handsets_are_respected(write: Write) -> None:
    assert write(lambda tx: rented(tx, 1, "tg", POLAND)) == FOUR
    assert write(lambda tx: rented(tx, 2, "wa", POLAND)) is None
    assert write(lambda tx: rented(tx, 3, "tg", handset=True)) is None
    assert write(lambda tx: rented(tx, 4, "wa", handset=True)) == THREE
    assert write(lambda tx: rented(tx, 5, "wa,xy")) == ONE, "only those for all"
    assert write(lambda tx: rented(tx, 6, "x")) == TWO
    assert write(lambda tx: rented(tx, 7, "x", ANY)) is None


def test_any_country(write: Write) -> None:
    found = {write(partial(rented, purchase_id=key, service="tg", pool=ANY)) for key in range(1, 5)}
    assert found == {ONE, TWO, FOUR, None}


def test_a_rental_takes_unused_numbers_first_and_others_then(write: Write, clock: FakeClock) -> None:
    write(lambda tx: [rented(tx, 1, "go"), store.free(tx, ONE, 1, "go")])
    clock.advance(5)

    def rent(tx: Tx) -> list[int]:
        found = []
        for purchase_id in (2, 3):
            pick = store.free_to_rent(tx, OURS, TURKEY, FULL, False)
            assert pick is not None
            assert pick[1] == TURKEY
            store.rent(tx, pick[0], purchase_id)
            found.append(pick[0])
        assert store.free_to_rent(tx, OURS, ANY, FULL, False) is None, "the others are not for all services"
        assert store.rentals(tx, OURS, FULL) == []
        assert store.rentals(tx, OURS, "wa") == [TURKEY]
        return found

    assert write(rent) == [TWO, ONE]
    clock.advance(5)
    write(lambda tx: [store.free(tx, TWO, 2, FULL), store.free(tx, ONE, 3, None)])
    assert write(lambda tx: rented(tx, 4, "vk")) == ONE, "who rented the other may have used it for this"
    assert write(lambda tx: rented(tx, 5, "vk")) is None
    assert write(lambda tx: store.rentals(tx, OURS, FULL)) == [TURKEY]


def test_stock_counts_what_is_left(write: Write) -> None:
    assert sorted(write(lambda tx: store.stock(tx, OURS, ANY))) == [
        ((), 2, {}),
        (("tg",), 1, {}),
        (("wa", "xy"), 1, {}),
    ]
    write(lambda tx: [rented(tx, 1, "go"), store.free(tx, ONE, 1, "go"), rented(tx, 2, "go")])
    assert sorted(write(lambda tx: store.stock(tx, OURS, TURKEY))) == [
        ((), 1, {"go": 1}),
        (("wa", "xy"), 1, {}),
    ]
    write(lambda tx: store.free(tx, TWO, 2, FULL))
    assert ((), 1, {"go": 1}) in write(lambda tx: store.stock(tx, OURS, TURKEY))


def test_a_number_is_removed_with_its_uses_unless_it_is_rented(
    write: Write, either_database: Database
) -> None:
    write(lambda tx: rented(tx, 1, "go"))
    assert write(lambda tx: store.remove(tx, ONE)) is False
    write(lambda tx: store.free(tx, ONE, 1, "go"))
    assert write(lambda tx: store.remove(tx, ONE)) is True
    assert write(lambda tx: store.remove(tx, ONE)) is False
    assert sync_read(either_database, store.uses) == {}
