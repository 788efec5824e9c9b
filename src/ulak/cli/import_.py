"""`ulak import`: what an account sent elsewhere, into its history here."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from ulak.cli.common import DEFAULTS, Common, note
from ulak.cli.errors import UsageError
from ulak.config import IMPORT_HASH, IMPORT_KEY
from ulak.core.accounts import Account
from ulak.core.times import local_day, parse_day
from ulak.service import accounts
from ulak.store import accounts as account_store
from ulak.store.engine import Tx

if TYPE_CHECKING:
    from ulak.service.history import Taken, Tell

app = App(name="import", help="Take over what accounts sent elsewhere.")

FIRST_DAY = date(2000, 1, 1)
"""Nobody sent anything before."""

_DAY = timedelta(days=1)

Day = Annotated[str | None, Parameter(show_default=False, help="the last day; today if left out")]
Url = Annotated[
    str | None, Parameter(show_default=False, help="where the service is, if not at the vendor's")
]
Key = Annotated[str | None, Parameter(show_default=False, help=f"the key there; better in {IMPORT_KEY}")]
Hash = Annotated[str | None, Parameter(show_default=False, help=f"the hash there; better in {IMPORT_HASH}")]


@app.command
def iletimerkezi(
    account: str | None = None,
    /,
    *,
    since: Annotated[str, Parameter(help="the first day, as YYYY-MM-DD, in Istanbul")],
    until: Day = None,
    url: Url = None,
    key: Key = None,
    hash: Hash = None,
    common: Common = DEFAULTS,
) -> None:
    """Take over what an account sent with iletiMerkezi, with all recipients, into `ulak history`.

    Shows {"orders", "messages", "from", "to"}: what this run has brought, and the days it was about. It may
    be stopped at any time; the same command goes on where that was. Run again later, it brings what is new,
    and asks again for orders that were not finished. The account need not be named where there is only one.

    Key and hash are those of the account there. They are read from the environment (ULAK_IMPORT_KEY,
    ULAK_IMPORT_HASH) or asked for on the terminal when they are not given as flags, which others can see.
    """
    from ulak.wiring import pasts

    first, last = _day("since", since), None if until is None else _day("until", until)
    try:
        to = pasts.login(url, _credential("key", key, IMPORT_KEY), _credential("hash", hash, IMPORT_HASH))
    except ValueError as error:
        raise UsageError(str(error)) from None

    def look(tx: Tx) -> tuple[int, date]:
        return _owner(tx, account).id, local_day(tx.now)

    account_id, today = common.read(look)
    days = _range(first, last, today)
    with _bar(*days) as tell:
        taken = asyncio.run(pasts.import_iletimerkezi(common.options(), account_id, to, days, tell, note))
    common.show(taken._asdict() | {"from": days[0].isoformat(), "to": days[1].isoformat()})


def _owner(tx: Tx, account: str | None) -> Account:
    """Whose history it becomes: the account that is named, or the only one there is."""
    if account is not None:
        return accounts.named(tx, account)
    known = account_store.every(tx)
    if len(known) != 1:
        raise UsageError("say which account it is for: ulak import iletimerkezi ACCOUNT --since …")
    return known[0]


def _day(flag: str, text: str) -> date:
    found = parse_day(text)
    if found is None:
        raise UsageError(f"--{flag} must be a day like 2026-01-01, not {text[:40]!r}")
    return found


def _range(first: date, last: date | None, today: date) -> tuple[date, date]:
    """The days to ask about; nothing was sent on days that are still to come."""
    if not FIRST_DAY <= first <= today:
        raise UsageError(f"--since must be from {FIRST_DAY} to today ({today}), not {first}")
    if last is not None and last < first:
        raise UsageError(f"--until ({last}) must not be before --since ({first})")
    return first, today if last is None else min(last, today)


def _credential(name: str, given: str | None, variable: str) -> str:
    """Who we are there: from the flag, the environment, or the person at the terminal."""
    found = given if given is not None else os.environ.get(variable)
    if not found and sys.stdin.isatty():
        found = getpass.getpass(f"{name} of the account at iletiMerkezi: ")
    if not found:
        raise UsageError(f"the {name} of the account there is missing: put it into {variable}")
    return found.strip()


@contextlib.contextmanager
def _bar(first: date, last: date) -> Iterator[Tell]:
    """A bar on standard error that grows with the days; nothing where nobody looks."""
    if not sys.stderr.isatty():
        yield lambda _day, _taken: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.fields[day]}"),
        BarColumn(),
        TextColumn("{task.fields[orders]:,} orders, {task.fields[messages]:,} messages"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=(last - first).days + 1, day=first, orders=0, messages=0)

        def tell(day: date, taken: Taken) -> None:
            done = max(0, (min(day, last + _DAY) - first).days)
            progress.update(task, completed=done, day=min(day, last), **taken._asdict())

        yield tell
