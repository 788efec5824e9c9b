"""Answers that never came: the order is found, or its messages are in doubt; nothing goes twice blindly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from tests.dialects.iletimerkezi_client.conftest import FIRST, Desk, Linked
from tests.dialects.iletimerkezi_client.upstream import (
    LIST,
    REPORT,
    SEND,
    WINDOW,
    Order,
    Server,
    good,
    no,
)
from tests.dialects.sms4sats_client.upstream import GARBAGE, HTML, Asked, Cut, Mute, Raw, What, told
from tests.peers.accounts import NOW

from ulak.core.ports import Accepted, Outgoing, Refused, Unknown
from ulak.dialects.iletimerkezi.connect.finding import SKEW

Link: TypeAlias = Callable[..., Linked]
MINUTE = 60


def ref(order: int, each: int) -> Accepted:
    return Accepted((f"{300_000_000 + order}:{FIRST + each}",))


def old(server: Server, count: int, minutes: int = 60, number: int = FIRST + 999) -> None:
    """Orders of before, one to this number each."""
    for place in range(count):
        at = NOW - minutes * 60_000
        made = Order(300_000_001 + len(server.orders), "ULAK", at, {f"Eski {place}": [number]})
        made.states = {number: 111}
        server.orders.append(made)


LOST = [
    Cut(),
    Mute(),
    HTML,
    GARBAGE,
    no(500),
    Raw(504),
    Raw(500, b"oops"),
    good(),
    good(order={"id": "abc"}),
    told({"order": {"id": "300000001"}}),
    told({"response": {"status": {"code": "yok"}, "order": {"id": "300000001"}}}),
]


@pytest.mark.parametrize("weather", LOST)
async def test_an_order_whose_answer_was_lost_is_found(upstream: Server, linked: Link, weather: What) -> None:
    def lose(asked: Any) -> What:
        upstream.take(asked)
        return weather

    upstream.on(SEND, lose, upstream.take)
    link = await linked(timeout="0.1").start()
    link.send(1, 2)
    link.send(3, text="x")
    await link.told(3)
    assert link.desk.outcome == {each: ref(1, each) for each in (1, 2, 3)}
    assert upstream.times(SEND) == 1
    assert [up for up, _ in link.desk.states][:2] == [True, False]
    await link.hours.until(lambda: link.desk.up)
    link.send(4)
    await link.told(4)
    assert link.desk.outcome[4] == ref(2, 4)


@pytest.mark.parametrize("weather", LOST)
async def test_one_that_was_never_made_is_in_doubt(upstream: Server, linked: Link, weather: What) -> None:
    upstream.on(SEND, weather, upstream.take)
    link = await linked(timeout="0.1").start()
    link.send(1, 2)
    await link.told(2)
    assert all(isinstance(said, Unknown) for said in link.desk.outcome.values())
    assert upstream.times(LIST) == 3
    assert upstream.times(SEND) == 1
    # Sent again it is one order, and nothing else is in it.
    link.send(3)
    link.again(1, 2)
    await link.told(3)
    assert [order.numbers for order in upstream.orders] == [[FIRST + 1, FIRST + 2], [FIRST + 3]]


async def test_it_is_found_among_many(upstream: Server, linked: Link) -> None:
    old(upstream, 2)
    link = await linked().start()
    # One of ours to the same number, one of somebody else's to another, one larger, one of another sender.
    link.send(1, text="önce")
    await link.told()
    at = link.hours.now
    for sender, numbers in (("ULAK", [9]), ("ULAK", [1, 2]), ("BASKA", [1])):
        made = Order(
            300_000_001 + len(upstream.orders), sender, at, {"x": [FIRST + each for each in numbers]}
        )
        made.states = dict.fromkeys(made.numbers, 110)
        upstream.orders.append(made)
    upstream.on(SEND, upstream.lose, upstream.take)
    link.send(11, text="sonra", to=FIRST + 1)
    await link.told(2)
    assert link.desk.outcome[1] == ref(3, 1)
    assert link.desk.outcome[11] == ref(7, 1)
    # Only what may have been it was looked at.
    looked = [asked.json["request"]["order"]["id"] for asked in upstream.calls(REPORT)]
    assert set(looked) <= {"300000003", "300000004", "300000007"}


async def test_an_older_order_is_none(upstream: Server, linked: Link) -> None:
    old(upstream, 1, minutes=2, number=FIRST + 1)
    upstream.on(SEND, Cut(), upstream.take)
    link = await linked().start()
    link.send(1)
    await link.told()
    assert isinstance(link.desk.outcome[1], Unknown)


@pytest.mark.parametrize("skew", [-SKEW + 2_000, 5_000])
async def test_the_servers_clock_may_differ_a_little(upstream: Server, linked: Link, skew: int) -> None:
    upstream.skew = skew
    upstream.on(SEND, upstream.lose)
    link = await linked().start()
    link.send(1)
    await link.told()
    assert link.desk.told == [(1, ref(1, 1))]


async def test_the_pages_of_a_long_list_are_read_from_its_end(upstream: Server, linked: Link) -> None:
    old(upstream, 1_000)
    upstream.on(SEND, upstream.lose)
    link = await linked().start()
    link.send(1)
    await link.told()
    assert link.desk.told == [(1, ref(1_001, 1))]
    pages = [asked.json["request"]["filter"]["page"] for asked in upstream.calls(LIST)]
    assert pages == [1, 34, 35, 33]


async def test_a_list_may_be_newest_first_and_badly_spelled(upstream: Server, linked: Link) -> None:
    old(upstream, 100)

    def listed(asked: Any) -> What:
        page = int(asked.json["request"]["filter"]["page"])
        rows = [upstream.summary(order) for order in reversed(upstream.orders)]
        shown = [{key: str(value) for key, value in row.items()} for row in rows[page * 30 - 30 : page * 30]]
        return good(count="101", orders=shown)

    upstream.on(LIST, listed)
    upstream.on(SEND, upstream.lose)
    link = await linked().start()
    link.send(1)
    await link.told()
    assert link.desk.told == [(1, ref(101, 1))]


async def test_a_list_without_a_count_is_read_until_it_is_empty(upstream: Server, linked: Link) -> None:
    old(upstream, 45, minutes=0)

    def listed(asked: Any) -> What:
        page = int(asked.json["request"]["filter"]["page"])
        rows = [upstream.summary(order) for order in upstream.orders][page * 30 - 30 : page * 30]
        return good(orders=rows[0] if len(rows) == 1 else rows)

    upstream.on(LIST, listed)
    upstream.on(SEND, upstream.lose)
    link = await linked().start()
    link.send(1)
    await link.told()
    assert link.desk.told == [(1, ref(46, 1))]
    assert upstream.times(LIST) == 3


async def test_a_large_order_is_known_by_all_of_its_numbers(upstream: Server, linked: Link) -> None:
    upstream.on(SEND, upstream.lose)
    link = await linked(rate="0", window="5000").start()
    link.send(*range(2_500))
    await link.told(2_500)
    assert link.desk.outcome == {each: ref(1, each) for each in range(2_500)}
    assert upstream.times(REPORT) >= 3


async def test_a_server_that_is_away_for_a_while_is_asked_when_it_is_back(
    upstream: Server, linked: Link
) -> None:
    def lose(asked: Any) -> What:
        upstream.take(asked)
        upstream.on(LIST, no(503), HTML, Cut(), no(500), upstream.listing)
        return Cut()

    upstream.on(SEND, lose)
    link = await linked().start()
    link.send(1)
    await link.told()
    assert link.desk.told == [(1, ref(1, 1))]


async def test_an_order_that_cannot_be_read_now_may_be_the_one(upstream: Server, linked: Link) -> None:
    upstream.on(SEND, upstream.lose)
    upstream.on(REPORT, no(500), HTML, Cut(), no(503), upstream.report)
    link = await linked().start()
    link.send(1)
    await link.told()
    assert link.desk.told == [(1, ref(1, 1))]


async def test_in_the_end_nobody_waits_for_a_server_that_is_gone(upstream: Server, linked: Link) -> None:
    upstream.on(SEND, upstream.lose)
    upstream.on(LIST, no(503))
    link = await linked().start()
    link.send(1)
    await link.told()
    assert isinstance(link.desk.outcome[1], Unknown)
    assert 150_000 <= link.hours.now - NOW <= 400_000


async def test_nobody_else_of_the_same_number_goes_while_it_is_looked_for(
    upstream: Server, linked: Link
) -> None:
    """Were there two orders to one number, none could tell which text was in which."""
    upstream.on(SEND, upstream.lose, upstream.take)
    upstream.on(LIST, *[good(count=0, orders=[])] * 2, upstream.listing)
    link = await linked().start()
    link.send(1, text="Kod 1")
    await link.hours.until(lambda: not link.desk.up)
    link.send(11, text="Kod 2", to=FIRST + 1)
    link.send(2)
    await link.told(3)
    outcomes = link.desk.outcome
    one, two = (order.id - 300_000_000 for order in upstream.orders if FIRST + 1 in order.numbers)
    assert (outcomes[1], outcomes[11]) == (ref(one, 1), ref(two, 1))
    assert list(upstream.orders[one - 1].texts) == ["Kod 1"]
    paths = [asked.path for asked in upstream.asked]
    found, second = (
        paths.index("/v1/get-report/json"),
        len(paths) - 1 - paths[::-1].index("/v1/send-sms/json"),
    )
    assert found < second


async def test_a_message_at_which_the_server_fails_holds_up_the_others_for_a_while_only(
    upstream: Server, linked: Link
) -> None:
    upstream.on(
        SEND, lambda asked: no(500) if str(FIRST + 3).encode() in asked.body else upstream.take(asked)
    )
    link = await linked().start()
    link.send(1, 2, 3, 4)
    rounds = 0
    while rounds < 12 and not isinstance(link.desk.outcome.get(3), Refused):
        await link.told(4)
        doubtful = [each for each, said in link.desk.told if isinstance(said, Unknown)]
        link.again(*doubtful)
        rounds += len(doubtful) > 0
        await link.told(4)
    assert link.desk.outcome[3] == Refused("500 Beklenmeyen bir sunucu hatası oluştu")
    assert sorted(number - FIRST for _, number in upstream.got()) == [1, 2, 4]


# 451


async def late(upstream: Server, linked: Link) -> Linked:
    """A link with three messages in doubt: their order is listed only later."""
    upstream.on(SEND, upstream.lose, upstream.take)
    upstream.on(LIST, *[good(count=0, orders=[])] * 3, upstream.listing)
    link = await linked().start()
    link.send(1, 2, 3)
    await link.told(3)
    assert all(isinstance(said, Unknown) for said in link.desk.outcome.values())
    return link


async def test_a_repeated_order_went_through_before(upstream: Server, linked: Link) -> None:
    link = await late(upstream, linked)
    link.send(4)
    link.again(1, 2, 3)
    await link.told(4)
    assert link.desk.outcome == {1: ref(1, 1), 2: ref(1, 2), 3: ref(1, 3), 4: ref(2, 4)}
    assert len(upstream.got()) == 4
    assert upstream.times(SEND) == 3


async def test_what_does_not_come_back_as_a_whole_goes_as_it_comes(upstream: Server, linked: Link) -> None:
    """An operator had some of it sent again."""
    link = await late(upstream, linked)
    link.again(1)
    await link.told(3)
    assert link.desk.outcome[1] == ref(2, 1)


async def test_a_repetition_that_is_meant_goes_when_it_may(upstream: Server, linked: Link) -> None:
    """Two customers wrote the same to one number."""
    link = await linked().start()
    link.send(1)
    await link.told()
    link.send(2, to=FIRST + 1)
    await link.told(2)
    assert link.desk.outcome == {1: ref(1, 1), 2: ref(2, 1)}
    first, second = upstream.orders
    assert WINDOW <= second.at - first.at <= WINDOW + 30_000
    assert upstream.times(SEND) == 3
    assert link.desk.up


@pytest.mark.usefixtures("upstream")
async def test_nobody_waits_with_a_repetition_that_is_meant(linked: Link) -> None:
    link = await linked().start()
    link.send(1)
    await link.told()
    link.send(2, to=FIRST + 1)
    await link.hours.pass_by(MINUTE)
    link.send(3, text="Kod 3", to=FIRST + 1)
    await link.told(2)
    assert link.desk.outcome == {1: ref(1, 1), 3: ref(2, 1)}
    # It has not gone, so it is in no doubt when the link is stopped.
    await link.link.stop()
    assert len(link.desk.told) == 2


async def test_another_text_to_the_same_number_is_no_repetition(upstream: Server, linked: Link) -> None:
    """The list is late, and shows only what was sent to the number before."""
    link = await linked().start()
    link.send(1, text="Kod 1")
    await link.told()
    late = 5

    def listing(asked: Asked) -> What:
        nonlocal late
        late -= asked.json["request"]["filter"]["page"] == 1
        shown = [upstream.summary(order) for order in upstream.orders[: 1 if late >= 0 else None]]
        return good(count=len(shown), orders=shown if asked.json["request"]["filter"]["page"] == 1 else [])

    upstream.on(SEND, upstream.lose, upstream.take)
    upstream.on(LIST, listing)
    link.send(2, text="Kod 2", to=FIRST + 1)
    await link.told(2)
    assert isinstance(link.desk.outcome[2], Unknown)
    link.again(2, text="Kod 2", to=FIRST + 1)
    await link.told(2)
    assert link.desk.outcome == {1: ref(1, 1), 2: ref(2, 1)}
    assert len(upstream.orders) == 2


async def test_a_repeated_order_that_nobody_finds_is_in_doubt(upstream: Server, linked: Link) -> None:
    upstream.on(SEND, no(451), no(451), upstream.take)
    link = await linked().start()
    link.send(1)
    await link.told()
    said = link.desk.outcome[1]
    assert said == Unknown("451 Tekrar eden sipariş")
    assert link.hours.now - NOW >= WINDOW
    assert upstream.times(SEND) == 1
    assert 8 <= upstream.times(LIST) <= 30


async def test_after_a_restart_the_store_knows_whose_an_order_is(upstream: Server, linked: Link) -> None:
    before = await linked().start()
    before.send(1)
    await before.told()
    await before.link.stop()
    link = await linked(before.desk).start()
    upstream.on(SEND, upstream.lose, upstream.take)
    link.send(2, text="Kod 2", to=FIRST + 1)
    await link.told(2)
    assert link.desk.outcome == {1: ref(1, 1), 2: ref(2, 1)}


async def test_what_is_looked_for_when_it_stops_is_in_doubt(upstream: Server, linked: Link) -> None:
    upstream.on(SEND, upstream.lose)
    desk = Desk()
    link = await linked(desk).start()
    link.send(1)
    await link.hours.until(lambda: not desk.up)
    await link.link.stop()
    assert desk.told == [(1, Unknown("the link was stopped before an answer came"))]


async def test_large_requests_in_doubt_are_remembered_as_they_were(upstream: Server, linked: Link) -> None:
    """All of those that were under way together, and their messages come back together."""
    count = 6_000
    upstream.on(SEND, Cut(), Cut(), upstream.take)
    upstream.on(LIST, good(count=0, orders=[]))
    link = await linked(rate="0", window="12000").start()
    link.send(*range(count), sender="A")
    link.send(*range(count, 2 * count), sender="B")
    await link.told(2 * count)
    assert {type(said) for said in link.desk.outcome.values()} == {Unknown}
    link.desk.told = []
    again = [*range(count), *range(count, 2 * count)]
    link.link.submit(
        [Outgoing(each, FIRST + each, "A" if each < count else "B", "Merhaba") for each in again]
    )
    # Without its composition it would go together with what follows.
    link.send(2 * count, sender="A")
    await link.told(2 * count + 1)
    assert [(order.sender, len(order.numbers)) for order in upstream.orders] == [
        ("A", count),
        ("B", count),
        ("A", 1),
    ]


async def test_compositions_of_old_doubts_are_forgotten(
    upstream: Server, linked: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a carrier holds what is in doubt, it may never come back."""
    monkeypatch.setattr("ulak.dialects.iletimerkezi.connect.link.DOUBTFUL", 4)
    upstream.on(SEND, Cut(), Cut(), Cut(), upstream.take)
    link = await linked(window="1").start()
    for pair in ((1, 2), (3, 4), (5, 6)):
        link.send(*pair)
        await link.hours.until(lambda sent=pair[1]: sent in link.desk.outcome)  # type: ignore[misc]
    link.again(1, 2, 3, 4)
    link.send(7)
    await link.told(7)
    assert [order.numbers for order in upstream.orders] == [
        [FIRST + 3, FIRST + 4],
        [FIRST + 1, FIRST + 2, FIRST + 7],
    ]


