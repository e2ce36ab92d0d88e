"""Who has expired: seen at once by every call, written down and disconnected by a job."""

import asyncio
from typing import Any

import pytest

from farebox.engine.expiring import Expiries
from tests.api.isp.conftest import Provider

AFTER: tuple[tuple[str, list[int]], ...] = (("suspend", [40]), ("nothing", []))


@pytest.mark.parametrize(("after_action", "codes"), AFTER)
def test_expiry_ends_sessions_where_that_is_wanted(
    provider: Provider, loop: asyncio.Runner, after_action: str, codes: list[int]
) -> None:
    """Answers are the same before and after the job, which does nothing twice."""
    now_ms = provider.clock.now_ms

    async def play() -> None:
        async with provider.fresh() as connection:
            await connection.execute("update isp.subscriber set after_action = $1", after_action)
            provider.clock.set("2026-12-24T00:00:00+05:30")
            await connection.execute("update isp.session set updated_at_ms = $1", provider.clock())
            services = provider.api.services
            expiries = Expiries(services.pool, services.clock)
            before = await provider.get("get_details/1")
            assert "expired" == before["data"][0]["User"]["status"]
            provider.simulators.seen["nas"].clear()
            # Beside him one or two of the fixture's, who are not online.
            assert 2 <= await expiries.sweep()
            assert 0 == await expiries.sweep()
            assert before == await provider.get("get_details/1")
            await services.provider.telling.drain()
            seen: list[Any] = list(provider.simulators.seen["nas"])
            assert codes == [code for code, _ in seen]
            stored = "select status from isp.subscriber where id = 1"
            assert "expired" == await connection.fetchval(stored)
            online = (await provider.get("get_logofftime_onlinestatus/1"))["data"]["online"]
            assert ("no" if codes else "yes") == online

    loop.run(play())
    provider.clock.now_ms = now_ms
