"""Subscribers are told when their quota is nearly used up, where the account wants it (isp.md 4.8).

Once for each of the account's two levels in a window, by text, mail or both, whatever of these the
account can send and the subscriber has a contact for. A sweep looks for them: what the bytes alone
rule out is left out by the database, and what the quota says decides. The level is marked in the
transaction of the message, so nobody is told twice, whoever sweeps. Who cannot be told, because he
has gone or a secret of his cannot be read, holds up nobody else.
"""

from collections.abc import Callable, Sequence
from typing import Final

import structlog

from farebox.domain.errors import DomainError, UnavailableError
from farebox.engine.addressing import Addressing, Wording
from farebox.engine.credentials import Account, account_of
from farebox.engine.metering import Meter, Metering
from farebox.engine.notices import Notices
from farebox.storage.pool import Pool, storage_errors, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
SWEEP_S: Final = 300.0
# Subscribers that one statement looks at, and whose quotas are worked out together.
STRETCH: Final = 10_000
LOT: Final = 500
# A sweep tells so many; the others wait for the next one, so that other chores need not wait long.
TOLD_MAX: Final = 1_000
# What is the matter with one subscriber alone.
_HIS_OWN: Final = ("user_not_found", "secrets_unavailable")
_WORDINGS: Final = {
    "sms": Wording(channel="sms", template="usageAlert", usage="bandwidth"),
    "email": Wording(channel="email", template="notifyUser", usage="bandwidth"),
}
_CHANNELS: Final = {"sms": ("sms",), "email": ("email",), "both": ("sms", "email")}
_log = structlog.get_logger("farebox.alerts")


class Alerts:
    """Sweeps."""

    def __init__(
        self, pool: Pool, clock: Callable[[], int], metering: Metering, notices: Notices,
        addressing: Addressing,
    ) -> None:  # fmt: skip
        self._pool = pool
        self._clock = clock
        self._metering = metering
        self._notices = notices
        self._addressing = addressing

    async def sweep(self) -> int:
        """Tells who has reached a level since, so many at most; how many that were."""
        told = 0
        async with storage_errors():
            rows = await self._pool.fetch(SQL.accounts)
        for row in rows:
            account = account_of(row)
            channels = await self._channels(account.id, row["usage_alerts"])
            if channels:
                told += await self._account(account, channels, TOLD_MAX - told)
        return told

    async def _channels(self, account: str, wanted: str) -> list[str]:
        """Those of the wanted ones that the account can send through."""
        found = []
        for channel in _CHANNELS[wanted]:
            try:
                await self._notices.require(account, channel)
            except UnavailableError as error:
                if not error.code.endswith("_not_configured"):
                    raise
            else:
                found.append(channel)
        return found

    async def _account(self, account: Account, channels: Sequence[str], most: int) -> int:
        after, told = 0, 0
        while told < most:
            async with storage_errors():
                last = await self._pool.fetchval(SQL.stretch, account.id, after, STRETCH)
                if last is None:
                    break
                rows = await self._pool.fetch(SQL.likely, account.id, after, last, self._clock())
            numbers = [row["subscriber"] for row in rows]
            for at in range(0, len(numbers), LOT):
                meters = await self._metering.read(numbers[at : at + LOT])
                for meter in meters.values():
                    if meter.verdict.level and told < most:
                        told += await self._try(account, channels, meter)
            after = last
        return told

    async def _try(self, account: Account, channels: Sequence[str], meter: Meter) -> bool:
        try:
            return await self._tell(account, channels, meter)
        except DomainError as error:
            if error.code not in _HIS_OWN:
                raise
            _log.warning("alerts.untold", subscriber=meter.subscriber, error=error.message)
            return False

    async def _tell(self, account: Account, channels: Sequence[str], meter: Meter) -> bool:
        number, verdict = meter.subscriber, meter.verdict
        # Reading takes other connections than the transaction has.
        said = [
            (channel, await self._addressing.worded(account, number, _WORDINGS[channel]))
            for channel in channels
        ]
        async with transaction(self._pool) as connection:
            start_ms = verdict.usage.start_ms
            if not await connection.fetchval(SQL.mark, number, start_ms, verdict.level):
                return False
            for channel, notice in said:
                if notice is not None:
                    await self._notices.put(connection, account.id, channel, notice)
        return True
