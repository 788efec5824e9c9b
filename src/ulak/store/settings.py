"""Single values that belong to the whole installation."""

from __future__ import annotations

from ulak.store.engine import CLOCK_OFFSET, Sql, Tx

SANDBOX = "sandbox"
"""Set to `on` where the clock may be moved."""

KEY_CHECK = "key_check"
"""Tells whether a process has the key with which secrets are sealed."""

DISPATCH = "dispatch"
PAUSED = "paused"
"""The setting that has this value where nothing new may be handed to carriers."""

_GET = Sql("SELECT value FROM setting WHERE name = :name")
_SET = Sql(
    "INSERT INTO setting (name, value) VALUES (:name, :value)"
    " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)


def get(tx: Tx, name: str) -> str | None:
    """The value, None if it was never set."""
    row = tx.one(_GET, name=name)
    return row[0] if row else None


def put(tx: Tx, name: str, value: str) -> None:
    """Set a value."""
    tx.run(_SET, name=name, value=value)


def paused(tx: Tx) -> bool:
    """Whether nothing new may be handed to carriers."""
    return get(tx, DISPATCH) == PAUSED


def clock_offset(tx: Tx) -> int:
    """How far this installation's clock is ahead of the machine's, in ms."""
    return int(get(tx, CLOCK_OFFSET) or 0)


def machine_now(tx: Tx) -> int:
    """The machine's clock (ms), for what must not age when a sandbox's clock is moved."""
    return tx.now - clock_offset(tx)


def move_clock(tx: Tx, span: int) -> int:
    """Put the clock forward by `span` ms; returns the whole offset. Holds from the next transaction on."""
    offset = clock_offset(tx) + span
    put(tx, CLOCK_OFFSET, str(offset))
    return offset
