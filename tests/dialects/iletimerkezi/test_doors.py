"""The doors beyond the cases: bodies that are no requests, large orders, and a store that does not answer."""

from __future__ import annotations

import asyncio
import json
import threading
from decimal import Decimal
from typing import Any

import pytest
from tests.dialects.iletimerkezi.examples import EXAMPLES
from tests.dialects.iletimerkezi.office import ADDRESS, Customer, Office
from tests.dialects.iletimerkezi.spoken import speak
from tests.dialects.iletimerkezi.test_jsonbody import UNREADABLE

from ulak.core.errors import StoreUnavailable
from ulak.dialects.door import Call, Trouble
from ulak.dialects.iletimerkezi import drafts
from ulak.dialects.iletimerkezi.serve import Doors

OPERATIONS = [
    "send-sms",
    "cancel-order",
    "get-report",
    "get-reports",
    "get-report-summary",
    "get-balance",
    "get-sender",
    "add-plugin-user",
    "get-blacklist",
    "add-blacklist",
    "delete-blacklist",
    "consent/create",
    "consent/show",
    "get-inbox",
    "get-groups",
    "get-group",
    "add-group",
    "edit-group",
    "delete-group",
    "get-group-contacts",
    "add-contact",
    "edit-contact",
    "delete-contact",
    "get-contact",
    "search-contacts",
]
JSON_ONLY = {"get-reports", "get-report-summary", "consent/create", "consent/show", "get-inbox", "get-group"}
"""What the wire specification, 1.1, has in no other format."""


class ClosedBooks:
    """A store that cannot answer."""

    async def _closed(self, *_given: Any, **_named: Any) -> Any:
        raise StoreUnavailable("closed")

    read = write = gather = _closed


def envelope(code: int, message: str) -> bytes:
    text = json.dumps(message, ensure_ascii=False)
    return f'{{"response":{{"status":{{"code":{code},"message":{text}}}}}}}'.encode()


def call(path: str, body: bytes = b"") -> Call:
    return Call("POST", path, b"", (), body, ADDRESS)


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_an_unreadable_body_is_400_and_no_matter_of_the_store(operation: str) -> None:
    doors = Doors(ClosedBooks())
    for body in UNREADABLE.values():
        reply = await doors.answer(call(f"/v1/{operation}/json", body))
        assert (reply.status, reply.body) == (400, envelope(400, "İstek çözümlenemedi"))
        assert reply.content_type == b"application/json"


FULL: dict[str, Any] = {
    "authentication": {"key": "k", "hash": "h"},
    "order": {
        "id": "300000001",
        "sender": "A",
        "message": {"text": "a", "receipents": {"number": "5301234567"}},
    },
    "filter": {"start": "2026-05-20", "end": "2026-05-20"},
    "blacklist": {"number": "5301234567"},
    "consent": {"brandCode": 1, "list": [], "recipient": "5301234567"},
    "group": {"id": 1, "name": "A"},
    "contact": {"id": 1, "name": "A"},
    "search": {"key": "abc"},
}


def test_no_operation_is_left_out() -> None:
    doors = set(Doors(ClosedBooks())._doors) - {"/v1/send-sms/get"}
    in_json = {f"/v1/{operation}/json" for operation in OPERATIONS}
    assert doors == in_json | {f"/v1/{operation}" for operation in OPERATIONS if operation not in JSON_ONLY}
    assert {example.operation for example in EXAMPLES} == set(OPERATIONS)
    assert {example.operation for example in EXAMPLES if "xml" not in example.formats} == JSON_ONLY


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_store_that_does_not_answer_is_503(operation: str) -> None:
    reply = await Doors(ClosedBooks()).answer(
        call(f"/v1/{operation}/json", json.dumps({"request": FULL}).encode())
    )
    assert (reply.status, reply.body) == (503, envelope(503, "Sunucu geçici olarak servis dışı"))
    assert dict(reply.headers) == {b"retry-after": b"1"}


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each not in JSON_ONLY])
async def test_what_any_operation_answers_in_xml(operation: str) -> None:
    doors = Doors(ClosedBooks())
    for request, code in ((FULL, 503), (FULL | {"authentication": {}}, 401)):
        reply = await doors.answer(call(f"/v1/{operation}", speak("xml", operation, request).body))
        assert reply.status == code
        assert f"    <code>{code}</code>\n".encode() in reply.body
    reply = await doors.answer(call(f"/v1/{operation}", b"<request><order></request>"))
    assert reply.status == 400
    assert b"    <code>400</code>\n" in reply.body


