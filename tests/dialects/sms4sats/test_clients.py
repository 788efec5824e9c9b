"""Programs that exist, replayed: what they send, how often they ask, and how they read what comes back
(specification, section 8). None of their code is here.

The shop is scripted, so what becomes of an order is put into the store between two polls.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.dialects.sms4sats.office import ORDER, Office, bought

from ulak.core.purchases import Purchase
from ulak.core.states import PurchaseKind, PurchaseState

K, S = PurchaseKind, PurchaseState

JSON = ((b"content-type", b"application/json"), (b"accept", b"application/json"))
BROWSER = ((b"origin", b"https://wallet.example"), (b"sec-fetch-mode", b"cors"), *JSON)

UNPAID, PAID, WAITING, DONE = (bought(state=state) for state in (S.UNPAID, S.PAID, S.WAITING, S.DONE))
REFUNDED = bought(state=S.TIMED_OUT)


class Story:
    """An order that moves on each time it is asked about."""

    def __init__(self, office: Office, rows: Sequence[Purchase]) -> None:
        self._office = office
        self._rows = list(rows)
        self._now: Purchase | None = None

    async def poll(self, every: int) -> Any:
        """What the next poll is answered, `every` ms after the last. The last state stays."""
        self._office.books.clock.advance(every)
        if self._rows:
            row = self._rows.pop(0)
            if self._now is None:
                self._now = replace(row, id=await self._office.load(row))
            elif row.state is not self._now.state:
                after = replace(row, id=self._now.id)
                await self._office.move(self._now, after)
                self._now = after
        reply = await self._office.call(f"/orderstatus?orderId={ORDER}", headers=BROWSER)
        assert reply.status == 200
        return json.loads(reply.body)

    async def until(self, every: int, tries: int, done: Callable[[Any], object]) -> tuple[Any, int]:
        """Poll until it is done: the answer, and how many polls it took."""
        for count in range(1, tries + 1):
            answer = await self.poll(every)
            if done(answer):
                return answer, count
        raise AssertionError("the client gave up")


async def preflight(office: Office, path: str, *asked: str) -> None:
    """What a browser asks before it sends JSON or a key to another origin."""
    reply = await office.call(path, method="OPTIONS", headers=BROWSER)
    headers = {name.decode(): value.decode() for name, value in reply.headers}
    assert 200 <= reply.status < 300
    assert headers["access-control-allow-origin"] == "*"
    allowed = [name.strip().lower() for name in headers["access-control-allow-headers"].split(",")]
    assert set(asked) <= set(allowed)


@pytest.fixture
def office(lite: Any) -> Office:
    return Office(lite, limit=20)


async def test_lightsats(office: Office) -> None:
    """A prepaid account that sends: JSON with X-API-Key, then at most ten polls half a second apart."""
    alice = await office.customer("Alice", credit=9000)
    balance = await office.ask("/balance", key=alice.key, headers=JSON)
    assert (balance["status"], balance["balance"]) == ("OK", 9000)
    funding = await office.ask("/fund", {"amount": 10_000}, key=alice.key, headers=JSON)
    assert funding["status"] == "OK"
    assert funding["payreq"].startswith("ln")
    body = {"phone": "+905301112233", "message": "You received sats", "immediate": True}
    order = await office.ask("/createsendorder", body, key=alice.key, headers=JSON)
    assert (order["status"], order["orderId"]) == ("OK", ORDER)
    rows = [bought(K.MESSAGE, state) for state in (S.PAID, S.PAID, S.SENT)]
    answer, polls = await Story(office, rows).until(
        500, 10, lambda answer: answer.get("smsStatus") in ("sent", "delivered")
    )
    assert answer["status"] == "OK"
    assert polls == 3


async def test_lightsats_with_a_message_that_was_delivered_at_once(office: Office) -> None:
    story = Story(office, [bought(K.MESSAGE, S.DELIVERED)])
    answer, _ = await story.until(500, 10, lambda answer: answer["smsStatus"] in ("sent", "delivered"))
    assert answer["smsStatus"] == "delivered"


async def test_lnvpn_web(office: Office) -> None:
    """The service by `key`, the country by its name; polls every two seconds until `code` or `error`."""
    await preflight(office, "/createorder", "content-type")
    services = await office.ask("/getnumbersstatus?country=22", headers=BROWSER)
    assert isinstance(services, list)
    chosen = next(one for one in services if one["text"].lower().startswith("tele"))
    assert "https://example.org/" + chosen["image"]["src"]
    assert int(chosen["count"]) > 0
    body = {
        "country": "India",
        "service": chosen["key"],
        "isRental": False,
        "realphone": False,
        "ref": "tips@example.org",
    }
    order = await office.ask("/createorder", body, headers=BROWSER)
    assert order["payreq"]
    assert order["orderId"] == ORDER
    wish = office.shop.wishes[-1][0]
    assert (wish.pool, wish.service, wish.referrer) == (22, "tg", "tips@example.org")
    story = Story(office, [UNPAID, UNPAID, PAID, WAITING, WAITING, DONE])
    answer, polls = await story.until(2000, 99, lambda answer: answer.get("code") or answer.get("error"))
    assert polls == 6
    assert (str(answer["code"]), str(answer["number"])) == ("48010", "12345678901")


async def test_lnvpn_before(office: Office) -> None:
    """The service by `value`; every four seconds; what is shown depends on `paid`, then `error`, `number`,
    `code`, in this order."""
    services = await office.ask("/getnumbersstatus?country=22", headers=BROWSER)
    order = await office.ask("/createorder", {"country": "22", "service": services[0]["value"], "ref": ""})
    assert order["payreq"]

    def view(answer: Any) -> str:
        if not answer["paid"]:
            return "invoice"
        if "error" in answer:
            return "refunded"
        if not answer.get("number"):
            return "paid"
        return "code" if answer.get("code") else "number"

    story = Story(office, [UNPAID, PAID, WAITING, DONE])
    views = [view(await story.poll(4000)) for _ in range(4)]
    assert views == ["invoice", "paid", "number", "code"]


async def test_lnvpn_is_refunded(office: Office) -> None:
    story = Story(office, [UNPAID, PAID, WAITING, REFUNDED])
    answer, _ = await story.until(2000, 9, lambda answer: answer.get("code") or answer.get("error"))
    assert answer["error"]
    assert not answer.get("code")


async def test_blitz_receives(office: Office) -> None:
    """Auto-select; five looks five seconds apart until `number` and `country` are there."""
    countries = await office.ask("/getCountries", headers=BROWSER)
    auto = next(one for one in countries if one["id"] == 999 or one["eng"] == "Auto-Select")
    services = await office.ask(f"/getnumbersstatus?country={auto['id']}", headers=BROWSER)
    assert [one for one in services if one["value"] == "ot"]
    body = {"country": auto["id"], "service": "ot", "ref": "tips@example.org"}
    order = await office.ask("/createorder", body, headers=BROWSER)
    assert order["payreq"]
    assert order["orderId"]
    story = Story(office, [PAID, PAID, WAITING])
    _, polls = await story.until(5000, 5, lambda answer: answer.get("number") and answer.get("country"))
    assert polls == 3


async def test_blitz_cancels_when_there_is_no_number(office: Office) -> None:
    """About 25 seconds after it paid, which is before the two minutes are over."""
    story = Story(office, [PAID])
    for _ in range(5):
        answer = await story.poll(5000)
        assert not answer.get("number")
    cancelled = await office.ask(f"/cancelorder?orderId={ORDER}", headers=BROWSER)
    assert cancelled["status"] == "OK"
    assert office.shop.cancelled == [ORDER]


async def test_blitz_shows_why_there_is_no_order(office: Office) -> None:
    reply = await office.call("/createorder", {"country": 999, "service": "nope"}, headers=BROWSER)
    answer = json.loads(reply.body)
    assert not (answer.get("payreq") and answer.get("orderId"))
    assert answer["reason"] == "invalid service"


async def test_blitz_takes_an_error_of_an_order_for_a_refund(office: Office) -> None:
    answer = await Story(office, [bought(state=S.NO_NUMBER)]).poll(5000)
    assert answer["status"] == "OK"
    assert answer["error"]


async def test_blitz_sends(office: Office) -> None:
    """Digits without a plus sign and an empty `ref`; ten looks five seconds apart."""
    body = {"message": "Merhaba", "phone": "905301112233", "ref": ""}
    order = await office.ask("/createsendorder", body, headers=BROWSER)
    assert order["payreq"]
    assert order["orderId"]
    rows = [bought(K.MESSAGE, state) for state in (S.UNPAID, S.PAID, S.SENT)]
    _, polls = await Story(office, rows).until(
        5000, 10, lambda answer: answer.get("smsStatus") in ("sent", "delivered")
    )
    assert polls == 3


async def test_lntxbot(office: Office) -> None:
    """Names; waits twelve seconds after it paid and looks once for a number, an integer. It reads `code` as a
    text, which the documented Number is not: known, and the document wins."""
    await office.ask(
        "/createorder", {"country": "HongKong", "service": "Telegram", "ref": "tips@example.org"}
    )
    assert office.shop.wishes[-1][0].pool == 14
    answer = await Story(office, [WAITING]).poll(12_000)
    assert isinstance(answer["number"], int)
    assert answer["number"] != 0
    assert "code" not in answer


async def test_the_demonstration_client(office: Office) -> None:
    """Endpoints that no page documents; every five seconds; cancels with POST."""
    countries = await office.ask("/getCountries", headers=BROWSER)
    country = next(one for one in countries if one["eng"] == "India")
    services = await office.ask(f"/getServices?country={country['id']}", headers=BROWSER)
    service = next(one for one in services if one["name"] == "openAI")
    price = await office.ask(f"/getPrice?country={country['id']}&service={service['code']}", headers=BROWSER)
    assert price["price"] == 1500
    order = await office.ask("/createorder", {"country": country["id"], "service": service["code"]})
    assert order["orderId"] == ORDER
    story = Story(office, [UNPAID, WAITING, DONE])
    answer, _ = await story.until(
        5000,
        9,
        lambda answer: (
            (answer.get("code") is not None and answer.get("number") is not None) or answer.get("error")
        ),
    )
    assert "error" not in answer
    await preflight(office, "/cancelorder", "content-type")
    cancelled = await office.ask("/cancelorder", {"orderId": ORDER}, headers=BROWSER)
    assert cancelled["status"] == "OK"
