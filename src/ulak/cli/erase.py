"""`ulak erase`: a person's number goes, everywhere."""

from __future__ import annotations

import getpass
import json
import os
import sys
from typing import Annotated, Any

from cyclopts import Parameter

from ulak.cli.common import DEFAULTS, Common, note, prepared, stamp
from ulak.cli.errors import Failed, UsageError
from ulak.core.dialling import anybodys
from ulak.core.phone import display
from ulak.core.spellings import Spellings
from ulak.service import erase_files
from ulak.service.erase import Erase
from ulak.service.suppressions import NumberDigests
from ulak.store import erasing

Yes = Annotated[bool, Parameter(negative="", help="do not ask", show_default=False)]
Log = Annotated[bool, Parameter(negative="", help="show what was erased before", show_default=False)]
By = Annotated[str | None, Parameter(help="who wants it, for the log; you, if left out", show_default=False)]


def erase(
    number: str | None = None,
    /,
    *,
    yes: Yes = False,
    by: By = None,
    log: Log = False,
    common: Common = DEFAULTS,
) -> None:
    """Erase a telephone number everywhere, in all its spellings; beside running servers. It cannot be undone.

    It is a Turkish mobile number, or one of any country behind + or 00, with its code; set apart with a blank
    where both are possible ("+53 51234567").

    Messages that were still to be sent to it are undelivered, and their credit is given back. Reports show
    the others with a number without digits; counters, balances and what was spent stay. Contacts, consent and
    SMS of the person go; where it had been blocked it stays blocked, under a digest. In parcels the person is
    taken out, and labels and documents are dropped. In the end the database is cleaned: on SQLite nobody can
    write for a second or two a gigabyte.

    Shows {"digest", "who", "rows": {table: changed, ...}, "cancelled", "files", "left": {table: rows, ...},
    "left_files": [...], "scrubbed"}, and with --log [{"digest", "who", "rows", "began", "ended"}, ...]. What
    is `left` is your own to change, such as a sender or one of your numbers, or is under way; then it fails.
    `scrubbed` is false while others read the database for long: the next erasure makes up for it.
    """
    config = common.options()
    if log:
        common.show([_logged(*row) for row in common.read(erasing.log)])
        return
    try:
        wanted = anybodys(number or "")
    except ValueError as error:
        raise UsageError(str(error)) from None
    _ask(wanted, yes)
    database = prepared(config)
    digest = NumberDigests(common.vault())
    who = by or _who()
    done = Erase(database, wanted, digest, who).run()
    deleted, files = erase_files.clean(config.data, Spellings(wanted), done.barcodes)
    cancelled = done.rows.pop("cancelled", 0)
    shown = {
        "digest": digest(wanted),
        "who": who,
        "rows": dict(done.rows),
        "cancelled": cancelled,
        "files": deleted,
        "left": dict(done.left),
        "left_files": files,
        "scrubbed": done.scrubbed,
    }
    common.show(shown)
    if not done.scrubbed:
        note("Older states of the database may still hold it: others read it for long. Erase it again later.")
    if done.left or files:
        note("It is left where only you can change it; see `left` and `left_files`.")
        raise Failed


def _ask(number: int, sure: bool) -> None:
    """Whether it is really meant.

    Raises:
        UsageError: nobody can be asked.
        Failed: it is not.
    """
    if sure:
        return
    if not sys.stdin.isatty():
        raise UsageError("this cannot be undone: say --yes")
    print(
        f"Erase {display(number)} everywhere? This cannot be undone. [y/N] ",
        end="",
        file=sys.stderr,
        flush=True,
    )
    if sys.stdin.readline().strip().lower() not in ("y", "yes", "e", "evet"):
        raise Failed


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _logged(digest: str, who: str, found: str, began: int, ended: int | None) -> dict[str, Any]:
    return {
        "digest": digest,
        "who": who,
        "rows": json.loads(found),
        "began": stamp(began),
        "ended": None if ended is None else stamp(ended),
    }
