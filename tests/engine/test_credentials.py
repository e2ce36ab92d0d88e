"""Credentials of the provider: the first ones, expiry, networks, and accounts below."""

import asyncio
from typing import Any

import pytest

from farebox.domain.errors import ForbiddenError, UnauthorizedError
from farebox.engine.attempts import Restraint
from farebox.engine.credentials import FAILURES, SCOPES, Credentials, bootstrap
from farebox.engine.sealing import Sealer
from farebox.locks import LocalAttempts
from farebox.storage.pool import Pool
from tests.api.isp.basic import basic
from tests.clocks import SettableClock

SEALER = Sealer({"k1": "a secret of the tests, long enough to be one"}, "isp")


async def first(pool: Pool, clock: SettableClock, account: str, token: str | None) -> Any:
    """What bootstrapping gives."""
    return await bootstrap(pool, clock, SEALER, account, token, "UTC", "EUR", SCOPES)


async def test_an_installation_begins(pool: Pool, clock: SettableClock) -> None:
    """A made-up token and key open the account with every scope; a known token is refused."""
    token, key = await first(pool, clock, "root", None)
    credentials = Credentials(pool, clock, SEALER, Restraint(LocalAttempts(*FAILURES)))
    caller = await credentials.check(basic(token, key), "10.0.0.1")
    assert (frozenset(SCOPES), "root") == (caller.scopes, caller.account.id)
    assert ("mine", 43) == ((await first(pool, clock, "root", "mine"))[0], len(key))
    assert [None, None, None] == [
        await first(pool, clock, *words) for words in (("root", "mine"), ("a b", None), ("a", "x"))
    ]


# What is true of a credential, and whether it opens.
STATES = (
    ("enabled = true", True),
    ("enabled = false", False),
    ("expires_at_ms = {now}", False),
    ("expires_at_ms = {now} + 1", True),
    ("networks = '{{10.0.0.0/8}}'", True),
    ("networks = '{{192.168.0.0/16,::1/128}}'", False),
)


@pytest.mark.parametrize(("state", "opens"), STATES)
async def test_a_credential_may_be_closed(
    pool: Pool, clock: SettableClock, state: str, opens: bool
) -> None:
    """By hand, by time, by where the caller is."""
    token, key = await first(pool, clock, "root", None)
    await pool.execute(f"update isp.credential set {state.format(now=clock())}")
    credentials = Credentials(pool, clock, SEALER, Restraint(LocalAttempts(*FAILURES)))
    try:
        await credentials.check(basic(token, key), "10.0.0.1")
        assert opens
    except UnauthorizedError:
        assert not opens


async def test_accounts_below(pool: Pool, clock: SettableClock) -> None:
    """An account opens those below it, at any depth, and no other."""
    token, key = await first(pool, clock, "root", None)
    await first(pool, clock, "other", None)
    for account, parent in (("child", "root"), ("grandchild", "child")):
        await pool.execute(
            "insert into isp.account (id, parent, created_at_ms) values ($1, $2, 0)",
            account, parent,
        )  # fmt: skip
    credentials = Credentials(pool, clock, SEALER, Restraint(LocalAttempts(*FAILURES)))
    caller = await credentials.check(basic(token, key), "10.0.0.1")
    for account in ("root", "child", "grandchild"):
        assert account == (await credentials.account(caller, account)).id
    for account in ("other", "nowhere"):
        with pytest.raises(ForbiddenError):
            await credentials.account(caller, account)


async def test_a_credential_goes_while_it_is_used(pool: Pool, clock: SettableClock) -> None:
    """Whoever was let in before it went is served; noting its use neither fails nor waits."""
    token, key = await first(pool, clock, "root", None)
    credentials = Credentials(pool, clock, SEALER, Restraint(LocalAttempts(*FAILURES)))
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("delete from isp.credential where token = $1", token)
        check = asyncio.create_task(credentials.check(basic(token, key), "10.0.0.1"))
        assert token == (await asyncio.wait_for(check, 1)).token
    assert 0 == await pool.fetchval("select count(*) from isp.credential_use")
