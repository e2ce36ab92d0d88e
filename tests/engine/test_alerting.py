"""A sweep over those whose quota is nearly used up, whatever is the matter with some of them."""

from collections.abc import AsyncIterator

import pytest

from farebox.demo_provider import FIXTURE, load_provider
from farebox.engine import alerting, provider
from farebox.engine.provider import Provider
from farebox.locks import LocalAttempts
from farebox.storage.pool import Pool, open_pool
from tests.clocks import SettableClock

RING = {"k1": "a secret of the tests, long enough to be one"}
# The first two of test have used all of 100 MiB, and have telephones.
NEAR = (
    "insert into isp.quota_state (subscriber, kind, window_start_ms, window_end_ms, policy,"
    " effective_from_ms, download) select n, 'bandwidth', 1793471400000, 1796063400000, policy, 0,"
    " 104857600 from isp.profile, unnest('{1,133}'::int[]) n where id = 5"
)
CALLED = (
    "update isp.subscriber set phone = '90000' || id, password_sealed = '\\x00'"
    " where id in (1, 133)"
)
WANTED = "update isp.account set usage_alerts = 'sms' where id = 'test'"
WORDS = (
    "insert into isp.notification_template (account, channel, name, body)"
    " values ('test', 'sms', 'usageAlert', $1)"
)
TOLD = "select recipient from isp.notification where id > 1 order by id"


@pytest.fixture
async def narrow(database: str) -> AsyncIterator[tuple[Pool, Provider]]:
    """The provider over a single connection, with two to be told."""
    clock = SettableClock(FIXTURE["clock"])
    pool = await open_pool(database, max_size=1)
    await load_provider(pool, clock, RING)
    for statement in (NEAR, CALLED, WANTED):
        await pool.execute(statement)
    made = provider.build(
        pool, clock, RING, lambda _, limit: LocalAttempts(*limit), moving=clock
    )  # fmt: skip
    yield pool, made
    await made.sms.close()
    pool.terminate()


async def test_a_sweep_needs_one_connection(
    narrow: tuple[Pool, Provider], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is said is known before a transaction begins; what is too much waits for the next."""
    monkeypatch.setattr(alerting, "TOLD_MAX", 1)
    pool, made = narrow
    assert [1, 1, 0] == [await made.alerts.sweep() for _ in range(3)]
    assert ["900001", "90000133"] == [row[0] for row in await pool.fetch(TOLD)]


async def test_who_cannot_be_told_holds_up_nobody(narrow: tuple[Pool, Provider]) -> None:
    """A password that no key opens is told of, the others are told, and he once it can be read."""
    pool, made = narrow
    await pool.execute(WORDS, "{username} {password}")
    await pool.execute("update isp.subscriber set password_sealed = null where id = 133")
    assert 1 == await made.alerts.sweep()
    assert ["90000133"] == [row[0] for row in await pool.fetch(TOLD)]
    await pool.execute("update isp.subscriber set password_sealed = null")
    assert [1, 0] == [await made.alerts.sweep() for _ in range(2)]
