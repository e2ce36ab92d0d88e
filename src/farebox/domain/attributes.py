"""Attributes of RADIUS that the product knows: vendor, number and type, and whose they are.

A small dictionary of our own (RFC 2865, 2866, 2869, 5176 as far as they are used here, mikrotik,
WISPr), to which a process may add others when it starts, from files in the usual format of RADIUS
servers. Names are compared without regard to case. It encodes nothing.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple


class Attribute(NamedTuple):
    """An attribute; 0 is the vendor of the standards.

    Its type is `text`, `integer`, `address`, `address6` or `octets`.
    """

    name: str
    vendor: int
    number: int
    type: str


MIKROTIK: Final = 14988
WISPR: Final = 14122
FREERADIUS: Final = 11344
_VENDORS: Final = {"": 0, "ietf": 0, "mikrotik": MIKROTIK, "wispr": WISPR}
_TYPES: Final = {
    "string": "text", "octets": "octets", "integer": "integer", "date": "integer",
    "ipaddr": "address", "ipv6addr": "address6",
}  # fmt: skip
GENERIC: Final = "generic"

_TABLE: Final = {
    (0, "text"): (
        "User-Name 1 Filter-Id 11 Reply-Message 18 Framed-Route 22 Class 25 Called-Station-Id 30 "
        "Calling-Station-Id 31 NAS-Identifier 32 Acct-Session-Id 44 NAS-Port-Id 87 Framed-Pool 88"
    ),
    (0, "integer"): (
        "Service-Type 6 Framed-Protocol 7 Framed-MTU 12 Session-Timeout 27 Idle-Timeout 28 "
        "Port-Limit 62 Acct-Interim-Interval 85 Event-Timestamp 55 NAS-Port 5 Error-Cause 101"
    ),
    (0, "address"): "NAS-IP-Address 4 Framed-IP-Address 8 Framed-IP-Netmask 9",
    (0, "address6"): "NAS-IPv6-Address 95 Framed-IPv6-Address 168",
    (MIKROTIK, "text"): (
        "Mikrotik-Group 3 Mikrotik-Rate-Limit 8 Mikrotik-Realm 9 Mikrotik-Mark-Id 11 "
        "Mikrotik-Advertise-URL 12 Mikrotik-Wireless-PSK 16 Mikrotik-Address-List 19 "
        "Mikrotik-Wireless-Comment 21 Mikrotik-Delegated-IPv6-Pool 22"
    ),
    (MIKROTIK, "integer"): (
        "Mikrotik-Recv-Limit 1 Mikrotik-Xmit-Limit 2 Mikrotik-Wireless-Forward 4 "
        "Mikrotik-Wireless-Skip-Dot1x 5 Mikrotik-Advertise-Interval 13 "
        "Mikrotik-Recv-Limit-Gigawords 14 Mikrotik-Xmit-Limit-Gigawords 15 Mikrotik-Total-Limit 17 "
        "Mikrotik-Total-Limit-Gigawords 18"
    ),
    (MIKROTIK, "address"): "Mikrotik-Host-IP 10",
    (WISPR, "text"): (
        "WISPr-Location-ID 1 WISPr-Location-Name 2 WISPr-Logoff-URL 3 WISPr-Redirection-URL 4 "
        "WISPr-Session-Terminate-Time 9 WISPr-Session-Terminate-End-Of-Day 10 "
        "WISPr-Billing-Class-Of-Service 11"
    ),
    (WISPR, "integer"): (
        "WISPr-Bandwidth-Min-Up 5 WISPr-Bandwidth-Min-Down 6 WISPr-Bandwidth-Max-Up 7 "
        "WISPr-Bandwidth-Max-Down 8"
    ),
}


def _read() -> dict[str, Attribute]:
    found = {}
    for (vendor, kind), words in _TABLE.items():
        names = words.split()
        for name, number in zip(names[::2], names[1::2], strict=True):
            found[name.lower()] = Attribute(name, vendor, int(number), kind)
    return found


KNOWN: Final = _read()


def learn(text: str) -> int:
    """Adds the attributes of a dictionary's text, and tells how many; known names stay as they are.

    ValueError names the line that cannot be read. Named values, nested attributes, other files and
    attributes of other types are passed over.
    """
    vendors = dict(_VENDORS)
    found = {
        attribute.name.lower(): attribute
        for attribute in _attributes(text, vendors)
        if attribute.name.lower() not in KNOWN
    }
    _VENDORS.update(vendors)
    KNOWN.update(found)
    return len(found)


def _attributes(text: str, vendors: dict[str, int]) -> Iterator[Attribute]:
    vendor = 0
    for place, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        word = words[0].upper() if words else ""
        try:
            if word == "VENDOR":
                vendors[words[1].lower()] = int(words[2], 0)
            elif word == "BEGIN-VENDOR":
                vendor = vendors[words[1].lower()]
            elif word == "END-VENDOR":
                vendor = 0
            elif word == "ATTRIBUTE" and "." not in words[2]:
                number, kind = int(words[2], 0), _TYPES.get(words[3].lower().partition("[")[0])
                if kind is not None and 0 < number < 256:
                    yield Attribute(words[1], vendor, number, kind)
        except (LookupError, ValueError):
            raise ValueError(f"line {place}: {line.strip()}") from None


def find(name: str) -> Attribute | None:
    """The attribute of a name."""
    return KNOWN.get(name.strip().lower())


def belongs(name: str, vendor: str) -> bool:
    """Whether a vendor has an attribute; of `generic` ones nobody knows all."""
    if vendor.strip().lower() == GENERIC:
        return True
    found = find(name)
    return found is not None and found.vendor == _VENDORS.get(vendor.strip().lower(), -1)
