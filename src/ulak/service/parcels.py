"""What passes over the parcel desk: who asks, what is to be sent, and what is answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from ulak.core.accounts import Account
from ulak.core.consignments import Consignment, Costs, Measures, Preference, Route, Shape, Shipment
from ulak.core.errors import Refusal
from ulak.service import accounts
from ulak.service.carriers import Carrier
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

    def account(self, tx: Tx) -> Account | None:
        """Whom they may act for."""
        return accounts.authenticate(tx, self.dialect, self.key, self.secret, self.address)


@dataclass(frozen=True, slots=True)
class Denied:
    """It was not done. `text` is the carrier's own words, or what stands in the way."""

    why: Refusal
    text: str = ""
    consignment_id: int | None = None


STRANGER = Denied(Refusal.UNAUTHENTICATED)


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


ALREADY_CANCELLED = "cancelled"
ALREADY_DELIVERED = "delivered"
IN_TRANSIT = "in_transit"
"""Why a consignment cannot be cancelled any more."""
