"""What operators tell a carrier about an account at a server: how such words are read.

Every reader raises ValueError with a sentence for people, in which no secret stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

_VISIBLE = re.compile(r"[\x21-\x7e]{1,255}")
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
_HOOK_SECRET = re.compile(r"[A-Za-z0-9_.~-]{16,200}")
_HOOK_KEY = re.compile(r"whsec_[A-Za-z0-9+/]{32,120}={0,2}")


def known_only(words: Mapping[str, str], known: Sequence[str], who: str, when: str = "") -> None:
    """Refuse a key that is not among those `known`; `who` has no such setting."""
    for key in words:
        if key not in known:
            raise ValueError(f"{who} has no setting {key!r}{when}; it has {', '.join(known)}")


def needed(words: Mapping[str, str], keys: Iterable[str], who: str) -> None:
    """Refuse that one of these is missing, or empty."""
    for key in keys:
        if not words.get(key):
            raise ValueError(f"{who} needs the setting {key}")


def apikey_of(words: Mapping[str, str], who: str) -> str:
    """The account's key."""
    needed(words, ("apikey",), who)
    if not _VISIBLE.fullmatch(words["apikey"]):
        raise ValueError("apikey must be at most 255 plain characters without blanks")
    return words["apikey"]


def check_hook(words: Mapping[str, str]) -> None:
    """Check how the server calls us: the secret in the address, and the key that it may sign with."""
    if "hook_secret" in words and not _HOOK_SECRET.fullmatch(words["hook_secret"]):
        raise ValueError(
            "hook_secret must be 16 to 200 letters, digits and -._~, as it is part of an address"
        )
    if "hook_key" in words:
        if "hook_secret" not in words:
            raise ValueError("hook_key signs what comes to the address that hook_secret makes; it is missing")
        if not _HOOK_KEY.fullmatch(words["hook_key"]):
            raise ValueError("hook_key must be the endpoint's secret, whsec_ and 24 bytes or more in base64")


def address(value: str, like: str) -> str:
    """Where a server is, over http or https, without a slash at its end; `like` is shown as an example."""
    sentence = f"url must be like {like}, not {value!r}"
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        raise ValueError(sentence) from None
    if parts.username is not None or parts.password is not None or parts.query:
        raise ValueError(
            "url must hold no user, no password and no query; the account's key goes into apikey"
        )
    if not usable or not _VISIBLE.fullmatch(value) or parts.fragment:
        raise ValueError(sentence)
    return value.rstrip("/")


def number(key: str, value: str, low: float, high: float, what: str = "a number") -> float:
    """A number in a range; `what` says of what, for example of seconds."""
    if not _NUMBER.fullmatch(value) or not low <= float(value) <= high:
        raise ValueError(f"{key} must be {what} from {low:g} to {high:g}, not {value!r}")
    return float(value)


SECONDS = "a number of seconds"
"""What a time limit is."""
