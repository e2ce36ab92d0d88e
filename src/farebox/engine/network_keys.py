"""Keys of wireless networks, sealed wherever they are stored (vending-platform.md 2.8, 3.5).

They are told again, to machines and to who may write machines, so they cannot be hashed. What is
stored is text, because it is copied from machine to machine like the other settings. A key that was
stored before keys were sealed is read as it is, and sealed when it is written again.
"""

from base64 import b64decode, b64encode
from typing import Final

from farebox.domain.errors import UnavailableError
from farebox.engine.sealing import Sealer, UnsealableError

PURPOSE: Final = "network"
MASK: Final = "********"
_MARK: Final = "sealed:"


class NetworkKeys:
    """Seals and opens keys of networks."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def seal(self, key: str | None) -> str | None:
        """The key as it is stored."""
        if key is None:
            return None
        return _MARK + b64encode(self._sealer.seal(key.encode())).decode()

    def is_same(self, stored: str | None, key: str | None) -> bool:
        """Whether what is stored is this key."""
        try:
            return self._open(stored) == key
        except UnsealableError:
            return False

    def shown(self, stored: str | None, *, is_known: bool) -> str | None:
        """The key for somebody who may know it, its mask for others, or where it cannot be read."""
        try:
            return self._open(stored) if stored is None or is_known else MASK
        except UnsealableError:
            return MASK

    def needed(self, stored: str | None) -> str | None:
        """The key for a machine. UnavailableError where the ring that sealed it is gone."""
        try:
            return self._open(stored)
        except UnsealableError as error:
            raise UnavailableError("The key of this network cannot be read; set it anew") from error

    def _open(self, stored: str | None) -> str | None:
        if stored is None or not stored.startswith(_MARK):
            return stored
        return self._sealer.open(b64decode(stored.removeprefix(_MARK))).decode()
