"""The parcel desk: what has to wait for a carrier, as two transactions around the call.

The first transaction writes down what is intended, the second what came of it. A process that dies in between
leaves a job, and whoever finds it goes on with the same consignment; the carrier is asked with the same key,
so nothing is booked twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from ulak.core.accounts import Account
from ulak.core.consignments import Consignment, Costs, Measures, Preference, Route, Shape, Shipment
from ulak.core.errors import Refusal
from ulak.core.jobs import Job
from ulak.core.once import Once
from ulak.core.pricing import Rates
from ulak.core.shipping import Sighting
from ulak.service.carriers import Carrier
from ulak.service.fleet import Fleet
from ulak.store.engine import Tx

Result = TypeVar("Result")

Render = Callable[[Account, Consignment], bytes]
"""Makes the body of the answer, which is kept with a request's key."""


class Books(Protocol):
    """What the desk asks of the store."""

    async def read(self, question: Callable[[Any], Result]) -> Result:
        """Ask within one read transaction."""

    async def write(self, change: Callable[[Any], Result]) -> Result:
        """Change within one transaction of its own."""


@dataclass(frozen=True, slots=True)
class Who:
    """Who asks. Looked at again in every transaction that changes something: access may have been taken."""

    dialect: str
    key: str
    secret: str
    address: str


@dataclass(frozen=True, slots=True)
class Denied:
    """It was not done. `text` is the carrier's own words, or what stands in the way."""

    why: Refusal
    text: str = ""
    consignment_id: int | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """A complete shipment to be booked. Packages and items have the id 0; they get theirs when it is stored.

    `service_ids` and `paper_ids` are looked up by the desk: unknown ones are refused (`NOT_FOUND`, with
    `special_services.0` and so on as text).
    """

    shape: Shape
    route: Route
    preference: Preference
    shipment: Shipment
    carrier_id: int | None = None
    service_ids: tuple[int, ...] = ()
    paper_ids: tuple[int, ...] = ()
    parent_id: int | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """It was done. `body` is the answer's body if the request was to be rendered, byte for byte the same for
    every repetition; `replayed` tells that it had been done before."""

    consignment: Consignment
    body: bytes = b""
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Priced:
    """What a carrier would take."""

    carrier: Carrier
    measures: Measures
    costs: Costs


class Desk:
    """Books, cancels and looks after consignments."""

    def __init__(self, books: Books, fleet: Fleet, rates: Rates, *, process: str) -> None:
        """`process` names this process in the claims of jobs and keys; another start has another name."""
        self._books = books
        self._fleet = fleet
        self._rates = rates
        self._process = process

    async def create(
        self, who: Who, order: Order, *, once: Once | None = None, render: Render | None = None
    ) -> Done | Denied:
        """Book a new consignment: choose the carrier, hold the price, ask the carrier, post the price.

        A carrier that declines or cannot be reached leaves the consignment REJECTED with nothing held; the
        same `once` then tries the same consignment again, with what the new request says.
        """
        raise NotImplementedError

    async def start(
        self,
        who: Who,
        consignment_id: int,
        order: Order,
        *,
        draft: str,
        once: Once | None = None,
        render: Render | None = None,
    ) -> Done | Denied:
        """Book a draft. `draft` replaces what is kept of it in the words of its dialect."""
        raise NotImplementedError

    async def resend(self, who: Who, consignment_id: int, *, render: Render | None = None) -> Done | Denied:
        """Try a REJECTED consignment again, as it is."""
        raise NotImplementedError

    async def cancel(
        self,
        who: Who,
        pick: Callable[[Tx, int], Consignment | None],
        *,
        once: Once | None = None,
        render: Render | None = None,
    ) -> Done | Denied:
        """Take back the consignment that `pick(tx, account_id)` finds, and give the money back.

        Denied with WRONG_STATE and one of `ALREADY_CANCELLED`, `ALREADY_DELIVERED`, `IN_TRANSIT` as text, or
        with CARRIER_DECLINED and the carrier's words. A draft is simply cancelled.
        """
        raise NotImplementedError

    async def recheck(self, who: Who, consignment_id: int) -> Consignment | Denied:
        """Ask the carrier now, and return the consignment with what it said."""
        raise NotImplementedError

    async def quotes(self, carriers: Sequence[Carrier], order: Order) -> list[Priced]:
        """What each carrier that can take it would cost, cheapest first."""
        raise NotImplementedError

    async def go_on(self, jobs: Sequence[Job]) -> None:
        """Do claimed jobs of kind BOOK: finish what a process left in the middle."""
        raise NotImplementedError

    async def look(self, jobs: Sequence[Job]) -> None:
        """Do claimed jobs of kind TRACK: ask the carriers, merge what they say, plan the next look."""
        raise NotImplementedError

    async def told(self, carrier_id: int, tracking: str, sightings: Sequence[Sighting]) -> bool:
        """A carrier called us about this code; whether we know it. Without sightings, a look is due now."""
        raise NotImplementedError


ALREADY_CANCELLED = "cancelled"
ALREADY_DELIVERED = "delivered"
IN_TRANSIT = "in_transit"
