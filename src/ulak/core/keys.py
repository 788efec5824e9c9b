"""The installation's key as text: 32 octets in base64 or hexadecimal."""

from __future__ import annotations

import base64
import binascii
import re

SIZE = 32
"""Octets of a key (AES-256)."""

_HEX = re.compile(r"[0-9A-Fa-f]{64}")
_URL_SAFE = str.maketrans("-_", "+/")


def read_key(text: str) -> bytes:
    """The key that a text spells, as `openssl rand -hex 32` or `openssl rand -base64 32` write one.

    Raises:
        ValueError: it does not spell 32 octets. The text says so without repeating what was given.
    """
    text = text.strip()
    if _HEX.fullmatch(text):
        return bytes.fromhex(text)
    plain = text.translate(_URL_SAFE).rstrip("=")
    try:
        key = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != SIZE:
        raise ValueError("must be 32 random octets in base64 or hexadecimal (openssl rand -base64 32)")
    return key


def write_key(key: bytes) -> str:
    """The spelling of a key that `read_key` reads."""
    return base64.urlsafe_b64encode(key).decode()
