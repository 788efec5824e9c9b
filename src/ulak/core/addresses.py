"""Callers' addresses, as limits count them."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

_SHOWN_MAX = 64


def network_of(address: str) -> str:
    """Who a caller at this address is taken for: the address, or the /64 that an IPv6 address lies in, which
    is what one customer of a provider has at least (RFC 6177). What is no address stands for itself."""
    return _network_of(address) if ":" in address else address[:_SHOWN_MAX]


@lru_cache(maxsize=1024)
def _network_of(address: str) -> str:
    try:
        parsed = ipaddress.IPv6Address(address)
    except ValueError:
        return address[:_SHOWN_MAX]
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    whole = ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64))
    return str(whole)
