"""A backup: all tables as they were at one moment, in one file, for either database.

The file is a ZIP archive. For each table it has a member with a row of JSON a line, and `manifest.json` says
what they are. It is made in one read transaction, beside a server at work, which waits for nothing; and what
was made of one database can be loaded into the other (`load`).
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import IO, Any

import msgspec
from sqlalchemy import LargeBinary, Table

from ulak.core.errors import UlakError
from ulak.store import schema
from ulak.store.engine import Row, Sql, Tx
from ulak.store.tables import metadata

FORMAT = 1
"""Of the file. Another one is not read."""

MANIFEST, KEY = "manifest.json", "key"

PAGE = 10_000
"""Rows that are read at once."""

LEFT_OUT = frozenset(("process", "lease", "id_lease", "commit_mark", "velocity"))
"""What processes at work note for themselves: nothing of it is true of another time. What velocity limits
counted is over in a day, and whom it was sent to could be found out from it."""

# There is a deadline for whoever stops in the middle of a transaction. We only wait for a slow disk.
_NO_DEADLINE = Sql("SELECT set_config('idle_in_transaction_session_timeout', '0', true)")

_LEVEL = 3  # of compression: nearly as small as the best one, in a third of its time

_SEQUENCES_SQLITE = Sql("SELECT name, seq FROM sqlite_sequence")
_SEQUENCE_POSTGRES = "SELECT last_value, is_called FROM {}"


class TableNote(msgspec.Struct, frozen=True):
    """What stands in the file of one table. Values in `binary` columns are hexadecimal."""

    name: str
    columns: list[str]
    binary: list[str]
    rows: int


class Manifest(msgspec.Struct, frozen=True):
    """What a backup is. `taken` is when, ms UTC; `sequences` are the last ids that tables gave to rows
    themselves; `key_check` tells which key seals what is secret in it, without telling the key."""

    format: int
    version: str
    schema: str
    database: str
    taken: int
    tables: list[TableNote]
    sequences: dict[str, int]
    key_check: str = ""

    @property
    def rows(self) -> int:
        """How many there are in all tables."""
        return sum(table.rows for table in self.tables)


def tables() -> list[Table]:
    """What is kept, those first that others refer to."""
    return [table for table in metadata.sorted_tables if table.name not in LEFT_OUT]


def dump(tx: Tx, to: IO[bytes], *, version: str, key_check: str = "", key: str | None = None) -> Manifest:
    """Write a backup. With `key` whoever has the file can also read what is secret in it."""
    if tx.postgres:
        tx.all(_NO_DEADLINE)
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as file:
        notes = [_dump_table(tx, file, table) for table in tables()]
        manifest = Manifest(
            FORMAT,
            version,
            schema.HEAD,
            "postgresql" if tx.postgres else "sqlite",
            tx.now,
            notes,
            _sequences(tx),
            key_check,
        )
        if key is not None:
            file.writestr(KEY, key + "\n")
        file.writestr(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
        file.comment = b"A backup made by ulak: `ulak restore FILE` reads it."
    return manifest


def _dump_table(tx: Tx, file: zipfile.ZipFile, table: Table) -> TableNote:
    count = 0
    # Of a size that nobody knows before; it may be large.
    with file.open(member_of(table.name), "w", force_zip64=True) as member:
        for page in _pages(tx, table):
            member.write("".join(row[0] + "\n" for row in page).encode())
            count += len(page)
    binary = [str(column.name) for column in table.columns if isinstance(column.type, LargeBinary)]
    return TableNote(str(table.name), [str(column.name) for column in table.columns], binary, count)


def _pages(tx: Tx, table: Table) -> Iterator[list[Row]]:
    """Rows as JSON, and the key of each behind it, in the order of the key."""
    key = [column.name for column in table.primary_key.columns]
    assert key, f"{table.name} has no key to go by"
    values = ", ".join(_value(tx, column.name, column.type) for column in table.columns)
    array = f"json_build_array({values})::text" if tx.postgres else f"json_array({values})"
    head = f'SELECT {array}, {", ".join(key)} FROM "{table.name}"'
    tail = f"ORDER BY {', '.join(key)} LIMIT {PAGE}"
    names = [f"after_{letter}" for letter, _ in zip("abcdefgh", key, strict=False)]
    first = Sql(f"{head} {tail}")
    following = Sql(f"{head} WHERE ({', '.join(key)}) > ({', '.join(':' + name for name in names)}) {tail}")
    page = tx.all(first)
    while page:
        yield page
        if len(page) < PAGE:
            return
        page = tx.all(following, **dict(zip(names, page[-1][1:], strict=True)))


def _value(tx: Tx, column: str, kind: Any) -> str:
    if not isinstance(kind, LargeBinary):
        return column
    # SQLite makes an empty text of what is not there.
    return (
        f"encode({column}, 'hex')" if tx.postgres else f"CASE WHEN {column} NOT NULL THEN hex({column}) END"
    )


def _sequences(tx: Tx) -> dict[str, int]:
    """By table: the last id that it gave to a row itself; none where there was no row."""
    if not tx.postgres:
        return {name: seq for name, seq in tx.all(_SEQUENCES_SQLITE) if seq}
    found = {}
    for name in (table.name for table in tables()):
        sequence = (
            tx.one(Sql("SELECT pg_get_serial_sequence(:name, 'id')"), name=name) if _counts(name) else None
        )
        if sequence is not None and sequence[0] is not None:
            (last, is_called) = tx.all(Sql(_SEQUENCE_POSTGRES.format(sequence[0])))[0]
            if is_called:
                found[str(name)] = last
    return found


def _counts(name: str) -> bool:
    """Whether rows of a table get their ids from it."""
    table = metadata.tables[name]
    return table.autoincrement_column is not None and table.autoincrement_column.name == "id"


def member_of(table: str) -> str:
    """Where the rows of a table stand in the file."""
    return f"{table}.jsonl"


class Backup:
    """A file that is one."""

    def __init__(self, file: zipfile.ZipFile, manifest: Manifest) -> None:
        self._file = file
        self.manifest = manifest

    @property
    def key(self) -> str | None:
        """The key that was put into it."""
        return self._file.read(KEY).decode().strip() if KEY in self._file.namelist() else None

    def rows(self, note: TableNote) -> Iterator[Sequence[Any]]:
        """The rows of a table, with octets where it has octets.

        Raises:
            UlakError: the file is damaged.
        """
        decode = msgspec.json.Decoder(list[Any]).decode
        binary = [place for place, column in enumerate(note.columns) if column in note.binary]
        count = 0
        try:
            with self._file.open(member_of(note.name)) as member:
                for line in member:
                    row = decode(line)
                    for place in binary:
                        row[place] = None if row[place] is None else bytes.fromhex(row[place])
                    yield row
                    count += 1
        except (zipfile.BadZipFile, zlib.error, KeyError, msgspec.DecodeError, ValueError, EOFError) as error:
            raise UlakError(f"the backup is damaged: {note.name}: {error}") from None
        if count != note.rows:
            raise UlakError(
                f"the backup is damaged: {note.name} has {count} rows, and should have {note.rows}"
            )


def opened(file: IO[bytes]) -> Backup:
    """Read what a file says of itself.

    Raises:
        UlakError: it is no backup, or of a form that this version does not know.
    """
    try:
        archive = zipfile.ZipFile(file)
        manifest = msgspec.json.decode(archive.read(MANIFEST), type=Manifest)
    except (zipfile.BadZipFile, KeyError, msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
        raise UlakError(f"this is no backup of ulak: {error}") from None
    if manifest.format != FORMAT:
        raise UlakError(f"the backup has format {manifest.format}, this version reads {FORMAT}")
    return Backup(archive, manifest)
