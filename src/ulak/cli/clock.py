"""`ulak clock`: time in a sandbox."""

from __future__ import annotations

from cyclopts import App

from ulak.cli.common import DEFAULTS, Common, stamp
from ulak.cli.errors import UsageError
from ulak.core.times import parse_span
from ulak.service import sandbox

app = App(name="clock", help="The clock of a sandbox.")


@app.command
def advance(span: str, /, *, common: Common = DEFAULTS) -> None:
    """Put the clock forward by a span such as 90s, 10m, 25h, 3d or 1h30m.

    Shows {"now", "ahead_ms"}: the new time (RFC 3339) and how far it is ahead of the machine's in all.
    """
    try:
        ms = parse_span(span)
    except ValueError as error:
        raise UsageError(str(error)) from None
    now, ahead = common.write(lambda tx: sandbox.advance(tx, ms))
    common.show({"now": stamp(now), "ahead_ms": ahead})
