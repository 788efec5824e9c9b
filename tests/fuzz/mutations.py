"""Inputs made of others, for a short run without a library: a few hundred, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

_ODD = (0x00, 0x01, 0x1B, 0x20, 0x22, 0x25, 0x2D, 0x30, 0x3C, 0x5B, 0x5C, 0x7B, 0x7F, 0x80, 0xC3, 0xFF)


def mutated(
    seed: str, inputs: Sequence[bytes], words: Sequence[bytes], size: int, count: int
) -> Iterator[bytes]:
    """So many inputs, each one of these with up to four changes."""
    chance = random.Random(seed)
    for _ in range(count):
        data = chance.choice(inputs)
        for _ in range(chance.randrange(1, 5)):
            data = _changed(chance, data, inputs, words)
        yield data[:size]


def _changed(chance: random.Random, data: bytes, inputs: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    at, end = sorted((chance.randrange(len(data) + 1), chance.randrange(len(data) + 1)))
    end = min(end, at + 40)
    match chance.randrange(7):
        case 0:
            return data[:at] + bytes((chance.choice(_ODD),)) + data[at + 1 :]
        case 1:
            return data[:at] + chance.choice(words) + data[at:]
        case 2:
            return data[:at] + chance.choice(words) + data[end:]
        case 3:
            return data[:at] + data[end:]
        case 4:
            return data[:at] + data[at:end] * chance.choice((2, 9)) + data[end:]
        case 5:
            other = chance.choice(inputs)
            return data[:at] + other[chance.randrange(len(other) + 1) :]
        case _:
            return data[:at] + chance.randbytes(chance.randrange(1, 5)) + data[at:]
