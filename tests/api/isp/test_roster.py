"""Everybody with what he uses: as written where that holds, worked out where it does not."""

import asyncio
from typing import Any

import pytest

from tests.api.isp.conftest import Provider

AT = "1795321800000"
OVERRIDE = (
    "insert into isp.quota_override (subscriber, kind, policy, effective_from_ms, set_by)"
    """ select 1, 'bandwidth', '{"mode":"%s","first":11,"second":12,"limit":7000,"every":"%s"}',"""
    " 0, 'x'"
)
WRITTEN = (
    "update isp.quota_state set upload = 300, download = 500, carried = 20, topup = 4,"
    " policy = coalesce((select policy from isp.quota_override where subscriber = 1), policy)"
)
CYCLE = (
    "insert into isp.cycle (subscriber, start_ms, end_ms, reset_type, anchor_ms, upload, download)"
    " values (%s, {at} - 50000, {at} + %s, 'daily', {at} - 50000, 5, 6)"
).replace("{at}", AT)
BILLED = (
    "update isp.quota_state q set window_start_ms = c.start_ms, window_end_ms = c.end_ms"
    " from isp.cycle c where c.subscriber = q.subscriber"
)
# What is written down, by a word for it.
WORLDS: dict[str, tuple[str, ...]] = {
    "the fixture": (),
    "bytes in the window": (WRITTEN,),
    "the larger direction": (OVERRIDE % ("uploadDownload", "monthly"), WRITTEN),
    "no quota": (OVERRIDE % ("always", "never"), WRITTEN),
    "a window that has ended": (
        WRITTEN, f"update isp.quota_state set window_start_ms = 1, window_end_ms = {AT} - 1",
    ),
    "a window that ends now": (WRITTEN, f"update isp.quota_state set window_end_ms = {AT}"),
    "another policy since": (
        WRITTEN, "update isp.profile set policy = policy || '{\"limit\":9000}', updated_at_ms = 2",
    ),
    "nothing written": ("delete from isp.quota_state",),
    "a cycle": (CYCLE % (133, 1),),
    "a cycle that ends now": (CYCLE % (133, 0),),
    "a cycle of somebody suspended": (CYCLE % (533, 0),),
    "windows by cycles": (OVERRIDE % ("data", "billing"), WRITTEN),
    "windows that are the cycle": (
        OVERRIDE % ("data", "billing"), WRITTEN,
        BILLED,
    ),
}  # fmt: skip


@pytest.mark.parametrize("world", WORLDS)
def test_figures_are_those_of_each_alone(
    world: str, provider: Provider, loop: asyncio.Runner
) -> None:
    """The list of everybody says of each what is said of him where he is asked for alone."""

    def block(told: Any) -> Any:
        return next(one for one in told if "currentBillingCycleUsage" in one)

    async def play() -> None:
        async with provider.fresh() as connection:
            for statement in WORLDS[world]:
                await connection.execute(statement)
            listed = (await provider.get("get_all"))["data"]
            assert len(listed) > 7
            for one in listed:
                name = one[0]["User"]["username"]
                alone = (await provider.get(f"get_user_from_all_accounts/username/{name}"))["data"]
                expected = block(alone)["currentBillingCycleUsage"].items()
                found = block(one)["currentBillingCycleUsage"]
                assert {k: v for k, v in expected if "Template" not in k} == found, name

    loop.run(play())
