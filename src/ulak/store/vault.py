"""Secrets that have to be read again, such as the password of a link: encrypted where they are stored.

The key is given, or stands in the data directory beside the database and is made when the first secret is
sealed. A stolen database file, without the key, cannot send an SMS.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import secrets
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ulak.core.errors import UlakError
from ulak.core.keys import SIZE, read_key, write_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_FORM = "1:"  # AES-256-GCM, a nonce of 12 octets before the ciphertext
_NONCE = 12


class Vault:
    """Seals and opens secrets. The key is only looked for when there is something to seal or to open."""

    def __init__(self, directory: Path, key: bytes | None = None) -> None:
        self._directory = directory
        self._key = key

    @property
    def path(self) -> Path:
        """Where the key is kept, unless it was given."""
        return self._directory / "key"

    @property
    def has_key(self) -> bool:
        """Whether there is a key already."""
        return self._key is not None or self.path.exists()

    def seal(self, secret: str, purpose: str) -> str:
        """A text that only `open` with the same purpose makes readable again. Makes the key if need be."""
        if not self.has_key:
            self._make_key()
        nonce = secrets.token_bytes(_NONCE)
        sealed = nonce + self._cipher.encrypt(nonce, secret.encode(), purpose.encode())
        return _FORM + base64.b64encode(sealed).decode()

    def derive(self, purpose: str) -> bytes:
        """A key of its own for a purpose, always the same for this installation. Makes the key if need be.

        Raises:
            UlakError: the key cannot be read.
        """
        if not self.has_key:
            self._make_key()
        key = self._key if self._key is not None else self._read_key()
        return hmac.digest(key, purpose.encode(), "sha256")

    def open(self, sealed: str, purpose: str) -> str:
        """The secret.

        Raises:
            UlakError: the key is missing, or is not the one it was sealed with.
        """
        from cryptography.exceptions import InvalidTag

        try:
            raw = base64.b64decode(sealed.removeprefix(_FORM), validate=True)
            return self._cipher.decrypt(raw[:_NONCE], raw[_NONCE:], purpose.encode()).decode()
        except (InvalidTag, binascii.Error, ValueError):
            raise UlakError(
                f"the secret of {purpose} cannot be read: this is not the key it was sealed with"
            ) from None

    @cached_property
    def _cipher(self) -> AESGCM:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(self._key if self._key is not None else self._read_key())

    def _read_key(self) -> bytes:
        try:
            return read_key(self.path.read_text("ascii"))
        except FileNotFoundError:
            raise UlakError(
                f"{self.path} is missing, and ULAK_KEY is not set: secrets cannot be read"
            ) from None
        except ValueError as error:
            raise UlakError(f"{self.path}: the key {error}") from None

    def _make_key(self) -> None:
        """Make the key file. Of several processes that do so at once, one wins, and all use its key."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = self._directory / f"key.{secrets.token_hex(8)}"
        descriptor = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            with open(descriptor, "w", encoding="ascii") as file:
                file.write(write_key(secrets.token_bytes(SIZE)) + "\n")
                file.flush()
                os.fsync(file.fileno())
            os.link(fresh, self.path)
            self._sync_directory()
        except FileExistsError:
            pass
        finally:
            fresh.unlink()

    def _sync_directory(self) -> None:
        """What is sealed may be committed next, and must not be on disk without its key."""
        descriptor = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
