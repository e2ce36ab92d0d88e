"""The hosted PBX as configuration files of Asterisk, secrets in clear (pbx.md 1.3).

One snapshot, of all tenants or one. What was exported is in the audit log, a line for each tenant.
"""

from collections.abc import Callable

from farebox.domain.asterisk import Line, Mailbox, pjsip, voicemail
from farebox.domain.errors import NotFoundError
from farebox.engine.lines import Lines
from farebox.engine.operators import Operator, note
from farebox.storage.pool import Pool, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
_COMMAND = Operator(0, "farebox", True, "command line")


async def export_asterisk(
    pool: Pool, clock: Callable[[], int], lines: Lines, code: str
) -> dict[str, str]:
    """Texts of files by name; `code` is a tenant's, or empty for all."""
    async with transaction(pool, isolation="repeatable_read") as connection:
        tenants = await connection.fetch(SQL.tenants, code)
        if code and not tenants:
            raise NotFoundError(f"There is no tenant {code}")
        ids = [row["id"] for row in tenants]
        rows = await connection.fetch(SQL.lines, ids)
        boxes = await connection.fetch(SQL.mailboxes, ids)
        for tenant in ids:
            await note(connection, clock(), _COMMAND, "secrets_exported", tenant, tenant)
    found = [
        Line(
            name=f"{row['number']}-{row['code']}",
            context=row["code"],
            number=row["number"],
            cidname=row["cidname"],
            cidnum=row["cidnum"],
            host=row["host"],
            secret=lines.opened(row["id"], row["secret_sealed"]),
            has_mailbox=row["has_mailbox"],
        )
        for row in rows
    ]
    return {
        "pjsip_farebox.conf": pjsip(found),
        "voicemail_farebox.conf": voicemail(Mailbox(**dict(row)) for row in boxes),
    }
