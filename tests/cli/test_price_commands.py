"""`ulak price`: the narrower price holds, and a running server sees it at once."""

from __future__ import annotations

import pytest
from tests.cli.conftest import Command

from ulak.core.purchases import Tariff
from ulak.service.prices import Prices
from ulak.store.engine import Database
from ulak.store.writer import sync_read

CONFIGURED = {Tariff.RECEIVE: 1500, Tariff.SEND: 3000, Tariff.RENT: 15000, Tariff.HANDSET: 4000}


def charged(database: Database, tariff: Tariff, pool: int | None, service: str) -> int:
    prices = Prices(CONFIGURED)
    return sync_read(database, lambda tx: prices.charge(tx, "192.0.2.1", tariff, pool, service))


def test_the_configured_prices_are_listed(ulak: Command) -> None:
    rows = ulak("price", "list").value
    assert [(row["tariff"], row["sats"]) for row in rows] == [
        ("receive", 1500),
        ("send", 3000),
        ("rent", 15000),
        ("handset", 4000),
    ]
    assert all(row["country"] is None and row["service"] is None for row in rows)


def test_the_narrower_price_holds(ulak: Command, database: Database) -> None:
    ulak("price", "set", "receive", "1600")
    ulak("price", "set", "receive", "1700", "--service", "Telegram")
    ulak("price", "set", "receive", "1800", "--country", "Germany")
    shown = ulak("price", "set", "receive", "1900", "--country", "de", "--service", "tg").value
    assert shown == {"tariff": "receive", "country": "Germany", "service": "tg", "sats": 1900}
    assert charged(database, Tariff.RECEIVE, 2, "wa") == 1600
    assert charged(database, Tariff.RECEIVE, 0, "tg") == 1700  # pool 0 is a country, not all of them
    assert charged(database, Tariff.RECEIVE, 43, "wa") == 1800
    assert charged(database, Tariff.RECEIVE, 43, "tg") == 1900
    assert charged(database, Tariff.RECEIVE, 999, "wa") == 1600
    assert charged(database, Tariff.SEND, None, "") == 3000


def test_a_price_is_forgotten(ulak: Command, database: Database) -> None:
    ulak("price", "set", "send", "21")
    assert ulak("price", "clear", "send").value == {"cleared": True}
    assert charged(database, Tariff.SEND, None, "") == 3000
    assert ulak("price", "clear", "send").code == 1


@pytest.mark.parametrize(
    "words",
    [
        ("set", "send", "0"),
        ("set", "send", "-1"),
        ("set", "send", "1.5"),
        ("set", "send", "10000000"),
        ("set", "send", "٣"),
        ("set", "fax", "1"),
        ("set", "send", "1", "--country", "Atlantis"),
        ("clear", "receive", "--country", "999"),
    ],
)
def test_what_is_no_price_is_wrong_usage(ulak: Command, words: tuple[str, ...]) -> None:
    assert ulak("price", *words).code == 2
