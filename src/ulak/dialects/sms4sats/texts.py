"""What is said when something goes wrong, in the order in which a customer meets it.

Documented are `unable to save data`, `backend error` and the sentence about no number; the rest is ours, and
so are all statuses but 500 (specification, sections 1.2 and 3.5). `unable to save data` is documented with
500; ours is 503, as wherever somebody may simply ask again in a moment.
"""

from __future__ import annotations

from enum import Enum


class Reason(Enum):
    """Why a request was not carried out: the HTTP status and the text."""

    TOO_MANY = (429, "too many requests")
    NO_SUCH_PATH = (404, "not found")
    NO_SUCH_METHOD = (405, "method not allowed")
    TOO_LARGE = (413, "invalid request")
    UNREADABLE = (400, "invalid request")
    UNAUTHENTICATED = (401, "invalid api key")
    NO_ORDER_ID = (400, "orderId required")
    BAD_COUNTRY = (400, "invalid country")
    BAD_SERVICE = (400, "invalid service")
    BAD_MESSAGE = (400, "invalid message")
    BAD_PHONE = (400, "invalid phone")
    BAD_AMOUNT = (400, "invalid amount")
    BAD_REF = (400, "invalid ref")
    BAD_WEBHOOK = (400, "invalid webhookUrl")
    NO_CREDIT = (402, "insufficient balance")
    NOT_FOUND = (404, "order not found")
    TOO_EARLY = (409, "too early to cancel")
    COMPLETED = (409, "order already completed")
    FINAL = (409, "order cannot be canceled")
    NO_NUMBERS = (409, "no numbers available")
    IN_PROGRESS = (409, "order in progress")
    KEY_REUSED = (409, "idempotency key reused")
    UNAVAILABLE = (503, "unable to save data")
    BACKEND = (500, "backend error")

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.value[0]

    @property
    def text(self) -> str:
        """The field `reason`."""
        return self.value[1]


NO_NUMBER = (
    "No available number, payment request is canceled. Your funds are returned to your wallet automatically."
)
"""Of an order that is paid, word for word as documented. The other sentences about orders are ours."""

EXPIRED = "The payment request has expired."
WITHDRAWN = "The order was canceled before it was paid."
CANCELLED = "The order was canceled. Your funds are returned automatically."
TIMED_OUT = "Nothing came in time, the order was canceled. Your funds are returned automatically."
NOT_SENT = "The message could not be sent. Your funds are returned automatically."
NOT_DELIVERED = "The message was sent and could not be delivered."

MEMO = "sms4sats payment"
"""How an invoice begins to say what it is for; a country and a service follow."""

MEMO_SEND = f"{MEMO} SMS"
MEMO_FUND = "fund account"
"""Documented, as the description of a funding order."""
