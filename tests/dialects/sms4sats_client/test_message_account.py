"""Sending with an sms4sats account, at a server that misbehaves in every way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from tests.dialects.sms4sats_client.conftest import Linked
from tests.dialects.sms4sats_client.upstream import (
    BALANCE,
    CREATED,
    GARBAGE,
    HTML,
    INVOICE,
    KEY,
    LIMITED,
    OK,
    ORDER,
    TEXTED,
    UNABLE,
    Asked,
    Cut,
    Mute,
    Raw,
    Slow,
    Upstream,
    What,
    no,
    texted,
)
from tests.peers.accounts import NOW

from ulak.core.ports import Accepted, Refused, Report, ReportState, Unknown

CREATE, STATUS = "POST /createsendorder", "GET /orderstatus"
ACCEPTED = Accepted((ORDER,))
NUMBER = 905320000001
MINUTE = 60

Link: TypeAlias = Callable[..., Linked]


def numbered(asked: Asked) -> What:
    """An order that is called after its number."""
    return CREATED | {"orderId": "order" + asked.json["phone"][-2:]}


# Handing over


async def test_a_message_is_ordered_from_the_balance(upstream: Upstream, linked: Link) -> None:
    upstream.on(CREATE, CREATED)
    upstream.on(STATUS, TEXTED)
    link = await linked(order_prefix="ulak-1").start()
    assert link.desk.states == [(True, "the account answers; its balance is 21000 sats")]
    link.send(1, text="Merhaba dünya 🌍")
    await link.told()
    assert link.desk.told == [(1, ACCEPTED)]
    (asked,) = upstream.calls(CREATE)
    assert asked.json == {"message": "Merhaba dünya 🌍", "phone": f"+{NUMBER}", "immediate": True}
    assert asked.headers["x-api-key"] == KEY
    assert asked.headers["idempotency-key"] == "ulak-1-m1"
    await link.hours.until(lambda: upstream.times(STATUS) > 0)
    assert not any(asked.shows_key for asked in upstream.calls(STATUS))


async def test_no_more_than_the_window_is_on_its_way(upstream: Upstream, linked: Link) -> None:
    upstream.on(CREATE, numbered)
    upstream.on(STATUS, texted("delivered"))
    link = await linked(window="3", rate="0").start()
    assert link.link.window == 3
    link.send(*range(1, 21))
    await link.told(20)
    assert link.desk.outcome == {each: Accepted((f"order{each:02}",)) for each in range(1, 21)}
    assert upstream.times(CREATE) == 20
    assert upstream.most_at_once <= 3 + 4


async def test_the_rate_is_kept(upstream: Upstream, linked: Link) -> None:
    upstream.on(CREATE, numbered)
    upstream.on(STATUS, texted("delivered"))
    link = await linked(rate="5").start()
    link.send(*range(1, 11))
    await link.told(10)
    assert link.hours.now - NOW >= 2_000


async def test_messages_wait_for_a_link_that_is_not_up(upstream: Upstream, linked: Link) -> None:
    upstream.on("GET /balance", no("invalid api key", 401), HTML, Cut(), BALANCE)
    upstream.on(CREATE, numbered)
    upstream.on(STATUS, TEXTED)
    link = linked()
    link.send(1)
    await link.start()
    assert link.desk.states == [(False, "invalid api key")]
    link.send(2)
    await link.told(2)
    assert link.desk.up
    assert upstream.times("GET /balance") == 4


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (no("invalid phone", 400), "400 invalid phone"),
        (no("invalid message", 400), "400 invalid message"),
        (no("invalid phone", 200), "200 invalid phone"),
        (Raw(400, b"<html>"), "400 HTTP 400 with a body that is no JSON"),
        (INVOICE, "the server wants an invoice to be paid, and does not take the balance"),
    ],
)
async def test_a_clear_no_is_a_refusal(upstream: Upstream, linked: Link, answer: What, code: str) -> None:
    upstream.on(CREATE, answer)
    link = await linked().start()
    link.send(1)
    await link.told()
    assert link.desk.told == [(1, Refused(code))]
    assert link.desk.up
    assert upstream.times(CREATE) == 1


@pytest.mark.parametrize(
    "weather",
    [
        Cut(),
        Mute(),
        HTML,
        GARBAGE,
        Raw(504),
        Raw(500, b"oops"),
        OK,
        CREATED | {"orderId": "../x"},
        CREATED | {"status": "ok"},
    ],
)
async def test_a_lost_answer_is_told_as_such(upstream: Upstream, linked: Link, weather: What) -> None:
    upstream.on(CREATE, weather, CREATED)
    upstream.on(STATUS, TEXTED)
    link = await linked(timeout="0.1").start()
    link.send(1)
    await link.told()
    ((_, outcome),) = link.desk.told
    assert isinstance(outcome, Unknown)
    assert upstream.times(CREATE) == 1
    # The account is tried before anything else is handed over.
    assert [up for up, _ in link.desk.states] == [True, False]
    link.send(2)
    await link.told(2)
    assert link.desk.outcome[2] == ACCEPTED


@pytest.mark.parametrize(
    "weather",
    [
        no("insufficient balance", 402),
        no("backend error"),
        no("backend error", 200),
        UNABLE,
        no("busy", 503),
        Raw(503, b"<html>"),
        no("invalid api key", 401),
        no("not found", 404),
        Raw(302),
    ],
)
async def test_what_was_not_taken_is_kept_and_tried_again(
    upstream: Upstream, linked: Link, weather: What
) -> None:
    upstream.on("GET /balance", BALANCE, BALANCE, BALANCE | {"balance": 99_000})
    upstream.on(CREATE, weather, weather, CREATED)
    upstream.on(STATUS, TEXTED)
    link = await linked().start()
    link.send(1)
    await link.told()
    assert link.desk.told == [(1, ACCEPTED)]
    assert upstream.times(CREATE) == 3
    assert [up for up, _ in link.desk.states] == [True, False] * 2 + [True]


async def test_too_many_requests_slow_the_link_down(upstream: Upstream, linked: Link) -> None:
    upstream.on(CREATE, LIMITED, LIMITED, CREATED)
    upstream.on(STATUS, TEXTED)
    link = await linked().start()
    link.send(1)
    await link.told()
    assert link.desk.told == [(1, ACCEPTED)]
    assert link.hours.now - NOW >= 14_000
    assert [up for up, _ in link.desk.states] == [True]


async def test_an_empty_account_waits_for_money(upstream: Upstream, linked: Link) -> None:
    upstream.on("GET /balance", BALANCE | {"balance": 5})
    upstream.on(CREATE, no("insufficient balance", 402))
    upstream.on(STATUS, TEXTED)
    link = await linked().start()
    link.send(1, 2, 3)
    await link.hours.until(lambda: not link.desk.up)
    tried = upstream.times(CREATE)
    await link.hours.pass_by(5 * MINUTE)
    assert upstream.times(CREATE) == tried
    assert link.desk.states[-1] == (False, "insufficient balance")
    upstream.on("GET /balance", BALANCE)
    upstream.on(CREATE, numbered)
    await link.told(3)
    assert link.desk.up
    assert [each for each, _ in link.desk.told] == [1, 2, 3]


async def test_an_empty_account_is_used_again_after_a_while(upstream: Upstream, linked: Link) -> None:
    upstream.on(CREATE, no("insufficient balance", 402), CREATED)
    upstream.on(STATUS, TEXTED)
    link = await linked().start()
    link.send(1)
    await link.told()
    assert link.hours.now - NOW >= 10 * MINUTE * 1000


async def test_a_message_at_which_the_server_fails_holds_up_the_others_for_a_while_only(
    upstream: Upstream, linked: Link
) -> None:
    def create(asked: Asked) -> What:
        return UNABLE if asked.json["phone"].endswith("1") else numbered(asked)

    upstream.on(CREATE, create)
    upstream.on(STATUS, TEXTED)
    link = await linked(window="1").start()
    link.send(1, 2)
    await link.told(2)
    assert link.desk.told == [(1, Refused("500 unable to save data")), (2, Accepted(("order02",)))]
    assert upstream.times(CREATE) == 5 + 1


async def test_a_server_that_goes_and_comes_back(upstream: Upstream, linked: Link) -> None:
    upstream.on(CREATE, numbered)
    upstream.on(STATUS, TEXTED)
    link = await linked().start()
    await upstream.close()
    link.send(1, 2)
    await link.hours.until(lambda: not link.desk.up)
    await link.hours.pass_by(3 * MINUTE)
    assert link.desk.told == []
    await upstream.start()
    await link.told(2)
    assert link.desk.outcome == {1: Accepted(("order01",)), 2: Accepted(("order02",))}


# Stopping


async def test_what_was_not_begun_is_forgotten_when_it_stops(upstream: Upstream, linked: Link) -> None:
    upstream.on("GET /balance", no("invalid api key", 401))
    link = await linked().start()
    link.send(1)
    await link.link.stop()
    link.send(2)
    await link.hours.pass_by(MINUTE)
    assert link.desk.told == []
    assert upstream.times(CREATE) == 0
    assert link.desk.states[-1] == (False, "the link was stopped")


async def test_an_answer_that_is_due_is_waited_for_shortly(
    upstream: Upstream, linked: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ulak.dialects.sms4sats.connect.link.LAST_ANSWERS", 0.2)

    def create(asked: Asked) -> What:
        number = asked.json["phone"][-1]
        return Mute() if number == "1" else Slow(CREATED, 0.05)

    upstream.on(CREATE, create)
    upstream.on(STATUS, TEXTED)
    link = await linked(rate="0").start()
    link.send(1, 2)
    while upstream.times(CREATE) < 2:
        await asyncio.sleep(0.001)
    await link.link.stop()
    assert link.desk.outcome == {1: Unknown("the link was stopped before an answer came"), 2: ACCEPTED}


# What became of them


def report(state: ReportState, raw: str) -> Report:
    return Report(ORDER, NUMBER, state, raw)


async def test_another_link_takes_up_the_orders_from_before(upstream: Upstream, linked: Link) -> None:
    """The one that had them was stopped, or its process died."""
    upstream.on(CREATE, numbered)
    upstream.on(STATUS, texted("sent"))
    first = await linked().start()
    first.send(1, 2)
    await first.told(2)
    await first.link.stop()
    asked = upstream.times(STATUS)
    upstream.on(STATUS, texted("sent"), texted("sent"), texted("delivered"))
    second = linked()
    second.desk.open = ["order01", "order02"]
    await second.start()
    await second.hours.until(lambda: len(second.desk.reported) == 2)
    assert sorted(second.desk.reported, key=lambda each: each.reference) == [
        Report(f"order0{n}", 0, ReportState.DELIVERED, "delivered") for n in (1, 2)
    ]
    await second.hours.pass_by(60 * MINUTE)
    assert upstream.times(STATUS) == asked + 4, "what is final is not asked for again"
    assert second.desk.told == []


SENT = report(ReportState.UNDERWAY, "sent")
DELIVERED = report(ReportState.DELIVERED, "delivered")


@pytest.mark.parametrize(
    ("statuses", "reports"),
    [
        ([texted("created"), texted("sent"), texted("sent"), texted("delivered")], [DELIVERED]),
        ([texted("delivered")], [DELIVERED]),
        ([texted("Delivered", id=17)], [DELIVERED]),
        ([texted("created")] * 30 + [texted("sent"), texted("delivered")], [SENT, DELIVERED]),
        (
            [texted("sent"), texted("failed", error="refunded")],
            [report(ReportState.UNDELIVERED, "failed: refunded")],
        ),
        ([texted("sent"), texted("failed")], [report(ReportState.UNDELIVERED, "failed")]),
        (
            [
                UNABLE,
                HTML,
                GARBAGE,
                Cut(),
                [],
                no("x", 404),
                texted("new"),
                {"status": "OK"},
                texted("delivered"),
            ],
            [DELIVERED],
        ),
        ([LIMITED, texted("delivered")], [DELIVERED]),
    ],
)
async def test_an_order_is_looked_at_until_it_is_final(
    upstream: Upstream, linked: Link, statuses: list[Any], reports: list[Report]
) -> None:
    upstream.on(CREATE, CREATED)
    upstream.on(STATUS, *statuses)
    link = await linked().start()
    link.send(1)
    await link.hours.until(lambda: len(link.desk.reported) >= len(reports))
    looked = upstream.times(STATUS)
    await link.hours.pass_by(30 * MINUTE)
    assert link.desk.told == [(1, ACCEPTED)]
    assert link.desk.reported == reports
    assert upstream.times(STATUS) == looked
    assert link.desk.up


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (texted("failed"), "failed"),
        (texted("failed", error="refunded"), "failed: refunded"),
        ({"status": "OK", "paid": True, "error": "no route"}, "failed: no route"),
    ],
)
async def test_what_was_never_sent_is_refused(
    upstream: Upstream, linked: Link, status: dict[str, Any], code: str
) -> None:
    upstream.on(CREATE, CREATED)
    upstream.on(STATUS, TEXTED, UNABLE, status)
    link = await linked().start()
    link.send(1)
    await link.hours.pass_by(30 * MINUTE)
    assert link.desk.told == [(1, Refused(code))]
    assert link.desk.reported == []
    assert upstream.times(STATUS) == 3


@pytest.mark.parametrize("weather", [TEXTED, UNABLE, no("order not found", 404), OK])
async def test_what_stays_unsent_counts_as_accepted_after_a_minute(
    upstream: Upstream, linked: Link, weather: What
) -> None:
    upstream.on(CREATE, CREATED)
    upstream.on(STATUS, weather)
    link = await linked().start()
    link.send(1)
    await link.hours.pass_by(55)
    assert link.desk.told == []
    await link.told()
    assert link.desk.told == [(1, ACCEPTED)]


async def test_a_report_that_is_not_stored_is_told_again(upstream: Upstream, linked: Link) -> None:
    upstream.on(CREATE, CREATED)
    upstream.on(STATUS, texted("sent"), texted("delivered"))
    link = await linked().start()
    link.desk.keeps = False
    link.send(1)
    await link.hours.until(lambda: len(link.desk.reported) >= 4)
    assert link.desk.reported == [DELIVERED] * 4
    link.desk.keeps = True
    await link.hours.pass_by(MINUTE)
    assert link.desk.reported == [DELIVERED] * 5


async def test_orders_are_looked_at_less_and_less_often(
    upstream: Upstream, linked: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ulak.dialects.sms4sats.connect.link.YOUNG", 3 * MINUTE * 1000)
    upstream.on(CREATE, CREATED)
    upstream.on(STATUS, TEXTED)
    link = await linked().start()
    link.send(1)
    looked = []
    for until in (15, 3 * MINUTE, 60 * MINUTE, 24 * 60 * MINUTE):
        await link.hours.pass_by(until - (link.hours.now - NOW) / 1000)
        looked.append(upstream.times(STATUS))
    fresh, young, hour, day = looked
    assert 12 <= fresh <= 15
    assert 40 <= young - fresh <= 55
    assert hour - young <= 33
    assert day - hour <= 24 * 6 + 5


async def test_what_was_sent_is_looked_at_rarely(upstream: Upstream, linked: Link) -> None:
    upstream.on(CREATE, CREATED)
    upstream.on(STATUS, texted("sent"))
    link = await linked().start()
    link.send(1)
    await link.hours.pass_by(22 * MINUTE)
    assert link.desk.told == [(1, ACCEPTED)]
    assert link.desk.reported == []
    assert upstream.times(STATUS) <= 75


async def test_an_order_is_followed_for_three_days(
    upstream: Upstream, linked: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ulak.dialects.sms4sats.connect.link.FOLLOWED", 60_000)
    upstream.on(CREATE, CREATED)
    upstream.on(STATUS, TEXTED)
    link = await linked().start()
    link.send(1)
    await link.hours.pass_by(70)
    looked = upstream.times(STATUS)
    await link.hours.pass_by(600)
    assert upstream.times(STATUS) == looked
    assert link.desk.reported == []


async def test_nothing_is_asked_while_nothing_is_open(upstream: Upstream, linked: Link) -> None:
    link = await linked().start()
    await link.hours.pass_by(MINUTE)
    assert [asked.path for asked in upstream.asked] == ["/balance"]
