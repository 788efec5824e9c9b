"""`ulak dispatch`: whether anything new is handed to carriers."""

from __future__ import annotations

from typing import Any

from cyclopts import App

from ulak.cli.common import DEFAULTS, Common
from ulak.service import pausing
from ulak.store import orders, settings
from ulak.store.engine import Tx

app = App(name="dispatch", help="Whether anything new is handed to carriers.")


def _shown(tx: Tx) -> dict[str, Any]:
    return {"dispatch": "paused" if settings.paused(tx) else "on", "orders_due": orders.waiting(tx)}


@app.command
def status(*, common: Common = DEFAULTS) -> None:
    """Show {"dispatch": "on" or "paused", "orders_due"}: orders that are due and that no link has taken."""
    common.show(common.read(_shown))


@app.command
def pause(*, common: Common = DEFAULTS) -> None:
    """Hand nothing new to carriers: no message, no parcel that is to be booked again, no number to be bought.

    Orders are taken as ever and wait; answers and reports are heard. Running servers know within a second.
    """
    common.show(common.write(lambda tx: _after(tx, paused=True)))


@app.command
def resume(*, common: Common = DEFAULTS) -> None:
    """Go on."""
    common.show(common.write(lambda tx: _after(tx, paused=False)))


def _after(tx: Tx, *, paused: bool) -> dict[str, Any]:
    (pausing.pause if paused else pausing.resume)(tx)
    return _shown(tx)
