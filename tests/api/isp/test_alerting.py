"""Subscribers who have nearly used up their quota are told, once for each level of a window."""

import asyncio

from tests.api.isp.conftest import Provider

MIB = 1 << 20
# What testuser and cust133 have used of 100 MiB, and who is told then, in which words.
STEPS: tuple[tuple[str, int, int, list[tuple[str, str, str]]], ...] = (
    ("nobody near it", 79 * MIB, 0, []),
    ("the first level", 80 * MIB, 0, [("sms", "9", "You have used 80% of your data quota.")]),
    ("more of the same", 99 * MIB, 0, []),
    ("somebody else", 99 * MIB, 85 * MIB, [
        ("email", "c133@example.com", "You have used 85% of your data quota."),
        ("sms", "9999999999", "You have used 85% of your data quota."),
    ]),
    ("the second level", 120 * MIB, 85 * MIB,
     [("sms", "9", "You have used 120% of your data quota.")]),
    ("nothing above it", 900 * MIB, 85 * MIB, []),
)  # fmt: skip
STATES = (
    "insert into isp.quota_state (subscriber, kind, window_start_ms, window_end_ms, policy,"
    " effective_from_ms)"
    " select n, 'bandwidth', 1793471400000, 1796063400000, policy, 0 from isp.profile,"
    " unnest('{1,133}'::int[]) n where id = 5"
)
USED = "update isp.quota_state set download = $1, upload = 0 where subscriber = $2"
TOLD = (
    "delete from isp.notification where content like 'You have used%'"
    " returning channel, recipient, content"
)
NEXT = "update isp.quota_state set alerted = 0 where subscriber = 1"


def test_everybody_is_told_once(provider: Provider, loop: asyncio.Runner) -> None:
    """Whom a sweep tells, as bytes grow; a second sweep tells nobody; a new window begins anew."""

    async def play() -> None:
        sweep = provider.api.services.provider.alerts.sweep
        async with provider.fresh() as connection:
            await connection.execute("update isp.subscriber set phone = '9' where id = 1")
            await connection.execute(STATES)
            assert 0 == await sweep()
            answer = await provider.call(
                "PATCH", "/isp/admin/accounts/test", json={"usageAlerts": "both"}, cred="t-root"
            )
            assert 200 == answer.status_code, answer.text
            for name, first, second, expected in STEPS:
                await connection.execute(USED, first, 1)
                await connection.execute(USED, second, 133)
                assert bool(expected) == await sweep(), name
                assert 0 == await sweep()
                rows = await connection.fetch(TOLD)
                assert expected == sorted(tuple(row) for row in rows), name
            await connection.execute(NEXT)
            assert 1 == await sweep()
            jobs = "select count(*) from farebox.outbox where kind = 'isp.notice'"
            assert 5 == await connection.fetchval(jobs)

    loop.run(play())
