"""Numbers of the operator's own, to rent out or to be written to: how they are written, what they are for."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ulak.core import phone
from ulak.core.carriers import TERMS, is_secret
from ulak.core.codes import check_pattern
from ulak.core.pools import FULL, service_named

KIND = "inventory"
"""The kind of carrier that such numbers belong to."""

PATTERN = "pattern."
"""What a setting begins with that holds the pattern of a service's codes."""

# No comma, which parts them where they are stored, and nothing that means something in a LIKE.
_SERVICE = re.compile(r"[a-z0-9]{1,20}")
_NUMBER = re.compile(r"(?:\+|00)?([1-9][0-9]{6,14})")
_BETWEEN = re.compile(r"[\s().-]")
_SHORT_CODE = re.compile(r"[1-9][0-9]{2,7}")
_SHORT_END = 10**8
_TURKEY = 90 * 10**10
_NATIONAL = range(2 * 10**9, 10**10)


def is_service(text: str) -> bool:
    """Whether this can be the code of a service, known or not."""
    return _SERVICE.fullmatch(text) is not None


def services_of(words: str) -> tuple[str, ...]:
    """The codes of services given as codes or names with commas between.

    Raises:
        ValueError: one is none; the text says which.
    """
    found: dict[str, None] = {}
    for word in filter(None, map(str.strip, words.split(","))):
        service = service_named(word) or word.lower()
        if not is_service(service) or service == FULL:
            raise ValueError(f"{word!r} is not a service; one is like wa, tg or WhatsApp")
        found[service] = None
    return tuple(found)


def number_of(text: str) -> int:
    """An international telephone number, E.164 without the plus sign.

    Raises:
        ValueError: it is none. The text does not repeat it.
    """
    found = _NUMBER.fullmatch(_BETWEEN.sub("", text)) if text.isascii() else None
    if found is None:
        raise ValueError("a number is its country code and 7 to 15 digits in all, like +905301234567")
    return int(found[1])


def mailbox_of(text: str) -> int:
    """A number that people can write to: with its country code, a Turkish mobile one, or a short code.

    Raises:
        ValueError: it is none. The text does not repeat it.
    """
    bare = _BETWEEN.sub("", text)
    if bare.isascii() and _SHORT_CODE.fullmatch(bare):
        return int(bare)
    mobile = phone.normalise(bare)
    if mobile:
        return mobile
    if not bare.startswith(("+", "00")):
        raise ValueError("a number is written like +908502221100, a short code has 3 to 8 digits")
    return number_of(text)


def shown_number(number: int) -> str:
    """A number as people write it: a short code bare, any other with a plus sign."""
    return str(number) if number < _SHORT_END else f"+{number}"


def with_country(number: int) -> tuple[int, ...]:
    """What is meant by the number that an operator says an SMS was sent to: itself, or a number in Türkiye.

    Some operators leave out the country; a national number there has ten digits.
    """
    return (number, _TURKEY + number) if number in _NATIONAL else (number,)


def patterns_of(settings: Mapping[str, str]) -> dict[str, str]:
    """The patterns of codes among a carrier's settings, by service."""
    return {key.removeprefix(PATTERN): value for key, value in settings.items() if key.startswith(PATTERN)}


def check_settings(settings: Mapping[str, str]) -> None:
    """Whether a carrier of kind `inventory` can be told this.

    Raises:
        ValueError: an unknown key, or a pattern that is none; the text says which.
    """
    for key, value in settings.items():
        if key.startswith(PATTERN):
            _check_pattern(key, value)
        elif key not in TERMS:
            raise ValueError(
                f"an inventory has no setting {key!r}; it has pattern.<service>, {', '.join(TERMS)}"
            )


def _check_pattern(key: str, value: str) -> None:
    # What has the name of a secret is stored sealed, and could not be read where it is needed.
    if not is_service(key.removeprefix(PATTERN)) or is_secret(key):
        raise ValueError(f"{key!r} does not name a service; a pattern is set like pattern.wa")
    try:
        check_pattern(value)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None
