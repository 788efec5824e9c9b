"""What became of messages: asked politely, or told over the webhook; each once."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from tests.dialects.iletimerkezi_client.conftest import FIRST, Desk, Linked
from tests.dialects.iletimerkezi_client.upstream import BALANCE, REPORT, SEND, Server, good, no
from tests.dialects.sms4sats_client.upstream import GARBAGE, HTML, Cut, Raw, What
from tests.peers.accounts import NOW

from ulak.core.ports import Outgoing, Report, ReportState
from ulak.dialects.iletimerkezi.connect import read_news
from ulak.dialects.iletimerkezi.connect.following import FIRST as FIRST_LOOK
from ulak.dialects.iletimerkezi.connect.following import HOOKED_FIRST

Link: TypeAlias = Callable[..., Linked]
MINUTE, HOUR = 60, 3600
DELIVERED, UNDELIVERED, UNDERWAY = ReportState.DELIVERED, ReportState.UNDELIVERED, ReportState.UNDERWAY
SECRET = "a-secret-of-the-address"


def report(each: int, state: ReportState = DELIVERED, order: int = 1) -> Report:
    raw = {DELIVERED: "111", UNDELIVERED: "112"}[state]
    return Report(f"{300_000_000 + order}:{FIRST + each}", FIRST + each, state, raw)


async def test_an_order_is_asked_about_until_it_is_final(upstream: Server, linked: Link) -> None:
    link = await linked().start()
    link.send(1, 2, 3)
    await link.told(3)
    assert upstream.times(REPORT) == 0
    states = upstream.orders[0].states
    states[FIRST + 1] = 111
    await link.hours.until(lambda: bool(link.desk.reported))
    assert link.hours.now - NOW >= FIRST_LOOK
    assert link.desk.reported == [report(1)]
    states[FIRST + 2] = 112
    await link.hours.until(lambda: len(link.desk.reported) == 2)
    states[FIRST + 3] = 111
    await link.hours.pass_by(HOUR)
    assert link.desk.reported == [report(1), report(2, UNDELIVERED), report(3)]
    asked = upstream.times(REPORT)
    await link.hours.pass_by(10 * HOUR)
    assert upstream.times(REPORT) == asked


async def test_looks_become_rarer(upstream: Server, linked: Link) -> None:
    link = await linked().start()
    link.send(1)
    looked = []
    for until in (MINUTE, HOUR, 24 * HOUR):
        await link.hours.pass_by(until - (link.hours.now - NOW) / 1000)
        looked.append(upstream.times(REPORT))
    minute, hour, day = looked
    assert 5 <= minute <= 9
    assert hour - minute <= 20
    assert day - hour <= 30


async def test_an_order_is_followed_for_three_days(
    upstream: Server, linked: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ulak.dialects.iletimerkezi.connect.following.FOLLOWED", 60_000)
    link = await linked().start()
    link.send(1)
    await link.hours.pass_by(5 * MINUTE)
    asked = upstream.times(REPORT)
    await link.hours.pass_by(HOUR)
    assert upstream.times(REPORT) == asked


async def test_new_orders_do_not_wait_behind_old_ones(upstream: Server, linked: Link) -> None:
    link = await linked().start()
    link.send(1)
    await link.hours.pass_by(10 * HOUR)
    link.send(2)
    await link.told(2)
    upstream.orders[1].states[FIRST + 2] = 111
    began = link.hours.now
    await link.hours.until(lambda: link.desk.reported == [report(2, order=2)])
    assert link.hours.now - began < 10_000


async def test_all_pages_are_read(upstream: Server, linked: Link) -> None:
    link = await linked(rate="0", window="5000").start()
    link.link.submit([Outgoing(each, FIRST + each, "ULAK", "Merhaba") for each in range(2_001)])
    await link.told(2_001)
    upstream.orders[0].states = dict.fromkeys(upstream.orders[0].numbers, 111)
    await link.hours.until(lambda: len(link.desk.reported) == 2_001)
    pages = [asked.json["request"]["order"] for asked in upstream.calls(REPORT)]
    assert pages == [{"id": "300000001", "page": str(page), "rowCount": "1000"} for page in (1, 2, 3)]


@pytest.mark.parametrize("weather", [HTML, GARBAGE, Cut(), no(500), no(503), no(455), Raw(200, b"[]")])
async def test_bad_answers_are_asked_for_again(upstream: Server, linked: Link, weather: What) -> None:
    upstream.on(REPORT, weather, weather, upstream.report)
    link = await linked().start()
    link.send(1)
    await link.told()
    upstream.orders[0].states[FIRST + 1] = 111
    await link.hours.until(lambda: link.desk.reported == [report(1)])
    assert upstream.times(REPORT) == 3


async def test_an_order_that_is_gone_is_let_go(upstream: Server, linked: Link) -> None:
    upstream.on(REPORT, no(455))
    link = await linked().start()
    link.send(1)
    await link.hours.pass_by(3 * HOUR)
    asked = upstream.times(REPORT)
    await link.hours.pass_by(30 * HOUR)
    assert upstream.times(REPORT) == asked
    assert link.desk.reported == []


async def test_whoever_is_not_let_in_any_more_is_down(upstream: Server, linked: Link) -> None:
    link = await linked().start()
    link.send(1)
    await link.told()
    upstream.on(REPORT, no(401))
    upstream.on(BALANCE, no(401))
    await link.hours.until(lambda: not link.desk.up)
    assert link.desk.states[-1] == (False, "401 Üyelik bilgileri hatalı")


async def test_a_report_that_is_not_stored_is_told_again(upstream: Server, linked: Link) -> None:
    link = await linked().start()
    link.desk.keeps = False
    link.send(1)
    await link.told()
    upstream.orders[0].states[FIRST + 1] = 111
    await link.hours.until(lambda: len(link.desk.reported) == 3)
    link.desk.keeps = True
    await link.hours.pass_by(HOUR)
    assert link.desk.reported == [report(1)] * 4


@pytest.mark.parametrize(
    "row",
    [
        {"number": "+905320000001", "status": "111"},
        {"number": "5320000001", "status": 111},
        {"number": 905320000001, "status": "111"},
        {"number": "0 532 000 00 01", "status": " 111 "},
        [{"number": "+905320000001", "status": 111}, {"number": [], "status": 112}, 7, {"status": 111}],
    ],
)
async def test_reports_are_read_in_many_spellings(upstream: Server, linked: Link, row: Any) -> None:
    upstream.on(REPORT, good(order={"id": 300000001, "total": "1", "price": "0,0372", "message": row}))
    link = await linked().start()
    link.send(1)
    await link.told()
    await link.hours.until(lambda: bool(link.desk.reported))
    await link.hours.pass_by(HOUR)
    assert link.desk.reported == [report(1)]
    assert upstream.times(REPORT) == 1


async def test_what_the_webhook_told_is_not_asked_for(upstream: Server, linked: Link) -> None:
    link = await linked(hook_secret=SECRET).start()
    link.send(1)
    link.send(2, sender="BASKA")
    await link.told(2)
    link.desk.references[f"300000001:{FIRST + 1}"] = False
    await link.hours.pass_by(HOOKED_FIRST / 1000 + 5)
    assert [asked.json["request"]["order"]["id"] for asked in upstream.calls(REPORT)] == ["300000002"]


async def test_after_a_restart_it_goes_on_asking(upstream: Server, linked: Link) -> None:
    before = await linked().start()
    before.send(1, 2)
    before.send(3, sender="BASKA")
    await before.told(3)
    await before.link.stop()
    before.desk.references["not one of ours"] = True
    before.desk.references[f"300000001:{FIRST + 1}"] = False
    for order in upstream.orders:
        order.states = dict.fromkeys(order.states, 111)
    link = await linked(before.desk).start()
    await link.hours.pass_by(MINUTE)
    assert link.desk.reported == [report(2), report(3, order=2)]
    asked = upstream.times(REPORT)
    await link.hours.pass_by(HOUR)
    assert upstream.times(REPORT) == asked == 2


@pytest.mark.parametrize("weather", [Cut(), HTML, no(401), no(500), Raw(404)])
async def test_a_server_that_fails_is_not_asked_about_every_order(
    upstream: Server, linked: Link, weather: What
) -> None:
    upstream.on(REPORT, weather)
    desk = Desk()
    desk.references = {f"{300_000_001 + each}:{FIRST + each}": True for each in range(500)}
    link = await linked(desk).start()
    await link.hours.pass_by(HOUR)
    assert 20 <= upstream.times(REPORT) <= 80
    assert desk.reported == []
    # Once it answers, all have their turn again.
    upstream.on(REPORT, no(455))
    before = upstream.times(REPORT)
    await link.hours.pass_by(3 * MINUTE)
    assert upstream.times(REPORT) - before >= 400


async def test_new_orders_do_not_wait_behind_those_of_before_a_restart(
    upstream: Server, linked: Link
) -> None:
    desk = Desk()
    desk.references = {f"{100_000 + each}:{FIRST + each}": True for each in range(2_000)}
    link = await linked(desk).start()
    link.send(1)
    await link.told()
    upstream.orders[0].states[FIRST + 1] = 111
    began = link.hours.now
    await link.hours.until(lambda: bool(desk.reported))
    assert link.hours.now - began < 10_000
    assert upstream.times(REPORT) < 200


async def test_an_order_of_many_pages_is_asked_about_less_often(upstream: Server, linked: Link) -> None:
    link = await linked(rate="0", window="20000").start()
    link.send(*range(20_000))
    await link.told(20_000)
    await link.hours.pass_by(MINUTE)
    assert 20 <= upstream.times(REPORT) <= 60


async def test_nothing_is_asked_while_nothing_is_open(upstream: Server, linked: Link) -> None:
    link = await linked(Desk()).start()
    await link.hours.pass_by(HOUR)
    assert [asked.path for asked in upstream.asked] == ["/v1/get-balance/json"]
    assert upstream.times(SEND) == 0


# The webhook


def body(**over: Any) -> bytes:
    told = {
        "id": 1500000123,
        "packet_id": 300000017,
        "status": "delivered",
        "to": "+905301234567",
        "body": "Siparişiniz kargoda",
    }
    return json.dumps({"report": told | over}).encode()


REF = "300000017:905301234567"


@pytest.mark.parametrize(
    ("over", "state", "raw"),
    [
        ({}, DELIVERED, "delivered"),
        ({"status": "accepted"}, UNDERWAY, "accepted"),
        ({"status": "Undelivered"}, UNDELIVERED, "undelivered"),
        ({"status": 111}, DELIVERED, "111"),
        ({"status": "112", "packet_id": "300000017", "to": "5301234567"}, UNDELIVERED, "112"),
        ({"status": 110, "to": 905301234567, "id": None, "body": None}, UNDERWAY, "110"),
    ],
)
def test_a_call_of_the_webhook_is_read(over: dict[str, Any], state: ReportState, raw: str) -> None:
    assert read_news({}, body(**over)) == [Report(REF, 905301234567, state, raw)]


def test_a_call_may_tell_of_several() -> None:
    one = json.loads(body())["report"]
    several = json.dumps({"report": [one, one | {"packet_id": 5}, 7]}).encode()
    assert [report.reference for report in read_news({}, several)] == [REF, "5:905301234567"]


@pytest.mark.parametrize(
    "over", [{"packet_id": None}, {"packet_id": "x"}, {"packet_id": True}, {"to": ""}, {"status": "sent"}]
)
def test_what_names_nothing_is_no_news(over: dict[str, Any]) -> None:
    assert read_news({}, body(**over)) == []


@pytest.mark.parametrize("told", [b"{}", b'{"report":7}', b'{"report":[]}', b'{"other":1}'])
def test_other_calls_are_no_news(told: bytes) -> None:
    assert read_news({}, told) == []


@pytest.mark.parametrize("told", [b"", b"<xml/>", b"[]", b"7", b'{"report":', b"\xff", b"[" * 50_000])
def test_what_cannot_be_read_is_said_to_be_so(told: bytes) -> None:
    with pytest.raises(ValueError, match="no JSON"):
        read_news({}, told)
