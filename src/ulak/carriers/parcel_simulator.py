"""A carrier of parcels that is made up: prices, codes, and journeys that take a day or a week.

It keeps nothing. The code follows from the key of the booking, and what was seen by a time follows from the
code, the time of the booking and where the parcel goes. So it survives restarts, and a clock that is put
forward moves its parcels. A customer who brings a code along chooses by its last four digits what shall
happen (`ENDINGS`); codes of its own end in letters, so they are never magic.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ulak.carriers.codes import brought_along
from ulak.core.carriers import simulation_of
from ulak.core.consignments import Consignment, Label, Shipment, TrackingKind
from ulak.core.shipping import (
    Abilities,
    Booked,
    Booking,
    Declined,
    Quote,
    Sighting,
    Ticket,
    Unreached,
    Watched,
)
from ulak.core.states import ParcelState
from ulak.core.tracking_codes import make_s10

HOME = "TR"
"""The country of this carrier; what goes elsewhere passes customs."""


class Step(NamedTuple):
    """A stage of a journey: how many hours after the booking, and how the carrier puts it.

    `told` is when the carrier tells of it, if later than it happened. `{to}` in a place is the country of
    the recipient.
    """

    hours: int
    state: ParcelState
    text: str
    place: str
    raw: str
    told: int = 0


Journey = tuple[Step, ...]

_S = ParcelState

DOMESTIC: Journey = (
    Step(2, _S.PICKED_UP, "Picked up from the sender", "Şube, TR", "K10 Gönderi kabul edildi"),
    Step(6, _S.IN_TRANSIT, "Arrived at the sorting centre", "Aktarma merkezi, TR", "K20 Aktarma merkezinde"),
    Step(24, _S.OUT_FOR_DELIVERY, "Out for delivery", "Dağıtım şubesi, TR", "K40 Dağıtıma çıkarıldı"),
    Step(27, _S.DELIVERED, "Delivered", "Dağıtım şubesi, TR", "K50 Teslim edildi"),
)
"""What a parcel within the country goes through."""

INTERNATIONAL: Journey = (
    *DOMESTIC[:2],
    Step(20, _S.IN_CUSTOMS, "Export customs clearance", "Gümrük, TR", "K30 İhracat gümrüğünde"),
    Step(30, _S.IN_TRANSIT, "Left the country of origin", "Aktarma merkezi, TR", "K31 Yurt dışına çıktı"),
    Step(72, _S.IN_CUSTOMS, "Import customs clearance", "Customs, {to}", "K32 İthalat gümrüğünde"),
    Step(96, _S.IN_TRANSIT, "Released by customs", "Sorting centre, {to}", "K33 Gümrükten çıktı"),
    Step(120, _S.OUT_FOR_DELIVERY, "Out for delivery", "Delivery depot, {to}", "K40 Dağıtıma çıkarıldı"),
    Step(126, _S.DELIVERED, "Delivered", "Delivery depot, {to}", "K50 Teslim edildi"),
)
"""What a parcel to another country goes through."""


def _ordinary(journey: Journey) -> Journey:
    return journey


def _until(state: ParcelState) -> Callable[[Journey], Journey]:
    """The journey ends where this is first seen."""

    def cut(journey: Journey) -> Journey:
        last = next(place for place, step in enumerate(journey) if step.state is state)
        return journey[: last + 1]

    return cut


def _failed(*later: Step) -> Callable[[Journey], Journey]:
    """Nobody opens the door; then this happens, so many hours after the parcel was out for delivery."""

    def turn(journey: Journey) -> Journey:
        way = _until(_S.OUT_FOR_DELIVERY)(journey)
        door = way[-1]
        steps = (Step(3, _S.DELIVERY_FAILED, "Nobody was there", "", "K41 Adreste bulunamadı"), *later)
        return way + tuple(step._replace(hours=door.hours + step.hours, place=door.place) for step in steps)

    return turn


def _delivered_at_once(journey: Journey) -> Journey:
    return (journey[-1]._replace(hours=0),)


def _never_seen(_journey: Journey) -> Journey:
    return ()


def _out_of_order(journey: Journey) -> Journey:
    """The first scan in a sorting centre is told of an hour after the courier's, which came later."""
    door = next(step for step in journey if step.state is _S.OUT_FOR_DELIVERY)
    return tuple(step._replace(told=door.hours + 1) if step == DOMESTIC[1] else step for step in journey)


@dataclass(frozen=True, slots=True)
class Fate:
    """What happens to a parcel: `what` says it in words. `booking` is the answer to the attempt to book it;
    one whose scans cannot be asked for is not `trackable`, and one that is not `returnable` cannot be
    cancelled."""

    what: str
    course: Callable[[Journey], Journey] = _ordinary
    booking: Declined | Unreached | None = None
    trackable: bool = True
    returnable: bool = True


