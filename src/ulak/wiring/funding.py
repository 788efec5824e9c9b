"""The Lightning node that is configured."""

from __future__ import annotations

from ulak.config import Config
from ulak.core.errors import UlakError
from ulak.core.funding import Funding
from ulak.outbound import Outbound
from ulak.service.memory_node import Notebook
from ulak.store.books import Books
from ulak.store.vault import Vault
from ulak.wiring.clock import now_ms


def funding_of(config: Config, books: Books, vault: Vault, outbound: Outbound) -> Funding | None:
    """The node that takes the money; None where none is configured.

    Raises:
        UlakError: something that it needs is missing or does not fit.
    """
    try:
        return _made(config, books, vault, outbound)
    except ValueError as error:
        raise UlakError(f"ULAK_FUNDING={config.funding}: {error}") from None


def _made(config: Config, books: Books, vault: Vault, outbound: Outbound) -> Funding | None:
    match config.funding:
        case "memory":
            from ulak.funding.memory import MemoryFunding

            return MemoryFunding(Notebook(books, vault))
        case "lnd":
            from ulak.funding.lnd import LndFunding, parse_settings

            url = _needed("lnd_url", config.lnd_url)
            macaroon = _needed("lnd_macaroon", config.lnd_macaroon)
            return LndFunding(*parse_settings(url, macaroon, config.lnd_certificate or ""))
        case "nwc":
            from ulak.funding.nwc import NwcFunding

            return NwcFunding(_needed("nwc_uri", config.nwc_uri), now_ms)
        case "lnbits":
            from ulak.funding.lnbits import LnbitsFunding

            url = _needed("lnbits_url", config.lnbits_url)
            return LnbitsFunding(url, _needed("lnbits_key", config.lnbits_key), outbound, now_ms)
    return None


def _needed(name: str, value: str | None) -> str:
    if value is None:
        raise ValueError(f"ULAK_{name.upper()} is missing")
    return value
