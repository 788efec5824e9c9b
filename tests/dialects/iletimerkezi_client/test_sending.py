"""Sending with an iletiMerkezi account: what goes together, how fast, and what an answer means."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from itertools import pairwise
from typing import Any, TypeAlias

import pytest
from tests.dialects.iletimerkezi_client.conftest import FIRST, Linked
from tests.dialects.iletimerkezi_client.upstream import (
    BALANCE,
    HASH,
    KEY,
    LIST,
    SEND,
    Server,
    good,
    no,
)
from tests.dialects.sms4sats_client.upstream import HTML, Asked, Mute, Raw, Slow, What, told
from tests.peers.accounts import NOW

from ulak.core.ports import Accepted, Outgoing, Refused, Unknown
from ulak.dialects.iletimerkezi.connect.requests import compose

Link: TypeAlias = Callable[..., Linked]
MINUTE = 60


def ref(order: int, each: int) -> Accepted:
    return Accepted((f"{300_000_000 + order}:{FIRST + each}",))


async def test_messages_that_come_together_are_one_order(upstream: Server, linked: Link) -> None:
    link = await linked().start()
    assert link.desk.states == [(True, "the account answers; its balance is 2570 SMS or 128.5 TRY")]
    link.send(1, 2)
    link.send(3, text="Günaydın 🌍")
    await link.told(3)
    assert link.desk.outcome == {each: ref(1, each) for each in (1, 2, 3)}
    (asked,) = upstream.calls(SEND)
    assert asked.headers["content-type"] == "application/json"
    assert asked.json == {
        "request": {
            "authentication": {"key": KEY, "hash": HASH},
            "order": {
                "sender": "ULAK",
                "sendDateTime": "",
                "iys": "0",
                "iysList": "",
                "message": [
                    {"text": "Merhaba", "receipents": {"number": [str(FIRST + 1), str(FIRST + 2)]}},
                    {"text": "Günaydın 🌍", "receipents": {"number": [str(FIRST + 3)]}},
                ],
            },
        }
    }


async def test_consent_and_sender_are_the_carriers(upstream: Server, linked: Link) -> None:
    link = await linked(iys="1", iys_list="TACIR", sender="ORNEKAS").start()
    link.send(1, sender="A")
    link.send(2, sender="B")
    await link.told(2)
    (order,) = upstream.sends()
    assert (order["sender"], order["iys"], order["iysList"]) == ("ORNEKAS", "1", "TACIR")


async def test_an_order_has_one_sender(upstream: Server, linked: Link) -> None:
    link = await linked().start()
    link.send(1, 3, sender="A")
    link.send(2, 4, sender="B")
    await link.told(4)
    assert [order["sender"] for order in upstream.sends()] == ["A", "B"]
    assert link.desk.outcome == {1: ref(1, 1), 3: ref(1, 3), 2: ref(2, 2), 4: ref(2, 4)}


async def test_a_number_stands_in_an_order_once(upstream: Server, linked: Link) -> None:
    link = await linked().start()
    for each in (1, 2, 3):
        link.send(each, text=f"Kod {each}", to=FIRST)
    link.send(4, text="Kod 1")
    await link.told(4)
    assert [order.numbers for order in upstream.orders] == [[FIRST, FIRST + 4], [FIRST], [FIRST]]
    assert [list(order.texts) for order in upstream.orders] == [["Kod 1"], ["Kod 2"], ["Kod 3"]]
    assert link.desk.outcome == {
        1: ref(1, 0),
        2: ref(2, 0),
        3: ref(3, 0),
        4: ref(1, 4),
    }


async def test_the_rate_is_counted_by_recipients(upstream: Server, linked: Link) -> None:
    link = await linked(rate="50").start()
    link.send(*range(200))
    await link.told(200)
    assert [len(order.numbers) for order in upstream.orders] == [50] * 4
    at = [order.at - NOW for order in upstream.orders]
    assert at == sorted(at)
    assert at[-1] >= 3_000
    assert all(later - before >= 1_000 for before, later in pairwise(at))


async def test_without_a_rate_an_order_has_up_to_fifty_thousand(upstream: Server, linked: Link) -> None:
    link = await linked(rate="0", window="50000").start()
    assert link.link.window == 50_000
    link.link.submit([Outgoing(each, FIRST + each, "ULAK", "Merhaba") for each in range(50_001)])
    await link.told(50_001)
    assert sorted(len(order.numbers) for order in upstream.orders) == [1, 50_000]


async def test_at_most_a_hundred_texts_go_together(upstream: Server, linked: Link) -> None:
    link = await linked(rate="0").start()
    for each in range(150):
        link.send(each, text=f"Kod {each}")
    await link.told(150)
    assert [len(order.texts) for order in upstream.orders] == [100, 50]


def test_what_is_behind_the_end_of_a_request_is_not_looked_at() -> None:
    """Fifty thousand messages may wait, and each request would cost all of them."""
    unseen: Any = None
    one = [Outgoing(each, FIRST + each, "ULAK", "Merhaba") for each in range(10)]
    waiting = deque([*one, unseen])
    request = compose(waiting, "", 10, set())
    assert request is not None
    assert (list(request.messages), list(waiting)) == (one, [unseen])
    many = [Outgoing(each, FIRST + each, "ULAK", f"Kod {each}") for each in range(102)]
    waiting = deque([*many, unseen])
    request = compose(waiting, "", 1_000, {FIRST})
    assert request is not None
    assert list(request.messages) == many[1:101]
    assert list(waiting) == [many[0], many[101], unseen]
    request = compose(deque(many), "", 1_000, set())
    assert request is not None
    assert list(request.messages) == many[:100]


def test_what_cannot_go_yet_keeps_its_place() -> None:
    waiting = deque(
        Outgoing(each, FIRST + number, sender, "Merhaba")
        for each, (number, sender) in enumerate(((1, "A"), (2, "A"), (2, "A"), (3, "B"), (4, "A")))
    )
    request = compose(waiting, "", 3, {FIRST + 1})
    assert request is not None
    assert [message.id for message in request.messages] == [1, 4]
    assert [message.id for message in waiting] == [0, 2, 3]
    assert compose(waiting, "", 3, {FIRST + each for each in range(9)}) is None
    assert [message.id for message in waiting] == [0, 2, 3]


async def test_a_few_requests_are_under_way(upstream: Server, linked: Link) -> None:
    def take(asked: Asked) -> What:
        answer = upstream.take(asked)
        assert isinstance(answer, Raw)
        return Slow(json.loads(answer.body), 0.02)

    upstream.on(SEND, take)
    link = await linked(rate="0").start()
    for each in range(10):
        link.send(each, sender=f"S{each}")
    await link.told(10)
    assert 2 <= upstream.most_at_once <= 4


# What is refused


@pytest.mark.parametrize("code", [450, 457, 459, 460, 467, 468, 469, 470, 405])
async def test_a_no_to_the_whole_is_for_all(upstream: Server, linked: Link, code: int) -> None:
    upstream.on(SEND, no(code))
    link = await linked().start()
    link.send(1, 2)
    link.send(3, text="x")
    await link.told(3)
    said = link.desk.outcome[1]
    assert isinstance(said, Refused)
    assert said.code.startswith(f"{code} ")
    assert set(map(str, link.desk.outcome.values())) == {str(said)}
    assert upstream.times(SEND) == 1
    assert link.desk.up


async def test_the_reason_is_the_servers(upstream: Server, linked: Link) -> None:
    upstream.on(SEND, no(450))
    link = await linked().start()
    link.send(1)
    await link.told()
    assert link.desk.told == [(1, Refused("450 Gönderilen başlık kullanıma uygun değil"))]


@pytest.mark.parametrize("code", [400, 422, 452, 453, 454, 413])
async def test_one_bad_text_is_found(upstream: Server, linked: Link, code: int) -> None:
    def take(asked: Asked) -> What:
        return no(code) if b"Kod 5" in asked.body else upstream.take(asked)

    upstream.on(SEND, take)
    link = await linked().start()
    for each in range(1, 9):
        link.send(each, each + 100, text=f"Kod {each}")
    await link.told(16)
    outcomes = link.desk.outcome
    refused = {each for each, said in outcomes.items() if isinstance(said, Refused)}
    assert refused == {5, 105}
    assert all(isinstance(said, Accepted) for each, said in outcomes.items() if each not in refused)
    assert len(upstream.got()) == 14
    assert upstream.times(SEND) <= 9


async def test_one_bad_number_is_found(upstream: Server, linked: Link) -> None:
    def take(asked: Asked) -> What:
        return no(452) if str(FIRST + 3).encode() in asked.body else upstream.take(asked)

    upstream.on(SEND, take)
    link = await linked().start()
    link.send(*range(1, 9))
    await link.told(8)
    refused = [each for each, said in link.desk.outcome.items() if isinstance(said, Refused)]
    assert refused == [3]
    assert len(upstream.got()) == 7


# What has to wait


@pytest.mark.parametrize(
    "weather",
    [
        no(401),
        no(403),
        no(404),
        no(429),
        no(503),
        no(503, Retry_After="7"),
        Raw(503, b"<html>"),
        Raw(302),
        Raw(403, b"<html>"),
        Raw(404, b"<html>"),
        told({"response": {"status": {"code": "401"}}}, 401),
    ],
)
async def test_what_was_not_taken_is_kept_and_tried_again(
    upstream: Server, linked: Link, weather: What
) -> None:
    upstream.on(SEND, weather, weather, upstream.take)
    link = await linked().start()
    link.send(1, 2)
    await link.told(2)
    assert link.desk.outcome == {1: ref(1, 1), 2: ref(1, 2)}
    assert upstream.times(SEND) == 3
    assert upstream.times(LIST) == 0


@pytest.mark.parametrize("code", [429, 503])
async def test_retry_after_is_honoured(upstream: Server, linked: Link, code: int) -> None:
    upstream.on(SEND, no(code, Retry_After="40"), upstream.take)
    link = await linked().start()
    link.send(1)
    await link.told()
    assert upstream.orders[0].at - NOW >= 40_000
    # Nothing else is asked in the meantime, and too many requests are no reason to call the link down.
    assert upstream.times(SEND) == 2
    assert [up for up, _ in link.desk.states] == ([True] if code == 429 else [True, False, True])
    assert upstream.times(BALANCE) <= 2


async def test_whoever_says_no_wait_at_all_is_left_alone_for_a_second(upstream: Server, linked: Link) -> None:
    upstream.on(SEND, *[no(429, Retry_After="0")] * 5, upstream.take)
    link = await linked().start()
    link.send(1)
    await link.told()
    assert 5_000 <= upstream.orders[0].at - NOW <= 6_000


@pytest.mark.usefixtures("upstream")
async def test_a_clock_that_is_set_back_stops_nothing(linked: Link) -> None:
    link = await linked(rate="1").start()
    link.send(1)
    await link.told()
    await link.hours.pass_by(2)
    link.hours.now -= 60 * MINUTE * 1000
    back = link.hours.now
    link.send(2)
    await link.told(2)
    assert link.hours.now - back <= 5_000


async def test_nobody_is_asked_to_wait_for_ever(upstream: Server, linked: Link) -> None:
    upstream.on(SEND, no(429, Retry_After="999999999"), upstream.take)
    link = await linked().start()
    link.send(1)
    await link.told()
    assert upstream.orders[0].at - NOW <= 300_100


async def test_an_account_that_lets_nobody_in(upstream: Server, linked: Link) -> None:
    upstream.on(BALANCE, no(401), HTML, Raw(), good(balance={"sms": "7"}))
    link = linked()
    link.send(1)
    await link.start()
    assert link.desk.states == [(False, "401 Üyelik bilgileri hatalı")]
    link.send(2)
    await link.told(2)
    assert link.desk.states[-1] == (True, "the account answers; its balance is 7 SMS")
    assert upstream.times(BALANCE) == 4


async def test_an_empty_account_waits_for_money(upstream: Server, linked: Link) -> None:
    upstream.on(BALANCE, good(balance={"amount": "0,0372", "sms": "1"}))
    upstream.on(SEND, no(402))
    link = await linked().start()
    link.send(1, 2, 3)
    await link.hours.until(lambda: not link.desk.up)
    await link.hours.pass_by(2)
    tried = upstream.times(SEND)
    await link.hours.pass_by(5 * MINUTE)
    assert upstream.times(SEND) == tried
    assert link.desk.states[-1] == (False, "402 Bakiye yetersiz")
    upstream.on(BALANCE, good(balance={"amount": "0,0373", "sms": "1"}))
    upstream.on(SEND, upstream.take)
    await link.told(3)
    assert link.desk.up
    assert link.hours.now - NOW < 9 * MINUTE * 1000
    assert len(upstream.got()) == 3


async def test_an_empty_account_is_used_again_after_a_while(upstream: Server, linked: Link) -> None:
    upstream.on(SEND, no(402), upstream.take)
    link = await linked().start()
    link.send(1)
    await link.told()
    assert link.hours.now - NOW >= 10 * MINUTE * 1000


async def test_what_is_left_is_used_up(upstream: Server, linked: Link) -> None:
    left = 5

    def take(asked: Asked) -> What:
        nonlocal left
        count = sum(len(each["receipents"]["number"]) for each in asked.json["request"]["order"]["message"])
        if count > left:
            return no(402)
        left -= count
        return upstream.take(asked)

    upstream.on(SEND, take)
    link = await linked().start()
    link.send(*range(1, 9))
    await link.hours.until(lambda: not link.desk.up)
    await link.hours.pass_by(MINUTE)
    assert left <= 1
    left = 100
    await link.told(8)
    assert sorted(link.desk.outcome) == list(range(1, 9))
    assert len(upstream.got()) == 8


async def test_a_server_that_goes_and_comes_back(upstream: Server, linked: Link) -> None:
    link = await linked().start()
    await upstream.close()
    link.send(1, 2)
    await link.hours.until(lambda: not link.desk.up)
    await link.hours.pass_by(3 * MINUTE)
    assert link.desk.told == []
    await upstream.start()
    await link.told(2)
    assert link.desk.outcome == {1: ref(1, 1), 2: ref(1, 2)}


# Stopping


async def test_what_was_not_begun_is_forgotten_when_it_stops(upstream: Server, linked: Link) -> None:
    upstream.on(BALANCE, no(401))
    link = await linked().start()
    link.send(1)
    await link.link.stop()
    link.send(2)
    await link.hours.pass_by(MINUTE)
    assert link.desk.told == []
    assert upstream.times(SEND) == 0
    assert link.desk.states[-1] == (False, "the link was stopped")


async def test_an_answer_that_is_due_is_waited_for_shortly(
    upstream: Server, linked: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ulak.dialects.iletimerkezi.connect.link.LAST_ANSWERS", 0.2)

    def take(asked: Asked) -> What:
        if asked.json["request"]["order"]["sender"] == "A":
            return Mute()
        answer = upstream.take(asked)
        assert isinstance(answer, Raw)
        return Slow({"response": {"status": {"code": 200}, "order": {"id": 300000001}}}, 0.05)

    upstream.on(SEND, take)
    link = await linked(rate="0").start()
    link.send(1, sender="A")
    link.send(2, sender="B")
    while upstream.times(SEND) < 2:
        await asyncio.sleep(0.005)
        link.hours.wake()
    await link.link.stop()
    assert link.desk.outcome == {1: Unknown("the link was stopped before an answer came"), 2: ref(1, 2)}


# Spellings


@pytest.mark.parametrize(
    "answer",
    [
        {"response": {"status": {"code": "200"}, "order": {"id": 300000001}}},
        {"response": {"status": {"code": 200}, "order": [{"id": " 300000001 "}]}},
        {"response": {"status": {"code": "200", "message": 7}, "order": {"id": "300000001"}, "x": []}},
    ],
)
async def test_success_may_be_spelled_in_many_ways(
    upstream: Server, linked: Link, answer: dict[str, Any]
) -> None:
    upstream.on(SEND, told(answer))
    link = await linked().start()
    link.send(1)
    await link.told()
    assert link.desk.told == [(1, ref(1, 1))]


async def test_the_code_in_the_envelope_counts(upstream: Server, linked: Link) -> None:
    upstream.on(SEND, told({"response": {"status": {"code": "450", "message": "hayır"}}}, 200))
    link = await linked().start()
    link.send(1)
    await link.told()
    assert link.desk.told == [(1, Refused("450 hayır"))]
