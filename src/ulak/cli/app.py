"""`ulak`: which commands there are, and how each of them ends.

Groups are loaded when one of their commands is asked for. A command returns nothing; it shows a value, or
raises one of the errors that are told here. Exit codes: 0 done, 1 failed, 2 wrong usage.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from ulak import __version__
from ulak.cli.errors import Failed, UsageError
from ulak.config import ConfigError
from ulak.core.errors import StoreUnavailable, UlakError

POINTS = "ULAK_TEST_POINT"
"""Variable with which tests let this process die, or wait, at a named place (`cli.points`)."""

app = App(
    name="ulak",
    version=__version__,
    help="Ulak, a self-hosted order and delivery server.",
    result_action="return_value",
    exit_on_error=False,
    print_error=False,
)
app.command("ulak.cli.serve:serve", name="serve", help="Serve until stopped.")
app.command(
    "ulak.cli.sandbox:sandbox", name="sandbox", help="Serve a demo account over a simulated operator."
)
app.command("ulak.cli.smsc:smsc", name="smsc", help="Run the simulated operator alone, over SMPP.")
app.command("ulak.cli.account:app", name="account", help="Accounts: who may use the server.")
app.command("ulak.cli.credit:app", name="credit", help="Credit of accounts.")
app.command("ulak.cli.sender:app", name="sender", help="Names that accounts may send under.")
app.command("ulak.cli.blacklist:app", name="blacklist", help="Numbers that accounts must not write to.")
app.command("ulak.cli.inbox:app", name="inbox", help="Numbers that people can write to, and what they wrote.")
app.command("ulak.cli.contact:app", name="contact", help="Contacts of accounts.")
app.command("ulak.cli.carrier:app", name="carrier", help="Carriers: the ways out.")
app.command("ulak.cli.number:app", name="number", help="Telephone numbers of your own.")
app.command("ulak.cli.parcel:app", name="parcel", help="Parcels of all accounts.")
app.command("ulak.cli.price:app", name="price", help="Prices of numbers and single messages.")
app.command("ulak.cli.message:app", name="message", help="Messages that may have gone twice.")
app.command("ulak.cli.import_:app", name="import", help="Take over what accounts sent elsewhere.")
app.command("ulak.cli.history:app", name="history", help="What accounts sent elsewhere before.")
app.command("ulak.cli.callback:app", name="callback", help="Callbacks: what accounts are told of.")
app.command("ulak.cli.lightning:app", name="lightning", help="Lightning without money: pay an invoice.")
app.command("ulak.cli.clock:app", name="clock", help="The clock of a sandbox.")
app.command("ulak.cli.dispatch:app", name="dispatch", help="Whether anything new is handed to carriers.")
app.command("ulak.cli.key:app", name="key", help="The key with which secrets are sealed.")
app.command("ulak.cli.backup:backup", name="backup", help="Write all data to a file.")
app.command("ulak.cli.backup:restore", name="restore", help="Put the data of a backup in place.")
app.command("ulak.cli.prune:prune", name="prune", help="Delete what is through and old.")
app.command("ulak.cli.erase:erase", name="erase", help="Erase a telephone number everywhere.")
app.command("ulak.cli.doctor:doctor", name="doctor", help="Look whether everything is in order.")

SINGLE = ("serve", "sandbox", "smsc", "backup", "restore", "prune", "erase", "doctor")
"""Commands that are no group. What is said of them above is for the overview; their own help is more."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out a command line; returns the exit code."""
    os.umask(0o077)  # what is written here is nobody else's business
    try:
        if POINTS in os.environ:
            from ulak.cli import points

            points.arm(os.environ[POINTS])
        words = sys.argv[1:] if arguments is None else list(arguments)
        if words and words[0] in SINGLE:
            app[words[0]].help = None  # its own documentation instead
        app(words)
        sys.stdout.flush()
    except (CycloptsError, ConfigError, UsageError) as error:
        return _told(error, 2)
    except Failed:
        return 1
    except (UlakError, StoreUnavailable) as error:
        return _told(error, 1)
    except BrokenPipeError:
        # Whoever read our output has gone. Nothing more shall be written when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _told(error, 1)
    except KeyboardInterrupt:
        return 1
    return 0


def _told(error: Exception, code: int) -> int:
    print(f"ulak: {error}", file=sys.stderr)
    return code
