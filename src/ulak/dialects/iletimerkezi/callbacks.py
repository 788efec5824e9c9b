"""Delivery callbacks, as iletiMerkezi documents its webhook: one message and one state a call.

A message that is taken is `accepted`, and then `delivered` or `undelivered`; one that is refused at once is
`undelivered` alone. Both ids are JSON numbers below 2³¹, which the C# SDK needs. Beside the documented body
come the headers of Standard Webhooks, signed with the secret of the endpoint.

Sources: webhook page of the apidocs (2024-11), overview of the documentation (2026-05).
"""

from __future__ import annotations

import msgspec

from ulak.core.callbacks import EventRow, RenderedCallback, Renderer
from ulak.core.events import EventKind, MessageNews

_STATUSES = {
    EventKind.MESSAGE_ACCEPTED: "accepted",
    EventKind.MESSAGE_DELIVERED: "delivered",
    EventKind.MESSAGE_UNDELIVERED: "undelivered",
}


class DeliveryReport(msgspec.Struct, gc=False):
    """What became of a message: its own id and its order's, `accepted`, `delivered` or `undelivered`,
    '+90…', and the text as it was submitted."""

    id: int
    packet_id: int
    status: str
    to: str
    body: str


class _Call(msgspec.Struct, gc=False):
    report: DeliveryReport


_encode = msgspec.json.Encoder().encode
_news = msgspec.json.Decoder(MessageNews)


def render(event: EventRow) -> RenderedCallback:
    """The request that tells of an event about a message."""
    news = _news.decode(event.data)
    report = DeliveryReport(news.name, news.order, _STATUSES[event.kind], news.to, news.text)
    return RenderedCallback(_encode(_Call(report)))


RENDERER = Renderer(frozenset((EventKind.MESSAGE_ACCEPTED.family,)), render)
