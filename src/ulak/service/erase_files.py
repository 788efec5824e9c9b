"""Files beside the database in which an erased number stands."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from ulak.core.spellings import Spellings

OF_CARRIERS = "carriers"
"""The folder in which carriers keep what they need again, such as labels; its files may go at any time."""

_DATABASE = ("ulak.db", "ulak.db-wal", "ulak.db-shm", "key")
_SQLITE = b"SQLite format 3\0"
_AT_ONCE = 1 << 20


def clean(directory: Path, spellings: Spellings, barcodes: Collection[str]) -> tuple[int, list[str]]:
    """Delete what carriers have kept of the number and of these parcels; how many files that were, and in
    which others the number stands."""
    needles = [barcode.encode() for barcode in barcodes]
    deleted, left = 0, []
    for path in sorted(directory.rglob("*")):
        inside = path.relative_to(directory)
        if not path.is_file() or str(inside) in _DATABASE:
            continue
        if inside.parts[0] != OF_CARRIERS:
            left += [str(inside)] if _is_database(path) or _holds(path, spellings, ()) else []
        elif _holds(path, spellings, needles):
            path.unlink()
            deleted += 1
    return deleted, left


def _is_database(path: Path) -> bool:
    """Whether a file is another database, such as a restore leaves beside its own. In there numbers are no
    texts."""
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except FileNotFoundError:
        return False


def _holds(path: Path, spellings: Spellings, needles: Collection[bytes]) -> bool:
    """Whether the number, or one of the needles, stands in a file. It may be a large log."""
    before = b""
    try:
        with path.open("rb") as file:
            while piece := file.read(_AT_ONCE):
                text = before + piece
                if spellings.within(text) or any(needle in text for needle in needles):
                    return True
                before = piece[-200:]
    except FileNotFoundError:
        pass  # whoever wrote it has taken it away
    return False
