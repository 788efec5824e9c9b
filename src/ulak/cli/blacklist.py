"""`ulak blacklist`: numbers that an account must not write to.

A block is shown as {"number": "+905301234567", "origin": "api", "reply" or "operator", "added"}. The account
itself can lift those whose origin is api; the operator can lift all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cyclopts import App

from ulak.cli.common import DEFAULTS, Common, stamp
from ulak.cli.errors import UsageError
from ulak.core.phone import display, normalise
from ulak.service import accounts, blacklist
from ulak.service.suppressions import NumberDigests
from ulak.store import blocks as store
from ulak.store.blocks import Block

app = App(name="blacklist", help="Numbers that accounts must not write to.")


@app.command(name="list")
def list_(account: str, /, *, common: Common = DEFAULTS) -> None:
    """List an account's blocks, the newest first: an array of blocks."""
    found = common.read(lambda tx: store.every(tx, accounts.named(tx, account).id))
    common.show([_shown(block) for block in found])


@app.command
def add(account: str, /, *numbers: str, common: Common = DEFAULTS) -> None:
    """Block numbers, so that the account cannot lift that. Shows an array of blocks."""
    wanted = _read(numbers)
    common.show(
        [_shown(block) for block in common.write(lambda tx: blacklist.block_all(tx, account, wanted))]
    )


@app.command
def remove(account: str, /, *numbers: str, common: Common = DEFAULTS) -> None:
    """Lift blocks, all or none, wherever they came from. Shows an array of what they were."""
    wanted = _read(numbers)
    digest = NumberDigests(common.vault())
    lifted = common.write(lambda tx: blacklist.lift_all(tx, account, wanted, digest))
    common.show([_shown(block) for block in lifted])


def _read(numbers: Sequence[str]) -> list[int]:
    found = [normalise(number) for number in numbers]
    if not found:
        raise UsageError("no number was given")
    if not all(found):
        raise UsageError("a number is a Turkish mobile number, like +905301234567")
    return found


def _shown(block: Block) -> dict[str, Any]:
    return {
        "number": display(block.number),
        "origin": block.origin.name.lower(),
        "added": stamp(block.added),
    }
