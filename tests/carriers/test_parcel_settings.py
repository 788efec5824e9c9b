"""What simulators and carriers of parcels can be told, and how they say that something does not fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

import pytest

from ulak.carriers.manual import ManualCarrier
from ulak.carriers.parcel_simulator import ParcelSimulator
from ulak.core.carriers import Simulation, check_manual, check_simulator, simulation_of
from ulak.core.tariffs import Tariff

Check = Callable[[Mapping[str, str]], object]
PARCELS = {"carries": "parcels"}
NUMBERS = {"carries": "numbers"}
FULL = {"base": "20.5", "per_kilo": "0", "abroad": "2.25", "desi_divisor": "5000"}


def test_what_fits() -> None:
    check_simulator({})
    check_simulator({"carries": "sms", "priority": "1"})
    check_simulator(NUMBERS)
    check_simulator(NUMBERS | {"delay": "1800", "priority": "1"})
    check_simulator(PARCELS)
    check_simulator(PARCELS | FULL | {"day": "60", "priority": "2"})
    check_manual({})
    check_manual(FULL | {"priority": "2"})


def test_what_a_simulator_is_told() -> None:
    assert simulation_of({}) == Simulation(Tariff(2000, 1600, Decimal(3), 3000), 86_400_000)
    told = simulation_of(FULL | {"day": "1"})
    assert told == Simulation(Tariff(2050, 0, Decimal("2.25"), 5000), 1000)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"base": "x"}, "base: 'x' is not an amount"),
        ({"base": "-1"}, "base: "),
        ({"base": "1.234"}, "base: "),
        ({"per_kilo": ""}, "per_kilo: "),
        ({"abroad": "three"}, "abroad must be a factor"),
        ({"abroad": "-1"}, "abroad must be a factor"),
        ({"abroad": "1e3"}, "abroad must be a factor"),
        ({"desi_divisor": "0"}, "desi_divisor must be"),
        ({"desi_divisor": "5000.5"}, "desi_divisor must be"),
        ({"speed": "1"}, "has no setting 'speed'"),
    ],
)
def test_what_no_parcel_carrier_can_be_told(settings: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_simulator(PARCELS | settings)
    with pytest.raises(ValueError, match=said):
        check_manual(settings)


@pytest.mark.parametrize(
    ("check", "settings", "said"),
    [
        (check_simulator, NUMBERS | {"base": "20"}, "no setting 'base' if it carries numbers"),
        (check_simulator, NUMBERS | {"delay": "0"}, "delay must be the seconds"),
        (check_simulator, NUMBERS | {"delay": "1801"}, "delay must be the seconds"),
        (check_simulator, PARCELS | {"delay": "2"}, "no setting 'delay' if it carries parcels"),
        (check_simulator, {"carries": "pigeons"}, "carries must be sms, numbers or parcels"),
        (check_simulator, {"base": "20"}, "no setting 'base' if it carries sms"),
        (check_simulator, PARCELS | {"day": "0"}, "day must be the seconds"),
        (check_simulator, PARCELS | {"day": "1.5"}, "day must be the seconds"),
        (check_manual, {"day": "60"}, "a manual carrier has no setting 'day'"),
        (check_manual, {"carries": "parcels"}, "a manual carrier has no setting 'carries'"),
    ],
)
def test_what_one_of_them_cannot_be_told(check: Check, settings: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check(settings)


@pytest.mark.parametrize("make", [ParcelSimulator, ManualCarrier])
def test_a_carrier_is_not_made_of_bad_settings(make: Callable[[Mapping[str, str]], object]) -> None:
    make(FULL | {"priority": "1"})
    with pytest.raises(ValueError, match="abroad"):
        make({"abroad": "x"})
