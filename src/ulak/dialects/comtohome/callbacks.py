"""How the endpoints of this dialect's accounts are told what happened, and how we read it when we are one.

The vendor documents no callbacks, so the form is ours: that of Standard Webhooks, with an event of the
vendor's movement list in it.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ulak.core.callbacks import EventRow, RenderedCallback, Renderer
from ulak.core.events import ConsignmentNews, EventKind
from ulak.core.shipping import News
from ulak.dialects.comtohome import wire
from ulak.dialects.comtohome.codes import STATUSES
from ulak.dialects.comtohome.reading import obj, parse, read_sighting, text
from ulak.dialects.comtohome.shown import with_offset

_SEEN = (EventKind.CONSIGNMENT_STATUS, EventKind.CONSIGNMENT_CANCELLED)
_NOTHING_NEW = (EventKind.CONSIGNMENT_CREATED, EventKind.CONSIGNMENT_LABEL, EventKind.DOCUMENT_CREATED)

_news = msgspec.json.Decoder(ConsignmentNews)


class _Consignment(msgspec.Struct, gc=False):
    """What it is about."""

    id: int
    uuid: str
    barcode: str
    reference_no: str | None


class _Movement(wire.Movement):
    """An event of the list of movements, and where it was."""

    location: str | None


class _Document(msgspec.Struct, gc=False):
    """The document that was created."""

    id: int


class _Data(msgspec.Struct, omit_defaults=True):
    """What happened to what."""

    consignment: _Consignment
    event: _Movement
    tracking_code: str | None
    document: _Document | None = None


class _Body(msgspec.Struct):
    """The whole; `id` stays the same however often it is told."""

    id: str
    type: str
    created_at: str
    data: _Data


def render(event: EventRow) -> RenderedCallback:
    """An event about a consignment or one of its documents, as a body."""
    news = _news.decode(event.data)
    status = STATUSES[news.state]
    named = news.carrier_id is not None and news.carrier_name is not None
    movement = _Movement(
        consignment=wire.ConsignmentId(news.id),
        status=status.code,
        statusMessage=news.text or status.text,
        statusDatetime=with_offset(news.at),
        provider=wire.ProviderName(news.carrier_id or 0, news.carrier_name or "") if named else None,
        createdAt=with_offset(news.stored),
        location=news.location,
    )
    data = _Data(
        _Consignment(news.id, news.uuid, news.barcode, news.reference),
        movement,
        news.tracking,
        _Document(news.paper_id) if news.paper_id is not None else None,
    )
    return RenderedCallback(
        wire.encode(_Body(f"evt_{event.id}", event.kind.value, with_offset(event.at), data))
    )


RENDERER = Renderer(families=frozenset({"consignment", "document"}), render=render)


def read_news(headers: Mapping[str, str], body: bytes) -> list[News]:
    """What another server of this kind tells us, in the form above.

    What was seen comes as a sighting. Kinds that tell nothing we do not know give no news; all others that
    name a parcel say that it should be asked about.

    Raises:
        ValueError: it is no JSON object.
    """
    del headers
    found = parse(body)
    data, kind = obj(found.get("data")), text(found.get("type"))
    tracking = text(data.get("tracking_code"))
    if tracking is None or kind in _NOTHING_NEW:
        return []
    seen = read_sighting(obj(data.get("event"))) if kind in _SEEN else None
    return [News(tracking, (seen,) if seen is not None else ())]
