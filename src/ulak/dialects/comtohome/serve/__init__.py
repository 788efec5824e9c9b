"""The doors: everything under /api and /uploads is answered here, in the vendor's envelope."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from ulak.core.errors import OutcomeUnknown, StoreUnavailable
from ulak.core.shipping import Printer
from ulak.dialects.comtohome.serve.booking import Booking
from ulak.dialects.comtohome.serve.documents import Documents
from ulak.dialects.comtohome.serve.finding import Finding
from ulak.dialects.comtohome.serve.tariffs import Tariffs
from ulak.dialects.comtohome.serve.visit import DIALECT, RETRY_AFTER, Gate, Refused, Visit, with_rate
from ulak.dialects.comtohome.shown import Show
from ulak.dialects.comtohome.texts import Text
from ulak.dialects.door import Books, Call, Reply, Route, Trouble
from ulak.service.desk import Desk
from ulak.service.guard import Guard, no_guard
from ulak.service.limits import Counts, Limit

__all__ = ["DIALECT", "Doors"]

BASE = "/api/v1"

Door = Callable[[Visit, str], Awaitable[Reply]]
"""Carries out a call, given the part of its path that changes."""


WORDS = 8
"""Into how many words a path is taken apart at most; none that leads anywhere has more."""

_CHANGING = re.compile(r"\{[a-z]+\}(\.png)?")


class Paths(NamedTuple):
    """Paths of one form, and what each method does there. The pattern's only group is what changes."""

    shown: str
    pattern: re.Pattern[str]
    methods: dict[str, Door]


class Doors:
    """Answers everything under the dialect's prefixes."""

    def __init__(
        self,
        books: Books,
        desk: Desk,
        *,
        printer: Printer,
        public_url: Callable[[], str],
        link_key: bytes,
        logo: Callable[[str], bytes],
        limit: int = 300,
        window_ms: int = 60_000,
        nudge: Callable[[int], None] | None = None,
        guard: Guard | None = None,
        shared: Counts | None = None,
    ) -> None:
        """`public_url` is where the server is reached, `link_key` makes the links of labels, `logo` draws a
        carrier's picture (PNG) from its name in a path.

        A key may ask `limit` times in `window_ms`, which is counted in `shared` if there is one. `guard`
        slows those who guess. `nudge` is told about parcels whose carrier was not asked for long.
        """
        self._limit = Limit(DIALECT, limit, window_ms, shared)
        gate = Gate(books, self._limit, guard or no_guard())
        show = Show(public_url, link_key)
        finding = Finding(gate, show, nudge)
        booking = Booking(gate, desk, show)
        documents = Documents(gate, desk, show, printer, logo)
        tariffs = Tariffs(gate, desk, show)
        self._paths = _paths(finding, booking, documents, tariffs)
        shapes = [tuple(_CHANGING.sub("*", paths.shown).split("/")) for paths in self._paths]
        self._names = {shape: "/".join(shape[1:]).removeprefix("api/v1/") for shape in shapes}
        self._words = {word for shape in shapes for word in shape}

    @property
    def routes(self) -> list[Route]:
        """All that is answered here."""
        return [Route(method, paths.shown) for paths in self._paths for method in paths.methods]

    def operation(self, path: str) -> str:
        """A word for what a path is for, one of few: the path without what changes in it."""
        words = path.rstrip("/").split("/", WORDS)
        return self._names.get(tuple(word if word in self._words else "*" for word in words), "unknown")

    async def answer(self, call: Call) -> Reply:
        """Carry out a call."""
        visit = Visit(call, self._limit.unasked)
        try:
            door, value = self._door(visit)
            reply = await door(visit, value)
        except Refused as refused:
            reply = refused.reply
        except OutcomeUnknown:
            raise  # It may have been done: 503 would say that it was not.
        except StoreUnavailable:
            reply = visit.refused(503, Text.UNAVAILABLE, RETRY_AFTER).reply
        return with_rate(reply, visit.rate)

    def trouble(self, call: Call, what: Trouble) -> Reply:
        """The envelope for a call that could not be carried out."""
        status, text = _TROUBLES[what]
        visit = Visit(call, self._limit.unasked)
        headers = RETRY_AFTER if what is Trouble.OVERLOADED else ()
        return with_rate(visit.refused(status, text, headers).reply, visit.rate)

    def _door(self, visit: Visit) -> tuple[Door, str]:
        """Who answers this path and method, and what changes in the path."""
        for paths in self._paths:
            found = paths.pattern.fullmatch(visit.call.path)
            if found is None:
                continue
            door = paths.methods.get(visit.call.method)
            if door is None:
                allow = ((b"allow", ", ".join(paths.methods).encode()),)
                raise visit.refused(405, Text.NO_SUCH_METHOD, allow, method=visit.call.method)
            return door, found[1]
        raise visit.refused(404, Text.NO_SUCH_PATH)


