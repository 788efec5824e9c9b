"""Doors that are asked on one thread, wrong askings of several classes, and whether time tells the classes
apart."""

from __future__ import annotations

import asyncio
import gc
import json
import math
import random
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

from tests.dialects.comtohome.office import Office as ParcelOffice
from tests.dialects.sms4sats.office import SAMPLE_PRICES, SENT, ScriptedShop, bought
from tests.parcel_cast import consignment

from ulak.core.states import PurchaseState
from ulak.dialects.comtohome.callbacks import read_news
from ulak.dialects.door import Call, Dialect
from ulak.dialects.hooks import HookDoors
from ulak.dialects.iletimerkezi.serve import Doors as MessageDoors
from ulak.dialects.sms4sats.serve import Doors as NumberDoors
from ulak.service import accounts, carriers, orders
from ulak.service.accounts import NewAccount
from ulak.service.prices import Prices
from ulak.store import consignments, purchases
from ulak.store.engine import Connection, Tx
from ulak.store.ids import Ids
from ulak.store.vault import Vault

Result = TypeVar("Result")
Make = Callable[[random.Random], Call]

ADDRESS = "192.0.2.7"
LIMIT = 4.5
"""Welch's t from which on two groups count as told apart, as tests of cryptographic code use it."""

KEPT = 0.95
"""The share of samples that is looked at: the slowest are those in which the machine did something else."""


