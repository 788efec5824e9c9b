"""What travels: the JSON of requests and answers, keys in the order the vendor's pages show them.

Pure both ways, and the same for a server and for a client. A request's plain fields are texts, absent ones
empty, as the XML form has them anyway; the JSON pages allow a number wherever a text of digits stands.

Sources: iletiMerkezi pages get-report (2026-04-29), get-reports and cancel-order (2026-04-30); send-sms,
get-balance and get-sender as in the current documentation (2026-05).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Generic, TypeVar

import msgspec

Shape = TypeVar("Shape")


class Authentication(msgspec.Struct):
    """Who asks. The hash is a static password, not a signature."""

    key: str
    hash: str


class Login(Authentication):
    """Who asks, in the old way: a username, often a mobile number, as the key, and a password as the hash."""


class Receipents(msgspec.Struct):
    """Spelled as the vendor spells it. A number is a text or an integer; anything else is a wrong number."""

    number: list[Any]


class Message(msgspec.Struct):
    """One text and who gets it."""

    text: str
    receipents: Receipents


class Order(msgspec.Struct):
    """What send-sms takes.

    `sendDateTime` is 'DD/MM/YYYY HH:MM' in Istanbul, or '' for now. `iys` is '1' (ask the consent registry
    about each recipient, in the list `iysList`, BIREYSEL or TACIR) or '0'.
    """

    sender: str
    sendDateTime: str
    iys: str
    iysList: str
    message: list[Message]


class SendSms(msgspec.Struct):
    """The request of send-sms."""

    authentication: Authentication
    order: Order


class OrderName(msgspec.Struct):
    """An order by its id, which is a text of digits."""

    id: str


class CancelOrder(msgspec.Struct):
    """The request of cancel-order."""

    authentication: Authentication
    order: OrderName


class OrderPage(msgspec.Struct):
    """Which rows of which order."""

    id: str
    page: str = ""
    rowCount: str = ""


class GetReport(msgspec.Struct):
    """The request of get-report."""

    authentication: Authentication
    order: OrderPage


class Filter(msgspec.Struct):
    """Days as 'YYYY-MM-DD', both included. The page is documented as an integer."""

    start: str
    end: str
    page: int | str = ""


class GetReports(msgspec.Struct):
    """The request of get-reports."""

    authentication: Authentication
    filter: Filter


class GetAccount(msgspec.Struct):
    """The request of get-balance, get-sender and get-inbox: nothing but who asks."""

    authentication: Authentication


class BlacklistFilter(msgspec.Struct):
    """When numbers were blocked: 'YYYY-MM-DD HH:MM:SS' in Istanbul, both included; '' is open."""

    start: str
    end: str


class BlacklistPage(msgspec.Struct):
    """Which rows of the blacklist."""

    filter: BlacklistFilter
    page: str = ""
    rowCount: str = ""


class GetBlacklist(msgspec.Struct):
    """The request of get-blacklist."""

    authentication: Authentication
    blacklist: BlacklistPage


class BlockedNumber(msgspec.Struct):
    """One number, a text or an integer; anything else is a wrong number."""

    number: Any


class ChangeBlacklist(msgspec.Struct):
    """The request of add-blacklist and of delete-blacklist."""

    authentication: Authentication
    blacklist: BlockedNumber


class ConsentRecord(msgspec.Struct):
    """What somebody said. `consentDate` is 'YYYY-MM-DD HH:MM:SS' in Istanbul; the rest are words of the
    registry (`core.consents`)."""

    recipient: str
    recipientType: str
    type: str
    status: str
    source: str
    consentDate: str


class Consents(msgspec.Struct):
    """Records for a brand; None stands for one that is no object."""

    brandCode: str
    records: list[ConsentRecord | None] = msgspec.field(name="list")


class CreateConsents(msgspec.Struct):
    """The request of consent/create."""

    authentication: Authentication
    consent: Consents


class ConsentName(msgspec.Struct):
    """Whose consent is asked for."""

    brandCode: str
    recipient: str
    recipientType: str
    type: str


class ShowConsent(msgspec.Struct):
    """The request of consent/show."""

    authentication: Authentication
    consent: ConsentName


class Status(msgspec.Struct):
    """How it went. The code is the HTTP status too."""

    code: int
    message: str


class Answer(msgspec.Struct):
    """What every answer begins with."""

    status: Status


class Plain(Answer):
    """An answer without a payload: cancel-order, and every error."""


class Invalid(Answer):
    """422: what is wrong with which field, by its name; inside a list by place, as in `list.0.type`."""

    errors: dict[str, str]


class OrderTaken(Answer):
    """The answer of send-sms: the id is a text here, and in get-report, and an integer in get-reports."""

    order: OrderName


class ReportRow(msgspec.Struct, gc=False):
    """One recipient: '+90…', and 110, 111 or 112."""

    number: str
    status: int


class Report(msgspec.Struct):
    """An order in full, with one page of its recipients. Times are 'YYYY-MM-DD HH:MM:SS' in Istanbul.

    The id is a text, or an integer for accounts whose client (the C# SDK) cannot read that.
    """

    id: str | int
    status: int
    total: int
    delivered: int
    undelivered: int
    waiting: int
    submitAt: str
    sendAt: str
    sender: str
    price: int
    message: list[ReportRow]


class ReportAnswer(Answer):
    """The answer of get-report."""

    order: Report


class Summary(msgspec.Struct):
    """An order in a list: neither price nor recipients, and the id is an integer."""

    id: int
    status: int
    total: int
    delivered: int
    undelivered: int
    waiting: int
    submitAt: str
    sendAt: str
    sender: str


class ReportsAnswer(Answer):
    """The answer of get-reports: `count` is of the whole range, whatever the page."""

    count: int
    orders: list[Summary]


class Blacklist(msgspec.Struct):
    """How many numbers match, whatever the page, and the page: '+90…', the newest first."""

    count: int
    number: list[str]


class BlacklistAnswer(Answer):
    """The answer of get-blacklist."""

    blacklist: Blacklist


class Consent(msgspec.Struct):
    """A record of the registry. The brand code is an integer here."""

    brandCode: int
    recipient: str
    recipientType: str
    type: str
    status: str
    source: str
    consentDate: str


class ConsentAnswer(Answer):
    """The answer of consent/show. The vendor sends an empty list for some consents that are not there."""

    consent: Consent


class InboxRow(msgspec.Struct):
    """An SMS that came in; `account` is the number it was sent to."""

    date: str
    sender: str
    content: str
    account: str


class InboxAnswer(Answer):
    """The answer of get-inbox."""

    inbox: list[InboxRow]


class Balance(msgspec.Struct):
    """Money in TRY, and how many SMS there is credit for. Both are JSON numbers."""

    amount: int | Decimal
    sms: int


class BalanceAnswer(Answer):
    """The answer of get-balance."""

    balance: Balance


class Senders(msgspec.Struct):
    """The approved senders, always a list."""

    sender: list[str]


class SendersAnswer(Answer):
    """The answer of get-sender."""

    senders: Senders


class _Request(msgspec.Struct, Generic[Shape]):
    request: Shape


class _Response(msgspec.Struct, Generic[Shape]):
    response: Shape


_encode = msgspec.json.Encoder(decimal_format="number").encode


def dump_request(request: msgspec.Struct) -> bytes:
    """The body of a request."""
    return _encode({"request": request})


def dump_response(response: msgspec.Struct) -> bytes:
    """The body of an answer."""
    return _encode({"response": response})


def load_response(body: bytes, shape: type[Shape]) -> Shape:
    """Read an answer. Numbers written as texts are taken too, as older services of the vendor send them.

    Raises:
        msgspec.DecodeError: the body is no JSON, or not of this shape.
    """
    return msgspec.json.decode(body, type=_Response[shape], strict=False).response  # type: ignore[valid-type]
