"""`ulak backup` and `ulak restore`: all data in one file, and back, on either database."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Annotated, Any, Literal

from cyclopts import Parameter

from ulak import __version__
from ulak.cli.common import DEFAULTS, Common, note, now_ms, prepared, stamp
from ulak.cli.errors import UsageError
from ulak.config import Config
from ulak.core.errors import UlakError
from ulak.core.keys import read_key, write_key
from ulak.service import audit, pausing
from ulak.store import load, pruning
from ulak.store.dump import Backup, dump, opened
from ulak.store.engine import Database, Tx
from ulak.store.load import GAP
from ulak.store.lock import serving
from ulak.store.vault import Vault
from ulak.store.writer import sync_read

_CHECKED = "which key a backup was made with"


def backup(
    file: str,
    /,
    *,
    with_key: Annotated[
        bool, Parameter(negative="", help="put the key into it as well", show_default=False)
    ] = False,
    force: Annotated[bool, Parameter(negative="", help="replace the file", show_default=False)] = False,
    common: Common = DEFAULTS,
) -> None:
    """Write all data to FILE as they are at this moment, beside a running server.

    FILE may be a directory (the name then says when), or - for standard output. What is made of one database
    can be restored into the other. Without the key, which stands in the data directory, what is secret in the
    file (passwords of links, for example) cannot be read: keep both, and not in one place.

    Prints {"file", "schema", "rows", "bytes", "key"}.
    """
    config = common.options()
    database = prepared(config)
    vault = Vault(config.data, config.key)
    key = _key_of(config, vault)
    if with_key and key is None:
        raise UlakError(f"there is no key: {vault.path} is missing, and ULAK_KEY is not set")
    check = "" if key is None else Vault(config.data, key).derive(_CHECKED).hex()[:32]

    def write(to: IO[bytes]) -> dict[str, Any]:
        secret = write_key(key) if with_key and key is not None else None
        made = sync_read(database, lambda tx: dump(tx, to, version=__version__, key_check=check, key=secret))
        return {"schema": made.schema, "rows": made.rows}

    if file == "-":
        write(sys.stdout.buffer)
        return
    place = _place(Path(file), force)
    with _replacing(place) as to:
        told = write(to)
    with place.open("rb") as written:
        _whole(opened(written))
    common.show({"file": str(place), **told, "bytes": place.stat().st_size, "key": with_key})
    if not with_key and key is not None:
        note("The key is not in it: without the key what is secret in the backup cannot be read.")


def _key_of(config: Config, vault: Vault) -> bytes | None:
    """The key, if there is one yet."""
    if config.key is not None:
        return config.key
    return read_key(vault.path.read_text("ascii")) if vault.path.exists() else None


def _place(given: Path, force: bool) -> Path:
    """Where to write to."""
    if given.is_dir():
        given /= datetime.now(UTC).strftime("ulak-%Y%m%dT%H%M%SZ.zip")
    if given.exists() and not force:
        raise UlakError(f"{given} is there already: --force replaces it")
    return given


@contextlib.contextmanager
def _replacing(place: Path) -> Iterator[IO[bytes]]:
    """A file that takes its place once it is written and synced; where that fails, nothing is left."""
    handle, name = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
    try:
        with open(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, place)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _whole(made: Backup) -> None:
    """Read every row once: a backup that cannot be read is none."""
    for table in made.manifest.tables:
        for _ in made.rows(table):
            pass


def restore(
    file: Path,
    /,
    *,
    force: Annotated[
        bool, Parameter(negative="", help="replace the data that are there", show_default=False)
    ] = False,
    late: Annotated[
        Literal["keep", "give-up"],
        Parameter(help="what was due and may have been sent since the backup", show_default=True),
    ] = "keep",
    exact: Annotated[
        bool,
        Parameter(negative="", help="nothing happened since: go on exactly there", show_default=False),
    ] = False,
    common: Common = DEFAULTS,
) -> None:
    """Put the data of a backup in the place of what is there. No server may work on it meanwhile.

    What happened after the backup was taken is not known any more. So dispatch is paused (`ulak dispatch
    resume`), messages that were with a link wait for you (`ulak message unsure`), and numbers of orders go on
    far behind those that are known. `late`: messages that were due are sent when dispatch is resumed, unless
    they are given up now. With --exact, after a server was stopped and its data moved to another database or
    machine, none of this is done.

    Prints {"rows", "taken", "schema", "dispatch", "unsure", "late": {"orders", "messages"}, "broken"}.
    """
    if exact and late != "keep":
        raise UsageError("--exact changes nothing, so nothing is given up")
    config = common.options()
    database = Database(config.data, config.database, now_ms)
    with file.open("rb") as source, serving(database):
        given = opened(source)
        key = _key_in(config, given, force)
        if not force and not load.is_empty(database):
            raise UlakError("there are data already: --force replaces them")
        found = load.load(database, given, lambda tx: _settled(tx, exact, late), ahead=0 if exact else GAP)
    if key is not None:
        _write_key(config, key)
    manifest = given.manifest
    common.show({"rows": manifest.rows, "taken": stamp(manifest.taken), "schema": manifest.schema, **found})
    _advise(config, given, found)


def _settled(tx: Tx, exact: bool, late: str) -> dict[str, Any]:
    """See to it that nothing goes twice by itself."""
    found = {"dispatch": "on", "unsure": 0, "late": {"orders": 0, "messages": 0}}
    pruning.finish_drops(tx)
    if not exact:
        pausing.pause(tx)
        unsure = pausing.hold_open(tx)
        due = pausing.late(tx, give_up=late == "give-up")
        pausing.number_ahead(tx, GAP)
        found = {"dispatch": "paused", "unsure": unsure, "late": due._asdict()}
    return {**found, "broken": audit.check(tx)}


def _key_in(config: Config, given: Backup, force: bool) -> bytes | None:
    """The key that the backup brings along, if it is to be written down here."""
    if given.key is None:
        return None
    key = read_key(given.key)
    known = _key_of(config, Vault(config.data, config.key))
    if known is not None and known != key and not force:
        raise UlakError("the backup has another key than is here: --force takes that of the backup")
    return key if known != key and config.key is None else None


def _write_key(config: Config, key: bytes) -> None:
    with _replacing(Vault(config.data).path) as to:
        to.write((write_key(key) + "\n").encode())


def _advise(config: Config, given: Backup, found: dict[str, Any]) -> None:
    """What is to be done next."""
    key = _key_of(config, Vault(config.data, config.key))
    check = "" if key is None else Vault(config.data, key).derive(_CHECKED).hex()[:32]
    if given.manifest.key_check and given.manifest.key_check != check:
        place = Vault(config.data).path
        note(f"The key here is not the one of the backup: put that into {place}, or into ULAK_KEY.")
    if found["late"]["messages"]:
        note("What was late is sent by `ulak dispatch resume`, unless it was given up.")
    if found["dispatch"] == "paused":
        note("Dispatch is paused. When all is well: ulak dispatch resume")
    if found["broken"]:
        note("Some invariants are broken, as they were in the backup: ulak doctor says more.")
