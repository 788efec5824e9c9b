"""What travels: the JSON of answers, keys in the order the documents show them. What is not known is absent,
never null.

Sources: the vendor's page get-order-status (all of it), and what of the other pages and of real clients
stands in the specification; see README.md for what is ours.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

OK = "OK"


class Message(msgspec.Struct, gc=False):
    """An SMS that came to a rented number (ours)."""

    sender: str = msgspec.field(name="from")
    text: str
    code: int | str | UnsetType
    timestamp: int


class Status(msgspec.Struct, gc=False):
    """An order. Which fields there are says where it stands: see `shown`."""

    status: str
    paid: bool
    code: int | str | UnsetType = UNSET
    id: int | str | UnsetType = UNSET
    smsStatus: str | UnsetType = UNSET
    number: int | UnsetType = UNSET
    timestamp: int | UnsetType = UNSET
    country: str | UnsetType = UNSET
    service: str | UnsetType = UNSET
    error: str | UnsetType = UNSET
    rental: bool | UnsetType = UNSET
    expiresAt: int | UnsetType = UNSET
    messages: list[Message] | UnsetType = UNSET
    expired: bool | UnsetType = UNSET
    orderId: str | UnsetType = UNSET
    """In callbacks only."""


class Failure(msgspec.Struct, gc=False):
    """Every error. `retryAfter`: seconds until an order can be canceled (ours)."""

    status: str
    reason: str
    retryAfter: int | UnsetType = UNSET


class Done(msgspec.Struct, gc=False):
    """It is done, or we are there."""

    status: str = OK


class Created(msgspec.Struct, gc=False):
    """A new order. `payreq` is an invoice (BOLT 11), or `paid`."""

    status: str
    orderId: str
    payreq: str


class Country(msgspec.Struct, gc=False):
    """A country on offer; `visible` for codes, `rent` for rentals: 0 or 1."""

    id: int
    eng: str
    visible: int
    rent: int
    cc: int
    country: str


class Image(msgspec.Struct, gc=False):
    """A picture, by its path on the vendor's website."""

    avatar: bool
    src: str


class Offer(msgspec.Struct, gc=False):
    """A service in stock. Clients send `value` or `key` back; `count` is a text."""

    value: str
    key: str
    text: str
    count: str
    image: Image


class ServiceName(msgspec.Struct, gc=False):
    """A service, in the words of a demonstration client."""

    code: str
    name: str


class Rental(msgspec.Struct, gc=False):
    """A country with numbers to rent; `duration` is weeks, as a text."""

    cc: int
    country: str
    duration: str
    price: int


class Computed(msgspec.Struct, gc=False):
    """The price of one service in one country."""

    price: int
    country: int
    description: str


class Price(msgspec.Struct, gc=False):
    """Prices in sats: two of them texts, as documented. `query` is what was asked, as it was sent."""

    receive: str
    send: int
    rent: int
    s4s: str
    query: dict[str, str]
    computed: Computed | UnsetType = UNSET


class PriceFirst(msgspec.Struct, gc=False):
    """The same for a demonstration client."""

    price: int
    receive: str
    send: int
    rent: int
    s4s: str
    query: dict[str, str]
    computed: Computed | UnsetType = UNSET


class BalanceAnswer(msgspec.Struct, gc=False):
    """What an account has, in sats."""

    status: str
    balance: int


class Funding(msgspec.Struct, gc=False):
    """Credit that was paid for."""

    amount: int
    price: int
    createdAt: int
    desc: str
    description: str
    holdinvoice: bool
    preimage: str
    preimageHash: str
    userId: str


class History(msgspec.Struct, gc=False):
    """All of it: `totalAmount` is what was ever funded, not what is left."""

    status: str
    totalAmount: int
    orders: list[Funding]


encode = msgspec.json.Encoder().encode
