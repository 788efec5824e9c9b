"""One server works on a directory of data at a time, unless they are in PostgreSQL, which many may share.

The lock goes away with the process that holds it, however that ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from ulak.core.errors import UlakError
from ulak.store.engine import Database

PATIENCE = 2.0
"""Seconds in which a server that was just killed may let go."""


@contextlib.contextmanager
def serving(database: Database) -> Iterator[None]:
    """Hold the lock, if one is needed.

    Raises:
        UlakError: another server has it.
    """
    with contextlib.nullcontext() if database.postgres else _directory(database.directory):
        yield


@contextlib.contextmanager
def _directory(directory: Path) -> Iterator[None]:
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(directory / "serve.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        deadline = time.monotonic() + PATIENCE
        while not _flock(lock):
            if time.monotonic() > deadline:
                raise UlakError(f"another ulak serves the data in {directory} already")
            time.sleep(0.05)
        yield
    finally:
        os.close(lock)


def _flock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
