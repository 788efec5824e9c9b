"""What the way to an iletiMerkezi account can be told: `ulak carrier add --kind iletimerkezi --set`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ulak.core.carrier_words import SECONDS, address, check_hook, known_only, needed, number
from ulak.core.carriers import TERMS
from ulak.core.references import IdForm

URL = "https://api.iletimerkezi.com"
"""The vendor's server; what is used where no address is told."""

PREFIX = "/v1"
"""What an address may end with; it belongs to every path."""

WINDOW, WINDOW_MAX = 500, 50_000
"""Message parts that may be with the link and without an outcome."""

RATE = 100.0
"""Recipients a second: what the vendor allows for traffic that is not bulk."""

TIMEOUT = 30.0
"""Seconds for an answer."""

LISTS = ("BIREYSEL", "TACIR")
"""The lists of the consent registry: people, and merchants."""

HOOK = ("hook_secret", "hook_key")
"""Settings about being called by the server; they are read where such a call comes in."""

KEYS = ("url", "key", "hash", "window", "rate", "timeout", "sender", "iys", "iys_list", *HOOK)

_WHO = "an iletiMerkezi account"
_VISIBLE = re.compile(r"[\x21-\x7e]{1,255}")
_SENDER_MAX = 11


@dataclass(frozen=True, slots=True)
class Upstream:
    """An account. `url` has neither the prefix nor a slash at its end; `rate` is recipients a second, 0 for
    no limit of ours; `timeout` is in seconds. `sender` goes in place of each message's own, unless it is
    empty. `iys` is '1' where the registry is asked for consent, in `iys_list`. `hooked`: the server calls us.
    """

    url: str
    key: str = field(repr=False)
    hash: str = field(repr=False)
    window: int = WINDOW
    rate: float = RATE
    timeout: float = TIMEOUT
    sender: str = ""
    iys: str = "0"
    iys_list: str = ""
    hooked: bool = False


def check_settings(words: Mapping[str, str]) -> Upstream:
    """The account that `words` spell; the engine's own keys are let pass.

    Raises:
        ValueError: an unknown key, a missing one, or a value that cannot be. A sentence for people, in which
            no secret stands.
    """
    known_only(words, (*KEYS, *TERMS), _WHO)
    needed(words, ("key", "hash"), _WHO)
    for name in ("key", "hash"):
        if not _VISIBLE.fullmatch(words[name]):
            raise ValueError(f"{name} must be at most 255 plain characters without blanks")
    if words.get("id_form", IdForm.TEXT.value) != IdForm.TEXT.value:
        raise ValueError(f"id_form must be text for {_WHO}, as its references are an id and a number")
    check_hook(words)
    iys, iys_list = _consent(words)
    return Upstream(
        address(words.get("url", URL), URL).removesuffix(PREFIX).rstrip("/"),
        words["key"],
        words["hash"],
        _window(words.get("window", str(WINDOW))),
        number("rate", words.get("rate", str(RATE)), 0, 10_000, "a number of recipients a second"),
        number("timeout", words.get("timeout", str(TIMEOUT)), 0.1, 600, SECONDS),
        _sender(words.get("sender", "")),
        iys,
        iys_list,
        "hook_secret" in words,
    )


def _window(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 9 and 1 <= int(value) <= WINDOW_MAX):
        raise ValueError(f"window must be a whole number from 1 to {WINDOW_MAX}, not {value!r}")
    return int(value)


def _sender(value: str) -> str:
    if len(value) > _SENDER_MAX or not (value.isprintable()):
        raise ValueError(f"sender must be at most {_SENDER_MAX} characters, as the account has it approved")
    return value


def _consent(words: Mapping[str, str]) -> tuple[str, str]:
    iys, chosen = words.get("iys", "0"), words.get("iys_list", "")
    if iys not in ("0", "1"):
        raise ValueError(f"iys must be 1 (ask the consent registry) or 0, not {iys!r}")
    if iys == "1" and chosen not in LISTS:
        raise ValueError(f"iys_list must be {' or '.join(LISTS)} where iys is 1, not {chosen!r}")
    if iys == "0" and chosen:
        raise ValueError("iys_list goes together with iys 1")
    return iys, chosen
