"""Where connections may go whose address a user has named: to the internet, and what is listed.

An address is judged where the connection is made, after its name was resolved, so a name that
changes its mind in between gains nothing. Operators list networks that may be private and without
TLS, or single targets as `host:port`, whatever they resolve to. What the far side says for good is
a RefusedError with its own code.
"""

import asyncio
import socket
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from farebox.domain.errors import InvalidError

REFUSED: Final = "the address is not a public one"
# Addresses of this network carry one of the old kind in their last four bytes.
_NAT64: Final = ip_network("64:ff9b::/96")

Address = IPv4Address | IPv6Address


class RefusedError(InvalidError):
    """No further attempt helps; `status` is what the far side said in its own protocol, if it did.

    Its code is that of a gateway's refusal.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message, "gateway_rejected")
        self.status = status


class RefusedAddressError(OSError):
    """The connection would have gone where none may go."""


class Reach:
    """What may be connected to."""

    def __init__(self, networks: Sequence[str] = (), targets: Iterable[str] = ()) -> None:
        self._networks = [ip_network(one) for one in networks]
        self._targets = frozenset(target.lower() for target in targets)

    def has_target(self, host: str, port: int) -> bool:
        """Whether a target was listed by its name."""
        return f"{host.lower()}:{port}" in self._targets

    def is_open(self, address: Address, *, is_safe: bool) -> bool:
        """Whether an address may be connected to; `is_safe` when nobody can listen or answer."""
        is_listed = any(one.version == address.version and address in one for one in self._networks)
        return is_listed or (is_safe and is_public(address))

    async def connect(self, host: str, port: int) -> socket.socket:
        """A connection; RefusedAddressError when no address of the host may be connected to."""
        loop = asyncio.get_running_loop()
        is_target = self.has_target(host, port)
        failure: OSError = RefusedAddressError(REFUSED)
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for family, kind, protocol, _, where in found:
            address = ip_address(str(where[0]).partition("%")[0])
            if not is_target and not self.is_open(address, is_safe=True):
                continue
            opened = socket.socket(family, kind, protocol)
            opened.setblocking(False)
            try:
                await loop.sock_connect(opened, where)
            except OSError as error:
                opened.close()
                failure = error
            except BaseException:
                opened.close()
                raise
            else:
                return opened
        raise failure


def is_public(address: Address) -> bool:
    """Whether an address belongs to the internet, whatever it is wrapped in."""
    inner: Address | None = None
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFF_FFFF)
        elif address.teredo is not None:
            inner = address.teredo[1]
    if inner is not None:
        return is_public(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved
