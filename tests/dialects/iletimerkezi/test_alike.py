"""The same order in JSON, in XML and in a query: the same checks, the same code, the same order."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from tests.dialects.iletimerkezi.office import Customer, Office
from tests.dialects.iletimerkezi.spoken import FORMATS, speak

ONE, TWO = "905301234567", "905301234568"
LONG = "a" * 1067
NO_QUERY = ("json", "xml")
"""What a query cannot say: a time, and several texts."""

turns = count()


def order(**changes: Any) -> dict[str, Any]:
    """An order that is taken, with changes; None takes a member away."""
    good = {"sender": "ORNEKAS", "iys": "0", "message": message()}
    return {name: value for name, value in (good | changes).items() if value is not None}


def message(text: str = "Şifre: 4821 & \"1\" <dk> 'a'", *numbers: str) -> dict[str, Any]:
    return {"text": text, "receipents": {"number": list(numbers or (ONE, TWO, ONE, "x"))}}


ORDERS: list[tuple[int, dict[str, Any], dict[str, Any], tuple[str, ...]]] = [
    (200, order(), {}, FORMATS),
    (200, order(iys=None), {}, FORMATS),
    (200, order(iys="1", iysList="TACIR"), {"settings": {"iys_brand": "1"}}, FORMATS),
    (200, order(message=message("A", "0530 123 45 67", "+90 530 123 45 68")), {}, FORMATS),
    (200, order(message=message("  A\nB ")), {}, FORMATS),
    (200, order(sendDateTime=""), {}, NO_QUERY),
    (200, order(sendDateTime="20/05/2026 14:03"), {}, NO_QUERY),
    (200, order(message=[message("A"), message("B", ONE)]), {}, NO_QUERY),
    (200, order(sender="APITEST"), {"settings": {"test_number": ONE}}, FORMATS),
    (402, order(), {"credit": 1}, FORMATS),
    (450, order(sender=None), {}, FORMATS),
    (450, order(sender=""), {}, FORMATS),
    (450, order(sender="ornekas"), {}, FORMATS),
    (450, order(sender="ORNEKAS "), {}, FORMATS),
    (451, order(message=message("Before", TWO)), {}, FORMATS),
    (452, order(message={"text": "A"}), {}, FORMATS),
    (452, order(message=message("A", "x", "03121234567")), {}, FORMATS),
    (452, order(sender="APITEST"), {}, FORMATS),
    (453, order(message=message(LONG)), {}, FORMATS),
    (454, order(message=None), {}, FORMATS),
    (454, order(message=message("")), {}, FORMATS),
    (454, order(message=message(" \n")), {}, FORMATS),
    (457, order(sendDateTime="2026-05-25 09:30:00"), {}, NO_QUERY),
    (457, order(sendDateTime="25/05/2026 09:30:00"), {}, NO_QUERY),
    (457, order(sendDateTime=["25", "05"]), {}, NO_QUERY),
    (468, order(iys="2"), {}, FORMATS),
    (468, order(iys=None), {"settings": {"strict_iys": "on"}}, FORMATS),
    (469, order(iys="1"), {}, FORMATS),
    (469, order(iys="1", iysList="bireysel"), {}, FORMATS),
    (470, order(iys="1", iysList="BIREYSEL"), {}, FORMATS),
    # Two faults at once, each beside the next in the order of checks.
    (450, order(sender="X", sendDateTime="x"), {}, NO_QUERY),
    (450, order(sender="X", iys="2"), {}, FORMATS),
    (457, order(sendDateTime="x", iys="2"), {}, NO_QUERY),
    (469, order(iys="1", message=message("")), {}, FORMATS),
    (470, order(iys="1", iysList="TACIR", message=message("")), {}, FORMATS),
    (454, order(message=message("", "x")), {}, FORMATS),
    (453, order(message=message(LONG, "x")), {}, FORMATS),
    (452, order(message=message("A", "x")), {"credit": 0}, FORMATS),
    (451, order(message=message("Before", TWO)), {"credit": 1}, FORMATS),
]


@pytest.mark.parametrize(("code", "submitted", "account", "forms"), ORDERS)
async def test_an_order(
    books: Any, code: int, submitted: dict[str, Any], account: dict[str, Any], forms: tuple[str, ...]
) -> None:
    office = Office(books)
    seen = []
    for form in forms:
        given: dict[str, Any] = {"credit": 1000, "senders": ["ORNEKAS"]} | account
        owner = await office.customer(f"owner {next(turns)}", **given)
        if code == 451:
            await office.ask(owner, "send-sms", order=order(message=message("Before", TWO)))
        status, answer = await told(office, owner, form, submitted)
        assert status == code, form
        seen.append((await left_behind(office, owner), answer))
    first, *others = seen
    for left, answer in others:
        assert left == first[0]
        assert answer == seen[1][1]  # XML and a query are answered alike.


async def told(office: Office, owner: Customer, form: str, submitted: dict[str, Any]) -> tuple[int, bytes]:
    """Submit an order in a format."""
    request = {"authentication": owner.credentials, "order": submitted}
    method, path, query, body = speak(form, "send-sms", request)
    reply = await office.call(path, body, method=method, query=query)
    return reply.status, reply.body


async def left_behind(office: Office, owner: Customer) -> list[Any]:
    """What there is of it afterwards."""
    day = {"start": "2026-05-20", "end": "2026-05-20"}
    listed = await office.ask(owner, "get-reports", filter=day)
    reports = [await office.ask(owner, "get-report", order={"id": row["id"]}) for row in listed["orders"]]
    return [listed, reports, (await office.ask(owner, "get-balance"))["balance"]]


async def test_the_text_is_the_same(books: Any) -> None:
    """What was sent in one format is a repetition in the others, letter by letter."""
    office = Office(books)
    owner = await office.customer("owner", credit=1000, senders=["ORNEKAS"])
    for text in ("a", "ığüşöçİĞÜŞÖÇ€", "a & b < c > d", "\"'", "a+b %41 ;=", " a\n b", "😀", "]]>"):
        codes = [
            (await told(office, owner, form, order(message=message(text))))[0]
            for form in ("query", "xml", "json")
        ]
        assert codes == [200, 451, 451], text