async def test_a_message_at_which_a_proxy_fails_is_never_refused_and_holds_up_no_others(
    upstream: Server, linked: Link
) -> None:
    """Whether it has gone is not known, but the others need not go with it."""
    upstream.on(
        SEND, lambda asked: Raw(502) if str(FIRST + 3).encode() in asked.body else upstream.take(asked)
    )
    link = await linked().start()
    link.send(1, 2, 3, 4)
    for _ in range(8):
        await link.told(4)
        doubtful = [each for each, said in link.desk.told if isinstance(said, Unknown)]
        assert 3 in doubtful
        link.again(*doubtful)
    await link.told(4)
    assert isinstance(link.desk.outcome[3], Unknown)
    assert sorted(number - FIRST for _, number in upstream.got()) == [1, 2, 4]


async def test_while_orders_cannot_be_listed_nothing_counts_as_refused(
    upstream: Server, linked: Link
) -> None:
    """The server fails altogether, so it may have taken what it says it failed at."""
    upstream.on(SEND, no(500))
    upstream.on(LIST, no(500))
    link = await linked().start()
    link.send(1, 2)
    for _ in range(5):
        await link.told(2)
        assert all(isinstance(said, Unknown) for said in link.desk.outcome.values())
        link.again(1, 2)
    bodies = {tuple(each["receipents"]["number"]) for order in upstream.sends() for each in order["message"]}
    assert len(bodies) == 1


async def test_what_is_in_doubt_is_told_once_when_it_stops(upstream: Server, linked: Link) -> None:
    upstream.on(SEND, upstream.lose)
    link = await linked().start()
    link.send(1)
    await link.hours.until(lambda: not link.desk.up)
    await link.link.stop()
    await link.link.stop()
    assert len(link.desk.told) == 1
