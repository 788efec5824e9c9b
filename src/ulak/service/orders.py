"""Orders: placed, shown, cancelled."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from ulak.core.accounts import Account
from ulak.core.errors import Refusal
from ulak.core.events import Event
from ulak.core.ledger import SMS, Balance, Move, Posting
from ulak.core.orders import (
    OrderDraft,
    OrderReport,
    OrderSummary,
    Placed,
    Ruling,
    TextDraft,
    Throttled,
    message_name,
)
from ulak.core.phone import common_prefix
from ulak.core.points import point
from ulak.core.states import MessageState, OrderState
from ulak.core.velocity import Velocities, Velocity
from ulak.service import announcing, barring, events
from ulak.service.accounts import admit
from ulak.service.accounts import digest as key_digest
from ulak.service.suppressions import Digest, no_key
from ulak.service.velocity import NEVER, Tally, Toll, numbers_in, toll
from ulak.store import accounts as account_store
from ulak.store import ledger, messages
from ulak.store import orders as store
from ulak.store.engine import Tx
from ulak.store.ids import Ids

PLACE = "place"
"""The gathered kind whose items are `Submission`."""

REPEAT_WINDOW = 10 * 60 * 1000
"""How long the same texts to the same numbers count as repeated, ms (iletiMerkezi code 451)."""


_UNLIMITED = Velocities()


@dataclass(frozen=True, slots=True)
class Submission:
    """Somebody wants to place an order, and says who it is."""

    dialect: str
    key: str
    secret: str
    address: str
    draft: OrderDraft


def ids_needed(item: Submission) -> int:
    """Message ids that placing an order may take."""
    return sum(len(text.numbers) for text in item.draft.texts)


@dataclass(slots=True)
class _Desk:
    """What a group of submissions is decided on, and the rows it leads to."""

    tx: Tx
    ids: Ids
    approved: set[tuple[int, str]]
    repeated: set[tuple[int, int]]
    balances: dict[tuple[int, str], Balance]
    next_numbers: dict[int, int]
    next_messages: dict[int, int]
    listening: set[int]
    blocked: dict[int, set[int]] = field(default_factory=dict)
    orders: list[store.NewOrder] = field(default_factory=list)
    texts: list[tuple[int, int, str]] = field(default_factory=list)
    messages: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    odd: list[tuple[int, str]] = field(default_factory=list)
    fingerprints: list[tuple[int, int, int]] = field(default_factory=list)
    postings: list[Posting] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    tally: Tally | None = None

    def save(self) -> None:
        """Write everything that was accepted, a statement a table."""
        if not self.orders:
            return
        owners = {order.account_id for order in self.orders}
        account_store.set_next_numbers(
            self.tx, [(owner, self.next_numbers[owner], self.next_messages[owner]) for owner in owners]
        )
        ledger.save(self.tx, self.balances, self.postings)
        if self.tally is not None:
            self.tally.save()
        store.insert(self.tx, self.orders, self.texts)
        messages.insert(self.tx, self.messages, self.odd)
        if self.fingerprints:
            store.add_fingerprints(self.tx, self.fingerprints)
        if self.events:
            events.record(self.tx, self.events, first=True)


def place_group(
    tx: Tx,
    items: Sequence[Submission],
    ids: Ids,
    velocities: Velocities = _UNLIMITED,
    *,
    digest: Digest = no_key,
) -> list[Placed | Refusal | Throttled]:
    """Decide submissions in the order they came; each sees what those before it took. `digest` makes those by
    which erased numbers are known."""
    owners, numbers = _let_in(tx, items)
    desk = _load(tx, items, owners, numbers, ids)
    cases = [
        None if account is None else _judged(account, item.draft, tx.now, velocities)
        for item, account in zip(items, owners, strict=True)
    ]
    known = [case for case in cases if case is not None]
    desk.blocked = barring.blocked(tx, [(case.account.id, case.texts) for case in known], digest)
    wanted = [(case.account.id, case.ruling.consent, case.texts) for case in known]
    for place, unwilling in barring.unwilling(tx, wanted, digest).items():
        known[place].unwilling = unwilling
    limited = [
        toll(case.account.id, case.limits, numbers_in(case.texts))
        for case in known
        if case.limits is not None
    ]
    if limited:
        desk.tally = Tally(tx, limited)
    results = [Refusal.UNAUTHENTICATED if case is None else _place(desk, case) for case in cases]
    point("order.judged")
    desk.save()
    for item, result in zip(items, results, strict=True):
        tx.count("orders", item.dialect, result.value if isinstance(result, Refusal) else "accepted")
    return results


@dataclass(slots=True)
class _Case:
    """A draft whose account is known, what its dialect says of it, and who has not agreed to get it."""

    account: Account
    draft: OrderDraft
    ruling: Ruling
    texts: list[TextDraft]
    limits: Velocity | None
    unwilling: Collection[int] = ()


def _judged(account: Account, draft: OrderDraft, now: int, velocities: Velocities) -> _Case:
    ruling = draft.judge(account, now)
    texts = draft.texts if ruling.texts is None else ruling.texts
    return _Case(account, draft, ruling, texts, velocities.of(account.settings))


def _let_in(tx: Tx, items: Sequence[Submission]) -> tuple[list[Account | None], dict[int, tuple[int, int]]]:
    """Whose submissions these are; and of each account that is let in, which stays locked, the number of its
    next order and the name of its next message.

    Nothing is looked up, and nothing is locked, of an account whose secret was not said.
    """
    digests = {item.key: key_digest(item.key) for item in items}
    names = [(item.dialect, digests[item.key]) for item in items]
    known = account_store.credentials(tx, set(names))
    owners = _admitted(known, items, names)
    let_in = {name for name, account in zip(names, owners, strict=True) if account is not None}
    if tx.postgres and let_in:
        # Once more: access may have been taken away while somebody else had the lock.
        known = account_store.credentials(tx, let_in, lock=True)
        owners = _admitted(known, items, names)
    numbers = {known[name].owner[0]: (known[name].next_number, known[name].next_message) for name in let_in}
    return owners, numbers


def _admitted(
    known: dict[tuple[str, str], account_store.Credential],
    items: Sequence[Submission],
    names: list[tuple[str, str]],
) -> list[Account | None]:
    admitted: dict[tuple[str, str, str, str], Account | None] = {}
    for item, name in zip(items, names, strict=True):
        who = (*name, item.secret, item.address)
        if who not in admitted:
            admitted[who] = admit(known.get(name), item.secret, item.address)
    return [admitted[(*name, item.secret, item.address)] for item, name in zip(items, names, strict=True)]


def _load(
    tx: Tx,
    items: Sequence[Submission],
    owners: list[Account | None],
    numbers: dict[int, tuple[int, int]],
    ids: Ids,
) -> _Desk:
    senders: set[tuple[int, str]] = set()
    prints: set[tuple[int, int]] = set()
    for item, account in zip(items, owners, strict=True):
        if account is not None:
            senders.add((account.id, item.draft.sender))
            if item.draft.fingerprint is not None:
                prints.add((account.id, item.draft.fingerprint))
    return _Desk(
        tx,
        ids,
        approved=account_store.approved(tx, senders) if senders else set(),
        repeated=store.repeated(tx, prints, REPEAT_WINDOW) if prints else set(),
        balances=ledger.locked(tx, [(account_id, SMS) for account_id in numbers]),
        next_numbers={account_id: order for account_id, (order, _) in numbers.items()},
        next_messages={account_id: message for account_id, (_, message) in numbers.items()},
        listening=announcing.listening(tx, numbers),
    )


def _place(desk: _Desk, case: _Case) -> Placed | Refusal | Throttled:
    draft, bar = case.draft, _barred(desk, case)
    texts = barring.without(case.texts, bar) if bar else case.texts
    faults = set(case.ruling.faults)
    if texts != case.texts and not any(text.usable() for text in texts):
        faults.add(Refusal.NO_RECIPIENT)
    # Whoever has not agreed gets nothing; an order that nobody has agreed to is taken all the same.
    texts = barring.without(texts, case.unwilling) if case.unwilling else texts
    price = sum(text.usable() * text.parts for text in texts)
    fare, wait = _fare(desk, case, texts)
    if wait:
        faults.add(Refusal.TOO_LARGE if wait == NEVER else Refusal.TOO_FAST)
    refusal = draft.first_of(faults | _faults(desk, case, price))
    if refusal is not None:
        return Throttled(wait) if refusal is Refusal.TOO_FAST else refusal
    if desk.tally is not None and fare is not None:
        desk.tally.take(fare)
    return _accept(desk, case, texts, price)


def _barred(desk: _Desk, case: _Case) -> Collection[int]:
    """Whom this account must not write to: who is blocked, and who lives where it does not send."""
    blocked: Collection[int] = desk.blocked.get(case.account.id, ())
    limits = case.limits
    if limits is None or limits.codes is None:
        return blocked
    abroad = {
        number for text in case.texts for number in text.numbers if number and not limits.allows(number)
    }
    return abroad.union(blocked)


def _fare(desk: _Desk, case: _Case, texts: list[TextDraft]) -> tuple[Toll | None, int]:
    """What an order counts for velocity limits, and how long it has to wait for them."""
    if desk.tally is None or case.limits is None:
        return None, 0
    fare = toll(case.account.id, case.limits, numbers_in(texts))
    return fare, desk.tally.wait(fare)


def _faults(desk: _Desk, case: _Case, price: int) -> set[Refusal]:
    """What only the books can tell."""
    account, draft, ruling = case.account, case.draft, case.ruling
    faults = set()
    if not ruling.sender_free and (account.id, draft.sender) not in desk.approved:
        faults.add(Refusal.SENDER_NOT_APPROVED)
    if draft.fingerprint is not None and (account.id, draft.fingerprint) in desk.repeated:
        faults.add(Refusal.REPEATED)
    if price > desk.balances[account.id, SMS].available:
        faults.add(Refusal.NO_CREDIT)
    return faults


def _accept(desk: _Desk, case: _Case, texts: list[TextDraft], price: int) -> Placed:
    account, draft, ruling = case.account, case.draft, case.ruling
    total = sum(len(text.numbers) for text in texts)
    order_id = desk.ids.take(total)
    number = desk.next_numbers[account.id]
    desk.next_numbers[account.id] = number + 1
    first_message = desk.next_messages[account.id]
    desk.next_messages[account.id] = message_name(first_message, total)
    first_id, usable, first_row = order_id, 0, len(desk.messages)
    for text in texts:
        desk.texts.append((order_id, first_id, text.text))
        usable += _add_messages(desk, first_id, text)
        first_id += len(text.numbers)
    announced = order_id + total - 1
    if account.id in desk.listening:
        told, announced = announcing.placed(account.id, number, first_message, desk.messages[first_row:])
        desk.events += told
    consent = ruling.consent
    desk.tx.count("order_messages", draft.dialect, by=total)
    desk.tx.count("order_parts", draft.dialect, by=price)
    if usable < total:
        desk.tx.count("messages_final", "undelivered", by=total - usable)
    desk.orders.append(
        store.NewOrder(
            order_id,
            account.id,
            number,
            draft.dialect,
            draft.sender,
            _first_state(ruling, usable),
            desk.tx.now if ruling.due is None else ruling.due,
            total,
            total - usable,
            price,
            common_prefix(number for text in texts for number in _reached(text)),
            first_message,
            announced,
            consent.audience if consent else 0,
            consent.brand if consent else 0,
        )
    )
    _remember(desk, account, draft, order_id, price)
    return Placed(number)


def _remember(desk: _Desk, account: Account, draft: OrderDraft, order_id: int, price: int) -> None:
    """That it was placed, for the repeat check, and that its price is held."""
    if draft.fingerprint is not None:
        desk.repeated.add((account.id, draft.fingerprint))
        desk.fingerprints.append((order_id, account.id, draft.fingerprint))
    if price:
        posting = Posting(account.id, SMS, Move.HOLD, price, order_id)
        desk.balances[account.id, SMS].apply(posting)
        desk.postings.append(posting)


def _reached(text: TextDraft) -> Iterable[int]:
    """Who really gets it."""
    return (number for number in text.numbers if number not in text.barred) if text.barred else text.numbers


def _first_state(ruling: Ruling, usable: int) -> OrderState:
    if not usable:
        return OrderState.FAILED  # No link would ever have anything to do with it.
    return OrderState.READY if ruling.due is None else OrderState.SCHEDULED


def _add_messages(desk: _Desk, first_id: int, text: TextDraft) -> int:
    """Queue the rows of one text; returns how many can really be sent."""
    price, mask = text.parts, (1 << max(1, text.parts)) - 1
    queued, bad = int(MessageState.QUEUED), int(MessageState.UNDELIVERED)
    if not text.odd and not text.barred:
        desk.messages += [
            (message_id, number, queued, price, mask)
            for message_id, number in enumerate(text.numbers, start=first_id)
        ]
        return len(text.numbers)
    usable = 0
    for index, number in enumerate(text.numbers):
        good = number != 0 and number not in text.barred
        usable += good
        row = (
            (first_id + index, number, queued, price, mask)
            if good
            else (first_id + index, number, bad, 0, mask)
        )
        desk.messages.append(row)
        if not number:
            desk.odd.append((first_id + index, text.odd[index]))
    return usable


def report(tx: Tx, account_id: int, number: int, offset: int, limit: int) -> OrderReport | Refusal:
    """An order and `limit` of its messages from `offset` on."""
    found = store.find(tx, account_id, number)
    if found is None:
        return Refusal.NOT_FOUND
    order_id, order = found
    if order.state is OrderState.SCHEDULED and order.due > tx.now:
        return Refusal.NOT_DUE
    last = order_id + order.total - 1
    after = order_id - 1 + offset
    rows = messages.page(tx, after, last, limit) if after < last else []
    return OrderReport(order, rows)


def listing(
    tx: Tx, account_id: int, dialect: str, start: int, end: int, offset: int, limit: int
) -> tuple[int, list[OrderSummary]]:
    """How many orders were submitted in [start, end), and one page of them, oldest first."""
    return store.listing(tx, account_id, dialect, start, end, offset, limit)


def cancel(tx: Tx, account_id: int, number: int) -> Refusal | None:
    """Cancel an order that is scheduled and whose time has not come; its credit is given back.

    One conditional update decides against the order's own due time; whoever is second finds nothing.
    """
    balances = ledger.locked(tx, [(account_id, SMS)])
    before = store.held(tx, account_id, number)
    cancelled = store.cancel(tx, account_id, number)
    if before is None or cancelled is None:
        return Refusal.NOT_FOUND
    order_id, total = cancelled
    messages.cancel_range(tx, order_id - 1, order_id + total - 1)
    tx.count("messages_final", "cancelled", by=total)
    store.free_fingerprint(tx, order_id)
    if before[1]:
        posting = Posting(account_id, SMS, Move.VOID, before[1], order_id)
        balances[account_id, SMS].apply(posting)
        ledger.save(tx, balances, [posting])
    point("order.cancelling")
    return None
