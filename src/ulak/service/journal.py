"""The journal: under which keys carriers that do not know keys were asked to book parcels and rent numbers.

It is on disk before a carrier is asked, for all processes: whoever goes on with a booking that another one
left finds that its carrier was asked. What was answered for a parcel is here until the consignment has it.
"""

from __future__ import annotations

from functools import partial

from ulak.core.consignments import Consignment
from ulak.core.errors import UlakError
from ulak.core.journal import Known
from ulak.core.points import point
from ulak.core.states import ParcelState
from ulak.service.parcels import Books
from ulak.store import booking_keys, consignments
from ulak.store.booking_keys import Unsure
from ulak.store.engine import Tx

KEPT = 30 * 24 * 60 * 60 * 1000
"""How long a key is remembered, ms of the machine's clock."""


class BookingJournal:
    """The keys of one carrier: `ulak.core.journal.Journal`."""

    def __init__(self, books: Books, carrier_id: int) -> None:
        self._books = books
        self._carrier_id = carrier_id

    async def begin(self, key: str) -> Known | None:
        """Write down that this key is being asked, on disk when this returns; or what is known of it."""
        known = await self._books.write(partial(booking_keys.begin, carrier_id=self._carrier_id, key=key))
        point("journal.begun")
        return known

    async def finish(self, key: str, answer: bytes) -> None:
        """Write down what the carrier answered."""
        point("journal.answered")
        await self._books.write(
            partial(booking_keys.finish, carrier_id=self._carrier_id, key=key, answer=answer)
        )
        point("journal.finished")

    async def forget(self, key: str) -> None:
        """Nothing was done under this key."""
        await self._books.write(partial(booking_keys.forget, carrier_id=self._carrier_id, key=key))


def unsure(tx: Tx) -> list[Unsure]:
    """Consignments that a carrier may have booked without our knowing, the longest asked first."""
    return booking_keys.unsure(tx)


def clear(tx: Tx, consignment: Consignment) -> None:
    """An operator has looked: nothing is booked of this consignment, so its carrier may be asked again.

    Raises:
        UlakError: it is being booked just now, or there is no doubt about it.
    """
    consignments.lock(tx, [consignment.id])
    now = consignments.load(tx, [consignment.id])[consignment.id]
    if now.state is ParcelState.WAITING:
        raise UlakError(f"{now.barcode} is being booked just now")
    if not booking_keys.clear(tx, now.uuid):
        raise UlakError(f"{now.barcode} is not in doubt; see `ulak parcel unsure list`")
