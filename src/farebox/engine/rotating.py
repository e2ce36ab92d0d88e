"""Seals the provider's secrets again with the first key of the ring (isp.md 4.6).

Whatever an older key has sealed is read in stretches and exchanged where nobody has changed it in
between, so it may run beside servers, be stopped at any time and run again. What no key of the ring
opens is left as it is and counted. Afterwards the older keys can go, as far as this family goes.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from farebox.engine.sealing import Sealer, UnsealableError, about
from farebox.storage.pool import Pool, storage_errors
from farebox.storage.sqlfile import load

SQL = load(__file__)
STRETCH: Final = 1_000


class _Kind(NamedTuple):
    """Secrets of a kind: how they are read and kept, and what they are bound to."""

    read: str
    keep: str
    bound: str
    # Before the first key; numbers are compared as such.
    start: Any
    # Whether all of an account are bound to the same.
    is_single: bool = False


_KINDS: Final = (
    _Kind(SQL.passwords, SQL.keep_passwords, "password", 0),
    _Kind(SQL.devices, SQL.keep_devices, "nas", 0),
    _Kind(SQL.servers, SQL.keep_servers, "radius", 0),
    _Kind(SQL.messages, SQL.keep_messages, "notification", 0),
    _Kind(SQL.keys, SQL.keep_keys, "key", ""),
    _Kind(SQL.gateways, SQL.keep_gateways, "sms_gateway", "", is_single=True),
    _Kind(SQL.mail, SQL.keep_mail, "smtp_server", "", is_single=True),
)


class Rotated(msgspec.Struct):
    """How many secrets were sealed again, and how many no key of the ring opens."""

    sealed: int = 0
    lost: int = 0


async def rotate(
    pool: Pool, by_kid: Mapping[str, str], purpose: str,
    progress: Callable[[int], None] = lambda _secrets: None,
) -> Rotated:  # fmt: skip
    """Seals everything again that the first key has not sealed."""
    told = Rotated()
    sealer, first = Sealer(by_kid, purpose), next(iter(by_kid)).encode()
    for kind in _KINDS:
        after: Any = kind.start
        while True:
            async with storage_errors():
                rows = await pool.fetch(kind.read, after, first, STRETCH)
            if not rows:
                break
            await _exchange(pool, sealer, kind, rows, told)
            progress(len(rows))
            last = rows[-1]["key"]
            after = last if kind.start == "" else int(last)
    return told


async def _exchange(pool: Pool, sealer: Sealer, kind: _Kind, rows: Any, told: Rotated) -> None:
    again = []
    for row in rows:
        bound = about(row["account"], kind.bound, 0 if kind.is_single else row["key"])
        try:
            plain = sealer.open(row["sealed"], bound)
        except UnsealableError:
            told.lost += 1
        else:
            again.append((row["key"], sealer.seal(plain, bound), row["sealed"]))
    if again:
        columns = [list(column) for column in zip(*again, strict=True)]
        async with storage_errors():
            tag: str = await pool.execute(kind.keep, *columns)
        told.sealed += int(tag.rpartition(" ")[2])
