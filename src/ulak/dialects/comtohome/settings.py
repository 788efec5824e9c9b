"""What the way to a ComToHome account can be told: the words of `ulak carrier add --kind comtohome --set`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ulak.core.carrier_words import SECONDS, address, apikey_of, check_hook, known_only, needed, number
from ulak.core.carriers import TERMS
from ulak.core.tariffs import TARIFF, Tariff, tariff_of

API = "/api/v1"
"""What an address ends with; it may be left out."""

TIMEOUT = 30.0
"""Seconds for an answer."""

GIVEN, CHEAPEST = 0, 1
"""The two documented values of `preference`: the carrier that is named, or the server's choice."""

HOOK = ("hook_secret", "hook_key")
"""Settings about being called by the server; they are read where such a call comes in."""

KEYS = ("url", "apikey", "preference", "provider_id", "timeout", *TARIFF, *HOOK)

_WHO = "a ComToHome account"


@dataclass(frozen=True, slots=True)
class Upstream:
    """An account at a ComToHome server. `url` has no slash at its end; `timeout` is in seconds. The tariff
    counts where the server does not tell prices."""

    url: str
    apikey: str = field(repr=False)
    preference: int = CHEAPEST
    provider_id: int | None = None
    timeout: float = TIMEOUT
    tariff: Tariff = field(default_factory=Tariff)


def check_settings(words: Mapping[str, str]) -> Upstream:
    """The account that `words` spell; the engine's own keys are let pass.

    Raises:
        ValueError: an unknown key, a missing one, or a value that cannot be. A sentence for people, in which
            no secret stands.
    """
    known_only(words, (*KEYS, *TERMS), _WHO)
    needed(words, ("url",), _WHO)
    key = apikey_of(words, _WHO)
    check_hook(words)
    preference, provider_id = _choice(words.get("preference"), words.get("provider_id"))
    return Upstream(
        _url(words["url"]),
        key,
        preference,
        provider_id,
        number("timeout", words.get("timeout", str(TIMEOUT)), 0.1, 600, SECONDS),
        tariff_of(words, Tariff()),
    )


def _url(value: str) -> str:
    base = address(value, f"https://parcels.example{API}")
    return base if base.endswith(API) else base + API


def _choice(preference: str | None, provider: str | None) -> tuple[int, int | None]:
    if provider is not None and not (provider.isascii() and provider.isdigit() and len(provider) < 10):
        raise ValueError(f"provider_id must be the number of one of the account's carriers, not {provider!r}")
    chosen = preference if preference is not None else str(CHEAPEST if provider is None else GIVEN)
    if chosen not in (str(GIVEN), str(CHEAPEST)):
        raise ValueError(f"preference must be 0 (the carrier in provider_id) or 1 (any), not {preference!r}")
    if (int(chosen) == GIVEN) != (provider is not None):
        raise ValueError("preference 0 goes together with provider_id, and 1 without it")
    return int(chosen), int(provider) if provider is not None else None
