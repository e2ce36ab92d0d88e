"""Packets of RADIUS as bytes: built, signed, checked and read (RFC 2865, 2869, 5176, 5997).

Only what a client of CoA, Disconnect and Status-Server needs; pure functions over bytes. A packet
with a wrong length, authenticator or message authenticator is no packet at all.
"""

import hashlib
import hmac
import struct
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Final, NamedTuple

from farebox.domain.attributes import Attribute

STATUS_SERVER: Final = 12
ACCESS_ACCEPT: Final = 2
DISCONNECT: Final = 40
COA: Final = 43
ACKS: Final = {DISCONNECT: 41, COA: 44}
NAKS: Final = {DISCONNECT: 42, COA: 45}
HEAD_BYTES: Final = 20
PACKET_BYTES_MAX: Final = 4096
_VENDOR_SPECIFIC: Final = 26
_MESSAGE_AUTHENTICATOR: Final = 80
_ERROR_CAUSE: Final = 101
_ZEROS: Final = bytes(16)

# Vendor (0: of the standards), number, content.
Content = tuple[int, int, bytes]


class Packet(NamedTuple):
    """A packet whose signature was right."""

    code: int
    identifier: int
    contents: list[Content]

    @property
    def error_cause(self) -> int | None:
        """Why a request was refused, if it says so."""
        for vendor, number, content in self.contents:
            if (vendor, number, len(content)) == (0, _ERROR_CAUSE, 4):
                return int.from_bytes(content)
        return None


def content_of(attribute: Attribute, value: str) -> Content:
    """A value as the network wants it; ValueError when it is none of the attribute's type."""
    if attribute.type == "integer":
        if not value.isascii() or not value.isdigit() or int(value) >= 1 << 32:
            raise ValueError(f"{attribute.name} must be a whole number below 2^32")
        content = int(value).to_bytes(4)
    elif attribute.type == "address":
        content = IPv4Address(value).packed
    elif attribute.type == "address6":
        content = IPv6Address(value).packed
    elif attribute.type == "octets" and value[:2].lower() == "0x":
        content = bytes.fromhex(value[2:])
    else:
        content = value.encode()
    if not 1 <= len(content) <= (247 if attribute.vendor else 253):
        raise ValueError(f"{attribute.name} is too long")
    return attribute.vendor, attribute.number, content


def request(
    code: int, identifier: int, contents: Sequence[Content], secret: bytes, random: bytes = _ZEROS
) -> bytes:
    """A signed request. Status-Server wants a random authenticator, the others compute theirs."""
    body = b"".join(_encoded(content) for content in contents)
    place = HEAD_BYTES + len(body) + 2
    body += bytes([_MESSAGE_AUTHENTICATOR, 18]) + _ZEROS
    start = struct.pack("!BBH", code, identifier, HEAD_BYTES + len(body))
    unsigned = start + random + body
    signature = hmac.digest(secret, unsigned, hashlib.md5)
    signed = unsigned[:place] + signature + unsigned[place + 16 :]
    if len(signed) > PACKET_BYTES_MAX:
        raise ValueError("the attributes are too long for one packet")
    if code == STATUS_SERVER:
        return signed
    authenticator = hashlib.md5(signed + secret, usedforsecurity=False).digest()
    return signed[:4] + authenticator + signed[HEAD_BYTES:]


def response(asked: bytes, code: int, contents: Sequence[Content], secret: bytes) -> bytes:
    """The signed answer to a request."""
    body = b"".join(_encoded(content) for content in contents)
    head = struct.pack("!BBH", code, asked[1], HEAD_BYTES + len(body))
    plain = head + asked[4:HEAD_BYTES] + body + secret
    return head + hashlib.md5(plain, usedforsecurity=False).digest() + body


def answer_to(asked: bytes, got: bytes, secret: bytes) -> Packet | None:
    """The answer to a request; None for everything that is not one."""
    if len(got) < HEAD_BYTES or got[1] != asked[1]:
        return None
    length = int.from_bytes(got[2:4])
    if not HEAD_BYTES <= length <= len(got):
        return None
    got = got[:length]
    plain = got[:4] + asked[4:HEAD_BYTES] + got[HEAD_BYTES:]
    expected = hashlib.md5(plain + secret, usedforsecurity=False).digest()
    if not hmac.compare_digest(expected, got[4:HEAD_BYTES]):
        return None
    contents = decoded(got)
    if contents is None or not _is_signed(plain, secret):
        return None
    return Packet(got[0], got[1], contents)


def is_genuine(asked: bytes, secret: bytes) -> bool:
    """Whether a request is what somebody with the secret has sent."""
    if asked[0] != STATUS_SERVER:
        plain = asked[:4] + _ZEROS + asked[HEAD_BYTES:]
        expected = hashlib.md5(plain + secret, usedforsecurity=False).digest()
        if not hmac.compare_digest(expected, asked[4:HEAD_BYTES]):
            return False
        return _is_signed(plain, secret)
    return _is_signed(asked, secret)


def _is_signed(plain: bytes, secret: bytes) -> bool:
    """Whether the message authenticator, where there is one, is right."""
    at = HEAD_BYTES
    while at < len(plain):
        if plain[at] == _MESSAGE_AUTHENTICATOR and plain[at + 1] == 18:
            unsigned = plain[: at + 2] + _ZEROS + plain[at + 18 :]
            signature = hmac.digest(secret, unsigned, hashlib.md5)
            return hmac.compare_digest(signature, plain[at + 2 : at + 18])
        at += plain[at + 1]
    return True


def decoded(packet: bytes) -> list[Content] | None:
    """The attributes of a packet in their order; None when their lengths are wrong."""
    found: list[Content] = []
    at = HEAD_BYTES
    while at < len(packet):
        if at + 2 > len(packet) or not 2 <= packet[at + 1] <= len(packet) - at:
            return None
        number, content = packet[at], packet[at + 2 : at + packet[at + 1]]
        if number == _VENDOR_SPECIFIC and len(content) >= 6 and content[5] == len(content) - 4:
            found.append((int.from_bytes(content[:4]), content[4], content[6:]))
        else:
            found.append((0, number, content))
        at += packet[at + 1]
    return found


def _encoded(content: Content) -> bytes:
    vendor, number, value = content
    if vendor == 0:
        return bytes([number, len(value) + 2]) + value
    inner = bytes([number, len(value) + 2]) + value
    return bytes([_VENDOR_SPECIFIC, len(inner) + 6]) + vendor.to_bytes(4) + inner
