"""A server of parcels in a process of its own: what customers, strangers and its operator see of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from itertools import chain
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from tests.chain.parcel_rig import (
    BASE,
    CREDIT,
    PARTY,
    PRICE,
    Shop,
    account,
    add_carrier,
    balance,
    further_key,
    kurus,
    order,
)
from tests.chain.rig import Answer, Http, Server

LIMIT = 300
CONNECTIONS = 16
AT_ONCE = 200

PDF = b"%PDF-1.4 a paper"
FORM = {"Content-Type": "multipart/form-data; boundary=----"}


def rate(answer: Answer) -> tuple[int, int, int]:
    """Where a key stands: how often it may ask, how often it still may, the seconds until then."""
    limit, left, wait = (
        int(answer.headers[f"x-ratelimit-{what}"]) for what in ("limit", "remaining", "reset")
    )
    return limit, left, wait


@pytest.mark.fault("F12, F19 many at once", "200 connections with one key; 301 requests over 16 connections")
async def test_many_at_once(server: Server) -> None:
    """The limit counts every request once, and a key makes one consignment however often it comes."""
    asking, ordering = account(server, "asking"), account(server, "ordering")
    other = further_key(server, "asking")
    add_carrier(server, "p", "simulator", carries="parcels")
    await server.start()
    await only_so_often(server, asking, other)
    await only_once(server, ordering)


async def only_so_often(server: Server, key: str, other: str) -> None:
    made = await Shop(server, other).create()
    ways = (
        f"/consignments/find/trackingCode/{made['providerTrackingCode']}",
        "/consignments",
        "/consignments/find/reference_no/nobody",
        f"/consignments/{made['consignment']}/events",
    )
    paths = iter([ways[n % len(ways)] for n in range(LIMIT + 1)])

    async def ask() -> list[Answer]:
        shop = Shop(server, key)
        return [await shop.ask("GET", path) for path in paths]

    answers = [*chain(*await asyncio.gather(*(ask() for _ in range(CONNECTIONS))))]
    [refused] = [answer for answer in answers if answer.status == 429]
    limit, left, wait = rate(refused)
    assert (limit, left) == (LIMIT, 0)
    assert 0 < wait <= 60
    assert refused.headers["retry-after"] == refused.headers["x-ratelimit-reset"]
    answers.remove(refused)
    assert {answer.status for answer in answers} == {200, 404}
    assert sorted(rate(answer) for answer in answers) == [(LIMIT, left, 0) for left in range(LIMIT)]

    assert (await Shop(server, key).ask("GET", "/providers")).status == 429
    untouched = await Shop(server, other).ask("GET", ways[0])
    assert (untouched.status, rate(untouched)) == (200, (LIMIT, LIMIT - 2, 0))


async def only_once(server: Server, key: str) -> None:
    shops = [Shop(server, key) for _ in range(AT_ONCE)]
    answers = await asyncio.gather(*(shop.post("order-1") for shop in shops))
    done = [answer for answer in answers if answer.status == 200]
    assert len({answer.body for answer in done}) == 1
    assert [answer.headers["x-idempotency-replayed"] for answer in done].count("false") == 1
    busy = [answer for answer in answers if answer.status != 200]
    assert all((answer.status, answer.headers["retry-after"]) == (409, "1") for answer in busy)

    again = await shops[0].post("order-1")
    assert (again.status, again.body) == (200, done[0].body)
    assert (again.headers["x-idempotency-key"], again.headers["x-idempotency-replayed"]) == (
        "order-1",
        "true",
    )
    assert (await shops[0].post("order-1", reference_no="another")).status == 409
    [row] = await shops[0].every()
    assert (row["id"], kurus(row["total_cost"])) == (again.json["data"]["consignment"], PRICE)
    assert await balance(server, "ordering") == {"available": CREDIT - PRICE, "held": 0, "spent": PRICE}


# Strangers


class Thing(NamedTuple):
    """What a consignment is known by, with its document and an address that its owner keeps."""

    id: int
    uuid: str
    barcode: str
    reference: str
    tracking: str
    document: int
    address: int


NOWHERE = Thing(
    987_654_321,
    "0b7c2f1e-5a0d-4a57-9d55-3f2f6a1c9e10",
    "C2H00000000007",
    "NO-1",
    "RR000000000TR",
    987_654_322,
    987_654_323,
)
"""Nobody has it."""


def looks(thing: Thing) -> Iterator[str]:
    """All that can be looked at of something."""
    yield f"/consignments/find/trackingCode/{thing.tracking}"
    yield f"/consignments/find/barcode/{thing.barcode}"
    yield f"/consignments/find/reference_no/{thing.reference}"
    yield f"/consignments/find/uuid/{thing.uuid}"
    yield from (f"/consignments/{thing.id}/{what}" for what in ("details", "events", "documents"))
    yield f"/consignment-documents/{thing.document}"
    yield f"/consignment-documents/{thing.document}/download"


def deeds(thing: Thing) -> Iterator[tuple[str, str, Any]]:
    """All that can be done with something: method, path, body."""
    for what in ("proforma", "cn22", "cn23", "send-to-provider", "recheck"):
        yield "POST", f"/consignments/{thing.id}/{what}", None
    for known_as in (thing.id, thing.barcode, thing.reference):
        yield "POST", f"/consignments/{known_as}/cancel", None
    draft = f"/consignments/draft/{thing.id}"
    yield "PUT", draft, {"reference_no": "mine now"}
    yield "POST", f"{draft}/start-process", None
    yield "POST", f"{draft}/start-process", order()
    yield "DELETE", draft, None
    yield "POST", "/consignment-documents", form(thing.id)
    for path in ("/consignments", "/consignments/draft"):
        yield "POST", path, order(documents=[thing.document])
        yield "POST", path, order(warehouse_id=thing.address)
        yield "POST", path, order(consignee_id=thing.address)
    yield "POST", "/prices", order(warehouse_id=thing.address)


def form(consignment_id: int) -> bytes:
    """A document that is to belong to a consignment."""
    fields = {"document_type": 1, "status": 0, "consignment_id": consignment_id}
    parts = [
        f'------\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    file = '------\r\nContent-Disposition: form-data; name="document_file"; filename="a.pdf"\r\n\r\n'
    return "".join([*parts, file]).encode() + PDF + b"\r\n--------\r\n"


async def test_what_strangers_see(server: Server) -> None:
    """What is somebody else's answers exactly as what does not exist; a label's link needs no key."""
    owner, stranger = account(server, "owner"), account(server, "stranger")
    add_carrier(server, "p", "simulator", carries="parcels")
    await server.start()
    shop = Shop(server, owner)
    things = await possessions(server, shop)
    await nothing_is_there(Shop(server, stranger), shop, things)
    await names_are_ones_own(Shop(server, stranger), shop)
    await labels_are_for_those_who_have_the_link(server, shop)


async def possessions(server: Server, shop: Shop) -> list[Thing]:
    """Consignments in all the states in which different things can be done with them."""
    fields = {name: value for name, value in PARTY.items() if name != "phone_number"}
    words = [f"{name}={value}" for name, value in fields.items()] + ["phone=+902320000000"]
    saved = await server.cli("parcel", "address", "add", "owner", "warehouse", *words)
    await shop.post("once", reference_no="BOOKED")
    await shop.data("POST", "/consignments/draft", order(reference_no="DRAFT"))
    refused = order(reference_no="REFUSED", specific_provider_barcode="RR0009109")
    await shop.data("POST", "/consignments", refused, 502)
    await shop.create(reference_no="CANCELLED")
    await shop.data("POST", "/consignments/CANCELLED/cancel")
    things: list[Thing] = []
    for row in reversed(await shop.every()):
        found = await shop.find(row["reference_no"])
        tracking = found["labels"][0]["tracking_code"] if found["labels"] else things[0].tracking
        paper = await shop.ask("POST", "/consignment-documents", form(found["id"]), FORM)
        names = (found["id"], found["uuid"], found["barcode"], found["reference_no"], tracking)
        things.append(Thing(*names, paper.json["data"]["id"], saved["id"]))
    assert [thing.reference for thing in things] == ["BOOKED", "DRAFT", "REFUSED", "CANCELLED"]
    return things


async def nothing_is_there(stranger: Shop, owner: Shop, things: list[Thing]) -> None:
    before = [await everything(owner, thing) for thing in things]
    expected = await attempts(stranger, NOWHERE)
    assert {status for status, _, _ in expected} == {404, 422}
    assert not any(b"No such path" in body for _, _, body in expected)
    for thing in things:
        told = str(NOWHERE.document).encode(), str(thing.document).encode()
        for way, answer, nothing in zip(ways(thing), await attempts(stranger, thing), expected, strict=True):
            status, headers, body = nothing
            assert answer == (status, headers, body.replace(*told)), way
    assert [await everything(owner, thing) for thing in things] == before
    assert await stranger.every() == []


def ways(thing: Thing) -> Iterator[tuple[str, str, Any, dict[str, str]]]:
    """Everything that somebody may try: method, path, body, headers."""
    for path in looks(thing):
        yield "GET", path, None, {}
    for method, path, body in deeds(thing):
        headers = FORM if isinstance(body, bytes) else {}
        yield method, path, body, headers
        if method == "POST":
            yield method, path, body, headers | {"X-Idempotency-Key": "once"}


async def attempts(shop: Shop, thing: Thing) -> list[tuple[int, dict[str, str], bytes]]:
    """What comes of trying everything. What differs between any two answers is left out."""
    answers = [await shop.ask(*way) for way in ways(thing)]
    varying = ("date", "content-length", "x-ratelimit-remaining", "x-request-id")
    return [
        (answer.status, {k: v for k, v in answer.headers.items() if k not in varying}, answer.body)
        for answer in answers
    ]


async def everything(shop: Shop, thing: Thing) -> list[bytes]:
    """All that an owner sees."""
    answers = [await shop.ask("GET", path) for path in looks(thing)]
    assert {answer.status for answer in answers} == {200}
    return [answer.body for answer in answers]


async def names_are_ones_own(stranger: Shop, owner: Shop) -> None:
    """The same reference and the same key of a request mean something else for somebody else."""
    theirs = await owner.find("BOOKED")
    made = await stranger.post("once", reference_no="BOOKED")
    assert (made.status, made.headers["x-idempotency-replayed"]) == (200, "false")
    assert made.json["data"]["consignment"] != theirs["id"]
    assert (await stranger.find("BOOKED"))["id"] == made.json["data"]["consignment"]
    await stranger.data("POST", "/consignments/BOOKED/cancel")
    assert (await stranger.find("BOOKED"))["status"] == 130
    assert await owner.find("BOOKED") == theirs


async def labels_are_for_those_who_have_the_link(server: Server, shop: Shop) -> None:
    for name in ("LABEL-1", "LABEL-2"):
        await shop.create(reference_no=name)
    [first], [second] = [(await shop.find(name))["labels"] for name in ("LABEL-1", "LABEL-2")]
    (path, _, seal), (_, _, other) = (label["file_url"].partition("?_hash=") for label in (first, second))
    path, link = urlsplit(path).path, urlsplit(first["file_url"])._replace(scheme="", netloc="").geturl()

    http = Http(server.port)
    server.closes(http)
    label = await http.ask("GET", link)
    assert (label.status, label.headers["content-type"]) == (200, "application/pdf")
    assert label.body.startswith(b"%PDF-")
    nothing = await http.ask("GET", f"{BASE}/public-download/consignment-label/987654321?_hash={seal}")
    assert nothing.status == 404
    wrong = seal[:5] + ("A" if seal[5] != "A" else "B") + seal[6:]
    for query in ("", "?_hash=", f"?_hash={other}", f"?_hash={wrong}", f"?_hash={seal[:-3]}"):
        answer = await http.ask("GET", path + query)
        assert (answer.status, answer.body) == (404, nothing.body), query
    assert (await http.ask("GET", link)).body == label.body

    await server.stop()
    await server.start()
    assert (await http.ask("GET", link)).body == label.body
    await shop.data("POST", "/consignments/LABEL-1/cancel")
    assert (await http.ask("GET", link)).status == 410


# The operator


async def test_an_operator_beside_the_server(server: Server) -> None:
    """What is changed on the command line holds for the next request."""
    shop = Shop(server, account(server, "late", 0))
    await server.start()
    assert await shop.data("GET", "/providers") == []
    await server.cli("carrier", "add", "p", "--kind", "simulator", "--set", "carries=parcels")
    [provider] = await shop.data("GET", "/providers")
    assert provider["name"] == "p"
    await shop.data("POST", "/consignments", order(), 402)
    await server.cli("credit", "grant", "late", "120.96", "--asset", "TRY")
    bought = await shop.create(reference_no="first")
    await shop.data("POST", "/consignments", order(), 402)
    assert kurus((await shop.find("first"))["total_cost"]) == PRICE
    await shop.data("POST", f"/consignments/{bought['barcode']}/cancel")
    await shop.create(reference_no="second")
    await shop.data("POST", "/consignments", order(), 402)


async def test_what_an_operator_decides(sqlite_server: Server) -> None:
    server = sqlite_server
    shop = Shop(server, account(server, "acme"))
    add_carrier(server, "p", "simulator", carries="parcels")
    await server.start()
    added = await server.cli("carrier", "add", "hand", "--kind", "manual")
    by_hand = await shop.create(preference=0, provider_id=added["id"], reference_no="by hand")
    words = ("--text", "Şubede", "--location", "Adana")
    await server.cli("parcel", "move", by_hand["barcode"], "ready-for-pickup", *words)
    found = await shop.find("by%20hand")
    last = found["details"][-1]
    assert (found["status"], last["status"]) == (115, 115)
    assert (last["message"], last["location"]) == ("Şubede", "Adana")

    cn22 = f"/consignments/{found['id']}/cn22"
    await shop.data("POST", cn22)
    await server.cli("account", "set", "acme", "can_create_cn22=off")
    await shop.data("POST", cn22, status=403)
    assert (await shop.find("by%20hand"))["permissions"]["can_create_cn22"] is False
    await server.cli("account", "api-access", "off", "acme")
    await shop.data("POST", cn22, status=401)
    await shop.data("GET", "/consignments", status=401)
    await server.cli("account", "api-access", "on", "acme")

    own = await shop.create(
        preference=0,
        provider_id=(await shop.data("GET", "/providers"))[0]["id"],
        specific_provider_barcode="RR0009103",
    )
    assert own["providerTrackingCode"] == "RR0009103"
    checked = await shop.data("POST", f"/consignments/{own['consignment']}/recheck")
    assert checked["status"] == 120


async def test_a_sandbox_moves_its_parcels(sqlite_server: Server) -> None:
    """The carrier is asked about them as soon as the clock says so."""
    server = sqlite_server
    await server.start("sandbox")
    document = json.loads((server.database.directory / "sandbox.json").read_text())
    shop = Shop(server, document["apikey"])
    await shop.create()
    assert (await shop.find("SO-1001"))["status"] == 1
    await server.cli("clock", "advance", "30h")
    await shop.reaches("SO-1001", 120)
    states = [seen["status"] for seen in (await shop.find("SO-1001"))["details"]]
    assert states == [1, 110, 111, 114, 120]
