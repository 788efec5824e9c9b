"""A telephone number in all its spellings, found in texts and made unreadable there.

However it is written, its digits follow each other, with at most a few signs in between: 05301234567,
+90 530 123 45 67, (530) 123-4567, 0090530%201234567, +49 (0) 151/1234-5678.

Ten digits of a Turkish mobile number are the person's wherever they stand. Of any other number these are:

- with the code of its country, behind + or 00 (011 in North America), or bare if that makes ten digits;
- as it is dialled in its country, if a 0 (or 8, or 06) is put before it there and no Turkish mobile number is
  written so; where JSON names another country beside it, it is somebody else's;
- without anything before it only where JSON names its country: elsewhere such digits may be anything.

Digits of other scripts, and those that a file hides by compressing them, are not found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, NamedTuple

import msgspec

from ulak.core.dialling import code_of, dial_code, trunk_of
from ulak.core.phone import ERASED, display, normalise

# Six signs of whatever kind: ") - " has four, and in UTF-8 one blank that must not break has two.
_BETWEEN = r"(?:[\W_]|%20|%2B|%28|%29){0,6}"
_HIDDEN = "*"
_DIGITS = re.compile(r"\d", re.ASCII)
_DIGIT_OCTETS = re.compile(rb"\d")

_SURE = 10
"""With fewer digits a number without a sign for its country may be a count or a date: it has to be a whole
value."""

_COUNTRY_FIELDS = ("country", "country_code", "countryCode")
_NUMBER_FIELDS = {"number", "phone", "phone_number", "sender", "recipient", "to", "from"}

# Behind the code of another country the same digits are another number.
_OWN = r"(?<!\d)(?<!\+)" + "".join(
    rf"(?<!{sign}\d{{{digits}}}[\W_]{{{between}}})"
    for sign in (r"\+", r"(?<!\d)00")
    for digits in (1, 2, 3)
    for between in (1, 2, 3)
)


class Where(Enum):
    """Which country is named beside a text in JSON."""

    OPEN = 0
    """None."""
    HOME = 1
    """That of the number."""
    ABROAD = 2
    """Another one."""


class _Forms(NamedTuple):
    """Patterns of a number's spellings, by where they stand; `wide` finds all of them, and more."""

    open: str
    home: str
    abroad: str
    wide: str


def _turkish(national: str) -> _Forms:
    # In one piece it counts wherever it stands; spread out only if it is not part of something longer.
    whole = rf"(?:(?:\+|00)?90|0)?{national}"
    before = rf"(?:(?:\+|00)?{_BETWEEN}9{_BETWEEN}0{_BETWEEN}|0{_BETWEEN})?"
    return _Forms(*[rf"{whole}|(?<!\d){before}{_BETWEEN.join(national)}(?!\d)"] * 4)


def _foreign(code: str, national: str) -> _Forms:
    digits, trunk = code + national, trunk_of(int(code))
    spread = _BETWEEN.join(national)
    inside = rf"{_BETWEEN.join(trunk)}{_BETWEEN}" if trunk else ""
    known = _BETWEEN.join(code) + _BETWEEN + (f"(?:{inside})?" if trunk else "") + spread
    sure = [rf"(?:\+|%2B|(?<!\d)(?:00|011)){_BETWEEN}{known}(?!\d)"]
    sure.append(rf"{_OWN}{known}(?!\d)" if len(digits) >= _SURE else rf"\A{digits}\Z")
    dialled = rf"{_OWN}{inside}{spread}(?!\d)"
    may_be_turkish = normalise(trunk + national) != 0
    return _Forms(
        open="|".join(sure if may_be_turkish or not trunk else [*sure, dialled]),
        home="|".join([*sure, *([dialled] if trunk else []), rf"{_OWN}{spread}(?!\d)"]),
        abroad="|".join(sure),
        wide=spread,
    )


