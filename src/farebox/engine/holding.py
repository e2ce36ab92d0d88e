"""One change at a time for a subscriber: his row is locked until the transaction ends.

The row's own lock is what isp.md 3 calls the lock of a user: whoever comes second waits up to two
seconds and is then told `user_busy`. It holds over all processes without any other service.
"""

from typing import Any, Final

from farebox.domain.errors import ConflictError, UnavailableError
from farebox.engine.subscribers import not_found
from farebox.storage.pool import Connection, storage_errors
from farebox.storage.sqlfile import load

SQL = load(__file__)
# Below the statement timeout, which would end the wait in other words.
PATIENCE_MS: Final = 1_900


async def hold(
    connection: Connection, account: str, number: int, now_ms: int, *, deleted_too: bool = False
) -> Any:
    """The row of a subscriber of an account, locked, with his zone and effective status."""
    await connection.execute(SQL.be_patient, str(PATIENCE_MS))
    try:
        async with storage_errors():
            row = await connection.fetchrow(SQL.hold, account, number, now_ms)
    except UnavailableError as error:
        if error.code != "busy":
            raise
        raise ConflictError("This user is being changed; try again", "user_busy") from error
    if row is None or (row["stored_status"] == "deleted" and not deleted_too):
        raise not_found(number)
    return row
