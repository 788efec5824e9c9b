"""What random days of a parcel desk are compared with: each commit is told to a second, simple set of books.

The clerk knows which request a commit belongs to and what its carrier had said, tells the model, and sees
that the store, the answers and the carriers agree with it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol, TypeVar

import msgspec
from tests.conftest import FakeClock
from tests.service.parcel_model import UNPAID, Key, Model, Parcel, Wish
from tests.service.parcel_world import SAID, SILENCE, WorldCarrier

from ulak.core.accounts import Account
from ulak.core.errors import Refusal
from ulak.core.ledger import TRY
from ulak.core.once import BOOKING, KEPT, Once
from ulak.core.shipping import Booked, Sighting
from ulak.core.states import UNDER_WAY_PARCELS, ParcelState
from ulak.service import accounts, audit
from ulak.service.booking import Begun
from ulak.service.desk import Denied, Desk, Done, Who
from ulak.store import ledger
from ulak.store.engine import Connection, Sql, Tx

Result = TypeVar("Result")

_PARCELS = Sql("SELECT id, state, held, posted, carrier_id FROM consignment ORDER BY id")
_LABELS = Sql("SELECT consignment_id, id, state, state_at FROM label ORDER BY id")
_OWN_LABELS = Sql("SELECT id, tracking FROM label WHERE consignment_id = :id ORDER BY place")
_DONE = Sql(
    "SELECT account.name, scope, key, consignment_id FROM reply JOIN account ON account.id = account_id"
    " WHERE reply.state = 3"
)
_BEGUN = Sql("SELECT at FROM reply WHERE account_id = :account AND scope = :scope AND key = :key")
_EVENTS = Sql("SELECT subject, kind, data FROM event WHERE id > :after ORDER BY id")
_LAST_EVENT = Sql("SELECT COALESCE(max(id), 0) FROM event")
_TRACKED = Sql("SELECT subject FROM job WHERE kind = 2")


class Office(Protocol):
    """A process, as far as its requests are concerned."""

    name: str
    desk: Desk
    tasks: dict[asyncio.Task[None], Op]


@dataclass(eq=False)
class Op:
    """A request of somebody's, or a piece of a process' own work."""

    kind: str
    owner: str
    process: Office
    once: Once | None = None
    wish: Wish | None = None
    target: int | None = None
    answer: Any = None
    heard: tuple[int, str, tuple[Sighting, ...]] | None = None

    @property
    def key(self) -> Key | None:
        """Its key, if it has one."""
        return (self.owner, self.once.scope, self.once.key) if self.once else None


class _Undone(Exception):
    """Ends a transaction that must not count."""


class Clerk:
    """Keeps the second books."""

    def __init__(self, connection: Connection, clock: FakeClock, rng: Random, keys: dict[str, str]) -> None:
        """`keys` are the keys of the accounts, by name."""
        self.connection, self.clock, self.rng, self.keys = connection, clock, rng, keys
        self.model = Model(dict.fromkeys(keys, 0))
        self.world: dict[int, WorldCarrier] = {}
        self.luck = 1.0
        self.digests: defaultdict[Key, set[str]] = defaultdict(set)
        self.bodies: dict[tuple[Key, int], bytes] = {}
        self.begun: dict[Key, int] = {}
        self.last_event: int = connection.reading(lambda tx: tx.all(_LAST_EVENT))[0][0]
        self.log: list[str] = []
        self.broken: list[Exception] = []

    def trouble(self, often: float) -> bool:
        """Whether something goes wrong now."""
        return self.rng.random() < often * self.luck

    def who(self, owner: str) -> Who:
        """An account as it asks."""
        return Who("comtohome", self.keys[owner], "", "192.0.2.1")

    def account(self, tx: Tx, owner: str) -> Account:
        """An account as it is stored."""
        found = accounts.authenticate(tx, "comtohome", self.keys[owner], "", "192.0.2.1")
        assert found is not None
        return found

    def claim_of(self, process: str) -> tuple[str, int]:
        """A booking's claim that begins now."""
        return process, self.clock.now + BOOKING

    # What is committed.

    def commit(self, op: Op, change: Callable[[Any], Result]) -> Result:
        """One transaction; it may have to be done twice, because it lost against another one."""

        def undone(tx: Tx) -> None:
            change(tx)
            raise _Undone

        if self.rng.random() < 0.1:
            with contextlib.suppress(_Undone):
                self.connection.writing(undone)
        result = self.connection.writing(change)
        said, key = SAID.get(), op.key
        self.log.append(f"{op.process.name} {op.kind} {op.target} {op.once} {said}: {short(result)}")
        if key and self.begun.get(key, 0) <= self.clock.now - KEPT:
            self.model.forget(key)
        try:
            self.took(op, said, result)
        except AssertionError as error:
            # Who asks for this may take an exception for a database that is away.
            self.broken.append(error)
        if op.once:
            self.note_begun(op)
        return result

    def note_begun(self, op: Op) -> None:
        """Since when the engine remembers the key: what is older than a day it has forgotten."""
        once, owner = op.once, op.owner
        assert once
        assert op.key
        rows = self.connection.reading(
            lambda tx: tx.all(_BEGUN, account=self.account(tx, owner).id, scope=once.scope, key=once.key)
        )
        if rows:
            self.begun[op.key] = rows[0][0]

    def took(self, op: Op, said: tuple[Any, ...] | None, result: Any) -> None:
        """Tell the model what was committed."""
        model, now = self.model, self.clock.now
        if said is None:
            if op.kind in ("create", "start", "resend"):
                self.took_begin(op, result)
            elif op.kind == "cancel" and isinstance(result, Done):
                self.took_cancel(op, result)
            elif op.kind == "draft" and isinstance(result, Done) and not result.replayed:
                model.draft(result.consignment.id, op.owner, result.consignment.uuid, now)
            elif op.kind == "told" and op.heard:
                self.took_told(*op.heard, known=result)
            if op.kind == "draft" and isinstance(result, Done) and op.key:
                model.end(op.key, result.consignment.id)
        elif said[0] == "book":
            self.took_conclusion(op, model.of_uuid(said[1]), said[2], said[3], result)
        elif said[0] == "cancel":
            if isinstance(result, Done):
                assert said[2] is None or result.replayed
                self.took_cancel(op, result)
        else:
            model.hear({label_id: seen for label_id, seen in said[1] if seen is not None})

    def took_begin(self, op: Op, result: Any) -> None:
        model, now, claim = self.model, self.clock.now, self.claim_of(op.process.name)
        if isinstance(result, Done):
            assert op.key
            model.end(op.key, result.consignment.id)
        elif isinstance(result, Denied):
            if result.why is Refusal.NO_CREDIT:
                price = self.price(op.wish, 0) if op.wish else model.parcels[op.target or 0].price
                assert model.available(op.owner) < price
        elif result is None or isinstance(result, Begun):
            return
        elif result.resumed:
            model.go_on(model.parcels[result.consignment.id], claim, now)
        else:
            made = result.consignment
            assert op.kind == "create" or op.target == made.id
            fresh = Parcel(made.id, op.owner, made.uuid, ParcelState.WAITING, now)
            wish = None
            if op.wish:
                assert op.wish.carrier in (0, made.carrier.id)
                carrier = made.carrier.id
                wish = op.wish._replace(carrier=carrier, price=self.price(op.wish, carrier))
                assert made.costs.total == wish.price
            model.begin(model.parcels.get(made.id, fresh), wish, op.key, claim, now)

    def price(self, wish: Wish, carrier: int) -> int:
        """The carrier's, a fee and VAT of a fifth each; with carrier 0 the dearest that may be meant."""
        net = {one.id: one.net for one in self.world.values()}
        return (net.get(carrier or wish.carrier) or max(net.values())) * wish.packages * 144 // 100

    def took_conclusion(self, op: Op, parcel: Parcel, since: int, outcome: Any, result: Any) -> None:
        model, now = self.model, self.clock.now
        if model.concludes(parcel, since):
            if isinstance(outcome, Booked):
                assert isinstance(result, Done)
                rows = self.connection.reading(lambda tx: tx.all(_OWN_LABELS, id=parcel.id))
                model.book(parcel, [(row[0], row[1]) for row in rows], now)
            else:
                assert isinstance(result, Denied)
                model.reject(parcel, outcome is SILENCE, now)
        elif isinstance(result, Done):
            assert parcel.tags
        if isinstance(result, Done) and op.key and model.about.get(op.key, parcel.id) == parcel.id:
            model.end(op.key, parcel.id)

    def took_cancel(self, op: Op, result: Done) -> None:
        parcel = self.model.parcels[result.consignment.id]
        assert op.target == parcel.id
        if not result.replayed:
            self.model.cancel(parcel, self.clock.now)
        if op.key:
            self.model.end(op.key, parcel.id)

    def took_told(self, carrier: int, code: str, told: tuple[Sighting, ...], known: bool) -> None:
        """Codes are used again: the newest label is meant."""
        meant = [
            label_id
            for parcel in self.model.parcels.values()
            if parcel.carrier == carrier
            for label_id, tag in parcel.tags.items()
            if tag.code and tag.code.upper() == code.upper()
        ]
        assert known is bool(meant)
        if meant:
            self.model.hear({max(meant): told})

    # What is answered.

    def judge(self, op: Op) -> None:
        """Whether an answer may be given."""
        answer, parcels = op.answer, self.model.parcels
        self.log.append(f"{op.process.name} {op.kind} {op.target} {op.once} is answered {short(answer)}")
        if op.kind in ("told", "look", "go on"):
            return
        foreign = op.target in parcels and parcels[op.target].owner != op.owner
        if isinstance(answer, Denied):
            if foreign:
                assert answer.why in (Refusal.NOT_FOUND, Refusal.CARRIER_DECLINED, Refusal.CARRIER_UNREACHED)
            if answer.why is Refusal.KEY_REUSED:
                assert op.key
                assert len(self.digests[op.key]) > 1
            return
        assert not foreign
        if isinstance(answer, Done):
            made = parcels.get(answer.consignment.id)
            if op.kind != "draft":
                assert made
                assert made.tags or op.kind == "cancel"
            if op.key and self.model.about[op.key] == answer.consignment.id:
                assert self.model.done[op.key] == answer.consignment.id
                if answer.body:
                    kept = self.bodies.setdefault((op.key, answer.consignment.id), answer.body)
                    assert answer.body == kept

    # Comparing.

    def inspect(self, audited: bool) -> None:
        """Compare everything."""
        self.connection.reading(lambda tx: self._inspect(tx, audited))
        self._inspect_world()

    def _inspect(self, tx: Tx, audited: bool) -> None:
        findings = audit.check(tx) if audited else []
        assert not findings, "\n".join(findings)
        model = self.model
        parcels = sorted(model.parcels.values(), key=lambda parcel: parcel.id)
        stored = tx.all(_PARCELS)
        assert stored == [(p.id, p.state, p.held, p.posted, p.carrier or None) for p in parcels]
        tags = [(p.id, label, tag.state, tag.at) for p in parcels for label, tag in p.tags.items()]
        assert tx.all(_LABELS) == sorted(tags, key=lambda row: row[1])
        for owner in self.keys:
            balance = ledger.of_account(tx, self.account(tx, owner).id)[TRY]
            mine = [parcel for parcel in parcels if parcel.owner == owner]
            held, spent = sum(parcel.held for parcel in mine), sum(parcel.posted for parcel in mine)
            assert (balance.available, balance.held, balance.spent) == (model.available(owner), held, spent)
        recent = self.clock.now - KEPT
        done = {row[:3]: row[3] for row in tx.all(_DONE) if self.begun[row[:3]] > recent}
        expected = {key: about for key, about in model.done.items() if self.begun[key] > recent}
        assert done == expected, f"{done.items() ^ expected.items()}"
        self._inspect_events(tx)
        tracked = {row[0] for row in tx.all(_TRACKED)}
        for parcel in parcels:
            if parcel.state in UNDER_WAY_PARCELS and self.world[parcel.carrier].tracked:
                assert parcel.id in tracked, f"nobody asks about {parcel}"

    def _inspect_events(self, tx: Tx) -> None:
        """Every change was told once, in order per consignment."""
        new: defaultdict[int, list[tuple[str, ParcelState]]] = defaultdict(list)
        for subject, kind, data in tx.all(_EVENTS, after=self.last_event):
            new[subject].append((kind, ParcelState(msgspec.json.decode(data)["state"])))
        (self.last_event,) = tx.all(_LAST_EVENT)[0]
        assert new == {subject: told for subject, told in self.model.events.items() if told}
        self.model.events.clear()

    def _inspect_world(self) -> None:
        """What is paid is booked, and what is booked is paid, but for answers that were lost."""
        for carrier in self.world.values():
            assert not carrier.strangers
        for parcel in self.model.parcels.values():
            assert sum(parcel.uuid in carrier.journeys for carrier in self.world.values()) <= 1, parcel
            for carrier in self.world.values():
                journey = carrier.journeys.get(parcel.uuid)
                if parcel.state not in UNPAID and parcel.carrier == carrier.id:
                    assert parcel.posted == parcel.price or parcel.corrected
                    assert journey
                    assert (journey.packages, journey.reference) == (parcel.packages, parcel.reference)
                    assert len(parcel.tags) == parcel.packages
                elif journey and not journey.cancelled and parcel.uuid not in carrier.unheard:
                    assert parcel.state is ParcelState.WAITING, f"{parcel} is booked for nothing"


def short(answer: Any) -> str:
    """An answer in a line."""
    consignment = getattr(answer, "consignment", None)
    if consignment is not None:
        return f"{type(answer).__name__}({consignment.id}, {consignment.state.name})"
    return repr(answer)[:120]
