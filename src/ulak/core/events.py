"""What happened, for those who asked to be told.

An event is never edited. What is told about it (a callback) is rendered from its data, in the words of the
dialect whose endpoint is told, so the data hold all that any of them needs.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

from ulak.core.states import ParcelState


class EventKind(StrEnum):
    """What happened. The part before the dot is the family that an endpoint subscribes to."""

    CONSIGNMENT_CREATED = "consignment.created"
    CONSIGNMENT_STATUS = "consignment.status_changed"
    CONSIGNMENT_LABEL = "consignment.label_ready"
    CONSIGNMENT_CANCELLED = "consignment.cancelled"
    DOCUMENT_CREATED = "document.created"
    PURCHASE_CHANGED = "purchase.changed"
    MESSAGE_ACCEPTED = "message.accepted"
    MESSAGE_DELIVERED = "message.delivered"
    MESSAGE_UNDELIVERED = "message.undelivered"
    CREDIT_GRANTED = "credit.granted"
    ENDPOINT_DISABLED = "endpoint.disabled"

    @property
    def family(self) -> str:
        """What it is about."""
        return self.value.partition(".")[0]


class Event(NamedTuple):
    """Something that happened. Callbacks about one `subject` are told in order; `data` is a JSON object.

    `endpoint_id`: an endpoint that was named for this subject alone, to be told beside those of the account.
    """

    account_id: int
    kind: EventKind
    subject: int
    data: bytes
    endpoint_id: int | None = None


class ConsignmentNews(Struct, frozen=True, omit_defaults=True):
    """The data of an event about a consignment: what it is, and what was seen (or done) last."""

    id: int
    uuid: str
    barcode: str
    state: ParcelState
    text: str
    at: int
    stored: int
    reference: str | None = None
    tracking: str | None = None
    location: str | None = None
    carrier_id: int | None = None
    carrier_name: str | None = None
    paper_id: int | None = None
    """The document that was created, in an event about one."""


class MessageNews(Struct, omit_defaults=True, gc=False):
    """The data of an event about a message: the order it belongs to, by its id here and by the number its
    customer knows, and what the customer is told that the message is called.

    Whom it goes to, as reports show it, and its text are looked up when it is told: a large order would
    repeat them thousands of times.
    """

    order_id: int
    order: int
    name: int
    to: str = ""
    text: str = ""
