"""What commands share: where the data are, how a value is shown, and how they end badly."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import msgspec
from cyclopts import Parameter

from ulak.cli.errors import UsageError
from ulak.config import OPTIONS, Config, load
from ulak.service import keys
from ulak.store import schema
from ulak.store.engine import Database, Tx
from ulak.store.vault import Vault
from ulak.store.writer import sync_read, sync_write

Result = TypeVar("Result")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Common:
    """The flags of every command."""

    data: Annotated[str | None, Parameter(help=OPTIONS["data"].help, show_default=False)] = None
    database: Annotated[str | None, Parameter(help=OPTIONS["database"].help, show_default=False)] = None
    config: Annotated[str | None, Parameter(help="TOML file with options", show_default=False)] = None
    json: Annotated[bool, Parameter(help="print one JSON value", negative="", show_default=False)] = False

    def options(self) -> Config:
        """The options in force."""
        return load({"data": self.data, "database": self.database, "config": self.config})

    def read(self, question: Callable[[Tx], Result]) -> Result:
        """Ask the data, which are created or migrated if need be."""
        return sync_read(prepared(self.options()), question)

    def write(self, change: Callable[[Tx], Result]) -> Result:
        """Change the data. It holds, also for a running server, when this returns."""
        return sync_write(prepared(self.options()), change)

    def vault(self) -> Vault:
        """What opens secrets here.

        Raises:
            UlakError: servers on these data have another key.
        """
        config = self.options()
        vault = Vault(config.data, config.key)
        self.read(lambda tx: keys.check(tx, vault))
        return vault

    def seal(self, change: Callable[[Tx, Vault], Result]) -> Result:
        """Change the data where something may have to be sealed; then all have to have this key.

        Raises:
            UlakError: as `vault`.
        """
        config = self.options()
        vault = Vault(config.data, config.key)

        def sealing(tx: Tx) -> Result:
            keys.check(tx, vault)
            result = change(tx, vault)
            if vault.has_key:
                keys.agree(tx, vault)
            return result

        return self.write(sealing)

    def show(self, value: Any) -> None:
        """Print a value on standard output: as JSON, or for people."""
        if self.json:
            print(msgspec.json.encode(value).decode(), flush=True)
        elif isinstance(value, dict):
            _show_object(value)
        else:
            _show_rows(value)


DEFAULTS = Common()
"""No flag given."""

LIMIT_MAX = 1_000_000_000
"""More rows than anybody has; neither the databases nor Python count to every integer."""


def now_ms() -> int:
    """The machine's clock."""
    return time.time_ns() // 1_000_000


def prepared(config: Config) -> Database:
    """The database, at the schema of this version."""
    database = Database(config.data, config.database, now_ms)
    schema.prepare(database)
    return database


def note(text: str) -> None:
    """Say something that is no result."""
    print(text, file=sys.stderr)


def check_limit(limit: int) -> None:
    """Whether so many rows may be asked for.

    Raises:
        UsageError: they may not.
    """
    if not 1 <= limit <= LIMIT_MAX:
        raise UsageError(f"--limit is 1 to {LIMIT_MAX}")


def pairs(words: Sequence[str]) -> dict[str, str]:
    """The settings in words such as `key=value`.

    Raises:
        UsageError: a word is none, or a key comes twice.
    """
    found: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            # The word may be a secret whose key was forgotten, so it is not repeated.
            raise UsageError("settings are given as key=value")
        if key in found:
            raise UsageError(f"{key} is given twice")
        found[key] = value
    return found


def stamp(ms: int) -> str:
    """A moment as RFC 3339, UTC."""
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _leaves(value: dict[str, Any], before: str = "") -> dict[str, str]:
    """An object's values under dotted names, as text."""
    found: dict[str, str] = {}
    for key, item in value.items():
        if isinstance(item, dict):
            found |= _leaves(item, f"{before}{key}.")
        else:
            found[before + key] = _text(item)
    return found


def _text(item: object) -> str:
    """A value in one line; what is empty is left out of an object."""
    if isinstance(item, dict):
        words = ((key, _text(part)) for key, part in item.items())
        return " ".join(f"{key}={word}" for key, word in words if word)
    if isinstance(item, list):
        return ", ".join(map(_text, item))
    if item is None:
        return ""
    if isinstance(item, bool):
        return "yes" if item else "no"
    return str(item)


def _show_object(value: dict[str, Any]) -> None:
    leaves = _leaves(value)
    width = max(map(len, leaves), default=0)
    for key, text in leaves.items():
        print(f"{key:<{width}}  {text}".rstrip())


def _show_rows(rows: Sequence[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows:
        note("none")
        return
    table = Table(*rows[0], box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(_text(item)) for item in row.values()))
    # Into a pipe a row is a line, however long.
    Console(width=None if sys.stdout.isatty() else 10_000).print(table)
