"""The standing cast of the tests, and what they do all day.

Alice owns things. Bob is another tenant, who must see none of them. Everything here is synchronous, one
transaction a call, straight through the functions that the writer gathers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ulak.core.accounts import Account
from ulak.core.doubts import OnUncertain
from ulak.core.errors import Refusal
from ulak.core.ledger import SMS, Balance
from ulak.core.messages import QueuedMessage
from ulak.core.orders import OrderDraft, OrderReport, Placed, Ruling, TextDraft, fingerprint
from ulak.core.ports import Accepted, Outcome, Report, ReportState
from ulak.core.references import IdForm
from ulak.core.routing import Route
from ulak.service import accounts, credits, orders
from ulak.service.dispatch import Claim, ClaimedOrder, Sent, Step, claim_group, step_group
from ulak.service.orders import Submission, ids_needed, place_group
from ulak.service.reports import ReportBatch, report_group
from ulak.store import ledger
from ulak.store import orders as order_store
from ulak.store.engine import Database, Tx
from ulak.store.ids import Ids, lease
from ulak.store.writer import sync_read, sync_write

DIALECT = "iletimerkezi"
ADDRESS = "192.0.2.1"
CARRIER = 1
"""The link everything goes by, where a test does not care."""

CHECKS = (
    Refusal.UNAUTHENTICATED,
    Refusal.SENDER_NOT_APPROVED,
    Refusal.TOO_LARGE,
    Refusal.NO_RECIPIENT,
    Refusal.REPEATED,
    Refusal.TOO_FAST,
    Refusal.NO_CREDIT,
)
FIRST = accounts.FIRST_NUMBER
"""The number of an account's first order."""

MINUTE = 60_000
HOUR = 60 * MINUTE

Item = TypeVar("Item")


@dataclass(frozen=True)
class Tenant:
    """An account as its owner knows it."""

    id: int
    name: str
    key: str
    secret: str
    sender: str


def tenant(database: Database, name: str, credit: int = 1000) -> Tenant:
    """A new account with credit and an approved sender, which is its name in capitals."""

    def create(tx: Tx) -> Tenant:
        made = accounts.create(tx, name)
        sender = name.upper()[:11]
        accounts.approve_sender(tx, name, sender)
        if credit:
            credits.grant(tx, name, credit)
        return Tenant(made.account.id, name, made.iletimerkezi_key, made.iletimerkezi_hash, sender)

    return sync_write(database, create)


def alice(database: Database, credit: int = 1000) -> Tenant:
    """Alice, who owns what the test is about."""
    return tenant(database, "alice", credit)


def bob(database: Database, credit: int = 1000) -> Tenant:
    """Bob, another tenant."""
    return tenant(database, "bob", credit)


def numbers(count: int, first: int = 905301000001) -> list[int]:
    """So many telephone numbers."""
    return list(range(first, first + count))


def text(to: Iterable[int], body: str = "Merhaba", parts: int = 1, **rest: Any) -> TextDraft:
    """One text and its recipients."""
    return TextDraft(body, parts, list(to), **rest)


def draft(
    sender: str,
    texts: Sequence[TextDraft],
    *,
    due: int | None = None,
    faults: Iterable[Refusal] = (),
    repeat_check: bool = False,
) -> OrderDraft:
    """An order whose dialect finds only the given faults."""
    ruling = Ruling(due=due, faults=frozenset(faults))

    def judge(_account: Account, _now: int) -> Ruling:
        return ruling

    digest = fingerprint((text.text, text.numbers) for text in texts) if repeat_check else None
    return OrderDraft(DIALECT, sender, list(texts), judge, CHECKS, digest)


def submission(who: Tenant, wanted: OrderDraft | None = None, **rest: Any) -> Submission:
    """A request to place an order; of one message to one number, unless said otherwise."""
    order = wanted or draft(who.sender, [text(numbers(1))], **rest)
    return Submission(DIALECT, who.key, who.secret, ADDRESS, order)


def place_all(database: Database, items: Sequence[Submission]) -> list[Placed | Refusal]:
    """Place a group of orders in one transaction."""
    return sync_write(database, _with_ids(place_group, items, sum(map(ids_needed, items))))


