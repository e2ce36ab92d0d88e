"""What holds for one subscriber alone: his speed (E28), his attributes (E30); isp.md 4.4.

The figures are settled before a policy changes and written again under the new one, so the change
binds at once. The same override again changes nothing. The beginning of a policy moves only when
its boundaries do.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from farebox.domain.errors import NotFoundError
from farebox.domain.quotas import Policy
from farebox.engine.holding import hold
from farebox.engine.metering import VENDOR, settle
from farebox.engine.switching import emit
from farebox.storage.pool import Connection, Pool, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)


async def strangers(connection: Connection, account: str, templates: Sequence[int]) -> list[int]:
    """Those of some templates that an account cannot use; the others stay until the commit."""
    rows = await connection.fetch(SQL.known, account, list(templates))
    known = {row["id"] for row in rows}
    return [template for template in templates if template not in known]


class Overrides:
    """Sets and removes overrides of a kind, bandwidth or vendor."""

    def __init__(self, pool: Pool, clock: Callable[[], int]) -> None:
        self._pool = pool
        self._clock = clock

    async def set(
        self, account: str, number: int, kind: str, policy: Policy, by: str, *,
        templates: Sequence[int] = (), attributes: Sequence[Any] = (),
    ) -> None:  # fmt: skip
        """The policy holds from now on; its templates must be the account's."""
        now_ms = self._clock()
        kept, sets = msgspec.to_builtins(policy), msgspec.to_builtins(list(attributes))
        async with transaction(self._pool) as connection:
            await hold(connection, account, number, now_ms)
            if strange := await strangers(connection, account, templates):
                raise NotFoundError(f"Template {strange[0]} not found", "template_not_found")
            if await connection.fetchval(SQL.holds, number, kind, kept, sets):
                return
            before = (await settle(connection, number, now_ms)).get(kind)
            is_same = before is not None and before.policy.rhythm == policy.rhythm
            since_ms = before.since_ms if before is not None and is_same else now_ms
            await connection.execute(SQL.set, number, kind, kept, sets, since_ms, by)
            await connection.execute(SQL.touch, number, now_ms)
            if kind == VENDOR:
                # Sets have no names: what sessions hold of the old ones is not of the new ones.
                await connection.execute(SQL.forget_applied, number)
            await emit(connection, await settle(connection, number, now_ms), now_ms)

    async def remove(self, account: str, number: int, kind: str) -> None:
        """What holds for all of his group holds for him again."""
        now_ms = self._clock()
        async with transaction(self._pool) as connection:
            await hold(connection, account, number, now_ms)
            await settle(connection, number, now_ms)
            if await connection.fetchval(SQL.remove, number, kind):
                await connection.execute(SQL.touch, number, now_ms)
                await emit(connection, await settle(connection, number, now_ms), now_ms)
