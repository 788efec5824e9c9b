"""Waits, signatures and what counts as a success."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from ulak.core.callbacks import ATTEMPTS, WAITS, Outcome, next_wait, read_secret, signed, write_secret

NOW = 1_779_274_991_000  # 20 May 2026, 11:03:11 UTC
SECOND = 1_000
DAY = 24 * 3600 * SECOND
MIDDLE = 0.5
"""Luck that leaves a wait as it stands in the table."""


def outcome(status: int, wait: str | None = None) -> Outcome:
    return Outcome(1, NOW, status, 0, "", wait)


def test_the_schedule_is_that_of_standard_webhooks() -> None:
    assert ATTEMPTS == 10
    assert sum(WAITS) == (75 * 3600 + 35 * 60 + 5) * SECOND
    waits = [next_wait(tries, outcome(500), NOW, MIDDLE) for tries in range(1, 12)]
    assert waits == [*WAITS, None, None]


@pytest.mark.parametrize(("luck", "share"), [(0.0, 0.8), (0.25, 0.9), (1.0, 1.2)])
def test_waits_are_longer_or_shorter_by_a_fifth(luck: float, share: float) -> None:
    assert next_wait(1, outcome(500), NOW, luck) == round(WAITS[0] * share)


@pytest.mark.parametrize(
    ("status", "wait", "due"),
    [
        (429, "10", 10 * SECOND),
        (503, "120", 120 * SECOND),
        (503, " 120 ", 120 * SECOND),
        (503, "Wed, 20 May 2026 11:05:11 GMT", 120 * SECOND),
        (503, "Wednesday, 20-May-26 11:05:11 GMT", 120 * SECOND),
        (503, "Wed May 20 11:05:11 2026", 120 * SECOND),
        (429, "Wed, 20 May 2026 14:05:11 +0300", 120 * SECOND),
        (429, "315360000", DAY),
        (429, "Tue, 20 May 2036 11:05:11 GMT", DAY),
        (429, "1", WAITS[0]),
        (429, "0", WAITS[0]),
        (429, "-5", WAITS[0]),
        (429, "1e3", WAITS[0]),
        (429, "9" * 5000, WAITS[0]),
        (429, "Tue, 19 May 2026 11:05:11 GMT", WAITS[0]),
        (429, "Wed, 99 May 2026 11:05:11 GMT", WAITS[0]),
        (429, "Wed, 20 May 99999 11:05:11 GMT", WAITS[0]),
        (429, "soon", WAITS[0]),
        (429, "", WAITS[0]),
        (429, "١٠", WAITS[0]),
        (429, None, WAITS[0]),
        (500, "120", WAITS[0]),
        (302, "120", WAITS[0]),
        (0, "120", WAITS[0]),
    ],
)
def test_a_busy_endpoint_may_ask_for_time(status: int, wait: str | None, due: int) -> None:
    assert next_wait(1, outcome(status, wait), NOW, MIDDLE) == due


@pytest.mark.parametrize(
    ("statuses", "arrived"),
    [((200, 201, 202, 204, 299), True), ((0, 101, 199, 300, 301, 304, 308, 400, 410, 500, 599), False)],
)
def test_every_2xx_is_a_success_and_nothing_else(statuses: tuple[int, ...], arrived: bool) -> None:
    assert {outcome(status).arrived for status in statuses} == {arrived}


def test_the_reference_library_accepts_the_signature() -> None:
    key = bytes(range(32))
    secret = write_secret(key)
    assert (secret[:6], read_secret(secret)) == ("whsec_", key)
    body = '{"text":"Teslim edildi — Şişli"}'.encode()
    seconds = int(datetime.now(UTC).timestamp())
    headers = signed(77, seconds, body, key)
    assert headers["webhook-id"] == signed(77, seconds + 60, body, key)["webhook-id"] == "msg_77"
    assert Webhook(secret).verify(body, headers) == {"text": "Teslim edildi — Şişli"}
    for wrong in (
        (body + b" ", headers),
        (body, headers | {"webhook-id": "msg_78"}),
        (body, headers | {"webhook-timestamp": str(seconds + 1)}),
        (body, signed(77, seconds, body, b"another key")),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(*wrong)
