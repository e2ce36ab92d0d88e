"""What an account does not have for itself is that of the nearest account above it."""

import pytest

from farebox.engine import authorizing, counting, network, notices
from farebox.storage.pool import Pool

ACCOUNT = "insert into isp.account (id, parent, created_at_ms) values ($1, $2, 0)"
TEXT = (
    "insert into isp.notification_template (account, channel, name, body)"
    " values ($1, 'sms', 'userBalance', $1)"
)
SERVER = "insert into isp.radius_server (account, host) values ($1, $1)"
DEVICE = (
    "insert into isp.nas (account, ip, identifier, vendor)"
    " values ($1, '192.0.2.1', 'gateway', $1) returning id"
)

SUBSCRIBER = """
with chosen as (
  insert into isp.profile (account, name, policy, created_at_ms, updated_at_ms)
  values ('top', 'plan', '{}', 0, 0) returning id
), entered as (
  insert into isp.user_group (account, name, profile) select 'top', 'all', id from chosen
  returning id
)
insert into isp.subscriber (account, username, user_group, group_since_ms, activated_at_ms,
                            created_at_ms, updated_at_ms)
select 'top', 'one', id, 0, 0, 0, 0 from entered returning id
"""


@pytest.mark.parametrize("line", [("a", "b", "c", "d"), ("d", "c", "b", "a")], ids="".join)
async def test_the_nearest_account_counts(pool: Pool, line: tuple[str, ...]) -> None:
    """However accounts are called: their own, else their parent's, else that one's parent's."""
    for account, parent in zip(line, (None, *line), strict=False):
        await pool.execute(ACCOUNT, account, parent)
    for account in line[:2]:
        await pool.execute(TEXT, account)
        await pool.execute(SERVER, account)
    expected = [line[0], line[1], line[1], line[1]]
    texts = [await pool.fetchrow(notices.SQL.template, one, "sms", "userBalance") for one in line]
    servers = [await pool.fetchrow(network.SQL.server, one) for one in line]
    assert expected == [row["body"] for row in texts]
    assert expected == [row["account"] for row in servers]


@pytest.mark.parametrize("is_upper_first", [True, False], ids=["upper first", "nearer first"])
async def test_the_nearest_device_counts(pool: Pool, is_upper_first: bool) -> None:
    """Of a device's name at two accounts above, the nearer one's is meant, whichever came first."""
    line = ("leaf", "middle", "top")
    for account, parent in zip(line[::-1], (None, *line[:0:-1]), strict=True):
        await pool.execute(ACCOUNT, account, parent)
    upper = line[::-1][:2] if is_upper_first else line[1:]
    devices = {account: await pool.fetchval(DEVICE, account) for account in upper}
    expected = [devices["middle"], devices["middle"], devices["top"]]
    subscriber = await pool.fetchval(SUBSCRIBER)
    for name in ("gateway", "192.0.2.1"):
        found = await pool.fetch(counting.SQL.devices, list(line), [name] * len(line))
        assert expected == [row["device"] for row in found]
        asking = ("", name) if name[0].isdigit() else (name, "")
        for account, expected_vendor in zip(line, ("middle", "middle", "top"), strict=True):
            told = await pool.fetchrow(authorizing.SQL.known, subscriber, account, *asking)
            assert expected_vendor == told["vendor"]
