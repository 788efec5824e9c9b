"""Who gets what: the only package that knows everything."""

from ulak.wiring.clock import now_ms
from ulak.wiring.kinds import (
    CARRIER_KINDS,
    ENDINGS,
    NUMBER_SERVICES,
    PARCEL_ENDINGS,
    RENDERERS,
    carries_messages,
    simulated_operator,
)
from ulak.wiring.server import GROUP_KINDS, Running, group_kinds, open_database, run_server

__all__ = [
    "CARRIER_KINDS",
    "ENDINGS",
    "GROUP_KINDS",
    "NUMBER_SERVICES",
    "PARCEL_ENDINGS",
    "RENDERERS",
    "Running",
    "carries_messages",
    "group_kinds",
    "now_ms",
    "open_database",
    "run_server",
    "simulated_operator",
]
