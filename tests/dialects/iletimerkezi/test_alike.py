"""The same request in JSON, in XML and in a query: the same checks, the same code, the same result."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any
from xml.etree import ElementTree

import pytest
from tests.dialects.iletimerkezi.office import Customer, Office
from tests.dialects.iletimerkezi.spoken import FORMATS, speak

from ulak.core.contacts import Search
from ulak.service import blacklist, contacts

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


# Blocked numbers, contacts and groups: what there is at first is made by `furnished`.

LONG_NAME = "a" * 256
OURS, REPLIED, OPERATORS, NEW = "5301234501", "5301234502", "5301234503", "5301234509"
NOWHERE = 2**31 - 1


def block(**members: Any) -> dict[str, Any]:
    return {"blacklist": members}


def group(**members: Any) -> dict[str, Any]:
    return {"group": members}


def contact(**members: Any) -> dict[str, Any]:
    return {"contact": members}


def search(**members: Any) -> dict[str, Any]:
    return {"search": members}


def values(field: Any, value: str) -> dict[str, Any]:
    return {"custom_field": [{"id": field, "value": value}]}


BLOCKED: list[tuple[int, str, dict[str, Any]]] = [
    (200, "get-blacklist", {}),
    (200, "get-blacklist", block()),
    (200, "get-blacklist", block(page="2", rowCount=2)),
    (200, "get-blacklist", block(page=9, rowCount="")),
    (200, "get-blacklist", block(filter={"start": "2026-05-20 14:03:11", "end": ""})),
    (200, "get-blacklist", block(filter={"end": "2026-05-20 14:03:10"}) | {"page": 0}),
    (400, "get-blacklist", {"blacklist": "x"}),
    (400, "get-blacklist", block(filter="x")),
    (422, "get-blacklist", block(filter={"start": "20/05/2026"})),
    (422, "get-blacklist", block(filter={"start": "x", "end": "2026-02-30 00:00:00"})),
    (464, "get-blacklist", block(page="0")),
    (464, "get-blacklist", block(page="x", filter={"start": "x"})),
    (200, "add-blacklist", block(number=NEW)),
    (200, "add-blacklist", block(number="+90 530 123 45 09")),
    (200, "add-blacklist", block(number=[NEW, "x"])),
    (200, "add-blacklist", block(number=OURS)),
    (400, "add-blacklist", {"blacklist": NEW}),
    (466, "add-blacklist", {}),
    (466, "add-blacklist", {"number": NEW}),
    (466, "add-blacklist", block(number="")),
    (466, "add-blacklist", block(number="03121234567")),
    (466, "add-blacklist", block(number=["x", NEW])),
    (200, "delete-blacklist", block(number=OURS)),
    (466, "delete-blacklist", block(number="x")),
    (474, "delete-blacklist", block(number=NEW)),
    (474, "delete-blacklist", block(number=REPLIED)),
    (474, "delete-blacklist", block(number=OPERATORS)),
]

GROUPED: list[tuple[int, str, dict[str, Any]]] = [
    (200, "get-groups", {}),
    (200, "add-group", group(name="A & <B>")),
    (200, "add-group", group(name=" A ", parent="G0")),
    (200, "add-group", group(name=5, parent=["G0"])),
    (400, "add-group", {}),
    (400, "add-group", {"group": "x"}),
    (422, "add-group", group(name=LONG_NAME, parent=NOWHERE)),
    (461, "add-group", group(name="", parent=NOWHERE)),
    (461, "add-group", group()),
    (463, "add-group", group(name="A", parent="G1")),
    (463, "add-group", group(name="A", parent=["G0", "G2"])),
    (200, "edit-group", group(id="G1", name="A", parent="G2")),
    (200, "edit-group", group(id="G1", name="A", parent=0)),
    (422, "edit-group", group(id=NOWHERE, name=LONG_NAME)),
    (461, "edit-group", group(id=NOWHERE, name=" ")),
    (462, "edit-group", group(id=NOWHERE, name="A", parent=NOWHERE)),
    (462, "edit-group", group(name="A")),
    (463, "edit-group", group(id="G0", name="A", parent="G2")),
    (200, "delete-group", group(id="G0")),
    (463, "delete-group", group()),
    (200, "get-group-contacts", group(id="G0")),
    (200, "get-group-contacts", group(id="G0", page="2", rowCount="1")),
    (463, "get-group-contacts", group(id="0")),
    (464, "get-group-contacts", group(id=NOWHERE, page="-1")),
    (465, "get-group-contacts", group(id="G2")),
]

LISTED: list[tuple[int, str, dict[str, Any]]] = [
    (200, "add-contact", contact(name="Ay\tşe", surname="", email="<x>", gsm=5301234567)),
    (200, "add-contact", contact(gsm="5301234567", groups={"group": {"id": "G0"}})),
    (200, "add-contact", contact(name="A", groups={"id": ["G0", "G1"]}, custom_fields=values("F0", "1 & 2"))),
    (400, "add-contact", {}),
    (400, "add-contact", contact(name="A", groups={"ids": "G0"})),
    (400, "add-contact", contact(name=["A", "B"])),
    (422, "add-contact", contact(name=LONG_NAME, surname=LONG_NAME, groups={"id": NOWHERE})),
    (422, "add-contact", contact(custom_fields=values("F0", "a" * 1001))),
    (463, "add-contact", contact(name="A", groups={"id": NOWHERE}, custom_fields=values(NOWHERE, "x"))),
    (466, "add-contact", contact(name=LONG_NAME, gsm="x")),
    (472, "add-contact", contact(name=" ", groups={"id": NOWHERE})),
    (473, "add-contact", contact(name="A", custom_fields=values(NOWHERE, "x"))),
    (200, "edit-contact", contact(id="C0", name="Veli", groups={"id": ["G2"]})),
    (200, "edit-contact", contact(id="C0", gsm="", groups="", custom_fields="")),
    (463, "edit-contact", contact(id="C0", groups={"id": "x"})),
    (465, "edit-contact", contact(name="", groups={"id": NOWHERE})),
    (466, "edit-contact", contact(id=NOWHERE, gsm="12")),
    (472, "edit-contact", contact(id="C0", name="", email="", gsm="")),
    (473, "edit-contact", contact(id="C0", custom_fields=values("0", "x"))),
    (422, "edit-contact", contact(id="C0", email=LONG_NAME)),
    (200, "delete-contact", contact(id="C0")),
    (465, "delete-contact", contact(id="x")),
    (200, "get-contact", contact(id="C0")),
    (465, "get-contact", contact()),
    (200, "search-contacts", search(key="0530 123", rowCount="1")),
    (200, "search-contacts", search(key="ali", page=9)),
    (400, "search-contacts", {}),
    (464, "search-contacts", search(key="a", page=0)),
    (465, "search-contacts", search(key="kimse")),
    (471, "search-contacts", search(key=" al ")),
]


PEOPLE = BLOCKED + GROUPED + LISTED


@pytest.mark.parametrize("operation", dict.fromkeys(operation for _, operation, _ in PEOPLE))
async def test_people(books: Any, operation: str) -> None:
    office = Office(books)
    owners: dict[str, tuple[Customer, dict[str, Any]]] = {}
    for code, name, request in PEOPLE:
        if name != operation:
            continue
        seen = []
        for form in NO_QUERY:
            owner, ids = owners.get(form) or await furnished(office)
            owners[form] = owner, ids
            asked = {"authentication": owner.credentials} | with_ids(request, ids)
            method, path, query, body = speak(form, operation, asked)
            reply = await office.call(path, body, method=method, query=query)
            assert reply.status == code, (form, request, reply.body)
            said = in_json("", json.loads(reply.body)) if form == "json" else in_xml(reply.body)
            seen.append((list(said), await people_left(office, owner)))
        assert seen[0] == seen[1], request
        if code == 200 and not operation.startswith(("get-", "search-")):
            owners.clear()


async def furnished(office: Office) -> tuple[Customer, dict[str, Any]]:
    """A customer with blocked numbers, groups, contacts and a field, and the ids of those."""
    name = f"owner {next(turns)}"
    owner = await office.customer(name, settings={"contacts": "on"})
    await office.ask(owner, "add-blacklist", blacklist={"number": OURS})
    await office.texted(owner, f"90{REPLIED}", "RET")
    await office.books.write(lambda tx: blacklist.block_all(tx, name, [int(f"90{OPERATORS}")]))
    ids: dict[str, Any] = {"F0": await office.books.write(lambda tx: contacts.add_field(tx, name, "Alan"))}
    for place, parent in enumerate(("", "G0", "")):
        made = await office.ask(
            owner, "add-group", **with_ids(group(name=f"Grup {place}", parent=parent), ids)
        )
        ids[f"G{place}"] = made["group"]["id"]
    for place, known in enumerate(("Ali", "Can")):
        said = contact(name=known, gsm=NEW, groups={"id": ["G0"]}, custom_fields=values("F0", known))
        made = await office.ask(owner, "add-contact", **with_ids(said, ids))
        ids[f"C{place}"] = made["contact"]["id"]
    return owner, ids


def with_ids(value: Any, ids: Mapping[str, Any]) -> Any:
    """A request with the ids that its texts stand for."""
    if isinstance(value, dict):
        return {key: with_ids(each, ids) for key, each in value.items()}
    if isinstance(value, list):
        return [with_ids(each, ids) for each in value]
    return ids.get(value, value) if isinstance(value, str) else value


def in_json(name: str, value: Any) -> Iterator[str]:
    """Every value of an answer, as text, but for ids: each account has its own."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from in_json(key, each)
    elif isinstance(value, list):
        for each in value:
            yield from in_json("id" if name == "groups" and isinstance(each, int) else name, each)
    elif name != "id":
        yield str(value)


def in_xml(body: bytes) -> Iterator[str]:
    """The same of an answer in XML. A line break inside an element means that it could hold others."""
    for element in ElementTree.fromstring(body).iter():
        text = element.text or ""
        if not len(element) and "\n" not in text and element.tag != "id":
            yield text


async def people_left(office: Office, owner: Customer) -> list[Any]:
    """What there is afterwards, without ids."""
    blocked = await office.ask(owner, "get-blacklist")
    listed = await office.ask(owner, "get-groups")
    found = await office.books.read(lambda tx: contacts.search(tx, owner.id, Search("", ""), 0, 100))
    names = {each["id"]: each["name"] for top in listed["groups"] for each in (top, *top.get("children", []))}
    people = [
        [each.name, each.surname, each.email, each.number, *each.values.values()]
        + [names[number] for number in each.groups]
        for each in found
    ]
    return [blocked, list(in_json("", listed)), people]