ENDINGS: dict[str, Fate] = {
    "9101": Fate("in transit for ever", _until(_S.IN_TRANSIT)),
    "9102": Fate("out for delivery, and never delivered", _until(_S.OUT_FOR_DELIVERY)),
    "9103": Fate("delivered at once", _delivered_at_once),
    "9104": Fate(
        "the delivery fails, and the parcel is put on hold",
        _failed(Step(27, _S.ON_HOLD, "On hold: the address is unclear", "", "K45 Beklemede")),
    ),
    "9105": Fate(
        "the delivery fails, and the parcel goes back to the sender",
        _failed(
            Step(27, _S.RETURNING, "On its way back to the sender", "", "K60 İade yolunda"),
            Step(75, _S.RETURNED, "Returned to the sender", "", "K65 İade edildi"),
        ),
    ),
    "9106": Fate("lost scan: nothing is ever seen of it", _never_seen),
    "9107": Fate("two scans out of order: out for delivery is told before in transit", _out_of_order),
    "9108": Fate("the carrier takes it, and cannot be reached when it is asked about it", trackable=False),
    "9109": Fate(
        "the carrier declines the booking", booking=Declined("This parcel is outside our service area")
    ),
    "9110": Fate("the carrier cannot be reached for the booking", booking=Unreached("no answer in time")),
    "9111": Fate("the carrier refuses to cancel it", returnable=False),
}
"""What the last four digits of a code that came along choose."""

ORDINARY = Fate("delivered")
"""What happens to all others."""

AT_THE_DOOR = frozenset(
    (
        _S.OUT_FOR_DELIVERY,
        _S.READY_FOR_PICKUP,
        _S.DELIVERY_FAILED,
        _S.DELIVERED,
        _S.RETURNING,
        _S.RETURNED,
    )
)
"""Whoever was seen in one of these cannot be taken back any more."""


class ParcelSimulator:
    """`ulak.core.shipping.ParcelCarrier` that carries nothing."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        """Raises ValueError when a setting does not fit."""
        simulation = simulation_of(settings)
        self._tariff = simulation.tariff
        self._day = simulation.day

    @property
    def abilities(self) -> Abilities:
        """Everything."""
        return Abilities(desi_divisor=self._tariff.desi_divisor)

    async def quote(self, shipment: Shipment) -> Quote:
        """By the tariff of its settings."""
        return self._tariff.quote(shipment)

    async def book(self, booking: Booking) -> Booked | Declined | Unreached:
        """Codes that came along are used as they are; the others get one of ours."""
        codes = brought_along(booking.shipment)
        for code in codes:
            answer = _fate(code or "").booking
            if answer is not None:
                return answer
        tickets = [
            Ticket(code, TrackingKind.BROUGHT_ALONG) if code else Ticket(_own_code(booking, place))
            for place, code in enumerate(codes)
        ]
        return Booked(tuple(tickets), f"SIM-{_number(booking.key):08}")

    async def label(self, consignment: Consignment, label: Label) -> None:
        """It leaves labels to us."""

    async def cancel(self, consignment: Consignment) -> Declined | None:
        """Until it was seen out for delivery, unless its code says otherwise."""
        if not all(_fate(label.tracking or "").returnable for label in consignment.labels):
            return Declined("Parcels with this code are not given back")
        known = {label.state for label in consignment.labels} | {seen.state for seen in consignment.seen}
        if known & AT_THE_DOOR:
            return Declined("The parcel has been out for delivery already")
        return None

    async def track(self, labels: Sequence[Watched], now: int) -> Sequence[Sequence[Sighting] | Unreached]:
        """What was told of each by now, in the order in which it was told."""
        return [self._told(label, now) for label in labels]

    async def close(self) -> None:
        """Nothing is open."""

    def _told(self, label: Watched, now: int) -> Sequence[Sighting] | Unreached:
        fate = _fate(label.tracking)
        if not fate.trackable:
            return Unreached("no answer in time")
        journey = fate.course(DOMESTIC if label.country == HOME else INTERNATIONAL)
        return [
            Sighting(
                label.booked + self._ms(step.hours),
                step.state,
                step.text,
                step.place.format(to=label.country),
                step.raw,
            )
            for step in sorted(journey, key=_told_after)
            if label.booked + self._ms(_told_after(step)) <= now
        ]

    def _ms(self, hours: int) -> int:
        return hours * self._day // 24


def _told_after(step: Step) -> int:
    return max(step.hours, step.told)


def _fate(code: str) -> Fate:
    return ENDINGS.get(code[-4:], ORDINARY)


def _own_code(booking: Booking, place: int) -> str:
    """A registered letter's code at home, a parcel's abroad."""
    abroad = booking.shipment.recipient.country != HOME
    return make_s10("CP" if abroad else "RR", _number(f"{booking.key}/{place}"), HOME)


def _number(text: str) -> int:
    """A number of eight digits that follows from a text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) % 10**8