_TROUBLES = {
    Trouble.BODY_TOO_LARGE: (413, Text.TOO_LARGE),
    Trouble.BODY_INCOMPLETE: (400, Text.UNREADABLE),
    Trouble.OVERLOADED: (503, Text.UNAVAILABLE),
    Trouble.CRASHED: (500, Text.CRASHED),
}


def _paths(finding: Finding, booking: Booking, documents: Documents, tariffs: Tariffs) -> list[Paths]:
    """All paths; of several that fit the first counts."""
    return [
        _route("/consignments/find/trackingCode/{rest}", GET=finding.by_tracking),
        _route("/consignments/find/barcode/{rest}", GET=finding.by_barcode),
        _route("/consignments/find/reference_no/{rest}", GET=finding.by_reference),
        _route("/consignments/find/uuid/{rest}", GET=finding.by_uuid),
        _route("/consignments/draft", POST=booking.create_draft),
        _route("/consignments/draft/{id}", PUT=booking.update_draft, DELETE=booking.delete_draft),
        _route("/consignments/draft/{id}/start-process", POST=booking.start),
        _route("/consignments/multi-package", POST=booking.create_many),
        _route("/consignments", GET=finding.listing, POST=booking.create),
        _route("/consignments/{id}/details", GET=finding.details),
        _route("/consignments/{id}/events", GET=finding.events),
        _route("/consignments/{id}/documents", GET=documents.of_consignment),
        _route("/consignments/{id}/proforma", POST=documents.proforma),
        _route("/consignments/{id}/cn22", POST=documents.cn22),
        _route("/consignments/{id}/cn23", POST=documents.cn23),
        _route("/consignments/{id}/send-to-provider", POST=booking.resend),
        _route("/consignments/{id}/recheck", POST=booking.recheck),
        _route("/consignments/{rest}/cancel", POST=booking.cancel),
        _route("/consignment-documents", POST=documents.upload),
        _route("/consignment-documents/{id}", GET=documents.document),
        _route("/consignment-documents/{id}/download", GET=documents.download),
        _route("/public-download/consignment-label/{id}", GET=documents.label),
        _route("/providers", GET=tariffs.providers),
        _route("/special-services", GET=tariffs.services),
        _route("/prices", POST=tariffs.prices),
        _route("/uploads/provider_logos/{logo}.png", "", GET=documents.logo),
    ]


_CHANGES = {"{rest}": "(.+)", "{id}": "([^/]+)", "{logo}": "([a-z0-9-]{1,80})", "": "()"}
_CHANGE = re.compile(r"\{[a-z]+\}")


def _route(path: str, base: str = BASE, **methods: Door) -> Paths:
    """A path; what stands in braces is what changes."""
    path = base + path
    change = _CHANGE.search(path)
    before, after = (path, "") if change is None else (path[: change.start()], path[change.end() :])
    changes = _CHANGES["" if change is None else change[0]]
    ending = "" if path.endswith("{rest}") else "/?"
    pattern = re.compile(re.escape(before) + changes + re.escape(after) + ending, re.DOTALL)
    return Paths(path, pattern, methods)
