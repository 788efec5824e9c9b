"""A telephone number in all its spellings, found in texts and made unreadable there.

However it is written, the ten digits of a Turkish mobile number follow each other, with at most a few signs
in between: 05301234567, +90 530 123 45 67, (530) 123-4567, 0090530%201234567.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ulak.core.phone import ERASED, display

# Six signs of whatever kind: ") - " has four, and in UTF-8 one blank that must not break has two.
_BETWEEN = r"(?:[\W_]|%20|%2B|%28|%29){0,6}"
_HIDDEN = "*"
_DIGITS = re.compile(r"\d", re.ASCII)
_DIGIT_OCTETS = re.compile(rb"\d")


class Spellings:
    """How a number may be written."""

    def __init__(self, number: int) -> None:
        """`number` is E.164, 905301234567."""
        self.number = number
        self.national = str(number)[2:]
        self.like = f"%{'%'.join(self.national)}%"
        """What every text with the number in it is like, in SQL; not all such texts have it."""
        # In one piece it counts wherever it stands; spread out only if it is not part of something longer.
        whole = rf"(?:(?:\+|00)?90|0)?{self.national}"
        before = rf"(?:(?:\+|00)?{_BETWEEN}9{_BETWEEN}0{_BETWEEN}|0{_BETWEEN})?"
        pattern = rf"{whole}|(?<!\d){before}{_BETWEEN.join(self.national)}(?!\d)"
        self._texts = re.compile(pattern)
        self._octets = re.compile(pattern.encode(), re.ASCII)

    @property
    def integers(self) -> tuple[int, ...]:
        """The number as integers."""
        return self.number, int(self.national)

    @property
    def octets(self) -> tuple[bytes, ...]:
        """How it stands in a file, where that is not compressed: in the groupings that are usual."""
        n = self.national
        parts = (n[:3], n[3:6], n[6:8], n[8:])
        groups = [sign.join(parts) for sign in (" ", "-", ".")]
        groups += [sign.join((n[:3], n[3:6], n[6:])) for sign in (" ", "-")]
        return tuple(text.encode() for text in (n, *groups, f"({n[:3]}) {n[3:6]}"))

    def within(self, text: str | bytes) -> bool:
        """Whether the number stands in a text."""
        found = self._texts.search(text) if isinstance(text, str) else self._octets.search(text)
        return found is not None

    def hidden(self, text: str) -> str:
        """The text with the number's digits made unreadable; as long as before."""
        return self._texts.sub(lambda found: _DIGITS.sub(_HIDDEN, found[0]), text)

    def hidden_octets(self, octets: bytes) -> bytes:
        """The same of octets: those of a JSON value stay one."""
        try:
            value = msgspec.json.decode(octets)
        except msgspec.DecodeError:
            return self._octets.sub(lambda found: _DIGIT_OCTETS.sub(_HIDDEN.encode(), found[0]), octets)
        return msgspec.json.encode(self.hidden_value(value))

    def hidden_json(self, text: str) -> str:
        """The same of a text that is a JSON value, and stays one."""
        return self.hidden_octets(text.encode()).decode()

    def hidden_value(self, value: Any) -> Any:
        """The same of everything in a value that was JSON."""
        if isinstance(value, str):
            return self.hidden(value)
        if isinstance(value, dict):
            return {self.hidden(key): self.hidden_value(part) for key, part in value.items()}
        if isinstance(value, list):
            return [self.hidden_value(part) for part in value]
        if isinstance(value, int) and not isinstance(value, bool) and value in self.integers:
            return ERASED
        return value

    def __repr__(self) -> str:
        return f"Spellings({display(ERASED)})"
