"""However a server and the way to it misbehave, a key is booked once, and in the end we know of it."""

from __future__ import annotations

import random

from tests.dialects.comtohome_client.conftest import Account, Hours
from tests.dialects.comtohome_client.upstream import (
    MISSING,
    Asked,
    Cut,
    Raw,
    Scripted,
    What,
    bad,
    document,
    good,
    started,
)
from tests.parcel_cast import shipment

from ulak.core.shipping import Booked, Booking, Declined, Unreached

NOW = 1_779_274_991_000
DAYS = 150
"""Random days, each with a few bookings that are tried until they are known."""

TRIES = 40
FAULTS: tuple[What, ...] = (
    Cut(),
    Raw(500, b"oops"),
    Raw(502, b""),
    Raw(503, b"<html>"),
    Raw(200, b"<html>please log in</html>"),
    Raw(200, b'{"status":true,"data":{"consignm'),
    Raw(200, b'{"status":true,"data":{"consignment":1}}', cut=20),
    good(None),
    good({"surprise": 1}),
    bad("Server Error", status=500),
    bad("Too Many Attempts.", status=429, X_RateLimit_Reset="2"),
    bad("in progress", status=409, Retry_After="1"),
)


class Unruly:
    """A server that books once for a key, whose answers get lost or mangled, and which at times is away."""

    def __init__(self, luck: random.Random) -> None:
        self._luck = luck
        self._trouble = luck.choice((0.0, 0.3, 0.6, 0.9))
        self.codes: dict[str, str] = {}
        self.references: dict[str, str] = {}

    def calm(self) -> None:
        """From now on all goes well."""
        self._trouble = 0.0

    def book(self, asked: Asked) -> What:
        if self._luck.random() < self._trouble / 2:
            return self._luck.choice(FAULTS)
        key, reference = asked.headers["x-idempotency-key"], asked.json["reference_no"]
        code = self.codes.setdefault(key, f"CODE{len(self.codes)}")
        assert self.references.setdefault(reference, code) == code
        return self._mangled(started(code))

    def find(self, asked: Asked) -> What:
        code = self.references.get(asked.path.rsplit("/", 1)[1])
        return self._mangled(document(1, code) if code else MISSING)

    def _mangled(self, answer: Raw) -> What:
        return self._luck.choice(FAULTS) if self._luck.random() < self._trouble else answer


async def test_whatever_happens_a_key_is_booked_once(
    upstream: Scripted, account: Account, hours: Hours
) -> None:
    for day in range(DAYS):
        luck = random.Random(day)
        unruly = Unruly(luck)
        upstream.on("POST", "/consignments", unruly.book)
        carrier = account()
        wanted = [Booking(f"key-{day}-{n}", f"C2H{day:06}{n:05}", shipment(), NOW) for n in range(2)]
        for booking in wanted:
            upstream.on("GET", f"/consignments/find/reference_no/{booking.barcode}", unruly.find)
            found: Booked | Declined | Unreached = Unreached("not asked yet")
            for attempt in range(TRIES):
                if attempt == TRIES // 2:
                    unruly.calm()
                found = await carrier.book(booking)
                hours.now += 60_000
                assert not isinstance(found, Declined), (day, found)
                if isinstance(found, Booked):
                    break
            assert isinstance(found, Booked), (day, found)
            assert found.tickets[0].tracking == unruly.codes[booking.key], day
        assert len(unruly.codes) == len(unruly.references) == len(wanted), day
