"""`ulak credit`: what accounts may spend."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import App, Parameter

from ulak.cli.account import amounts
from ulak.cli.common import DEFAULTS, Common
from ulak.cli.errors import UsageError
from ulak.core.money import parse_amount
from ulak.service import credits

app = App(name="credit", help="Credit of accounts.")


@app.command
def grant(
    account: str,
    amount: str,
    /,
    *,
    asset: Annotated[Literal["SMS", "SAT", "TRY"], Parameter(help="what is granted")] = "SMS",
    common: Common = DEFAULTS,
) -> None:
    """Give credit, in main units: whole SMS or SAT, TRY with up to two decimals.

    Shows {"account", "asset", "available", "held", "spent"}.
    """
    try:
        units = parse_amount(amount, asset)
    except ValueError as error:
        raise UsageError(str(error)) from None
    balance = common.write(lambda tx: credits.grant(tx, account, units, asset))
    common.show({"account": account, "asset": asset} | amounts(balance, asset))
