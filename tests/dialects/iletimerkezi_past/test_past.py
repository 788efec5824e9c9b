"""The account from the client's side: what services of all ages answer, and what is asked again.

Shapes: numeric texts, one object for a list, comma decimals and a missing price stand in captures of 2024 of
the vendor's SDKs; `orders: []` past the last page in the page get-reports (2026-04-30).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import date, timedelta
from typing import Any

import pytest
import pytest_asyncio
from tests.dialects.iletimerkezi_past.conftest import Open
from tests.dialects.iletimerkezi_past.vendor import Vendor, told

from ulak.core.errors import UlakError
from ulak.core.history import PastMessage, PastOrder, PastPage
from ulak.core.times import parse_second
from ulak.dialects.door import Reply
from ulak.dialects.iletimerkezi.connect import past
from ulak.dialects.iletimerkezi.connect.past import PAUSES, IletimerkeziPast, login
from ulak.outbound import Outbound

DAY = date(2026, 4, 22)
SUBMITTED = parse_second("2026-04-22 08:36:34")
assert SUBMITTED is not None

ROW = {
    "id": 312988299,
    "status": 114,
    "total": 2,
    "delivered": 1,
    "undelivered": 1,
    "waiting": 0,
    "submitAt": "2026-04-22 08:36:34",
    "sendAt": "2026-04-22 09:00:00",
    "sender": "eMarka Test",
}
LISTED = PastOrder(312988299, 114, 2, 1, 1, SUBMITTED, SUBMITTED + 1_406_000, "eMarka Test")
REPORT = ROW | {"id": "312988299", "price": 2}
ROWS = [{"number": "+905333128320", "status": 111}, {"number": "+905333128321", "status": 112}]
PAGE = [PastMessage("+905333128320", 111), PastMessage("+905333128321", 112)]


class Account:
    """A way to a service that answers from a list, the last answer for ever."""

    def __init__(self, outbound: Outbound, vendor: Vendor, answers: list[Reply | None]) -> None:
        self.vendor = vendor
        self.answers = answers
        self.slept: list[float] = []
        self.reasons: set[str] = set()
        self.past = IletimerkeziPast(login(vendor.url, "the-key", "the-hash"), outbound, self._wait)

    async def _wait(self, seconds: float, why: str) -> None:
        self.slept.append(seconds)
        self.reasons.add(why)

    async def listed(self, days: int = 1) -> list[PastOrder]:
        return [order async for order in self.past.orders(DAY, DAY + timedelta(days - 1))]

    async def report(self, page: int = 1) -> PastPage | None:
        return await self.past.report(LISTED, page)


@pytest_asyncio.fixture
async def account(opened: Open) -> AsyncIterator[Callable[..., Any]]:
    async with Outbound() as outbound:

        async def open_one(*answers: Reply | None) -> Account:
            left = list(answers)

            async def handle(_path: str, _body: bytes) -> Reply:
                answer = left.pop(0) if len(left) > 1 else left[0]
                if answer is None:
                    raise asyncio.CancelledError  # the connection is closed without an answer
                return answer

            return Account(outbound, await opened(handle), left)

        yield open_one


def orders(*rows: Any, count: Any = None) -> Reply:
    """A page of get-reports."""
    return told({"count": len(rows) if count is None else count, "orders": list(rows)})


def report(rows: Any = ROWS, **changes: Any) -> Reply:
    """A page of get-report."""
    return told({"order": REPORT | changes | {"message": rows}})


async def test_a_list_is_paged_until_a_page_is_empty(account: Any) -> None:
    other = ROW | {"id": 312988300}
    to = await account(orders(ROW, count=2), orders(other, count=2), orders(count=2))
    assert await to.listed(10) == [LISTED, LISTED._replace(number=312988300)]
    assert [asked.request for asked in to.vendor.asked] == [
        {
            "authentication": {"key": "the-key", "hash": "the-hash"},
            "filter": {"start": "2026-04-22", "end": "2026-05-01", "page": page},
        }
        for page in (1, 2, 3)
    ]


async def test_a_report_is_asked_for_as_documented(account: Any) -> None:
    to = await account(report())
    assert await to.report(3) == PastPage(LISTED._replace(price="2"), PAGE)
    assert to.vendor.asked[0].request["order"] == {"id": "312988299", "page": "3", "rowCount": "1000"}


@pytest.mark.parametrize(
    "page",
    [
        orders({key: str(value) for key, value in ROW.items()}, count="1"),
        told({"count": 1, "orders": ROW}),
        told({"orders": ROW}, code="200"),
        orders(ROW | {"price": "1,5", "more": {}}),
    ],
)
async def test_lists_in_other_spellings(account: Any, page: Reply) -> None:
    to = await account(page, told({"count": 1, "orders": []}))
    (found,) = await to.listed()
    assert found._replace(price="") == LISTED


@pytest.mark.parametrize("nothing", [[], "", None, {}])
async def test_a_list_of_nothing(account: Any, nothing: Any) -> None:
    to = await account(told({"count": 0, "orders": nothing}))
    assert await to.listed() == []


@pytest.mark.parametrize(
    ("price", "shown"),
    [
        (1, "1"),
        ("0,0372", "0.0372"),
        (0.0372, "0.0372"),
        (1.0, "1.0"),
        ("12", "12"),
        (None, ""),
        ("", ""),
        ("-1", ""),
        ("1.2.3", ""),
        ([], ""),
        (True, ""),
        ("٣", ""),
    ],
)
async def test_prices(account: Any, price: Any, shown: str) -> None:
    found = await (await account(report(price=price))).report()
    assert found.order.price == shown


async def test_a_price_without_end(account: Any) -> None:
    body = json.dumps({"response": {"status": {"code": 200}, "order": REPORT | {"message": []}}})
    to = await account(Reply(200, body.replace('"price": 2', '"price": 1e999999').encode()))
    assert (await to.report()).order.price == ""


async def test_an_old_report_has_only_messages(account: Any) -> None:
    order = {"id": 312988299, "status": "114", "message": {"number": "5333128320", "status": "111"}}
    to = await account(told({"order": order}))
    assert await to.report() == PastPage(LISTED, PAGE[:1])


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("905333128320", "+905333128320"),
        (5333128320, "+905333128320"),
        ("12345", "12345"),
        (None, ""),
        ("+4915112345678", "+4915112345678"),
        ("x" * 99, "x" * 64),
    ],
)
async def test_numbers(account: Any, number: Any, shown: str) -> None:
    found = await (await account(report([{"number": number, "status": 112}]))).report()
    assert found.messages == [PastMessage(shown, 112)]


@pytest.mark.parametrize("code", [455, 456])
async def test_orders_that_are_only_listed(account: Any, code: int) -> None:
    to = await account(told({}, code))
    assert await to.report() is None
    assert len(to.vendor.asked) == 1


@pytest.mark.parametrize("code", [400, 401, 404, 458, 464, 500])
async def test_what_says_no_is_asked_once(account: Any, code: int) -> None:
    to = await account(told({}, code))
    with pytest.raises(UlakError, match=str(code)) as raised:
        await to.listed()
    assert len(to.vendor.asked) == 1
    assert "the-key" not in str(raised.value)
    assert "the-hash" not in str(raised.value)


async def test_the_code_counts_and_not_the_http_status(account: Any) -> None:
    with pytest.raises(UlakError, match="401"):
        await (await account(Reply(200, told({}, 401).body))).listed()
    assert (await (await account(Reply(203, report().body))).report()).order.number == LISTED.number


@pytest.mark.parametrize(
    ("trouble", "slept"),
    [
        (told({}, 503), [1.0, 4.0]),
        (Reply(503, b"<html>busy</html>"), [1.0, 4.0]),
        (told({}, 429), [1.0, 4.0]),
        (told({}, 429, Retry_After="7"), [7.0, 7.0]),
        (told({}, 429, Retry_After="999999"), [600.0, 600.0]),
        (told({}, 503, Retry_After="soon"), [1.0, 4.0]),
        (None, [1.0, 4.0]),
    ],
)
async def test_what_passes_is_asked_again(account: Any, trouble: Reply | None, slept: list[float]) -> None:
    to = await account(trouble, trouble, report())
    assert (await to.report()).order.number == LISTED.number
    assert to.slept == slept


@pytest.mark.parametrize(
    ("trouble", "why"), [(told({}, 503), "has no time for us (503)"), (None, "does not answer: ")]
)
async def test_what_does_not_pass_ends_it(account: Any, trouble: Reply | None, why: str) -> None:
    to = await account(trouble)
    with pytest.raises(UlakError) as ended:
        await to.report()
    assert to.slept == list(PAUSES)
    # Whoever waits is told the same as whoever has waited in vain.
    assert to.reasons
    assert all(f"{to.vendor.url} {why}" in words for words in {*to.reasons, str(ended.value)})
    assert not any(secret in words for words in to.reasons for secret in ("the-key", "the-hash"))
    assert len(to.vendor.asked) == len(PAUSES) + 1


@pytest.mark.parametrize(
    "page",
    [
        Reply(200, b"<html>"),
        Reply(200, b"[]"),
        told({}),
        orders("x"),
        orders(ROW | {"id": None}),
        orders(ROW | {"id": "٣"}),
        orders(ROW | {"submitAt": "22/04/2026 08:36"}),
        orders(ROW | {"total": "many"}),
        orders(ROW | {"status": 2**15}),
        orders(ROW | {"delivered": -1}),
    ],
)
async def test_a_list_that_cannot_be_read(account: Any, page: Reply) -> None:
    to = await account(page)
    with pytest.raises(UlakError):
        await to.listed()


@pytest.mark.parametrize(
    "page",
    [
        told({}),
        told({"order": []}),
        report("x"),
        report([{"number": "5301234567"}]),
        report([{"number": "5301234567", "status": 1} for _ in range(1001)]),
    ],
)
async def test_a_report_that_cannot_be_read(account: Any, page: Reply) -> None:
    to = await account(page)
    with pytest.raises(UlakError):
        await to.report()


async def test_a_service_that_ignores_the_page(account: Any) -> None:
    assert await (await account(orders(ROW))).listed() == [LISTED]
    with pytest.raises(UlakError, match="every page"):
        await (await account(orders(ROW, count=60))).listed()


async def test_a_list_that_grows_while_it_is_read(account: Any) -> None:
    """Where the newest come first, an order moves to the next page when another is sent."""
    rows = [ROW | {"id": number} for number in (5, 4, 3)]
    to = await account(orders(*rows[1:], count=2), orders(*rows[2:], count=3), orders(count=3))
    assert [order.number for order in await to.listed()] == [4, 3]


async def test_an_answer_without_end(account: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "ANSWER_MAX", 100)
    with pytest.raises(UlakError, match="larger than"):
        await (await account(report())).report()


@pytest.mark.parametrize(
    ("url", "key", "secret"),
    [
        ("ftp://x", "k", "h"),
        ("http://u:p@x", "k", "h"),
        (None, "", "h"),
        (None, "k", "a b"),
        (None, "k", "ş"),
        (None, "k" * 256, "h"),
    ],
)
def test_accounts_that_cannot_be(url: str | None, key: str, secret: str) -> None:
    with pytest.raises(ValueError, match="must"):
        login(url, key, secret)


def test_an_account_without_an_address_is_at_the_vendor() -> None:
    assert login(None, "k", "h").url == "https://api.iletimerkezi.com"
    assert login("https://sms.example/v1/", "k", "h").url == "https://sms.example"
    shown = repr(login(None, "kkk", "hhh"))
    assert "kkk" not in shown
    assert "hhh" not in shown
