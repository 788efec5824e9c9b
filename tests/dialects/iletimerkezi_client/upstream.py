"""An iletiMerkezi server in memory: it takes orders, none twice, reports, and misbehaves when told to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.dialects.sms4sats_client.upstream import Asked, Cut, Raw, Upstream, What, told

from ulak.core.times import to_local_text
from ulak.dialects.iletimerkezi.codes import TEXTS, Code

KEY, HASH = "0123456789abcdef0123456789abcdef", "69bd3ea8c41f705dfea4949ea49d7f49"
SEND, REPORT, LIST, BALANCE = (
    f"POST /v1/{operation}/json" for operation in ("send-sms", "get-report", "get-reports", "get-balance")
)
WINDOW = 10 * 60_000
PAGE = 30


def good(**payload: Any) -> Raw:
    """Success."""
    return told({"response": {"status": {"code": 200, "message": "İşlem başarılı"}} | payload})


def no(code: int, **headers: str) -> Raw:
    """An error in the documented envelope."""
    message = TEXTS.get(Code(code), "") if code in set(Code) else "Too many"
    return told({"response": {"status": {"code": code, "message": message}}}, code, **headers)


@dataclass
class Order:
    """An order that was taken."""

    id: int
    sender: str
    at: int
    texts: dict[str, list[int]]
    states: dict[int, int] = field(default_factory=dict)

    @property
    def numbers(self) -> list[int]:
        return [number for numbers in self.texts.values() for number in numbers]


class Server(Upstream):
    """Answers like the vendor, unless `on` says otherwise for a call."""

    def __init__(self, clock: Callable[[], int]) -> None:
        super().__init__()
        self.clock = clock
        self.orders: list[Order] = []
        self.skew = 0
        self.on(SEND, self.take)
        self.on(REPORT, self.report)
        self.on(LIST, self.listing)
        self.on(BALANCE, good(balance={"amount": 128.5, "sms": 2570}))

    def take(self, asked: Asked) -> What:
        """An order, or 451."""
        order = asked.json["request"]["order"]
        texts = {
            each["text"]: [int(number) for number in each["receipents"]["number"]]
            for each in order["message"]
        }
        now = self.clock() + self.skew
        shape = {(text, frozenset(numbers)) for text, numbers in texts.items()}
        for known in self.orders:
            same = {(text, frozenset(numbers)) for text, numbers in known.texts.items()}
            if same == shape and known.at > now - WINDOW:
                return no(451)
        made = Order(300_000_001 + len(self.orders), order["sender"], now, texts)
        made.states = dict.fromkeys(made.numbers, 110)
        self.orders.append(made)
        return good(order={"id": str(made.id)})

    def lose(self, asked: Asked) -> What:
        """The order is taken, and the answer lost."""
        self.take(asked)
        return Cut()

    def report(self, asked: Asked) -> What:
        """get-report."""
        wanted = asked.json["request"]["order"]
        assert all(isinstance(value, str) for value in wanted.values())
        found = [order for order in self.orders if str(order.id) == wanted["id"]]
        if not found:
            return no(455)
        first = (int(wanted["page"]) - 1) * int(wanted["rowCount"])
        rows = [{"number": f"+{number}", "status": state} for number, state in found[0].states.items()]
        shown = self.summary(found[0]) | {"id": str(found[0].id), "price": len(rows)}
        return good(order=shown | {"message": rows[first : first + int(wanted["rowCount"])]})

    def listing(self, asked: Asked) -> What:
        """get-reports."""
        wanted = asked.json["request"]["filter"]
        assert isinstance(wanted["page"], int)
        rows = [self.summary(order) for order in self.orders]
        rows = [row for row in rows if wanted["start"] <= row["submitAt"][:10] <= wanted["end"]]
        first = (wanted["page"] - 1) * PAGE
        return good(count=len(rows), orders=rows[first : first + PAGE])

    def summary(self, order: Order) -> dict[str, Any]:
        states = list(order.states.values())
        return {
            "id": order.id,
            "status": 113 if 110 in states else 114,
            "total": len(states),
            "delivered": states.count(111),
            "undelivered": states.count(112),
            "waiting": states.count(110),
            "submitAt": to_local_text(order.at),
            "sendAt": to_local_text(order.at),
            "sender": order.sender,
        }

    def got(self) -> list[tuple[str, int]]:
        """Which texts were sent to whom, in all orders."""
        return sorted(
            (text, number)
            for order in self.orders
            for text, numbers in order.texts.items()
            for number in numbers
        )

    def sends(self) -> list[Any]:
        """The orders that were asked for, as they were written."""
        return [asked.json["request"]["order"] for asked in self.calls(SEND)]
