"""How `webhookUrl`s and the endpoints of this dialect's accounts are told how an order goes.

The body is what `/orderstatus` answers, as documented, and the order's id. The headers are ours
(specification, section 3.11).
"""

from __future__ import annotations

import hashlib
import hmac
import uuid

import msgspec

from ulak.core.callbacks import EventRow, RenderedCallback, Renderer
from ulak.core.purchases import Shown
from ulak.dialects.sms4sats import wire
from ulak.dialects.sms4sats.shown import status_of

EVENT_ID = "X-Sms4sats-Event-Id"
SIGNATURE = "X-Sms4sats-Signature"

_EVENTS = uuid.UUID("6f1c2a4e-6c0b-5d5e-9a57-0d7f0a4c3b21")
"""The namespace of event ids."""

_shown = msgspec.json.Decoder(Shown)


def render(event: EventRow) -> RenderedCallback:
    """An event about an order. Its id is the same however often it is told."""
    shown = _shown.decode(event.data)
    status = status_of(shown)
    status.orderId = shown.public_id
    name = uuid.uuid5(_EVENTS, f"{shown.public_id} {event.id}")
    return RenderedCallback(wire.encode(status), headers={EVENT_ID: str(name)})


def sign(at_ms: int, body: bytes, key: bytes) -> dict[str, str]:
    """The header that tells who sent a body, and when (ms)."""
    digest = hmac.new(key, b"%d.%s" % (at_ms, body), hashlib.sha256)
    return {SIGNATURE: f"t={at_ms},v1={digest.hexdigest()}"}


RENDERER = Renderer(families=frozenset({"purchase"}), render=render, sign=sign)