class Spellings:
    """How a number may be written."""

    def __init__(self, number: int) -> None:
        """`number` is E.164, 905301234567."""
        digits = str(number)
        self.number = number
        self.turkish = normalise(number) == number
        self._code = dial_code(digits)
        self.national = digits[len(str(self._code)) :]
        self.like = f"%{'%'.join(self.national)}%"
        """What every text with the number in it is like, in SQL; not all such texts have it."""
        forms = _turkish(self.national) if self.turkish else _foreign(str(self._code), self.national)
        self._texts = re.compile(forms.open)
        self._octets = re.compile(forms.open.encode(), re.ASCII)
        self._wide_texts = re.compile(forms.wide)
        self._wide = re.compile(forms.wide.encode(), re.ASCII)
        self._at = {
            Where.OPEN: self._texts,
            Where.HOME: re.compile(forms.home),
            Where.ABROAD: re.compile(forms.abroad),
        }

    @property
    def octets(self) -> tuple[bytes, ...]:
        """What a file has one of in which it stands, where that is not compressed: a Turkish number in the
        groupings that are usual. Others are grouped in so many ways that it is only how they may end."""
        n = self.national
        if not self.turkish:
            signs = (b" ", b"-", b".", b"/", b"\xc2\xa0", b"\xa0")
            ends = ((n[-3:-2], n[-2:]), (n[-4:-3], n[-3:]), (n[-5:-4], n[-4:]))
            return (n[-5:].encode(), *(a.encode() + sign + b.encode() for sign in signs for a, b in ends))
        parts = (n[:3], n[3:6], n[6:8], n[8:])
        groups = [sign.join(parts) for sign in (" ", "-", ".")]
        groups += [sign.join((n[:3], n[3:6], n[6:])) for sign in (" ", "-")]
        return tuple(text.encode() for text in (n, *groups, f"({n[:3]}) {n[3:6]}"))

    def within(self, text: str | bytes) -> bool:
        """Whether the number stands in a text."""
        # The wide pattern begins with a digit, for which large files are looked through quickly.
        if isinstance(text, str):
            return bool(self._wide_texts.search(text) and self._texts.search(text))
        return bool(self._wide.search(text) and self._octets.search(text))

    def within_json(self, text: str | bytes) -> bool:
        """Whether the number stands in a text that is a JSON value, or may be one."""
        octets = text.encode() if isinstance(text, str) else text
        if self.turkish or not self._wide.search(octets):
            return self.turkish and self.within(text)
        try:
            value = msgspec.json.decode(octets)
        except msgspec.DecodeError:
            return self.within(text)
        return bool(self.hidden_value(value) != value)

    def is_phone(self, phone: str, country: str) -> bool:
        """Whether it is the telephone of somebody in a country."""
        if self.turkish and normalise(phone) == self.number:
            return True
        return self._at[self._place({"country": country})].search(phone) is not None

    def hidden(self, text: str, where: Where = Where.OPEN) -> str:
        """The text with the number's digits made unreadable; as long as before."""
        return self._at[where].sub(lambda found: _DIGITS.sub(_HIDDEN, found[0]), text)

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

    def hidden_value(self, value: Any, where: Where = Where.OPEN, field: str = "") -> Any:
        """The same of everything in a value that was JSON, and is the value of this field."""
        if isinstance(value, str):
            return self.hidden(value, where)
        if isinstance(value, dict):
            where = self._place(value, where)
            return {self.hidden(key): self.hidden_value(part, where, key) for key, part in value.items()}
        if isinstance(value, list):
            return [self.hidden_value(part, where, field) for part in value]
        if isinstance(value, int) and not isinstance(value, bool) and self._is_meant(value, where, field):
            return ERASED
        return value

    def _is_meant(self, value: int, where: Where, field: str) -> bool:
        if value != self.number:
            return (self.turkish or where is Where.HOME) and value == int(self.national)
        return len(str(value)) >= _SURE or field in _NUMBER_FIELDS

    def _place(self, value: Mapping[Any, Any], around: Where = Where.OPEN) -> Where:
        """Where the parts of an object stand, by the country that it names, or that is named around it."""
        codes = map(code_of, _texts(value.get(field) for field in _COUNTRY_FIELDS))
        code = next(filter(None, codes), None)
        if code is None:
            return around
        return Where.HOME if code == self._code else Where.ABROAD

    def __repr__(self) -> str:
        return f"Spellings({display(ERASED)})"


def _texts(values: Iterable[Any]) -> Iterable[str]:
    return (value for value in values if isinstance(value, str))
