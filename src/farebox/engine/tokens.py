"""Makes and reads the signed tokens of vending-platform.md 4.1.

HS256 and nothing else; the header's `kid` picks one of several secrets, the first of which signs. A
token of one type is never read as another. Expiry is left to the caller, who knows the time.
"""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal
from uuid import UUID

import jwt
import msgspec

ISSUER: Final = "farebox"
SECRET_BYTES_MIN: Final = 32
_TOKEN_CHARS_MAX: Final = 4096
_ALGORITHM: Final = "HS256"
_OPTIONS: Final[Any] = {
    "require": ["iss", "sub", "typ", "iat", "exp"],
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
}

Type = Literal["access", "refresh", "device"]


class Claims(msgspec.Struct, frozen=True):
    """What a token says, once its signature and type were found right."""

    sub: str
    typ: str
    exp: int
    ug: int = 0
    ver: int = 0
    fam: UUID | None = None
    jti: UUID | None = None
    key: int = 0


class KeyRing:
    """The secrets that sign and check tokens, by their ids."""

    def __init__(self, by_kid: Mapping[str, str]) -> None:
        """The first secret signs; the others are still believed."""
        if not by_kid:
            raise ValueError("a key ring needs at least one secret")
        for kid, secret in by_kid.items():
            if len(secret.encode()) < SECRET_BYTES_MIN:
                raise ValueError(f"secret {kid!r} is shorter than {SECRET_BYTES_MIN} bytes")
        # For others that derive keys of their own from the same secrets.
        self.by_kid = dict(by_kid)
        self._secrets = {kid: secret.encode() for kid, secret in by_kid.items()}
        self._kid = next(iter(by_kid))

    @classmethod
    def parse(cls, text: str) -> "KeyRing":
        """Reads `kid:secret,kid:secret`; the secrets may not contain commas."""
        by_kid: dict[str, str] = {}
        for entry in text.strip().split(","):
            kid, colon, secret = entry.strip().partition(":")
            if not colon or not kid or kid in by_kid:
                raise ValueError("secrets are written kid:secret, separated by commas")
            by_kid[kid] = secret
        return cls(by_kid)

    @classmethod
    def kept_in(cls, path: Path) -> "KeyRing":
        """The ring in a file that only its owner can read; made on first use."""
        path.parent.mkdir(parents=True, exist_ok=True)
        made = path.with_name(f"{path.name}.{os.getpid()}.new")
        if not path.exists():
            descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(f"k1:{secrets.token_hex(32)}\n")
            try:
                # A link fails when another process was first; then its secret is the one.
                os.link(made, path)
            except FileExistsError:
                pass
            finally:
                made.unlink()
        return cls.parse(path.read_text())

    def mint(self, claims: Mapping[str, Any], typ: Type, now_ms: int, ends_at_ms: int) -> str:
        """Signs a token that is valid from now until an instant."""
        payload = {
            "iss": ISSUER,
            "typ": typ,
            "iat": now_ms // 1000,
            "exp": ends_at_ms // 1000,
            **claims,
        }
        secret = self._secrets[self._kid]
        return jwt.encode(payload, secret, _ALGORITHM, headers={"kid": self._kid})

    def read(self, token: str, typ: Type) -> Claims | None:
        """What a token of this type says; None when it is not one of ours."""
        if len(token) > _TOKEN_CHARS_MAX:
            return None
        try:
            secret = self._secrets[jwt.get_unverified_header(token)["kid"]]
            payload = jwt.decode(token, secret, [_ALGORITHM], _OPTIONS, issuer=ISSUER)
            claims = msgspec.convert(payload, Claims)
        except (jwt.PyJWTError, KeyError, TypeError, ValueError):
            return None
        return claims if claims.typ == typ else None
