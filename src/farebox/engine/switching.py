"""The network has to learn of a change: other speeds, other attributes, ended users (isp.md 4.7).

A change that concerns open sessions leaves a job in its own transaction, and an open switch that
keeps a second job away. Whoever works on the job (`telling`) finds out anew what applies.
"""

from collections.abc import Mapping
from typing import Final

from farebox.engine.metering import Meter
from farebox.storage import outbox
from farebox.storage.pool import Connection
from farebox.storage.sqlfile import load

SQL = load(__file__)
SWITCH: Final = "isp.switch"
END: Final = "isp.disconnect"


async def emit(connection: Connection, meters: Mapping[str, Meter], now_ms: int) -> None:
    """Has the network told, where the figures of a subscriber ask for it; once."""
    for kind, meter in meters.items():
        if meter.verdict.is_switch and await connection.fetchval(
            SQL.begin, meter.subscriber, kind, now_ms
        ):
            payload = {"subscriber": meter.subscriber, "kind": kind}
            await outbox.put(connection, SWITCH, payload, now_ms)


async def end(connection: Connection, number: int, now_ms: int) -> None:
    """Has the open sessions of a subscriber ended."""
    sessions = [row["id"] for row in await connection.fetch(SQL.open_sessions, number)]
    if sessions:
        payload = {"subscriber": number, "sessions": sessions}
        await outbox.put(connection, END, payload, now_ms)
