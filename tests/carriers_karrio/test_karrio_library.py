"""The real library in its process, against a stand-in for UPS.

Run when Karrio and its connector for UPS are installed: for the interpreter that the environment variable
ULAK_TEST_KARRIO_PYTHON names, or for this one.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pypdfium2  # type: ignore[import-untyped, unused-ignore]
import pytest
from tests.carriers_karrio.goods import booking, consignment, package, shipment
from tests.carriers_karrio.ups_desk import open_desk

from ulak.carriers.karrio.carrier import KarrioCarrier, probe
from ulak.carriers.karrio.settings import parse_settings
from ulak.core.errors import UlakError
from ulak.core.journal import Journal
from ulak.core.shipping import Booked, Declined, Quote, Unreached, Watched
from ulak.core.states import ParcelState

PYTHON = os.environ.get("ULAK_TEST_KARRIO_PYTHON", "")

pytestmark = pytest.mark.skipif(
    not PYTHON and importlib.util.find_spec("karrio") is None,
    reason="Karrio is not installed (pip install '.[karrio]' karrio-ups)",
)

WORDS = {
    "carrier": "ups",
    "python": PYTHON or sys.executable,
    "client_id": "id",
    "client_secret": "secret",
    "account_number": "A1B2C3",
    "test_mode": "on",
    "label": "ZPL",
    "rate_eur": "50",
}


@asynccontextmanager
async def account(url: str, journal: Journal) -> AsyncIterator[KarrioCarrier]:
    carrier = KarrioCarrier(parse_settings(WORDS | {"url": url}), journal)
    try:
        yield carrier
    finally:
        await carrier.close()


async def test_a_parcel_s_life(journal: Journal) -> None:
    with open_desk() as desk:
        async with account(desk.url, journal) as carrier:
            two = shipment(package(), package())
            assert await carrier.quote(two) == Quote(100_500)
            booked = await carrier.book(booking(two))
            assert isinstance(booked, Booked)
            assert booked.reference == "1ZDESK0"
            assert [(ticket.tracking, ticket.file and ticket.file.content) for ticket in booked.tickets] == [
                ("1ZDESK0", b"^XA^FD0^FS^XZ"),
                ("1ZDESK1", b"^XA^FD1^FS^XZ"),
            ]
            assert await carrier.book(booking(shipment(to="AQ"), "key-2")) == Declined(
                "Country is not served"
            )
            said = await carrier.track(
                [Watched(1, number, "", 0, "DE") for number in ("1ZSEEN", "1ZNONE", "1ZFRESH", "1ZAWAY")], 0
            )
            assert await carrier.cancel(consignment(two, "1ZDESK0")) is None
    seen, none, fresh, away = said
    assert not isinstance(seen, Unreached)
    assert not isinstance(none, Unreached)
    assert [(one.at, one.state, one.location) for one in seen] == [
        (1_770_725_636_000, ParcelState.OUT_FOR_DELIVERY, "Wayne, NJ, US")
    ]
    assert (list(none), fresh) == ([], []), (
        "a label that was not scanned yet is no trouble, nor one not found"
    )
    assert away == Unreached("the carrier answered with status 302")
    paths = [path.partition("?")[0] for _, path, _ in desk.seen]
    assert paths.count("/security/v1/oauth/token") == 1, "the token is kept"
    assert "/elsewhere" not in paths, "and taken nowhere else"
    (sent, _) = [body for _, path, body in desk.seen if path.endswith("/ship")]
    shipped = sent["ShipmentRequest"]["Shipment"]
    assert shipped["ReferenceNumber"] == {"Value": "ULK0001"}
    assert shipped["Service"]["Code"] == "11", "the cheapest"
    assert shipped["Shipper"]["ShipperNumber"] == "A1B2C3"
    assert len(shipped["Package"]) == 2


async def test_a_label_s_pages_are_taken_apart(journal: Journal) -> None:
    """UPS gives a picture a package, Karrio makes one PDF of them, and each ticket gets its own page."""
    with open_desk() as desk:
        carrier = KarrioCarrier(parse_settings(WORDS | {"url": desk.url, "label": "pdf"}), journal)
        booked = await carrier.book(booking(shipment(package(), package())))
        await carrier.close()
    assert isinstance(booked, Booked)
    files = [ticket.file for ticket in booked.tickets]
    assert [file and file.mime for file in files] == ["application/pdf"] * 2
    assert [len(pypdfium2.PdfDocument(file.content)) for file in files if file] == [1, 1]


async def test_trying_the_settings() -> None:
    answer = await probe(parse_settings(WORDS))
    assert answer.startswith("Karrio 2026.")
    assert answer.endswith("can quote, book, cancel, track with ups")
    with pytest.raises(UlakError, match="has no setting 'client_name'; it has account_country_code"):
        await probe(parse_settings(WORDS | {"client_name": "x"}))
    with pytest.raises(UlakError, match="needs the setting client_id"):
        await probe(parse_settings({key: value for key, value in WORDS.items() if key != "client_id"}))
    with pytest.raises(UlakError, match=r"pip install '\.\[karrio\]' karrio-nowhere-post"):
        await probe(parse_settings(WORDS | {"carrier": "nowhere_post"}))
