"""`ulak prune`: what is through and old goes."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from ulak.cli.common import DEFAULTS, Common, note, prepared
from ulak.cli.errors import UsageError
from ulak.core.times import parse_span
from ulak.service.prune import SHORTEST, Prune, What
from ulak.store.writer import sync_read

Scope = Literal["messages", "parcels", "numbers", "all"]
DryRun = Annotated[
    bool, Parameter(name="--dry-run", negative="", help="only count what would go", show_default=False)
]


def prune(
    *,
    older_than: Annotated[str, Parameter(help="a span of at least a day, such as 90d")],
    what: Annotated[Scope, Parameter(help="what goes: messages, parcels, numbers or all")] = "messages",
    dry_run: DryRun = False,
    common: Common = DEFAULTS,
) -> None:
    """Delete what has been final, and unchanged, for longer than a span; beside running servers.

    `messages` are orders with their messages and texts, and messages that were bought; `parcels` are parcels
    with their labels and documents; `numbers` are purchases of numbers with the SMS that came to them. What
    is under way stays, and so do balances: how much was spent is added up before. May be stopped and begun
    again at any time.

    Shows {"older_than_ms", "dry_run", "orders", "messages", "partitions", "waiting", "parcels", "purchases"}.
    `partitions` (PostgreSQL) were dropped as a whole, `waiting` ones go the next time.
    """
    try:
        span = parse_span(older_than)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if span < SHORTEST:
        raise UsageError("--older-than is at least 1d: until then late reports have to find their messages")
    database = prepared(common.options())
    wanted = list(What) if what == "all" else [What(what)]
    before = sync_read(database, lambda tx: tx.now) - span
    gone = Prune(database, before, wanted, dry=dry_run).run()
    common.show({"older_than_ms": span, "dry_run": dry_run, **gone})
    if gone["waiting"]:
        note("Some partitions are still looked at by others: prune again later to drop them.")
