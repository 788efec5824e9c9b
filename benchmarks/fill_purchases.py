"""Purchases written straight into a database: what a number shop has after years, or at its busiest."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from benchmarks.rig import Home
from ulak.core.funding import InvoiceState
from ulak.core.purchases import CODE_WITHIN, key_of
from ulak.core.states import PurchaseKind, PurchaseState, Resolve
from ulak.service import accounts, carriers
from ulak.store.vault import Vault
from ulak.store.writer import sync_read, sync_write
from ulak.wiring import CARRIER_KINDS

PUBLIC_ID = "%064x"
"""The public id of the n-th purchase."""

_AT_ONCE = 20_000
_VERIFY_EVERY = 300_000
_WAITED = 1_150_000


def source(home: Home) -> int:
    """A simulated source of numbers; its id."""
    words, vault = {"carries": "numbers"}, Vault(home.directory)
    check = CARRIER_KINDS["simulator"].check
    return sync_write(
        home.database, lambda tx: carriers.add(tx, "numbers", "simulator", words, check, vault)
    ).id


def fill(home: Home, count: int, state: PurchaseState = PurchaseState.DONE) -> None:
    """`count` purchases of a code: done, or waiting for their SMS for up to nineteen minutes.

    They cost nothing, so that the ledger need not be filled as well.
    """
    carrier = source(home)
    account = sync_read(home.database, lambda tx: accounts.named(tx, "bench")).id
    now = time.time_ns() // 1_000_000
    with closing(sqlite3.connect(home.database.path)) as database:
        for first in range(0, count, _AT_ONCE):
            rows = list(_rows(range(first, min(count, first + _AT_ONCE)), account, carrier, now, state))
            names = ", ".join(rows[0])
            places = ", ".join(f":{name}" for name in rows[0])
            with database:
                database.executemany(f"INSERT INTO purchase ({names}) VALUES ({places})", rows)
                database.executemany(
                    "INSERT INTO memory_invoice (payment_hash, payreq, amount, state, hold, expires, changed)"
                    " VALUES (:payment_hash, :payreq, 1500, :at_node, 1, :changed, :changed)",
                    [row | {"at_node": _at_node(state)} for row in rows],
                )
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _at_node(state: PurchaseState) -> int:
    return int(InvoiceState.HELD if state is PurchaseState.WAITING else InvoiceState.SETTLED)


def _rows(
    numbers: range, account: int, carrier: int, now: int, state: PurchaseState
) -> Iterator[dict[str, Any]]:
    waiting = state is PurchaseState.WAITING
    for n in numbers:
        public_id = PUBLIC_ID % n
        # Those that wait were paid for at any time in the last nineteen minutes.
        age = n * _WAITED // len(numbers) if waiting else 0
        yield {
            "id": n + 1,
            "key": key_of(public_id),
            "public_id": public_id,
            "account_id": account,
            "dialect": "sms4sats",
            "kind": int(PurchaseKind.CODE),
            "state": int(state),
            "resolve": int(Resolve.OPEN if waiting else Resolve.SETTLE),
            "resolved": None if waiting else now,
            "price": 0,
            "held": 0,
            "posted": 0,
            "prepaid": 0,
            "payment_hash": hashlib.sha256(public_id.encode()).hexdigest(),
            "preimage": "1:" + "A" * 124,
            "payreq": "lnbcrt15u1" + "q" * 300,
            # A service of the simulator to which no SMS comes.
            "service": "never" if waiting else "tg",
            "pool": 43,
            "weeks": 0,
            "handset": 0,
            "carrier_id": carrier,
            "reference": str(1_000_000 + n),
            "number": 4_915_000_000_000 + n,
            "code": None if waiting else "48010",
            "created": now - age,
            "paid": now - age,
            "assigned": now - age,
            "changed": now - age,
            "due": now - age + CODE_WITHIN if waiting else None,
            "look": now + n * 1_000 // len(numbers) if waiting else None,
            "verify": now + n * _VERIFY_EVERY // len(numbers) if waiting else None,
        }