def _with_ids(
    decide: Callable[[Tx, Sequence[Item], Ids], Sequence[Any]], items: Sequence[Item], count: int
) -> Callable[[Tx], Any]:
    def change(tx: Tx) -> Any:
        ids = Ids()
        ids.refill(lease(tx, max(1, count)))
        return decide(tx, items, ids)

    return change


def place(database: Database, who: Tenant, texts: Sequence[TextDraft] | int = 1, **rest: Any) -> int:
    """Place one order that is accepted: of these texts, or of one text to so many numbers. Its number."""
    given = [text(numbers(texts))] if isinstance(texts, int) else texts
    (placed,) = place_all(database, [submission(who, draft(who.sender, given, **rest))])
    assert isinstance(placed, Placed), placed
    return placed.number


def order_id(database: Database, who: Tenant, number: int) -> int:
    """The internal id of an order, which is that of its first message."""
    found = sync_read(database, lambda tx: order_store.find(tx, who.id, number))
    assert found is not None
    return found[0]


def report_of(database: Database, who: Tenant, number: int, limit: int = 1000) -> OrderReport:
    """The order as its owner sees it."""
    shown = sync_read(database, lambda tx: orders.report(tx, who.id, number, 0, limit))
    assert isinstance(shown, OrderReport), shown
    return shown


def balance(database: Database, who: Tenant) -> Balance:
    """The owner's credits."""
    return sync_read(database, lambda tx: ledger.of_account(tx, who.id))[SMS]


def claim(
    database: Database,
    *,
    carrier: int = CARRIER,
    routes: Sequence[Route] | None = None,
    slots: int = 1000,
    limit: int = 100,
    turn: int = 0,
) -> list[ClaimedOrder]:
    """Give what is due to links that are up; by default to one that takes everything."""
    given = routes if routes is not None else [Route(carrier, "", 0, up=True)]
    item = Claim(given, {route.carrier_id: slots for route in given}, limit, limit, turn)
    claimed: list[ClaimedOrder] = sync_write(database, lambda tx: claim_group(tx, [item], Ids()))[0]
    return claimed


def sent(database: Database, order: ClaimedOrder, row: QueuedMessage) -> Sent:
    """What the link's desk remembers of a message that it hands over now."""
    return Sent(row.id, order.id, row.number, database.clock())


def step(
    database: Database,
    outcomes: Sequence[tuple[Sent, Outcome]] = (),
    advances: Sequence[tuple[int, int, int]] = (),
    *,
    carrier: int = CARRIER,
    form: IdForm = IdForm.TEXT,
    policy: OnUncertain = OnUncertain.RESEND,
) -> None:
    """Commit outcomes, and how far orders are opened and settled."""
    leaving = [(order, opened) for order, opened, _ in advances]
    item = Step(carrier, form, policy, outcomes, advances, leaving)
    sync_write(database, lambda tx: step_group(tx, [item], Ids()))


def accept_all(database: Database, order: ClaimedOrder, parts: int = 1) -> dict[int, list[str]]:
    """The carrier takes every message of a claimed order. The references it gave, by message."""
    references = {row.id: [f"r{row.id}-{part}" for part in range(parts)] for row in order.rows}
    outcomes = [(sent(database, order, row), Accepted(tuple(references[row.id]))) for row in order.rows]
    step(database, outcomes, [(order.id, order.covered, order.covered)], carrier=order.carrier_id)
    return references


def send_all(database: Database, parts: int = 1) -> None:
    """Everything that is due is claimed, and taken by the carrier."""
    for order in claim(database):
        accept_all(database, order, parts)


def delivered(reference: str, number: int = 0) -> Report:
    """The report of a part that arrived."""
    return Report(reference, number, ReportState.DELIVERED, "stat:DELIVRD")


def undelivered(reference: str, number: int = 0) -> Report:
    """The report of a part that did not."""
    return Report(reference, number, ReportState.UNDELIVERED, "stat:UNDELIV")


def report(database: Database, *reports: Report, carrier: int = CARRIER, form: IdForm = IdForm.TEXT) -> None:
    """Reports come in, in one group."""
    batch = ReportBatch(carrier, form, reports)
    sync_write(database, lambda tx: report_group(tx, [batch], Ids()))
