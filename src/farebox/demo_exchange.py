"""The demonstration's hosted PBX: the fixture of pbx.md 5.

`load_exchange` writes it into an empty schema and changes nothing where its tenants already are; it
refuses a database that holds anybody else's tenants, because the passwords are public.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from farebox.domain.call_records import record_of
from farebox.domain.errors import ConflictError
from farebox.engine.call_records import CallRecords
from farebox.engine.exchange import PURPOSE
from farebox.engine.lines import Lines
from farebox.engine.sealing import Sealer
from farebox.storage.joining import JoiningPool, joined
from farebox.storage.pool import Pool, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
PASSWORDS: Final = {
    "admin": "adminpass1", "advicewise": "userpass1", "Airlord": "airlordpass1",
}  # fmt: skip
SECRETS: Final = {
    11: "8fQ2.mZtR6bYw1LxKd$3vNs7cHj0",
    240: "$50jLkuPLypGxqBmyftPV51AM91.",
    900: "Kq7.Wd2sXc9$Lm4nBv6zTr1yHp3u",
}
_TENANTS: Final = frozenset(("UniglobeDorval", "AdviceWise"))
# Tenant, start, how it ended, seconds, cost.
CALLS: Final = (
    (2, "2024-03-10T04:59:59Z", "ANSWERED", 10, "0.05"),
    (2, "2024-03-10T05:00:00Z", "ANSWERED", 60, "0.0125"),
    (2, "2024-03-10T12:00:00Z", "BUSY", 0, "0"),
    (2, "2024-03-11T03:59:59Z", "ANSWERED", 5, "0"),
    (2, "2024-03-11T04:00:00Z", "ANSWERED", 7, "0.1"),
    (80, "2024-03-10T12:00:00Z", "ANSWERED", 1, "0"),
)


async def load_exchange(pool: Pool, clock: Callable[[], int], by_kid: Mapping[str, str]) -> None:
    """Writes the fixture once; ConflictError where the database holds other tenants."""
    lines = Lines(pool, clock, Sealer(by_kid, PURPOSE))
    calls = CallRecords(JoiningPool(pool), clock, days_max=1)
    async with transaction(pool) as connection:
        known = {row["code"] for row in await connection.fetch(SQL.tenants)}
        if known - _TENANTS:
            raise ConflictError(
                "this database holds tenants of its own; the demonstration has public passwords",
                code="not_empty",
            )
        if known:
            return
        for statement in (
            SQL.add_tenants,
            SQL.add_users,
            SQL.add_extensions,
            SQL.add_dids,
            SQL.add_hunts,
            SQL.add_voicemail,
            SQL.add_conditions,
            SQL.add_ivrs,
            SQL.add_custom,
            SQL.add_destinations,
        ):
            await connection.execute(statement, clock())
        await connection.execute(SQL.add_user_tenants)
        for number, secret in SECRETS.items():
            await lines.set_secret(connection, number, secret)
        with joined(connection):
            for tenant, start, ended, seconds, cost in CALLS:
                await calls.take([(tenant, record_of(_call(start, ended, seconds, cost), "UTC"))])
        await connection.execute(SQL.move_sequences)


def _call(start: str, ended: str, seconds: int, cost: str) -> dict[str, object]:
    at_s = int(datetime.fromisoformat(start).astimezone(UTC).timestamp())
    return {
        "uniqueid": f"{at_s}.1",
        "start": start,
        "answer": start if seconds else "",
        "clid": '"Test" <251>',
        "src": "251",
        "dst": "15145550100",
        "firstdst": "15145550100",
        "duration": seconds,
        "billsec": seconds,
        "disposition": ended,
        "cc_cost": cost,
        "userfield": "[outbound]",
    }
