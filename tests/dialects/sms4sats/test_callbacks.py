"""What a `webhookUrl` is told (specification, section 3.11)."""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from typing import Any

import msgspec
from tests.dialects.sms4sats.office import ORDER, SENT, Office, bought
from tests.dialects.sms4sats.test_status import PRESENT

from ulak.core.callbacks import EventRow
from ulak.core.events import EventKind
from ulak.core.purchases import Incoming, Shown, shown_of
from ulak.core.states import PurchaseKind, PurchaseState
from ulak.dialects.sms4sats.callbacks import EVENT_ID, RENDERER, SIGNATURE


def event(shown: Shown, number: int = 7) -> EventRow:
    return EventRow(number, 1, EventKind.PURCHASE_CHANGED, 3, msgspec.json.encode(shown), SENT)


async def test_the_body_is_the_status_and_the_order(lite: Any) -> None:
    """For every kind in every state."""
    office = Office(lite)
    for place, (kind, state) in enumerate(PRESENT):
        row = bought(kind, state, public_id=f"{place:064x}")
        await office.load(row)
        told = json.loads(RENDERER.render(event(shown_of(row))).body)
        assert list(told)[-1] == "orderId"
        assert told.pop("orderId") == row.public_id
        asked = await office.status(row.public_id)
        assert list(told.items()) == list(asked.items()), (kind, state)


def test_messages_of_a_rental_are_told() -> None:
    row = bought(PurchaseKind.RENTAL, PurchaseState.ACTIVE, service="full")
    shown = shown_of(row, (Incoming("Bank", "Kod 0042", "0042", SENT),))
    told = json.loads(RENDERER.render(event(shown)).body)
    assert told["messages"] == [{"from": "Bank", "text": "Kod 0042", "code": "0042", "timestamp": SENT}]
    assert told["code"] == "0042"


def test_an_event_has_one_id_however_often_it_is_told() -> None:
    shown = shown_of(bought())
    first, again = RENDERER.render(event(shown)), RENDERER.render(event(shown))
    assert first == again
    assert first.content_type == "application/json"
    name = first.headers[EVENT_ID]
    assert str(uuid.UUID(name)) == name
    assert RENDERER.render(event(shown, 8)).headers[EVENT_ID] != name
    elsewhere = shown_of(bought(public_id="ab" * 32))
    assert RENDERER.render(event(elsewhere)).headers[EVENT_ID] != name


def test_the_families_are_those_of_orders() -> None:
    assert EventKind.PURCHASE_CHANGED.family in RENDERER.families
    assert EventKind.CONSIGNMENT_CREATED.family not in RENDERER.families


def test_a_signature_as_a_receiver_checks_it() -> None:
    assert RENDERER.sign is not None
    body = RENDERER.render(event(shown_of(bought()))).body
    headers = RENDERER.sign(1666613406969, body, b"a key")
    assert list(headers) == [SIGNATURE] == ["X-Sms4sats-Signature"]
    parts = dict(part.split("=", 1) for part in headers[SIGNATURE].split(","))
    assert parts["t"] == "1666613406969"
    wanted = hmac.new(b"a key", parts["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
    assert parts["v1"] == wanted
    assert RENDERER.sign(1666613406970, body, b"a key") != headers
    assert ORDER.encode() in body
