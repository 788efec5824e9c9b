"""Telephone numbers and secrets, taken out of what is written to a log.

Nobody means to log them. This is the last line of defence, for what comes in the text of somebody else's
exception. It therefore masks what merely looks like a number or a key, and leaves what an operator needs:
ids, counts, times, addresses of machines. Where digits can be either, the name of their field decides; in
free text they are masked.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

HIDDEN = "***"

DEPTH_MAX = 8
"""How deep values are looked through; below it they are hidden."""

TEXT_MAX = 20_000
"""Characters of a text that are written; nobody reads more, and looking through them would take long."""

SHORT = 12
"""Characters of a text in which nothing fits that a secret is known by."""

SECRET_MIN = 6
"""Characters that a secret must have to be looked for word by word: a shorter one would hide half the log."""

_SECRET_FIELD = re.compile(
    r"pass(word|wd|phrase)?$|secret|token|macaroon|preimage|authorization|cookie|api_?key|^key$|_key$|hash$"
    r"|signature|credential|nwc|payreq|invoice$",
    re.IGNORECASE,
)
_PRIVATE_FIELD = re.compile(r"^(text|body|content|e?mail|address_line|surname)$", re.IGNORECASE)
_NUMBER_FIELD = re.compile(
    r"(^|_)(numbers?|phones?|msisdn|gsm|mobile|recipients?|destination|caller|sender|to)$", re.IGNORECASE
)
_NUMBER_MIN = 10**6
"""A smaller integer is a count, whatever its field is called."""

_URL_USER = re.compile(r"(://)[^\s/@'\"]{1,1000}@")
_URL_QUERY = re.compile(r"([?&][\w.~%\[\]-]+=)[^&\s\"'#<>]+")
_HOOK = re.compile(r"(/hooks/[^/\s]+/)[^\s\"']+")
_SAID = re.compile(
    r"\b((?:password|passwd|secret|token|macaroon|preimage|x-)?(?:api[_-]?key|password|passwd|secret|token"
    r"|macaroon|preimage|authorization|hash|key))(['\"]?\s*[=:]\s*['\"]?)(?!\s)[^\s'\",;&)}\]]+",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b(Bearer|Basic|Grpc-Metadata-macaroon:?)\s+[^\s'\",;]+", re.IGNORECASE)
_FORM = re.compile(
    r"\b(nsec1|ln(?:bcrt|bc|tbs?|url)1?|whsec_|whpk_|[sp]k_(?:live_|test_)?)[A-Za-z0-9+/=_-]{10,}"
)
_MAIL = re.compile(r"(?<![\w.+-])(\w)[\w.+-]{0,63}@((?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,24})")
_TOKEN = re.compile(r"[A-Za-z0-9+/_=-]{20,}")
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_HEXADECIMAL = re.compile(r"[0-9a-f]{32,}", re.IGNORECASE)
_RANDOM = 0.3
"""Of two neighbouring letters and digits of something random, about half are of different kinds."""

_MANY_DIGITS = re.compile(r"\d(?:[^\d\n]{0,3}\d){6}")

# Not behind a digit, nor behind the point of a fraction.
_ALONE = r"(?<!\d)(?<!\d\.)"
_APART = _ALONE + r"(?<![A-Za-z])"  # Behind a letter it is the number of a parcel.
_COUNTED = r"(?!\d)(?!\s*(?:bytes|[kKMG]i?B|ms|us|ns|s|seconds|rows|items)\b)"
_NUMBERS = (
    # As people write them abroad: +90 (530) 123-45-67, 0090 530…
    re.compile(r"(?<![\w+])(?:\+|00)[1-9](?:[ .()/-]{0,2}\d){6,14}(?!\d)"),
    # As people write them here: 0530 123 45 67, (0212) 555 12 34, 530-123-4567
    re.compile(_ALONE + r"(?:90[ .-]?)?\(?0?[2-58]\d{2}\)?[ ./-]\d{3}[ ./-]?\d{2}[ ./-]?\d{2}(?!\d)"),
    # As programs write mobile numbers.
    re.compile(_ALONE + r"(?:90|0)?5\d{9}(?!\d)"),
    # Of any country; but 13 digits that begin like this are a time in ms, between 2014 and 2042.
    re.compile(_APART + r"(?!(?:1[4-9]|2[0-2])\d{11}(?!\d))\d{11,15}" + _COUNTED),
    # Landlines without the zero. Ten digits that begin with 1 are a time in seconds.
    re.compile(_APART + r"(?:21[26]|2[2-9]\d|[348]\d\d)\d{7}" + _COUNTED),
)
_ID_FIELD = re.compile(
    r"(^|_)(id|ids|at|due|now|ms|us|ns|s|seconds|bytes|size|count|pid|port|line|lineno|fence|next|offset"
    r"|order|message|purchase|consignment|callback|event|job|posting|account|carrier|age|amount|serial)$",
    re.IGNORECASE,
)


class Masker:
    """Masks values. It may know secrets word by word, beside what looks like one."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: set[str] = set()
        self._words: re.Pattern[str] | None = None
        self.know(*secrets)

    def know(self, *secrets: str) -> None:
        """These are secrets. What is too short to be looked for is not."""
        fresh = {secret for secret in secrets if len(secret) >= SECRET_MIN} - self._secrets
        if fresh:
            self._secrets |= fresh
            longest_first = sorted(self._secrets, key=len, reverse=True)
            self._words = re.compile("|".join(map(re.escape, longest_first)))

    def fields(self, given: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
        """The values of an object, masked as their names demand."""
        return {name: self.field(name, value, depth) for name, value in given.items()}

    def field(self, name: str, value: Any, depth: int = 0) -> Any:
        """One value that has a name."""
        if value is None or isinstance(value, (bool, float)):
            return value
        if _SECRET_FIELD.search(name) or _PRIVATE_FIELD.search(name):
            return HIDDEN
        if isinstance(value, int):
            return self._integer(name, value)
        if isinstance(value, str) and _NUMBER_FIELD.search(name):
            return _covered(value) if sum(map(str.isdigit, value)) >= 7 else self.text(value)
        return self._value(name, value, depth)

    def _integer(self, name: str, value: int) -> int | str:
        if _NUMBER_FIELD.search(name):
            return _covered(str(value)) if abs(value) >= _NUMBER_MIN else value
        if _ID_FIELD.search(name):
            return value
        text = str(value)
        masked = _numbers(text)
        return value if masked == text else masked

    def _value(self, name: str, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if depth >= DEPTH_MAX:
            return HIDDEN
        if isinstance(value, Mapping):
            return self.fields({str(key): item for key, item in value.items()}, depth + 1)
        if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
            return [self.field(name, item, depth + 1) for item in value]
        if isinstance(value, (set, frozenset)):
            return [self.field(name, item, depth + 1) for item in sorted(value, key=repr)]
        return self.text(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value))

    def text(self, text: str) -> str:
        """Free text."""
        if len(text) > TEXT_MAX:
            text = text[:TEXT_MAX] + " …"
        if self._words is not None:
            text = self._words.sub(HIDDEN, text)
        # Most lines have little of what is looked for, which is seen sooner than that a pattern does not fit.
        if "@" in text:
            text = _URL_USER.sub(rf"\g<1>{HIDDEN}@", text)
            text = _MAIL.sub(rf"\g<1>{HIDDEN}@\g<2>", text)
        if "/hooks/" in text:
            text = _HOOK.sub(rf"\g<1>{HIDDEN}", text)
        if "=" in text or ":" in text:
            text = _URL_QUERY.sub(rf"\g<1>{HIDDEN}", text)
            text = _SAID.sub(rf"\g<1>\g<2>{HIDDEN}", text)
        if len(text) >= SHORT:
            text = _BEARER.sub(rf"\g<1> {HIDDEN}", text)
            text = _FORM.sub(rf"\g<1>{HIDDEN}", text)
            text = _TOKEN.sub(_random_hidden, text)
        return _numbers(text) if _MANY_DIGITS.search(text) else text


MASKER = Masker()
"""Of this process: whoever opens a secret lets it know."""


def _numbers(text: str) -> str:
    for pattern in _NUMBERS:
        text = pattern.sub(_number_hidden, text)
    return text


def _number_hidden(found: re.Match[str]) -> str:
    text = found[0]
    if text.count(".") == 3 and _is_address(text):
        return text
    return _covered(text)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _covered(text: str) -> str:
    """A number of which only the beginning and the last two digits are to be seen."""
    digits = sum(map(str.isdigit, text))
    shown = 3 if digits >= 11 else 1
    seen = 0

    def cover(letter: str) -> str:
        nonlocal seen
        if not letter.isdigit():
            return letter
        seen += 1
        return letter if seen <= shown or seen > digits - 2 else "*"

    return "".join(map(cover, text))


def _random_hidden(found: re.Match[str]) -> str:
    text = found[0]
    if _UUID.fullmatch(text):
        return text
    if _HEXADECIMAL.fullmatch(text) and not text.isdigit():
        return HIDDEN
    plain = [letter for letter in text if letter.isalnum()]
    if sum(map(str.isdigit, plain)) < 2 or len(plain) < 16 or "".join(plain).isdigit():
        return text
    changes = sum(_kind(one) != _kind(other) for one, other in pairwise(plain))
    return HIDDEN if changes >= _RANDOM * (len(plain) - 1) else text


def _kind(letter: str) -> int:
    return letter.isdigit() + 2 * letter.isupper()
