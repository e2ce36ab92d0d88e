"""Voucher codes: when two are equal, which a person may choose, and how new ones are drawn.

Two codes are the same code when their canonical forms are equal. A drawn code is its prefix, a
hyphen and ten symbols of an alphabet without look-alikes, each equally likely. Randomness is passed
in. Whether a code is already taken is for the database to say (vending-commerce.md 4.8).
"""

import re
from collections.abc import Callable
from typing import Final

from farebox.domain.errors import InvalidError

ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
SYMBOLS: Final = 10
LENGTH_MAX: Final = 64
DEFAULT_PREFIX: Final = "00000"
# A code may be looked at under so many candidates; creation warns beyond that.
CANDIDATES_MAX: Final = 50

_WHITESPACE = " \t\n\r\v\f"
_UPPER = {lower: lower - 32 for lower in range(ord("a"), ord("z") + 1)}
_CUSTOM = re.compile(r"""[!$&()*+,\-.0-9:;=@A-Z\[\]^_`a-z{|}~]{1,64}""")
_PREFIX = re.compile(r"[a-zA-Z0-9]{1,5}")

# The largest multiple of the alphabet's size that fits a byte: bytes from there on are thrown away,
# so that no symbol is likelier than another.
_FAIR = 256 - 256 % len(ALPHABET)
_SYMBOL_OF = bytes(ord(ALPHABET[byte % len(ALPHABET)]) for byte in range(256))
_UNFAIR = bytes(range(_FAIR, 256))


def canonical(code: str) -> str:
    """The form that decides equality: trimmed of ASCII whitespace, ASCII letters upper-case."""
    return code.strip(_WHITESPACE).translate(_UPPER)


def check_custom(code: str) -> str:
    """The code as it will be stored, or `invalid_code`."""
    trimmed = code.strip(_WHITESPACE)
    if _CUSTOM.fullmatch(trimmed) is None:
        reason = (
            f"must be 1 to {LENGTH_MAX} printable ASCII characters "
            "without space and / \\ % ? # \" ' < >"
        )
        raise InvalidError(f"The code {reason}", "invalid_code", {"code": reason})
    return trimmed


def is_prefix(text: str) -> bool:
    """Whether generated codes may start with it."""
    return _PREFIX.fullmatch(text) is not None


def draw(prefix: str, n: int, random_bytes: Callable[[int], bytes]) -> list[str]:
    """`n` codes; equal ones are possible and left to the caller to drop."""
    wanted = n * SYMBOLS
    symbols = b""
    while len(symbols) < wanted:
        missing = wanted - len(symbols)
        # A margin of several deviations: a second request is rare.
        raw = random_bytes(missing * 256 // _FAIR + missing // 16 + 16)
        symbols += raw.translate(_SYMBOL_OF, _UNFAIR)
    text = symbols.decode("ascii")
    return [f"{prefix}-{text[start : start + SYMBOLS]}" for start in range(0, wanted, SYMBOLS)]
