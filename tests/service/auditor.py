"""A second, much simpler Ulak: dictionaries instead of tables, one rule a method, nothing is fast.

It is told what happened and says what must be seen. Money is never counted here, only worked out from what
became of the messages. Where it and the real one differ, one of them is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ulak.core.ledger import Balance
from ulak.core.orders import OrderSummary
from ulak.core.ports import Report, ReportState
from ulak.core.states import MessageState, OrderState
from ulak.service.clocks import TOLERANCE

WAITING, FINAL = ("queued", "sent", "unsure"), ("delivered", "undelivered")
MINUTE, HOUR = 60_000, 3_600_000
RECEIPT_WAIT = 72 * HOUR

_SHOWN = {
    "queued": MessageState.QUEUED,
    "sent": MessageState.SENT,
    "unsure": MessageState.UNSURE,
    "delivered": MessageState.DELIVERED,
    "undelivered": MessageState.UNDELIVERED,
}


@dataclass
class Message:
    """One recipient. `reached`: a carrier had it, or may have had it. `changed` is in seconds."""

    id: int
    number: int
    shown: str
    price: int
    state: str
    changed: int
    open: set[int] = field(default_factory=set)
    reached: bool = False
    barred: bool = False


@dataclass
class Order:
    """`stage` is how far it got; that it is over shows in its messages."""

    id: int
    owner: str
    number: int
    sender: str
    submitted: int
    due: int
    stage: OrderState
    messages: list[Message]
    carrier: int = 0
    opened: int = 0
    settled: int = 0

    @property
    def last_id(self) -> int:
        return self.id + len(self.messages) - 1

    @property
    def prefix(self) -> str:
        """What all numbers begin with that anything is sent to."""
        written = [str(message.number) for message in self.messages if message.number and not message.barred]
        common = written[0] if written else ""
        for one in written:
            while not one.startswith(common):
                common = common[:-1]
        return common

    def count(self, *states: str) -> int:
        return sum(message.state in states for message in self.messages)

    def credits(self, *states: str) -> int:
        return sum(message.price for message in self.messages if message.state in states)

    @property
    def state(self) -> OrderState:
        if self.stage is OrderState.CANCELLED or self.count(*WAITING):
            return self.stage
        return OrderState.DONE if any(message.reached for message in self.messages) else OrderState.FAILED

    def summary(self) -> OrderSummary:
        return OrderSummary(
            self.number,
            self.state,
            len(self.messages),
            self.count("delivered"),
            self.count("undelivered"),
            self.submitted,
            self.due,
            self.sender,
            self.credits(*WAITING, "delivered"),
        )

    def rows(self) -> list[tuple[str, MessageState]]:
        return [(message.shown, _SHOWN[message.state]) for message in self.messages]


@dataclass
class Parked:
    """A report that found nothing."""

    carrier: int
    key: str
    report: Report
    at: int


class Auditor:
    """What must be true, as far as a person could keep it in mind."""

    def __init__(self, owners: Iterable[str]) -> None:
        self.granted = dict.fromkeys(owners, 0)
        self.orders: dict[int, Order] = {}
        self.messages: dict[int, tuple[Order, Message]] = {}
        self.fingerprints: dict[tuple[str, object], tuple[int, int]] = {}
        self.references: dict[tuple[int, str], tuple[int, int]] = {}
        self.parked: list[Parked] = []
        self.contradictions: list[int] = []
        self.doubts: dict[int, str] = {}
        self.doubted_by: dict[int, int] = {}
        self.blocks: dict[tuple[str, int], int] = {}

    # Questions.

    def balance(self, owner: str) -> Balance:
        mine = [order for order in self.orders.values() if order.owner == owner]
        held = sum(order.credits(*WAITING) for order in mine)
        spent = sum(order.credits("delivered") for order in mine)
        granted = self.granted[owner]
        return Balance(-granted, granted - held - spent, held, spent)

    def numbered(self, owner: str, number: int) -> Order | None:
        for order in self.orders.values():
            if (order.owner, order.number) == (owner, number):
                return order
        return None

    def claimable(self, routes: dict[int, tuple[str, bool]], now: int) -> list[int]:
        """Due orders for which a link of the longest matching prefix is up, longest due first."""
        found = []
        for order in self.orders.values():
            if order.state not in (OrderState.SCHEDULED, OrderState.READY) or order.due > now:
                continue
            matching = [(prefix, up) for prefix, up in routes.values() if order.prefix.startswith(prefix)]
            longest = max((len(prefix) for prefix, _ in matching), default=-1)
            if any(up for prefix, up in matching if len(prefix) == longest):
                found.append((order.due, order.id))
        return [order_id for _, order_id in sorted(found)]

    def sending(self, carrier: int) -> list[Order]:
        found = [o for o in self.orders.values() if o.state is OrderState.SENDING and o.carrier == carrier]
        return sorted(found, key=lambda order: order.id)

    def uncertain(self, order: Order) -> list[int]:
        """Messages that were open when a process died, and are not known to have stayed behind."""
        return [
            message.id
            for message in order.messages
            if message.state == "queued"
            and order.settled < message.id <= order.opened
            and self.doubts.get(message.id) not in ("asked", "unsent")
        ]

    def to_send_again(self, carrier: int) -> list[int]:
        return sorted(
            message_id
            for message_id, doubt in self.doubts.items()
            if doubt in ("asked", "unsent")
            and self.doubted_by[message_id] == carrier
            and self.messages[message_id][1].state == "queued"
        )

    # What happens.

    def repeats(self, owner: str, content: object, now: int) -> bool:
        _, at = self.fingerprints.get((owner, content), (0, -(10**18)))
        return now - at < 10 * MINUTE

    def place(self, order: Order, content: object | None) -> None:
        self.orders[order.id] = order
        order.opened = order.settled = order.id - 1
        for message in order.messages:
            self.messages[message.id] = (order, message)
        if content is not None:
            self.fingerprints[order.owner, content] = (order.id, order.submitted)

    def cancel(self, order: Order, now: int) -> bool:
        if order.state is not OrderState.SCHEDULED or order.due <= now:
            return False
        order.stage = OrderState.CANCELLED
        for message in order.messages:
            if message.state == "queued":
                self._become(message, "undelivered", now)
        self.fingerprints = {
            content: entry for content, entry in self.fingerprints.items() if entry[0] != order.id
        }
        return True

    def claim(self, order: Order, carrier: int, opened: int) -> None:
        order.stage, order.carrier, order.opened = OrderState.SENDING, carrier, opened

    def accept(self, carrier: int, message_id: int, references: tuple[str, ...], now: int) -> None:
        _, message = self.messages[message_id]
        if message.state in ("queued", "unsure"):
            self._become(message, "sent", now)
            message.open = set(range(len(references)))
            message.reached = True
        for part, reference in enumerate(references):
            self.references[carrier, reference] = (message_id, part)

    def unpark(self, carrier: int, opened: dict[int, int], references: set[str], now: int) -> None:
        """Reports that came too early find the messages just accepted; `opened` tells when those left."""
        for parked in list(self.parked):
            if parked.carrier != carrier or parked.key not in references:
                continue
            message_id, part = self.references[carrier, parked.key]
            _, message = self.messages[message_id]
            if parked.report.number == message.number and opened[message_id] <= parked.at + TOLERANCE:
                self.parked.remove(parked)
                self._apply(message, part, parked.report.state, now)

    def refuse(self, message_id: int, now: int) -> None:
        _, message = self.messages[message_id]
        if message.state in ("queued", "unsure"):
            self._become(message, "undelivered", now)

    def doubt(self, message_id: int, policy: str, now: int) -> None:
        """It may have gone."""
        order, message = self.messages[message_id]
        self.doubted_by[message_id] = order.carrier
        self.doubts[message_id] = {"resend": "resent", "hold": "held", "fail": "failed"}[policy]
        if policy == "hold" and message.state == "queued":
            self._become(message, "unsure", now)
        if policy == "fail":
            self.give_up(message, now)

    def give_up(self, message: Message, now: int) -> None:
        if message.state in WAITING:
            self._become(message, "undelivered", now)
            message.open, message.reached = set(), True

    def leave_unsent(self, message_id: int) -> None:
        """It certainly stayed behind this time; but if it may have gone before, that is not forgotten."""
        self.doubted_by[message_id] = self.messages[message_id][0].carrier
        before = self.doubts.get(message_id)
        self.doubts[message_id] = "asked" if before == "resent" else "unsent"

    def withhold(self, order: Order, after: int, upto: int, now: int) -> set[int]:
        """Queued messages of a stretch end, if their numbers were blocked since the order came."""
        held = self.held(order, after, upto)
        for message_id in held:
            self.refuse(message_id, now)
        return held

    def block(self, owner: str, number: int, added: int | None) -> None:
        """Somebody wants no more messages; or none any more (None)."""
        if added is None:
            del self.blocks[owner, number]
        else:
            self.blocks[owner, number] = added

    def told(self, owner: str) -> list[tuple[str, int]]:
        """What a listener has heard of, and of which message."""
        heard = []
        for order in self.orders.values():
            for message in order.messages if order.owner == owner else ():
                if not message.barred:
                    heard.append(("accepted", message.id))
                if message.barred or (message.state in FINAL and order.stage is not OrderState.CANCELLED):
                    heard.append((message.state, message.id))
        return heard

    def held(self, order: Order, after: int, upto: int) -> set[int]:
        """Queued messages of a stretch whose numbers were blocked since the order came."""
        return {
            message.id
            for message in order.messages
            if after < message.id <= upto
            and message.state == "queued"
            and self.blocks.get((order.owner, message.number), -1) >= order.submitted
        }

    def take_over(self, order: Order, policy: str, now: int) -> list[int]:
        """A process that worked on an order is gone; returns what is to be sent again."""
        uncertain = self.uncertain(order)
        for message_id in uncertain:
            self.doubt(message_id, policy, now)
        if policy != "resend":
            return []
        held = self.held(order, order.settled, order.opened) & set(uncertain)
        for message_id in held:
            self.refuse(message_id, now)
        return sorted(set(uncertain) - held)

    def ask_again(self, message_id: int, now: int) -> None:
        """An operator wants a held message to be sent again."""
        self._become(self.messages[message_id][1], "queued", now)
        self.doubts[message_id] = "asked"

    def give_back(self, carrier: int, policy: str, now: int) -> int:
        """A carrier is gone for good: what was open is in doubt, orders with something to send are free."""
        returned = 0
        for order in self.sending(carrier):
            self.take_over(order, policy, now)
            if order.count("queued"):
                order.stage, order.carrier = OrderState.READY, 0
                order.opened = order.settled = order.id - 1
                returned += 1
                for message in order.messages:
                    if self.doubts.get(message.id) == "asked":
                        self.doubts[message.id] = "resent"
                    elif self.doubts.get(message.id) == "unsent":
                        del self.doubts[message.id]
        return returned

    def report(self, carrier: int, report: Report, now: int) -> None:
        key = report.reference.lower().lstrip("0")
        found = self.references.get((carrier, key))
        if found is None:
            if report.state is not ReportState.UNDERWAY:
                self.parked.append(Parked(carrier, key, report, now))
        elif self._apply(self.messages[found[0]][1], found[1], report.state, now):
            self.contradictions.append(now)

    def _apply(self, message: Message, part: int, state: ReportState, now: int) -> bool:
        """Returns whether it contradicts what was final."""
        if message.state in FINAL:
            said = {ReportState.DELIVERED: "delivered", ReportState.UNDELIVERED: "undelivered"}
            return said.get(state, message.state) != message.state
        if state is ReportState.UNDELIVERED:
            self._become(message, "undelivered", now)
            message.reached = True
        elif state is ReportState.DELIVERED and part in message.open:
            message.open.discard(part)
            self._become(message, message.state if message.open else "delivered", now)
        return False

    def sweep(self, now: int) -> None:
        """A whole pass."""
        for order in self.orders.values():
            if order.state is OrderState.SENDING and order.due < now - RECEIPT_WAIT:
                for message in order.messages:
                    if message.state == "sent" and message.changed < (now - RECEIPT_WAIT) // 1000:
                        self.give_up(message, now)
        day_ago = now - 24 * HOUR
        self.parked = [parked for parked in self.parked if parked.at > day_ago]
        self.contradictions = [at for at in self.contradictions if at > day_ago]
        self.fingerprints = {
            content: entry for content, entry in self.fingerprints.items() if entry[1] > now - 10 * MINUTE
        }
        for key, (message_id, _) in list(self.references.items()):
            message = self.messages[message_id][1]
            if message.state in FINAL and message.changed <= day_ago // 1000:
                del self.references[key]

    @staticmethod
    def _become(message: Message, state: str, now: int) -> None:
        message.state, message.changed = state, now // 1000