@pytest.mark.parametrize("form", ["xml", "query"])
async def test_a_store_that_does_not_answer_is_503_in_xml(form: str) -> None:
    order = FULL["order"] | {"message": {"text": "a", "receipents": {"number": ["5301234567"]}}}
    method, path, query, body = speak(form, "send-sms", FULL | {"order": order})
    reply = await Doors(ClosedBooks()).answer(Call(method, path, query, (), body, ADDRESS))
    assert reply.status == 503
    assert b"<code>503</code>\n    <message>Sunucu ge\xc3\xa7ici olarak servis d" in reply.body
    assert dict(reply.headers) == {b"retry-after": b"1"}


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_who_does_not_say_who_he_is_costs_the_store_nothing(operation: str) -> None:
    body = json.dumps({"request": FULL | {"authentication": {"key": "k"}}}).encode()
    reply = await Doors(ClosedBooks()).answer(call(f"/v1/{operation}/json", body))
    assert (reply.status, reply.body) == (401, envelope(401, "Üyelik bilgileri hatalı"))


@pytest.mark.parametrize(
    ("what", "code", "message"),
    [
        (Trouble.BODY_TOO_LARGE, 400, "İstek çözümlenemedi"),
        (Trouble.BODY_INCOMPLETE, 400, "İstek çözümlenemedi"),
        (Trouble.OVERLOADED, 503, "Sunucu geçici olarak servis dışı"),
        (Trouble.CRASHED, 500, "Beklenmeyen bir sunucu hatası oluştu"),
    ],
)
def test_troubles(what: Trouble, code: int, message: str) -> None:
    doors = Doors(ClosedBooks())
    reply = doors.trouble(call("/v1/send-sms/json/"), what)
    assert (reply.status, reply.body) == (code, envelope(code, message))
    assert ((b"retry-after", b"1") in reply.headers) == (what is Trouble.OVERLOADED)
    xml = doors.trouble(call("/v1/send-sms"), what)
    assert xml.status == code
    assert xml.content_type == b"text/xml; charset=utf-8"
    assert f"<code>{code}</code>\n    <message>{message}</message>".encode() in xml.body


def sending(customer: Customer, numbers: list[str], text: str = "Merhaba") -> bytes:
    message = {"text": text, "receipents": {"number": numbers}}
    authentication = {"key": customer.key, "hash": customer.hash}
    order = {"sender": "ORNEKAS", "iys": "0", "message": message}
    return json.dumps({"request": {"authentication": authentication, "order": order}}).encode()


def numbers(count: int) -> list[str]:
    return [str(905300000000 + place) for place in range(count)]


async def test_the_largest_order_and_its_pages(books: Any) -> None:
    office = Office(books)
    customer = await office.customer("owner", credit=50_000, senders=["ORNEKAS"])
    many = numbers(50_000)
    reply = await office.call("/v1/send-sms/json", sending(customer, many))
    assert reply.status == 200
    for page in (1, 2, 50):
        answer = await office.ask(customer, "get-report", order={"id": "300000001", "page": str(page)})
        shown = [row["number"] for row in answer["order"]["message"]]
        assert shown == [f"+{number}" for number in many[1000 * (page - 1) : 1000 * page]]
        assert (answer["order"]["total"], answer["order"]["price"]) == (50_000, 50_000)
    last = await office.ask(customer, "get-report", order={"id": 300000001, "page": 51})
    assert last["order"]["message"] == []
    odd = await office.ask(customer, "get-report", order={"id": 300000001, "page": 50_000, "rowCount": 1})
    assert odd["order"]["message"] == [{"number": "+905300049999", "status": 110}]


