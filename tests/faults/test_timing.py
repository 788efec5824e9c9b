"""What is wrong is answered in the same time, whatever is wrong with it.

In every run: each class of wrong askings does the same, counted. With ULAK_TEST_SOAK: 20,000 of each class
are timed, in random order, and Welch's t stays below 4.5; where it does not it is measured again with other
seeds, and only what comes twice more with the same sign is a leak.
"""

from __future__ import annotations

import hmac
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.faults.timing import LIMIT, Secret, Target, measured, told_apart, welch

from ulak.core.states import PurchaseState
from ulak.service import accounts
from ulak.store.engine import Database, SqliteConnection, Tx
from ulak.store.vault import Vault

SOAK = "ULAK_TEST_SOAK" in os.environ
SEED = int(os.environ.get("ULAK_TEST_SEED") or (random.SystemRandom().randrange(2**31) if SOAK else 1))
EACH = 20_000

SECRETS = (
    "hash, get-balance",
    "hash, send-sms",
    "key, parcels",
    "key, numbers",
    "another's parcel",
    "another's label",
    "name of a carrier",
)
STATES = (PurchaseState.UNPAID, PurchaseState.WAITING, PurchaseState.DONE)


@pytest.fixture
def target(sqlite_database: Database, tmp_path: Path) -> Iterator[Target]:
    connection = sqlite_database.connect()
    assert isinstance(connection, SqliteConnection)
    yield Target(connection, Vault(tmp_path))
    connection.close()


class Traced:
    """What is asked of the database, how many rows come, and what is digested and compared."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[Any] = []
        for name in ("one", "all", "run"):
            monkeypatch.setattr(Tx, name, self._asked(getattr(Tx, name)))
        digest, compare = accounts.digest, hmac.compare_digest

        def digested(secret: str) -> str:
            self.seen.append("digest")
            return digest(secret)

        def compared(one: bytes, other: bytes) -> bool:
            self.seen.append(("compared", type(one), type(other)))
            return compare(one, other)

        monkeypatch.setattr(accounts, "digest", digested)
        monkeypatch.setattr(hmac, "compare_digest", compared)

    def _asked(self, ask: Callable[..., Any]) -> Callable[..., Any]:
        def asked(tx: Tx, sql: Any, **values: Any) -> Any:
            found = ask(tx, sql, **values)
            self.seen.append((sql.sqlite, None if found is None else len(found) if found != [] else 0))
            return found

        return asked

    def of(self, secret: Secret, name: str) -> list[Any]:
        """What was done for one asking of a class."""
        self.seen.clear()
        secret.ask(secret.classes[name](random.Random(3)))
        return list(self.seen)


def secret_of(target: Target, name: str | PurchaseState) -> Secret:
    """The secret that a test is about: by its name, or the ids of orders in a state."""
    return target.orders(name) if isinstance(name, PurchaseState) else target.secrets()[name]


def test_every_secret_is_tried(target: Target) -> None:
    assert set(target.secrets()) == set(SECRETS)


@pytest.mark.fault("F17", "wrong in several ways: as many questions, digests and comparisons of bytes each")
@pytest.mark.parametrize("name", [*SECRETS, *STATES], ids=str)
def test_every_class_does_the_same(
    target: Target,
    name: str | PurchaseState,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    secret = secret_of(target, name)
    traced = Traced(monkeypatch)
    first, *others = secret.classes
    expected = traced.of(secret, first)
    assert expected
    for other in others:
        assert traced.of(secret, other) == expected, other
    compared = [seen for seen in expected if seen[0] == "compared"]
    assert all(seen == ("compared", bytes, bytes) for seen in compared)
    record_property("runs", len(secret.classes))


@pytest.mark.skipif(not SOAK, reason="only in `make soak`: it takes minutes, and a quiet machine")
@pytest.mark.fault("F17", "20,000 wrong askings of each class, timed in random order; Welch's t < 4.5")
@pytest.mark.parametrize("name", [*SECRETS, *STATES], ids=str)
def test_time_does_not_tell_the_classes_apart(
    target: Target, name: str | PurchaseState, record_property: Callable[[str, object], None]
) -> None:
    secret = secret_of(target, name)
    measured(secret, SEED, 500)  # what is made on first use is made
    rounds = [told_apart(secret, SEED, EACH)]
    while len(rounds) < 3 and any(abs(found) >= LIMIT for found in rounds[-1].values()):
        rounds.append(told_apart(secret, SEED + len(rounds), EACH))
    print(f"ULAK_TEST_SEED={SEED}", name, rounds)
    for other in rounds[0]:
        found = [round_[other] for round_ in rounds]
        leaks = len(rounds) == 3 and (min(found) >= LIMIT or max(found) <= -LIMIT)
        assert not leaks, (SEED, name, other, found)
    record_property("runs", len(rounds) * EACH * len(secret.classes))


def test_a_difference_would_be_found() -> None:
    rng = random.Random(7)
    one = [rng.gauss(50, 10) for _ in range(EACH)]
    other = [rng.gauss(51, 10) for _ in range(EACH)]
    assert abs(welch(one, other)) > LIMIT
