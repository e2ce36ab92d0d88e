"""Seals secrets that must be read again, such as those that sign webhooks: AES-256-GCM.

Keys are derived from the ring that signs tokens, one per purpose; the key's id travels with the
sealed bytes, so secrets of the ring can be exchanged while the old ones are still in it.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES: Final = 12


def about(account: str, kind: str, number: int | str) -> str:
    """What a sealed secret of an account is bound to."""
    return f"{account}|{kind}|{number}"


class UnsealableError(Exception):
    """Sealed with a secret that the ring no longer has, or not by us."""


class Sealer:
    """Seals and opens bytes for one purpose."""

    def __init__(self, by_kid: Mapping[str, str], purpose: str) -> None:
        """The first secret seals; the others still open."""
        self._purpose = purpose.encode()
        self._keys = {
            kid.encode(): AESGCM(hmac.digest(secret.encode(), self._purpose, hashlib.sha256))
            for kid, secret in by_kid.items()
        }
        self._kid = next(iter(self._keys))

    def seal(self, plain: bytes, about: str = "") -> bytes:
        """The bytes as only this ring can read them, and only as being about the same thing."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._keys[self._kid].encrypt(nonce, plain, self._purpose + about.encode())
        return bytes([len(self._kid)]) + self._kid + nonce + sealed

    def open(self, sealed: bytes, about: str = "") -> bytes:
        """What was sealed. Raises UnsealableError."""
        kid_end = 1 + sealed[0]
        nonce_end = kid_end + _NONCE_BYTES
        key = self._keys.get(sealed[1:kid_end])
        if key is None:
            raise UnsealableError("sealed with a secret that is not in the ring")
        try:
            bound = self._purpose + about.encode()
            return key.decrypt(sealed[kid_end:nonce_end], sealed[nonce_end:], bound)
        except InvalidTag:
            raise UnsealableError("not sealed by this ring") from None