async def test_one_recipient_more_than_the_largest_order_has(books: Any) -> None:
    office = Office(books)
    customer = await office.customer("owner", credit=100_000, senders=["ORNEKAS"])
    for same in (numbers(50_001), ["5301234567"] * 50_001):
        reply = await office.call("/v1/send-sms/json", sending(customer, same))
        assert (reply.status, reply.body) == (453, envelope(453, "Sipariş boyutu aşıldı"))
    assert (await office.ask(customer, "get-balance"))["balance"] == {"amount": 0, "sms": 100_000}
    reply = await office.call("/v1/send-sms/json", sending(customer, ["5301234567"] * 50_000))
    assert reply.status == 200
    assert (await office.ask(customer, "get-balance"))["balance"] == {"amount": 0, "sms": 99_999}


async def test_a_large_body_is_read_on_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def draft_of(order: Any) -> Any:
        seen.append(threading.current_thread() is threading.main_thread())
        return drafts.draft_of(order)

    monkeypatch.setattr("ulak.dialects.iletimerkezi.serve.orders.draft_of", draft_of)
    doors = Doors(ClosedBooks())
    customer = Customer(1, "k", "h")
    for count in (1, 10_000):
        request = json.loads(sending(customer, numbers(count)))["request"]
        for form in ("json", "xml"):
            spoken = speak(form, "send-sms", request)
            await doors.answer(call(spoken.path, spoken.body))
    assert seen == [True, True, False, False]


async def test_the_largest_order_in_xml(books: Any) -> None:
    office = Office(books)
    customer = await office.customer("owner", credit=50_000, senders=["ORNEKAS"])
    for count, status in ((50_001, 453), (50_000, 200)):
        request = json.loads(sending(customer, numbers(count)))["request"]
        assert (await office.call("/v1/send-sms", speak("xml", "send-sms", request).body)).status == status
    page = f"<request>{customer.element}<order><id>300000001</id><page>50</page></order></request>"
    reply = await office.call("/v1/get-report", page.encode())
    assert reply.body.count(b"<number>") == 1000
    assert b"<number>+905300049999</number>" in reply.body


async def test_a_list_has_thirty_orders_a_page(books: Any) -> None:
    office = Office(books)
    customer = await office.customer("owner", credit=100, senders=["ORNEKAS"])
    bodies = [sending(customer, ["5301234567"], f"Metin {place}") for place in range(61)]
    replies = await asyncio.gather(*(office.call("/v1/send-sms/json", body) for body in bodies))
    assert {reply.status for reply in replies} == {200}
    days = {"start": "2026-05-20", "end": "2026-05-20"}
    for page, ids in ((1, range(1, 31)), (2, range(31, 61)), (3, range(61, 62)), (4, range(0))):
        answer = await office.ask(customer, "get-reports", filter=days | {"page": page})
        assert answer["count"] == 61
        assert [order["id"] for order in answer["orders"]] == [300000000 + place for place in ids]


async def test_of_many_equal_orders_at_once_one_is_taken(books: Any) -> None:
    office = Office(books)
    customer = await office.customer("owner", credit=100, senders=["ORNEKAS"])
    body = sending(customer, ["5301234567"])
    replies = await asyncio.gather(*(office.call("/v1/send-sms/json", body) for _ in range(20)))
    assert sorted(reply.status for reply in replies) == [200] + [451] * 19


@pytest.mark.parametrize(
    ("price", "credit", "amount"),
    [
        ("0.05", 2570, b"128.5"),
        ("0.05", 2000, b"100"),
        ("0.0372", 1, b"0.0372"),
        ("0.00001", 1, b"0"),
        ("1", 0, b"0"),
    ],
)
async def test_balance_in_money(books: Any, price: str, credit: int, amount: bytes) -> None:
    office = Office(books, unit_price=Decimal(price))
    customer = await office.customer("owner", credit=credit)
    body = f'{{"request": {{{customer.authentication}}}}}'.encode()
    reply = await office.call("/v1/get-balance/json", body)
    assert b'"balance":{"amount":' + amount + f',"sms":{credit}}}'.encode() in reply.body
