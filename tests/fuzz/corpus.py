"""The inputs that are kept for each target: a file with one a line, as Python writes bytes.

So they can be read, and a file stays one file. A line that begins with # says what the ones below it were.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path(__file__).with_name("corpus")

ROOM = 6 * 1024
"""Characters of inputs that a fuzzer found for itself; what people wrote stays whatever its length."""

FOUND = "# found"


def _file(target: str) -> Path:
    return FOLDER / f"{target}.txt"


def read(target: str) -> list[bytes]:
    """All inputs of a target."""
    lines = _file(target).read_text().splitlines()
    return [bytes(ast.literal_eval(line)) for line in lines if line and not line.startswith("#")]


def keep(target: str, found: Iterable[bytes]) -> None:
    """Replace what a fuzzer has found before, as far as there is room, the shortest first."""
    lines = _file(target).read_text().splitlines()
    written = lines[: lines.index(FOUND)] if FOUND in lines else lines
    known = set(written)
    left = ROOM
    fresh = []
    for line in sorted({repr(each) for each in found} - known, key=lambda line: (len(line), line)):
        left -= len(line)
        if left < 0:
            break
        fresh.append(line)
    _file(target).write_text("\n".join([*written, FOUND, *fresh]) + "\n")
