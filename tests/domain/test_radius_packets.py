"""Packets of RADIUS against an encoder of their own, written from the RFCs."""

import hashlib
import hmac
from ipaddress import IPv4Address

import pytest

from farebox.domain.attributes import belongs, find, learn
from farebox.domain.radius_packets import (
    COA,
    HEAD_BYTES,
    STATUS_SERVER,
    answer_to,
    content_of,
    is_genuine,
    request,
    response,
)

SECRET = b"testing123"
CONTENTS = [(0, 1, b"testuser"), (14988, 8, b"1M/1M")]


def signed_coa(identifier: int) -> bytes:
    """The same request, byte by byte (RFC 5176 2.3, RFC 2869 5.14)."""
    user = b"\x01\x0atestuser"
    rate = b"\x1a\x0d" + (14988).to_bytes(4) + b"\x08\x07" + b"1M/1M"
    body = user + rate + b"\x50\x12" + bytes(16)
    head = bytes([43, identifier]) + (20 + len(body)).to_bytes(2)
    digest = hmac.new(SECRET, head + bytes(16) + body, hashlib.md5).digest()
    body = body[:-16] + digest
    return head + hashlib.md5(head + bytes(16) + body + SECRET).digest() + body


def test_a_request_is_signed_as_the_documents_say() -> None:
    """Message authenticator over zeros, then the request's authenticator over all."""
    packet = request(COA, 7, CONTENTS, SECRET)
    assert signed_coa(7) == packet
    assert is_genuine(packet, SECRET)
    assert not is_genuine(packet, b"another")
    assert not is_genuine(packet[:-1] + bytes([packet[-1] ^ 1]), SECRET)


def test_a_status_request_has_fifty_bytes() -> None:
    """Header, kind of statistics, message authenticator."""
    packet = request(STATUS_SERVER, 1, [(11344, 127, bytes(4))], SECRET, b"r" * 16)
    assert (50, b"r" * 16) == (len(packet), packet[4:HEAD_BYTES])
    assert is_genuine(packet, SECRET)


def test_only_a_genuine_answer_is_heard() -> None:
    """Another secret, another request, a changed or a cut packet are silence."""
    asked, other = request(COA, 7, CONTENTS, SECRET), request(COA, 7, [], SECRET)
    refused = response(asked, 45, [(0, 101, (401).to_bytes(4))], SECRET)
    heard = answer_to(asked, refused, SECRET)
    assert heard is not None
    assert (45, 401) == (heard.code, heard.error_cause)
    changed = refused[:-1] + b"\x00"
    for packet in (changed, refused[:-1], refused[:19], b"", response(other, 44, [], SECRET)):
        assert answer_to(asked, packet, SECRET) is None
    assert answer_to(asked, response(asked, 44, [], b"another"), SECRET) is None


VALUES = (
    ("Session-Timeout", "60", (60).to_bytes(4)),
    ("Framed-IP-Address", "10.0.0.1", IPv4Address("10.0.0.1").packed),
    ("filter-id", "slow", b"slow"),
)
WRONG = (("Session-Timeout", "soon"), ("Session-Timeout", str(2**32)), ("Filter-Id", "x" * 254),
         ("Framed-IP-Address", "10.0.0"))  # fmt: skip


def test_values_have_the_type_of_their_attribute() -> None:
    """Numbers, addresses, texts; a ValueError for anything else."""
    for name, value, expected in VALUES:
        attribute = find(name)
        assert attribute is not None
        assert expected == content_of(attribute, value)[2]
    for name, value in WRONG:
        attribute = find(name)
        assert attribute is not None
        with pytest.raises(ValueError, match=r".+"):
            content_of(attribute, value)


DICTIONARY = """
VENDOR    Nearby  4711   # a maker
BEGIN-VENDOR  Nearby
ATTRIBUTE Nearby-Speed    1  string
ATTRIBUTE Nearby-Lanes    0x02  integer
ATTRIBUTE Nearby-Blob     3  octets[4]
ATTRIBUTE Nearby-Nested   4.1  string
ATTRIBUTE Nearby-Large    5  integer64
VALUE     Nearby-Lanes    Two  2
END-VENDOR    Nearby
ATTRIBUTE NAS-IPv6-Address  95  ipv6addr
ATTRIBUTE User-Name  99  string
"""


def test_a_dictionary_is_added() -> None:
    """Its attributes are known from then on, their vendor too; what is known is not replaced."""
    assert 3 == learn(DICTIONARY)
    assert 0 == learn(DICTIONARY)
    told = {}
    for name, value in (("nearby-speed", "1M"), ("Nearby-Lanes", "2"), ("Nearby-Blob", "0x00ff")):
        attribute = find(name)
        assert attribute is not None
        told[name] = content_of(attribute, value)
    assert [(4711, 1, b"1M"), (4711, 2, bytes([0, 0, 0, 2])), (4711, 3, b"\x00\xff")] == [
        *told.values()
    ]
    assert (True, False) == (belongs("Nearby-Speed", "NEARBY"), belongs("Nearby-Speed", "mikrotik"))
    assert (None, None) == (find("Nearby-Nested"), find("Nearby-Large"))
    user = find("User-Name")
    assert user is not None
    assert 1 == user.number


@pytest.mark.parametrize(
    "line", ["ATTRIBUTE X", "VENDOR V number", "BEGIN-VENDOR Nobody", "ATTRIBUTE X one string"]
)
def test_a_dictionary_that_cannot_be_read(line: str) -> None:
    """The line is named."""
    with pytest.raises(ValueError, match="line 2: "):
        learn(f"# a dictionary\n{line}")
