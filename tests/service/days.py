"""Random days: tenants, links, operators and the clock do whatever they like, and the auditor watches.

Everything goes through the functions that the writer gathers, one transaction a step. What a process would
have in its memory (orders in turn, messages in flight) is kept here, and thrown away when it crashes.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Container, Sequence
from dataclasses import replace
from functools import partial
from random import Random

from tests import cast
from tests.conftest import FakeClock
from tests.service import day_book, links
from tests.service.auditor import HOUR, MINUTE, RECEIPT_WAIT, Auditor, Message, Order
from tests.service.links import Flight, Link, Run, respelled, spelled

from ulak.core.doubts import OnUncertain
from ulak.core.errors import Refusal
from ulak.core.messages import QueuedMessage
from ulak.core.orders import OrderDraft, Placed, TextDraft
from ulak.core.ports import Accepted, Outcome, Refused, Report, ReportState, Unknown
from ulak.core.references import IdForm
from ulak.core.routing import Route
from ulak.core.states import OrderState
from ulak.service import carriers, credits, dispatch, doubts, orders
from ulak.service.dispatch import Claim, ClaimedOrder, Sent, Step
from ulak.service.orders import Submission
from ulak.service.reports import ReportBatch, report_group
from ulak.service.sweep import Hand, sweep_slice
from ulak.store import carriers as carrier_store
from ulak.store import endpoints
from ulak.store.engine import Connection, Database, Tx
from ulak.store.ids import Ids, lease

NUMBERS = [*cast.numbers(8, 905301000001), *cast.numbers(6, 905331000001)]
SECOND = 1000
LISTENER = "alice"


class Days:
    """One seed."""

    def __init__(self, database: Database, clock: FakeClock, connection: Connection, seed: int) -> None:
        self.rng = Random(seed)
        self.clock = clock
        self.connection = connection
        self.tenants = {name: cast.tenant(database, name, credit=0) for name in ("alice", "bob", "carol")}
        self.auditor = Auditor(self.tenants)
        self.next_numbers = dict.fromkeys(self.tenants, cast.FIRST)
        self.links: list[Link] = []
        self.names = 0
        self.received: Counter[int] = Counter()
        self.ids = Ids()
        connection.writing(self._begin)

    def _begin(self, tx: Tx) -> None:
        for prefix, policy in (
            ("", OnUncertain.RESEND),
            ("90530", OnUncertain.HOLD),
            ("", OnUncertain.FAIL),
        ):
            self._add_link(tx, prefix, policy)
        self.ids.refill(lease(tx, 100_000))
        self.next_id = 1
        endpoints.put(tx, self.tenants[LISTENER].id, "iletimerkezi", ["message"], "https://a.example/", "")

    def _add_link(self, tx: Tx, prefix: str, policy: OnUncertain) -> None:
        document = f'{{"plain":{{"on_uncertain":"{policy.value}"}},"sealed":{{}}}}'
        self.names += 1
        carrier = carrier_store.insert(tx, f"link {self.names}", "smpp", document)
        assert carrier is not None
        self.links.append(Link(carrier, f"link {self.names}", prefix, policy))

    def run(self, steps: int) -> None:
        """Let so many things happen."""
        happenings: list[Callable[[], None]] = [
            *[self.place] * 4,
            *[self.claim] * 4,
            *[self.step] * 8,
            *[self.report] * 6,
            *[self.pass_time] * 3,
            *[self.look] * 2,
            self.cancel,
            self.grant,
            self.take_asked,
            self.decide_doubts,
            self.block,
        ]
        for number in range(steps):
            roll = self.rng.random()
            if roll < 0.01:
                self.crash()
            elif roll < 0.02:
                self.restart()
            elif roll < 0.035:
                self.sweep()
            elif roll < 0.04:
                self.replace_carrier()
            else:
                self.rng.choice(happenings)()
            if number % 100 == 99:
                self.inspect()
        self.inspect()

    # Tenants.

    def grant(self) -> None:
        name = self.rng.choice(list(self.tenants))
        amount = self.rng.randint(1, 40)
        self.connection.writing(lambda tx: credits.grant(tx, name, amount))
        self.auditor.granted[name] += amount

    def block(self) -> None:
        """Somebody wants no more messages, or none any more since long."""
        name, number = self.rng.choice(list(self.tenants)), self.rng.choice(NUMBERS)
        known = (name, number) in self.auditor.blocks
        links.block(self.connection, self.tenants[name].id, number, off=known)
        self.auditor.block(name, number, None if known else self.clock.now)

    def place(self) -> None:
        group = [self._wish() for _ in range(self.rng.choice([1, 1, 2, 4]))]
        items = [Submission(cast.DIALECT, who.key, secret, cast.ADDRESS, d) for who, secret, d, _ in group]
        placed = self.connection.writing(lambda tx: orders.place_group(tx, items, self.ids))
        assert placed == [self._expect(*wish) for wish in group]

    def _wish(self) -> tuple[cast.Tenant, str, OrderDraft, tuple[int | None, bool]]:
        who = self.rng.choice(list(self.tenants.values()))
        texts = [self._text() for _ in range(self.rng.choice([1, 1, 1, 2]))]
        due = self.rng.choice([None, None, 0, 1, 5 * MINUTE, 2 * HOUR])
        at = None if due is None else self.clock.now + due
        faulty = self.rng.random() < 0.02
        faults = [Refusal.NO_RECIPIENT] if faulty else []
        sender = who.sender if self.rng.random() < 0.97 else "NOBODY"
        secret = who.secret if self.rng.random() < 0.97 else "wrong"
        check = self.rng.random() < 0.5
        draft = cast.draft(sender, texts, due=at, faults=faults, repeat_check=check)
        return who, secret, draft, (at, faulty)

    def _text(self) -> TextDraft:
        group = self.rng.choice([NUMBERS, NUMBERS[:8], NUMBERS[8:]])
        numbers = self.rng.sample(group, self.rng.choice([1, 1, 2, 3, 5]))
        odd = {i: f"odd {i}" for i in range(len(numbers)) if self.rng.random() < 0.05}
        barred = frozenset(number for number in numbers if self.rng.random() < 0.04)
        shown = [0 if i in odd else number for i, number in enumerate(numbers)]
        return TextDraft(self.rng.choice(["a", "b"]), self.rng.choice([0, 1, 1, 2, 3]), shown, odd, barred)

    def _expect(
        self, who: cast.Tenant, secret: str, draft: OrderDraft, wish: tuple[int | None, bool]
    ) -> Placed | Refusal:
        now, auditor = self.clock.now, self.auditor
        due, faulty = wish
        content = None if draft.fingerprint is None else _content(draft.texts)
        blocked = {number for owner, number in auditor.blocks if owner == who.name}
        messages = self._messages(draft.texts, blocked)
        if secret != who.secret:
            return Refusal.UNAUTHENTICATED
        if draft.sender != who.sender:
            return Refusal.SENDER_NOT_APPROVED
        hit = any(blocked & set(text.numbers) - text.barred for text in draft.texts)
        if faulty or (hit and not any(message.state == "queued" for message in messages)):
            return Refusal.NO_RECIPIENT
        if content is not None and auditor.repeats(who.name, content, now):
            return Refusal.REPEATED
        if sum(message.price for message in messages) > auditor.balance(who.name).available:
            return Refusal.NO_CREDIT
        number = self.next_numbers[who.name]
        self.next_numbers[who.name] += 1
        stage = OrderState.READY if due is None else OrderState.SCHEDULED
        at = now if due is None else due
        auditor.place(Order(self.next_id, who.name, number, draft.sender, now, at, stage, messages), content)
        self.next_id += len(messages)
        return Placed(number)

    def _messages(self, texts: Sequence[TextDraft], blocked: Container[int]) -> list[Message]:
        messages: list[Message] = []
        for text in texts:
            for index, number in enumerate(text.numbers):
                shown = text.odd.get(index, f"+{number}")
                bad = not number or number in text.barred or number in blocked
                messages.append(
                    Message(
                        self.next_id + len(messages),
                        number,
                        shown,
                        0 if bad else text.parts,
                        "undelivered" if bad else "queued",
                        self.clock.now // 1000,
                        set(range(max(1, text.parts))),
                        barred=bad,
                    )
                )
        return messages

    def cancel(self) -> None:
        name = self.rng.choice(list(self.tenants))
        scheduled = [o for o in self.auditor.orders.values() if o.state is OrderState.SCHEDULED]
        number = self.rng.choice(scheduled).number if scheduled else cast.FIRST + self.rng.randrange(50)
        known = self.auditor.numbered(name, number)
        expected = None if known and self.auditor.cancel(known, self.clock.now) else Refusal.NOT_FOUND
        account = self.tenants[name].id
        assert self.connection.writing(lambda tx: orders.cancel(tx, account, number)) is expected

    # Links.

    def claim(self) -> None:
        for link in self.links:
            link.up = self.rng.random() < 0.8
        routes = [Route(link.carrier, link.prefix, 0, link.up) for link in self.links]
        slots = {link.carrier: self.rng.randrange(12) for link in self.links}
        few, many = self.rng.choice([1, 3, 100]), self.rng.choice([0, 1, 100])
        item = Claim(routes, slots, few, many, self.rng.randrange(100))
        due = self.auditor.claimable(
            {link.carrier: (link.prefix, link.up) for link in self.links}, self.clock.now
        )
        (claimed,) = self.connection.writing(lambda tx: dispatch.claim_group(tx, [item], self.ids))
        small = [order for order in due if len(self.auditor.orders[order].messages) <= dispatch.SMALL]
        large = [order for order in due if order not in small]
        taken = small[:few] + large[:many]
        emptied = {order_id for order_id in taken if self._emptied(self.auditor.orders[order_id])}
        for order_id in emptied:
            self.auditor.claim(self.auditor.orders[order_id], 0, self.auditor.orders[order_id].last_id)
        assert [order.id for order in claimed] == [order_id for order_id in taken if order_id not in emptied]
        for order in claimed:
            link = next(link for link in self.links if link.carrier == order.carrier_id)
            assert link.up
            self.auditor.claim(self.auditor.orders[order.id], order.carrier_id, order.opened)
            run = self._run_of(link, order)
            while run.rows and run.rows[0].id <= order.opened:
                row = run.rows.popleft()
                slots[order.carrier_id] -= max(1, row.price)
                self._launch(link, run, row)
        assert min(slots.values()) >= 0

    def _emptied(self, order: Order) -> bool:
        """Let messages end that must not leave any more; whether nothing is left to send."""
        upto = min(order.last_id, order.id + dispatch.SMALL - 1)
        held = self.auditor.withhold(order, order.opened, upto, self.clock.now)
        return bool(held) and upto == order.last_id and not order.count("queued")

    def _run_of(self, link: Link, order: ClaimedOrder) -> Run:
        run = link.runs.get(order.id)
        if run is None:
            run = Run(
                order.id, order.last_id, order.covered, order.opened, deque(order.rows), deque(order.again)
            )
            link.runs[order.id] = run
        else:
            run.again.extend(order.again)
        return run

    def _launch(self, link: Link, run: Run, row: QueuedMessage) -> None:
        run.out.add(row.id)
        flight = Flight(Sent(row.id, run.order, row.number, self.clock.now), None)
        link.flights[row.id] = flight
        if link.up and self.rng.random() < 0.9:
            self._receive(link, flight)

    def _receive(self, link: Link, flight: Flight) -> None:
        """The operator has it and decides about it; its reports may come before its answer."""
        self.received[flight.sent.id] += 1
        if self.rng.random() < 0.1:
            flight.answer = Refused("11")
            return
        references = tuple(self._name() for _ in range(self.rng.choice([1, 1, 1, 2, 3])))
        flight.answer = Accepted(references)
        for reference in references:
            states = [
                self.rng.choice([ReportState.DELIVERED, ReportState.DELIVERED, ReportState.UNDELIVERED])
            ]
            if self.rng.random() < 0.2:
                states.insert(0, ReportState.UNDERWAY)
            if self.rng.random() < 0.85:
                link.pending += [Report(reference, flight.sent.number, state, "raw") for state in states]

    def _name(self) -> str:
        """A reference; now and then one that was used before."""
        self.names += 1
        return f"x{self.rng.randrange(1, 60) if self.rng.random() < 0.1 else 1000 + self.names}"

    def step(self, link: Link | None = None, *, lost: float = 0.15) -> None:
        """The operator has answered some messages, and the next may leave."""
        link = link or self.rng.choice(self.links)
        if link.up:
            for flight in link.flights.values():
                if flight.answer is None and self.rng.random() < 0.5:
                    self._receive(link, flight)
        answered = [flight for flight in link.flights.values() if flight.answer and self.rng.random() < 0.6]
        outcomes = [(f, Unknown("lost") if self.rng.random() < lost else f.answer) for f in answered]
        resent = [self._land(link, flight, outcome) for flight, outcome in outcomes]
        picked = self._pick(link) if link.up else []
        held = self._commit(link, [(f.sent, outcome) for f, outcome in outcomes if outcome], picked)
        for flight in filter(None, resent):
            flight.answer, flight.doubted = None, True
            if link.up:
                self._receive(link, flight)
        for run, row in picked:
            if row.id not in held:
                self._launch(link, run, row)

    @staticmethod
    def _land(link: Link, flight: Flight, outcome: Outcome | None) -> Flight | None:
        """The flight is over, unless it has to go again."""
        if isinstance(outcome, Unknown) and link.policy is OnUncertain.RESEND:
            return flight
        del link.flights[flight.sent.id]
        link.runs[flight.sent.order_id].out.discard(flight.sent.id)
        return None

    def _pick(self, link: Link) -> list[tuple[Run, QueuedMessage]]:
        picked = []
        for run in list(link.runs.values()):
            for _ in range(self.rng.randrange(4)):
                if not run.rows and run.covered < run.last_id:
                    self._load(run)
                source = run.again or run.rows
                if not source:
                    break
                row = source.popleft()
                run.opened = max(run.opened, row.id)
                run.out.add(row.id)
                picked.append((run, row))
            if not run.rows:
                run.opened = max(run.opened, run.covered)
        return picked

    def _load(self, run: Run) -> None:
        limit = self.rng.randint(1, 4)
        covered, rows = self.connection.reading(
            lambda tx: dispatch.more_rows(tx, run.covered, run.last_id, limit)
        )
        mine = self.auditor.orders[run.order].messages
        queued = [m.id for m in mine if m.state == "queued" and run.covered < m.id <= covered]
        assert [row.id for row in rows] == queued
        run.covered = covered
        run.rows.extend(rows)

    def _commit(
        self, link: Link, outcomes: list[tuple[Sent, Outcome]], picked: list[tuple[Run, QueuedMessage]]
    ) -> set[int]:
        """Returns what must not leave any more."""
        withheld = set[int]()
        runs = {run.order: run for run, _ in picked}
        advances = [(run.order, run.opened, run.settled()) for run in runs.values()]
        written = [(sent, spelled(outcome, self.rng)) for sent, outcome in outcomes]
        item = Step(
            link.carrier,
            IdForm.TEXT,
            link.policy,
            written,
            advances,
            [(run.order, row.id) for run, row in picked],
        )
        for again in (False, True):
            # A step whose commit was not heard of is given again, whatever was reported meanwhile.
            if again and self.rng.random() < 0.9:
                continue
            if again:
                self.report()
                item = replace(item, repeated=True)
            (stepped,) = self.connection.writing(partial(dispatch.step_group, items=[item], _ids=self.ids))
            held = set[int]()
            for run, row in picked:
                held |= self.auditor.held(self.auditor.orders[run.order], row.id - 1, row.id)
            for order_id, opened, settled in advances:
                order = self.auditor.orders[order_id]
                order.opened, order.settled = max(order.opened, opened), settled
            self._tell(link, outcomes)
            for message_id in held:
                self.auditor.refuse(message_id, self.clock.now)
            ended = {row.id for _, row in picked if self.auditor.messages[row.id][1].state != "queued"}
            assert stepped.withheld == (ended if again else held)
            withheld = ended if again else held
        for run, row in picked:
            if row.id in withheld:
                run.out.discard(row.id)
        for run in list(link.runs.values()):
            if not run.out and not run.rows and not run.again and run.covered >= run.last_id:
                del link.runs[run.order]
        return withheld

    def _tell(self, link: Link, outcomes: list[tuple[Sent, Outcome]]) -> None:
        now, auditor = self.clock.now, self.auditor
        fresh: set[str] = set()
        for sent, outcome in outcomes:
            match outcome:
                case Accepted(references):
                    auditor.accept(link.carrier, sent.id, references, now)
                    fresh |= set(references)
                case Refused():
                    auditor.refuse(sent.id, now)
                case Unknown():
                    auditor.doubt(sent.id, link.policy.value, now)
        auditor.unpark(link.carrier, {sent.id: sent.opened for sent, _ in outcomes}, fresh, now)

    def report(self) -> None:
        """Operators report: in any order, late, doubled, contradicting themselves, or about nothing."""
        batches = []
        for link in self.rng.sample(self.links, self.rng.choice([1, 1, 2])):
            reports = [self._report_of(link) for _ in range(self.rng.randint(1, 6))]
            batches.append((link, reports))
        items = [
            ReportBatch(link.carrier, IdForm.TEXT, [respelled(report, self.rng) for report in reports])
            for link, reports in batches
        ]
        self.connection.writing(lambda tx: report_group(tx, items, self.ids))
        for link, reports in batches:
            for report in reports:
                self.auditor.report(link.carrier, report, self.clock.now)

    def _report_of(self, link: Link) -> Report:
        roll = self.rng.random()
        if link.pending and roll < 0.75:
            report = link.pending.pop(self.rng.randrange(len(link.pending)))
            link.told.append(report)
        elif link.told and roll < 0.95:
            report = self.rng.choice(link.told[-50:])
        else:
            report = Report(f"x{self.rng.randrange(10**6, 10**7)}", NUMBERS[0], ReportState.DELIVERED, "raw")
        if roll < 0.05:
            return Report(report.reference, report.number, self.rng.choice(list(ReportState)), "raw")
        if roll > 0.9:
            return Report(report.reference, self.rng.choice([0, NUMBERS[0]]), report.state, "raw")
        return report

    # Trouble, and what is done about it.

    def crash(self) -> None:
        """The process is killed; a new one takes over what it finds."""
        for link in self.links:
            link.runs.clear()
            link.flights.clear()
        for link in self.links:
            self._take_over(link)

    def restart(self) -> None:
        """A link is stopped as it should be: what never left it stays behind, and is not in doubt."""
        link = self.rng.choice(self.links)
        self._stop(link)
        link.up = True
        self._take_over(link)

    def _stop(self, link: Link) -> None:
        link.up = False
        self.step(link, lost=0.5)
        left = [flight.sent for flight in link.flights.values() if not flight.answer and not flight.doubted]
        self.connection.writing(lambda tx: dispatch.leave_unsent(tx, link.carrier, left))
        for sent in left:
            self.auditor.leave_unsent(sent.id)
        link.runs.clear()
        link.flights.clear()

    def _take_over(self, link: Link) -> None:
        auditor, now = self.auditor, self.clock.now
        limit, after, claimed = self.rng.choice([1, 2, 100]), 0, list[ClaimedOrder]()
        sending = auditor.sending(link.carrier)
        while True:
            after, portion = self.connection.writing(
                partial(
                    dispatch.take_over,
                    carrier_id=link.carrier,
                    policy=link.policy,
                    after=after,
                    limit=limit,
                )
            )
            claimed += portion
            if not after:
                break
        again = {order.id: auditor.take_over(order, link.policy.value, now) for order in sending}
        expected = {
            order.id: again.get(order.id, [])
            for order in sending
            if order.opened < order.last_id or again.get(order.id)
        }
        assert {order.id: [row.id for row in order.again] for order in claimed} == expected
        for order in claimed:
            self._run_of(link, order)

    def replace_carrier(self) -> None:
        """A carrier is removed, after a clean stop or a crash; others take what it had not sent."""
        link = self.rng.choice(self.links)
        if self.rng.random() < 0.5:
            self._stop(link)
        self.links.remove(link)
        returned = self.auditor.give_back(link.carrier, link.policy.value, self.clock.now)
        self.connection.writing(lambda tx: carriers.remove(tx, link.name))
        assert self.connection.writing(dispatch.give_back) == returned
        self.connection.writing(lambda tx: self._add_link(tx, link.prefix, link.policy))

    def take_asked(self) -> None:
        link = self.rng.choice(self.links)
        wanted = self.auditor.to_send_again(link.carrier)
        claimed = self.connection.writing(lambda tx: dispatch.take_asked(tx, link.carrier, 100))
        held = set[int]()
        for message_id in wanted:
            order = self.auditor.messages[message_id][0]
            held |= self.auditor.withhold(order, message_id - 1, message_id, self.clock.now)
        assert [row.id for each in claimed for row in each.again] == [
            one for one in wanted if one not in held
        ]
        for claim in claimed:
            known = self.auditor.orders[claim.id]
            known.settled = min(known.settled, claim.again[0].id - 1)
            self._run_of(link, claim)
        for message_id in wanted:
            if self.auditor.doubts[message_id] == "unsent":
                del self.auditor.doubts[message_id]
            else:
                self.auditor.doubts[message_id] = "resent"

    def decide_doubts(self) -> None:
        """An operator settles messages that wait for a decision, some or all."""
        held = sorted(m.id for _, m in self.auditor.messages.values() if m.state == "unsure")
        here = {link.carrier for link in self.links}
        may_go = [message for message in held if self.auditor.doubted_by[message] in here]
        decide = doubts.resend if self.rng.random() < 0.5 else doubts.fail
        open_to = may_go if decide is doubts.resend else held
        chosen = self.rng.sample(open_to, self.rng.randint(0, len(open_to)))
        ids = None if len(chosen) == len(held) else chosen
        assert sorted(self.connection.writing(lambda tx: decide(tx, ids))) == sorted(chosen)
        for message_id in chosen:
            if decide is doubts.resend:
                self.auditor.ask_again(message_id, self.clock.now)
            else:
                self.auditor.doubts[message_id] = "failed"
                self.auditor.give_up(self.auditor.messages[message_id][1], self.clock.now)

    def sweep(self) -> None:
        hand, more = Hand(), True
        while more:
            hand, more = self.connection.writing(partial(sweep_slice, hand=hand, receipt_wait=RECEIPT_WAIT))
        self.auditor.sweep(self.clock.now)

    def pass_time(self) -> None:
        roll = self.rng.random()
        longest = 5 * SECOND if roll < 0.8 else 30 * MINUTE if roll < 0.95 else 30 * HOUR
        self.clock.advance(self.rng.randint(0, longest) if roll < 0.99 else RECEIPT_WAIT + HOUR)

    # Comparing.

    def look(self) -> None:
        """Somebody asks for a report, perhaps for one of somebody else."""
        who = self.rng.choice(list(self.tenants.values()))
        number = cast.FIRST + self.rng.randrange(max(self.next_numbers.values()) - cast.FIRST + 2)
        offset, limit = self.rng.choice([(0, 100), (0, 2), (3, 2)])
        shown = self.connection.reading(lambda tx: orders.report(tx, who.id, number, offset, limit))
        known = self.auditor.numbered(who.name, number)
        if known is None:
            assert shown is Refusal.NOT_FOUND
        elif known.state is OrderState.SCHEDULED and known.due > self.clock.now:
            assert shown is Refusal.NOT_DUE
        else:
            assert not isinstance(shown, Refusal)
            assert shown.order == known.summary()
            rows = [(row.shown, row.state) for row in shown.messages]
            assert rows == known.rows()[offset : offset + limit]

    def inspect(self) -> None:
        """Compare everything."""
        self.connection.reading(
            lambda tx: day_book.compare(tx, self.auditor, self.tenants, self.received, LISTENER)
        )


def _content(texts: Sequence[TextDraft]) -> object:
    return tuple(sorted((text.text, tuple(sorted(text.numbers))) for text in texts))


def run_days(database: Database, clock: FakeClock, seed: int, steps: int) -> None:
    """A whole seed on a database with nothing but the schema."""
    connection = database.connect()
    try:
        Days(database, clock, connection, seed).run(steps)
    finally:
        connection.close()
