"""From the answers of parts to the one outcome of a message."""

from __future__ import annotations

import pytest

from ulak.core.ports import Accepted, Refused, Unknown
from ulak.dialects.smpp.outbox import RETRY_DELAYS, Flight, Outbox, Token
from ulak.dialects.smpp.pieces import planner
from ulak.dialects.smpp.settings import LinkSettings

PLAN = planner(LinkSettings(host="localhost", system_id="x"))


def flight(id: int, parts: int = 1) -> Flight:
    return Flight(id, b"905321234567", PLAN("ACME", "x" * (153 * parts if parts > 1 else 1)), 1)


def filled(*parts: int) -> Outbox:
    """An outbox with messages 1, 2, … of so many parts."""
    outbox = Outbox()
    for id, count in enumerate(parts, 1):
        outbox.put(flight(id, count))
    return outbox


def next_token(outbox: Outbox, now: float = 0.0) -> Token:
    token = outbox.next(now)
    assert token is not None
    return token


def names(outbox: Outbox, now: float = 0.0) -> list[tuple[int, int]]:
    """Everything that can be sent now, as message and part."""
    found = []
    while (token := outbox.next(now)) is not None:
        found.append((token[2].id, token[1]))
    return found


def test_parts_go_in_the_order_of_submission() -> None:
    assert names(filled(1, 3, 1)) == [(1, 0), (2, 0), (2, 1), (2, 2), (3, 0)]


def test_a_message_of_one_part() -> None:
    outbox = filled(1)
    assert outbox
    assert outbox.accepted(next_token(outbox), "0077") == (1, Accepted(("0077",)))
    assert not outbox


def test_a_message_of_several_parts_is_accepted_once_with_its_references_in_order() -> None:
    outbox = filled(3)
    tokens = [next_token(outbox) for _ in range(3)]
    assert outbox.accepted(tokens[2], "c") is None
    assert outbox.accepted(tokens[0], "a") is None
    assert outbox.accepted(tokens[1], "b") == (1, Accepted(("a", "b", "c")))


def test_a_refused_part_ends_the_message_when_what_was_written_is_answered() -> None:
    outbox = filled(4, 1)
    tokens = [next_token(outbox) for _ in range(3)]
    assert outbox.refused(tokens[1], "no") is None
    assert names(outbox) == [(2, 0)]  # the fourth part is not sent
    assert outbox.accepted(tokens[0], "a") is None
    assert outbox.refused(tokens[2], "neither") == (1, Refused("no"))


def test_what_was_turned_away_goes_first_and_in_order() -> None:
    outbox = filled(1, 2, 1)
    tokens = [next_token(outbox) for _ in range(3)]
    for token in reversed(tokens):
        assert outbox.put_back(token) is None
    assert names(outbox) == [(1, 0), (2, 0), (2, 1), (3, 0)]


def test_what_was_turned_away_of_a_refused_message_does_not_go_again() -> None:
    outbox = filled(2)
    tokens = [next_token(outbox) for _ in range(2)]
    assert outbox.refused(tokens[0], "no") is None
    assert outbox.put_back(tokens[1]) == (1, Refused("no"))
    assert names(outbox) == []


def test_a_failing_message_is_tried_again_after_growing_delays_and_then_given_up() -> None:
    outbox = filled(1)
    now = 100.0
    for delay in RETRY_DELAYS:
        assert outbox.retry(next_token(outbox, now), "error", now) is None
        assert outbox.due() == now + delay
        assert outbox.next(now + delay - 0.01) is None
        now += delay
    assert list(RETRY_DELAYS) == sorted(RETRY_DELAYS)
    assert outbox.retry(next_token(outbox, now), "error", now) == (1, Refused("error"))


def test_a_delayed_message_holds_up_no_other() -> None:
    outbox = filled(1, 1)
    outbox.retry(next_token(outbox), "error", 0.0)
    assert outbox.due() is None
    assert names(outbox) == [(2, 0)]


@pytest.mark.parametrize(
    ("accepted", "open_parts", "expected"),
    [
        (0, 0, []),  # nothing was written: it waits
        (0, 1, [(1, Unknown("cut"))]),
        (1, 0, [(1, Unknown("cut"))]),  # a half may be there, and the rest was not sent
        (1, 1, [(1, Unknown("cut"))]),
        (0, 3, [(1, Unknown("cut"))]),
    ],
)
def test_the_connection_is_lost(accepted: int, open_parts: int, expected: list[tuple[int, Unknown]]) -> None:
    outbox = filled(3, 1)
    tokens = [next_token(outbox) for _ in range(accepted + open_parts)]
    for token in tokens[:accepted]:
        outbox.accepted(token, "a")
    assert outbox.lost(tokens[accepted:], "cut") == expected
    rest = [(2, 0)] if expected else [(1, 0), (1, 1), (1, 2), (2, 0)]
    assert names(outbox) == rest


def test_the_connection_is_lost_with_a_refused_part() -> None:
    outbox = filled(2)
    tokens = [next_token(outbox) for _ in range(2)]
    outbox.refused(tokens[0], "no")
    assert outbox.lost(tokens[1:], "cut") == [(1, Refused("no"))]


def test_what_was_turned_away_survives_the_connection() -> None:
    outbox = filled(1, 2)
    tokens = [next_token(outbox) for _ in range(3)]
    outbox.put_back(tokens[0])
    outbox.accepted(tokens[1], "a")
    outbox.put_back(tokens[2])  # its sister is accepted: nobody can say what became of the whole
    assert outbox.lost([], "cut") == [(2, Unknown("cut"))]
    assert names(outbox) == [(1, 0)]


def test_only_what_was_begun_is_kept_when_the_link_stops() -> None:
    outbox = filled(2, 1, 1)
    first = next_token(outbox)
    outbox.forget_untouched()
    assert names(outbox) == [(1, 1)]
    assert outbox.lost([first], "stopped") == [(1, Unknown("stopped"))]
    assert not outbox
