"""The vendor's page find-by-tracking-code: its answer loaded as data comes back as it is printed there."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from tests.dialects.comtohome.office import Customer, Office, compact, header
from tests.dialects.comtohome.samples import of_the_page

SEEDS = Path(__file__).parent / "seeds"
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[-+.0-9a-zA-Z]+|[{}\[\]:,]')
_HASH = re.compile(r"_hash=[^\"]*")


def seed(name: str) -> str:
    """An answer of the vendor's page, as printed."""
    return (SEEDS / name).read_text("utf-8")


async def page_office(books: Any) -> tuple[Office, Customer]:
    """The account, the carrier and the consignment of the page."""
    office = Office(books)
    settings = {"user_firstname": "Kullanıcı", "user_lastname": "Adı"}
    customer = await office.customer("Müşteri Adı", settings=settings)
    carrier = await office.has_carrier("Ptt")
    assert (customer.id, carrier) == (1, 1)
    await office.load(of_the_page())
    return office, customer


KEYS = [
    "/consignments/find/trackingCode/1Z999AA10123456784",
    "/consignments/find/trackingCode/ 1z999aa10123456784",
    "/consignments/find/barcode/C2H07238640094",
    "/consignments/find/barcode/c2h07238640094",
    "/consignments/find/reference_no/ORDER-2024-001",
    "/consignments/632280/details",
    "/consignments/find/uuid/3c1563eb-9afd-4eda-8c26-51174d805b08",
    "/consignments/find/uuid/3C1563EB-9AFD-4EDA-8C26-51174D805B08",
]


async def test_the_answer_of_the_page_token_by_token(books: Any) -> None:
    office, customer = await page_office(books)
    replies = [await office.call(path, key=customer.key) for path in KEYS]
    answers = {reply.body for reply in replies}
    assert [reply.status for reply in replies] == [200] * len(KEYS)
    assert len(answers) == 1, "every key finds the same document"
    shown = _HASH.sub("_hash=...", answers.pop().decode())
    assert _TOKEN.findall(shown) == _TOKEN.findall(seed("find_by_tracking_code.json"))
    assert shown == compact(seed("find_by_tracking_code.json").strip())


async def test_the_link_of_a_label_has_a_seal_of_32_bytes(books: Any) -> None:
    office, customer = await page_office(books)
    answer = await office.ask(customer, KEYS[0])
    address = answer["data"]["labels"][0]["file_url"]
    seal = address.partition("?_hash=")[2]
    assert re.fullmatch(r"[A-Za-z0-9%]+", seal)
    assert len(base64.b64decode(unquote(seal), validate=True)) == 32


async def test_the_failure_of_the_page(books: Any) -> None:
    office, customer = await page_office(books)
    reply = await office.call("/consignments/find/trackingCode/1Z999AA1", key=customer.key)
    assert reply.status == 404
    assert reply.body.decode() == compact(seed("not_found.json").strip())
    english = await office.call(
        "/consignments/find/trackingCode/1Z999AA1",
        key=customer.key,
        headers={"Accept-Language": "en-GB,en;q=0.9", "Content-Type": "application/json"},
    )
    assert english.body.decode() == '{"status":false,"errors":[{"message":"Consignment not found"}]}'


@pytest.mark.parametrize("path", KEYS)
async def test_somebody_else_finds_nothing(books: Any, path: str) -> None:
    office, _ = await page_office(books)
    stranger = await office.customer("somebody else")
    assert (await office.call(path, key=stranger.key)).status == 404


async def test_a_key_is_counted(books: Any) -> None:
    office, customer = await page_office(books)
    first = await office.call(KEYS[0], key=customer.key)
    second = await office.call("/consignments/1/details", key=customer.key)
    told = [
        [header(reply, f"X-RateLimit-{name}") for name in ("Limit", "Remaining", "Reset")]
        for reply in (first, second)
    ]
    assert told == [["300", "299", "0"], ["300", "298", "0"]]