class OneThread:
    """A store that is asked on the caller's own thread: nothing between it and the clock."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def read(self, question: Callable[[Tx], Result]) -> Result:
        return self._connection.reading(question)

    async def write(self, change: Callable[[Tx], Result]) -> Result:
        return self._connection.writing(change)

    async def gather(self, kind: str, item: Any) -> Any:
        assert kind == orders.PLACE
        return self._connection.writing(lambda tx: orders.place_group(tx, [item], Ids())[0])


@dataclass(frozen=True)
class Secret:
    """Something that must not be found out by asking: a door, and classes of wrong askings of it."""

    doors: Dialect
    status: int
    classes: Mapping[str, Make]

    def ask(self, call: Call) -> None:
        """Have it answered; it is refused like all others."""
        reply = asyncio.run(self.doors.answer(call))
        assert reply.status == self.status, reply


class Target:
    """A store with tenants who have things, and the secrets there are."""

    def __init__(self, connection: Connection, vault: Vault) -> None:
        self._vault = vault
        self.books: Any = OneThread(connection)
        self._write = connection.writing
        self.tenants = [self._tenant(f"tenant {place}") for place in range(20)]
        self.parcels = [self._parcel(tenant) for tenant in self.tenants[:10] for _ in range(5)]

    def _tenant(self, name: str) -> NewAccount:
        made: NewAccount = self._write(lambda tx: accounts.create(tx, name))
        self._write(lambda tx: accounts.configure(tx, name, {"contacts": "on", "user_firstname": name}))
        return made

    def _parcel(self, tenant: NewAccount) -> tuple[int, int]:
        def write(tx: Tx) -> tuple[int, int]:
            made = consignments.insert(tx, consignment(tenant.account.id))
            return made, consignments.load(tx, [made])[made].labels[0].id

        made: tuple[int, int] = self._write(write)
        return made

    def secrets(self) -> dict[str, Secret]:
        """By what they are about."""
        messages = MessageDoors(self.books)
        return {
            "hash, get-balance": Secret(messages, 401, self._hashes("/v1/get-balance/json", {})),
            "hash, send-sms": Secret(messages, 401, self._hashes("/v1/send-sms/json", {"order": _ORDER})),
            "key, parcels": Secret(self._parcel_doors(), 401, self._keys("comtohome", "apikey", _DETAILS)),
            "key, numbers": Secret(
                self._number_doors(), 401, self._keys("sms4sats", "x-api-key", "/balance")
            ),
            "another's parcel": Secret(self._parcel_doors(), 404, self._parcels()),
            "another's label": Secret(self._parcel_doors(), 404, self._labels()),
            "name of a carrier": Secret(self._hooks(), 404, self._carriers()),
        }

    # Logging in

    def _hashes(self, path: str, request: dict[str, Any]) -> dict[str, Make]:
        """Key and hash: one key that is attacked, and others."""
        pairs = [(each.iletimerkezi_key, each.iletimerkezi_hash) for each in self.tenants]
        nobodys = [random.Random(place).randbytes(16).hex() for place in range(len(pairs))]

        def call(key: str, hash: str) -> Call:
            body = {"authentication": {"key": key, "hash": hash}, **request}
            return Call("POST", path, b"", (), json.dumps({"request": body}).encode(), ADDRESS)

        def with_hash(rng: random.Random, change: Callable[[str], str]) -> Call:
            key, known = rng.choice(pairs)
            return call(key, change(known))

        def anothers(rng: random.Random) -> Call:
            (key, _), (_, other) = rng.sample(pairs, 2)
            return call(key, other)

        return {
            "no such key": lambda rng: call(rng.choice(nobodys), rng.randbytes(32).hex()),
            "wrong hash": lambda rng: with_hash(rng, lambda _known: rng.randbytes(32).hex()),
            "wrong first byte": lambda rng: with_hash(rng, lambda known: _first_wrong(rng, known)),
            "wrong last byte": lambda rng: with_hash(rng, lambda known: _last_wrong(rng, known)),
            "another's hash": anothers,
        }

    def _keys(self, dialect: str, header: str, path: str) -> dict[str, Make]:
        """A key that is all there is to say."""
        victim, other = self.tenants[7], self.tenants[8]
        known = victim.comtohome_key if dialect == "comtohome" else victim.sms4sats_key

        def call(key: str) -> Call:
            return Call("GET", path, b"", ((header.encode(), key.encode()),), b"", ADDRESS)

        return {
            "no such key": lambda rng: call(rng.randbytes(32).hex()),
            "wrong first byte": lambda rng: call(_first_wrong(rng, known)),
            "wrong last byte": lambda rng: call(_last_wrong(rng, known)),
            "a key for something else": lambda _rng: call(other.iletimerkezi_hash),
        }

    # Things

    def _parcels(self) -> dict[str, Make]:
        asks = ((b"apikey", self.tenants[15].comtohome_key.encode()),)

        def call(number: int) -> Call:
            return Call("GET", f"/api/v1/consignments/{number}/details", b"", asks, b"", ADDRESS)

        return {
            "never existed": lambda rng: call(rng.randrange(10**6, 10**6 + 50)),
            "another's": lambda rng: call(rng.choice(self.parcels)[0]),
        }

    def _labels(self) -> dict[str, Make]:
        def call(number: int, rng: random.Random) -> Call:
            seal = b"_hash=" + quote(rng.randbytes(32).hex()[:43] + "=").encode()
            path = f"/api/v1/public-download/consignment-label/{number}"
            return Call("GET", path, seal, (), b"", ADDRESS)

        return {
            "never existed": lambda rng: call(rng.randrange(10**6, 10**6 + 50), rng),
            "another's": lambda rng: call(rng.choice(self.parcels)[1], rng),
        }

    def _carriers(self) -> dict[str, Make]:
        def call(name: str, rng: random.Random) -> Call:
            return Call("POST", f"/hooks/{name}/{rng.randbytes(16).hex()}", b"", (), b"{}", ADDRESS)

        return {
            "no such carrier": lambda rng: call(rng.choice(_NO_CARRIERS), rng),
            "a carrier": lambda rng: call(rng.choice(_CARRIERS), rng),
        }

    def orders(self, state: PurchaseState) -> Secret:
        """Orders whose id is all it takes to see them: one that is nearly right, and one that nobody has."""
        rng = random.Random(5)
        known = [rng.randbytes(32).hex() for _ in range(200)]
        for public_id in known:
            self._write(partial(_keep, state=state, public_id=public_id))

        def call(public_id: str) -> Call:
            return Call("GET", "/orderstatus", b"orderId=" + public_id.encode(), (), b"", ADDRESS)

        classes: dict[str, Make] = {
            "never existed": lambda rng: call(rng.randbytes(32).hex()),
            "wrong first byte": lambda rng: call(_first_wrong(rng, rng.choice(known))),
            "wrong last byte": lambda rng: call(_last_wrong(rng, rng.choice(known))),
        }
        return Secret(self._number_doors(), 404, classes)

    # Doors

    def _parcel_doors(self) -> Dialect:
        return ParcelOffice(self.books, limit=10**9).doors

    def _number_doors(self) -> Dialect:
        return NumberDoors(
            self.books,
            ScriptedShop(),
            Prices(SAMPLE_PRICES),
            check_url=lambda _url: None,
            clock=lambda: SENT,
            limit=10**9,
        )

    def _hooks(self) -> Dialect:
        async def told(*_news: object) -> None:
            raise AssertionError("nothing is told")

        for name in _CARRIERS:
            words = {"hook_secret": f"0123456789abcdef-{name}"}
            self._write(
                partial(
                    carriers.add,
                    name=name,
                    kind="comtohome",
                    settings=words,
                    check=lambda _words: None,
                    vault=self._vault,
                )
            )
        return HookDoors(self.books, {"comtohome": read_news}, told, self._vault, lambda: SENT)


_ORDER = {"sender": "ULAK", "message": {"text": "a", "receipents": {"number": ["5301234567"]}}}
_DETAILS = "/api/v1/consignments/1/details"
_CARRIERS = ("kargo", "kurye", "posta")
_NO_CARRIERS = ("banka", "tapan", "kasap")


def _others(octet: str) -> list[str]:
    return [f"{value:02x}" for value in range(256) if f"{value:02x}" != octet]


def _first_wrong(rng: random.Random, known: str) -> str:
    return rng.choice(_others(known[:2])) + known[2:]


def _last_wrong(rng: random.Random, known: str) -> str:
    return known[:-2] + rng.choice(_others(known[-2:]))


def _keep(tx: Tx, *, state: PurchaseState, public_id: str) -> int:
    return purchases.insert(tx, bought(state=state, public_id=public_id))


# Measuring


def measured(secret: Secret, seed: int, each: int) -> dict[str, list[int]]:
    """Nanoseconds of this thread for so many askings of each class, in random order."""
    rng = random.Random(seed)
    plan = [name for name in secret.classes for _ in range(each)]
    rng.shuffle(plan)
    calls = [(name, secret.classes[name](rng)) for name in plan]
    times: dict[str, list[int]] = {name: [] for name in secret.classes}

    async def all_of_them() -> None:
        answer = secret.doors.answer
        for name, call in calls:
            began = time.thread_time_ns()
            reply = await answer(call)
            times[name].append(time.thread_time_ns() - began)
            assert reply.status == secret.status, reply

    gc.collect()
    gc.disable()
    try:
        asyncio.run(all_of_them())
    finally:
        gc.enable()
    return {name: sorted(found)[: int(len(found) * KEPT)] for name, found in times.items()}


def welch(one: Iterable[float], other: Iterable[float]) -> float:
    """Welch's t of two samples."""
    a, b = list(one), list(other)
    spread = statistics.variance(a) / len(a) + statistics.variance(b) / len(b)
    return (statistics.fmean(a) - statistics.fmean(b)) / math.sqrt(spread)


def told_apart(secret: Secret, seed: int, each: int) -> dict[str, float]:
    """Welch's t of each class against the first."""
    times = measured(secret, seed, each)
    first, *others = times
    return {name: welch(times[name], times[first]) for name in others}
