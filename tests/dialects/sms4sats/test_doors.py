"""What all doors have in common: pages of browsers, the one documented status, limits, and trouble."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.dialects.sms4sats.office import ADDRESS, ORDER, Away, Office, bought

from ulak.core.errors import Refusal
from ulak.core.purchases import Denied
from ulak.core.states import PurchaseKind
from ulak.dialects.door import Call, Reply, Trouble
from ulak.dialects.sms4sats.jsonbody import BYTES_MAX
from ulak.dialects.sms4sats.serve import Doors, orders
from ulak.dialects.sms4sats.serve.visit import REFUSALS
from ulak.dialects.sms4sats.texts import Reason
from ulak.service.guard import Guard
from ulak.service.limits import Penalty
from ulak.web import Web

EVERY = [
    ("GET", "/"),
    ("GET", "/getCountries"),
    ("GET", "/getnumbersstatus"),
    ("GET", "/getServices"),
    ("GET", "/getRentalCountries"),
    ("GET", "/price"),
    ("GET", "/getPrice"),
    ("POST", "/createorder"),
    ("POST", "/createsendorder"),
    ("GET", "/orderstatus"),
    ("GET", "/cancelorder"),
    ("POST", "/cancelorder"),
    ("POST", "/fund"),
    ("GET", "/balance"),
    ("GET", "/history"),
]
"""Every endpoint (specification, section 2)."""


def reason_of(reply: Reply) -> str:
    """The text of an error, which has to be in the envelope."""
    found = json.loads(reply.body)
    assert list(found)[:2] == ["status", "reason"]
    assert found["status"] == "error"
    assert reply.content_type == b"application/json"
    assert (b"access-control-allow-origin", b"*") in reply.headers
    text: str = found["reason"]
    return text


# Pages of browsers (section 1.1).


@pytest.mark.parametrize("path", [*(path for _, path in EVERY), "/nothing", "/v9/x", "*"])
async def test_a_browser_may_ask_first(lite: Any, path: str) -> None:
    office = Office(lite, limit=1)
    for _ in range(3):  # It does not count.
        reply = await office.call(path, method="OPTIONS")
        assert (reply.status, reply.body) == (204, b"")
        headers = dict(reply.headers)
        assert headers[b"access-control-allow-methods"] == b"GET, POST, OPTIONS"
        assert headers[b"access-control-allow-headers"] == b"Content-Type, X-API-Key"
        assert headers[b"access-control-max-age"] == b"86400"


@pytest.mark.parametrize("errors_as_500", [False, True])
async def test_every_answer_may_be_read_from_everywhere(lite: Any, errors_as_500: bool) -> None:
    """`Office.call` looks for the header on each."""
    office = Office(lite, errors_as_500=errors_as_500)
    for method, path in [*EVERY, ("GET", "/nothing"), ("PUT", "/price")]:
        for body in (b"", b"{}", b"{"):
            reply = await office.call(path, body, method=method)
            assert not [name for name, _ in reply.headers if b"credentials" in name]
    for what in Trouble:
        reply = office.doors.trouble(Call("GET", "/", b"", (), b"", ADDRESS), what)
        assert reason_of(reply)
    for method, path in EVERY[1:]:
        reply = await Office(Away(), errors_as_500=errors_as_500).call(path, method=method, key="k")
        assert (b"access-control-allow-origin", b"*") in reply.headers


async def test_the_server_is_there_for_whoever_looks(lite: Any) -> None:
    office = Office(lite, limit=1)
    for method in ("GET", "HEAD", "GET"):
        reply = await office.call("/", method=method)
        assert (reply.status, reply.body) == (200, b'{"status":"OK"}')


# Errors.


async def test_the_one_documented_status(lite: Any) -> None:
    """compat_errors=500 (section 1.2): the status changes, nothing else."""
    plain, compat = Office(lite), Office(lite, errors_as_500=True)
    for method, path in [*EVERY, ("GET", "/nothing"), ("PUT", "/price"), ("GET", "/orderstatus?orderId=x")]:
        for body in (b"", b"{}"):
            first = await plain.call(path, body, method=method)
            second = await compat.call(path, body, method=method)
            assert (first.body, first.headers) == (second.body, second.headers)
            assert second.status == (200 if first.status == 200 else 500), path
    for refusal in REFUSALS:
        plain.shop.denied = compat.shop.denied = Denied(refusal, 5)
        first, second = [await office.call("/cancelorder?orderId=x") for office in (plain, compat)]
        assert (first.status, second.status) == (REFUSALS[refusal].status, 500)
        assert first.body == second.body
    for what in Trouble:
        assert compat.doors.trouble(Call("GET", "/", b"", (), b"", ADDRESS), what).status == 500


def test_the_shop_can_say_nothing_that_has_no_words() -> None:
    of_the_shop = {
        Refusal.NO_NUMBERS,
        Refusal.FUNDING_DOWN,
        Refusal.TOO_EARLY,
        Refusal.COMPLETED,
        Refusal.FINAL,
    }
    assert of_the_shop | {Refusal.NO_CREDIT, Refusal.NOT_FOUND} <= REFUSALS.keys()


async def test_the_database_is_away() -> None:
    office = Office(Away())
    for path in (
        f"/orderstatus?orderId={ORDER}",
        "/price",
        "/price?country=22&service=tg",
        "/getRentalCountries",
    ):
        reply = await office.call(path)
        assert (reply.status, reason_of(reply)) == (503, "unable to save data"), path
        assert (b"retry-after", b"1") in reply.headers
    for path in ("/balance", "/history"):
        assert reason_of(await office.call(path, key="k")) == "unable to save data"
    assert reason_of(await office.call("/fund", {"amount": 5000}, key="k")) == "unable to save data"


@pytest.mark.parametrize(
    ("what", "status", "text"),
    [
        (Trouble.BODY_TOO_LARGE, 413, "invalid request"),
        (Trouble.BODY_INCOMPLETE, 400, "invalid request"),
        (Trouble.OVERLOADED, 503, "unable to save data"),
        (Trouble.CRASHED, 500, "backend error"),
    ],
)
def test_trouble_has_the_envelope(what: Trouble, status: int, text: str) -> None:
    reply = Office(Away()).doors.trouble(Call("POST", "/createorder", b"", (), b"", ADDRESS), what)
    assert (reply.status, reason_of(reply)) == (status, text)
    assert ((b"retry-after", b"1") in reply.headers) == (what is Trouble.OVERLOADED)


async def test_a_crash_has_the_envelope(lite: Any) -> None:
    office = Office(lite)
    office.shop.stocks = None  # type: ignore[assignment]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    async def ready() -> dict[str, object]:
        return {"ready": True}

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/getnumbersstatus",
        "query_string": b"country=22",
        "headers": [],
        "client": (ADDRESS, 1),
    }
    await Web([("/", office.doors)], ready)(scope, receive, send)
    assert sent[0]["status"] == 500
    assert (b"access-control-allow-origin", b"*") in sent[0]["headers"]
    assert sent[1]["body"] == b'{"status":"error","reason":"backend error"}'


async def test_a_body_that_nobody_needs(lite: Any) -> None:
    office = Office(lite)
    for path in ("/createorder", "/createsendorder", "/cancelorder"):
        reply = await office.call(path, b'{"x": "' + b"x" * BYTES_MAX + b'"}')
        assert (reply.status, reason_of(reply)) == (413, "invalid request")


def test_every_reason_is_an_error() -> None:
    assert all(400 <= reason.status <= 503 and reason.text for reason in Reason)


# How often.


async def test_an_address_may_ask_twenty_times_a_second(lite: Any) -> None:
    office = Office(lite, limit=20)
    for _ in range(20):
        assert (await office.call("/getCountries")).status == 200
    reply = await office.call("/getCountries")
    assert (reply.status, reason_of(reply)) == (429, "too many requests")
    assert (b"retry-after", b"1") in reply.headers
    assert (await office.call("/nothing")).status == 429
    assert (await office.call("/getCountries", address="192.0.2.8")).status == 200
    assert (await office.call("/")).status == 200
    lite.clock.advance(1000)
    assert (await office.call("/getCountries")).status == 200


async def test_twenty_by_default_and_two_polls_a_second_for_ever(lite: Any) -> None:
    """Clients poll one order twice a second (section 1)."""
    office = Office(lite)
    office.doors = Doors(lite, office.shop, office.prices, check_url=print, clock=lite.clock)
    await office.load(bought())
    for _ in range(200):
        assert (await office.call(f"/orderstatus?orderId={ORDER}")).status == 200
        lite.clock.advance(500)
    answers = [(await office.call("/getCountries")).status for _ in range(21)]
    assert answers == [200] * 19 + [429] * 2 or answers == [200] * 20 + [429]


# Guessing.


async def test_whoever_guesses_is_held_up(lite: Any) -> None:
    """After five misses in a minute others that are missed are 429; an order that there is is shown."""
    office = Office(lite, guard=Guard(Penalty(), lite.clock))
    await office.load(bought())
    misses = [(await office.call("/orderstatus?orderId=x")).status for _ in range(4)]
    office.shop.denied = Denied(Refusal.NOT_FOUND)
    held_up = await office.call("/cancelorder?orderId=x")
    office.shop.denied = None
    assert (misses, held_up.status, reason_of(held_up)) == ([404] * 4, 429, "too many requests")
    assert (b"retry-after", b"60") in held_up.headers
    assert (await office.call(f"/orderstatus?orderId={ORDER}")).status == 200
    assert (await office.call("/orderstatus?orderId=y", address="192.0.2.8")).status == 404
    lite.clock.advance(60_000)
    assert (await office.call("/orderstatus?orderId=x")).status == 404


async def test_an_order_that_was_sold_is_shown_where_somebody_guesses(lite: Any) -> None:
    """Whoever floods an address with guesses does not keep a customer there from what he has bought."""
    office = Office(lite, guard=Guard(Penalty(), lite.clock))
    await office.load(bought())
    await office.call("/createorder", {"country": 22, "service": "dr"})
    flood = [(await office.call(f"/orderstatus?orderId={n}")).status for n in range(100)]
    assert flood == [404] * 4 + [429] * 96
    assert (await office.call(f"/orderstatus?orderId={ORDER}")).status == 200
    await office.load(bought(public_id="ab" * 32))
    lost = await office.call(f"/orderstatus?orderId={'ab' * 32}")
    assert lost.status == 429, "what he has from elsewhere is not looked at while that goes on"
    lite.clock.advance(60_000)
    assert (await office.call(f"/orderstatus?orderId={'ab' * 32}")).status == 200


async def test_keys_that_are_wrong_are_held_up(lite: Any) -> None:
    office = Office(lite, guard=Guard(Penalty(), lite.clock))
    alice = await office.customer("Alice", credit=7)
    doors: list[dict[str, Any]] = [
        {"path": "/balance"},
        {"path": "/history"},
        {"path": "/fund", "body": {"amount": 1000}},
        {"path": "/createorder", "body": {"country": 22, "service": "dr", "immediate": True}},
    ]
    answers = [(await office.call(**doors[n % 4], key="wrong")).status for n in range(8)]
    assert answers == [401] * 4 + [429] * 4
    assert (await office.call("/balance")).status == 401, "no key is no guess"
    assert (await office.call("/balance", key=alice.key)).status == 200
    plain = {"country": 22, "service": "dr"}
    assert (await office.call("/createorder", plain, key="wrong")).status == 200, "nor is one nobody needs"


async def test_what_nobody_has_takes_the_same_work(lite: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One question to the store, one order made and written: for each answer alike."""
    office = Office(lite)
    await office.load(bought())
    work: list[str] = []

    def counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            work.append(name)
            return function(*given)

        return call

    for name in ("status_of", "answered"):
        monkeypatch.setattr(orders, name, counted(name, getattr(orders, name)))
    for owner, name in ((lite, "read"), (Guard, "attempt"), (Guard, "wait")):
        monkeypatch.setattr(owner, name, counted(name, getattr(owner, name)))
    assert (await office.call(f"/orderstatus?orderId={ORDER}")).status == 200
    known, work[:] = work[:], []
    assert (await office.call(f"/orderstatus?orderId={ORDER[::-1]}")).status == 404
    assert work == known == ["attempt", "wait", "read", "status_of", "answered"]


# Accounts.


async def test_an_account_that_admits_its_own_addresses_only(lite: Any) -> None:
    office = Office(lite)
    alice = await office.customer("Alice", credit=7, ips="198.51.100.0/24")
    assert (await office.call("/balance", key=alice.key)).status == 401
    answer = await office.ask("/balance", key=alice.key, address="198.51.100.3")
    assert answer == {"status": "OK", "balance": 7}
    # Where no key is needed, one that cannot be used here is as good as none.
    await office.ask("/createorder", {"country": 22, "service": "tg"}, key=alice.key)
    assert office.shop.wishes[-1][1] is None


async def test_who_asks_is_told_apart_for_prices_and_the_shop(lite: Any) -> None:
    office = Office(lite)
    await office.ask("/createorder", {"country": 22, "service": "tg"}, address="198.51.100.3")
    assert office.shop.wishes[-1][2] == "198.51.100.3"
    assert office.shop.wishes[-1][0].kind is PurchaseKind.CODE
