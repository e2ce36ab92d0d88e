"""Who is calling: bearer tokens and device keys become a `Principal`.

A signature is checked once per token, its expiry on every call, and the state behind it (user,
groups, key) is read from PostgreSQL again at most five seconds later; a change drops it at once.
"""

from typing import Literal

import msgspec


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """The caller of one request, as far as permissions and visibility need to know."""

    kind: Literal["user", "device"]
    id: int
    # The username of a user, the hostname of a device.
    name: str
    group: int
    # The group and all below it for a user, empty for a device.
    groups: frozenset[int] = frozenset()
    admin: bool = False
    # None permits everything.
    permissions: frozenset[str] | None = None
    # The device's own machine; 0 for a user.
    machine: int = 0

    @property
    def label(self) -> str:
        """What the history of a voucher calls the caller."""
        return self.name if self.kind == "device" else f"user:{self.id}"


class Access:
    """Turns Authorization headers into principals."""

    def known(self, authorization: str) -> Principal | None:
        """The principal of a header seen lately, from memory alone; None asks for `check`."""
        raise NotImplementedError

    async def check(self, authorization: str | None) -> Principal:
        """The principal of a header; UnauthorizedError when there is none."""
        raise NotImplementedError
