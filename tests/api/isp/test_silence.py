"""After what silence a session is over is the account's own setting."""

import asyncio
from typing import Any

import pytest

from farebox.engine.network import open_sessions
from tests.api.isp.conftest import Provider
from tests.api.isp.test_posting import DATA, MIB, NAMESAKES, OVERRIDE, SETTLED

DEFAULT_S = 2_700
HEARD = "update isp.session set updated_at_ms = $1 where subscriber = 1"
USED = "update isp.usage_day set download = download + 104857600"
BEGUN = """
insert into isp.session
  (account, acct_session_id, subscriber, started_at_ms, updated_at_ms, applied_template)
select account, 'silent', id, 0, $2, 11 from isp.subscriber where id = $1
"""
SWITCHED = "select subscriber from isp.switch where subscriber = any($1::bigint[]) order by 1"


async def operate(provider: Provider, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Status and answer of an operator's call."""
    answer = await provider.call(method, f"/isp/admin/{path}", json=body, cred="t-root")
    return answer.status_code, answer.json()


async def keep(provider: Provider, account: str, silence: Any) -> tuple[int, Any]:
    """What a change of the setting is answered."""
    return await operate(provider, "PATCH", f"accounts/{account}", {"sessionSilence": silence})


def test_the_setting(provider: Provider, loop: asyncio.Runner) -> None:
    """It is 2,700 seconds until an operator says otherwise, and an account below begins with it."""

    async def play() -> None:
        async with provider.fresh():
            told = (await operate(provider, "GET", "accounts/test"))[1]
            assert DEFAULT_S == told["data"]["sessionSilence"]
            for least_or_most in (60, 86_400, 600):
                status, told = await keep(provider, "test", least_or_most)
                assert (200, least_or_most) == (status, told["data"]["sessionSilence"])
            for wrong in (59, 86_401, 0, -60, 90.5, "long"):
                status, told = await keep(provider, "test", wrong)
                assert (400, "invalid_argument") == (status, told["error"])
            other = {"currency": "EUR"}
            assert 200 == (await operate(provider, "PATCH", "accounts/test", other))[0]
            told = (await operate(provider, "GET", "accounts/test"))[1]
            assert 600 == told["data"]["sessionSilence"]
            status, told = await operate(provider, "POST", "accounts", {"newAccountId": "below"})
            assert (201, 600) == (status, told["data"]["sessionSilence"])
            told = (await operate(provider, "GET", "accounts/niroop"))[1]
            assert DEFAULT_S == told["data"]["sessionSilence"]

    loop.run(play())


@pytest.mark.parametrize("silence_s", [DEFAULT_S, 600, 7_200])
@pytest.mark.parametrize("longer_ms", [0, 1])
def test_silent_for_longer(
    provider: Provider, loop: asyncio.Runner, silence_s: int, longer_ms: int
) -> None:
    """So long a session is online and is told of another speed, a millisecond later it is not."""
    online = 1 - longer_ms

    async def play() -> None:
        async with provider.fresh() as connection:
            if silence_s != DEFAULT_S:
                assert 200 == (await keep(provider, "test", silence_s))[0]
            now_ms = provider.clock.now_ms
            await connection.execute(HEARD, now_ms - 1000 * silence_s - longer_ms)
            await connection.execute(USED)
            told = await provider.get("get_logofftime_onlinestatus/1")
            assert ("no", "yes")[online] == told["data"]["online"]
            services = provider.api.services.provider
            assert online == (await services.subscribers.counts("test"))["online"]
            assert online == (await services.groups.one("test", 5))["online"]
            assert online == len(await open_sessions(connection, [1], now_ms))
            shown = (await operate(provider, "GET", "fup/users/1"))[1]["data"]
            assert bool(online) == ("SWITCH" in shown["result"]["flags"])
            asked = {"accountId": "test"}
            done = (await operate(provider, "POST", "fup/evaluate", asked))[1]["data"]
            assert (1, online) == (done["over"], done["switched"])

    loop.run(play())


@pytest.mark.parametrize(("silence_s", "switched"), [(600, 1), (1_200, 2)])
def test_usage_of_two_accounts(
    provider: Provider, loop: asyncio.Runner, silence_s: int, switched: int
) -> None:
    """In a batch that speaks of two accounts everybody's session lasts as his own account says."""
    record = {"user": "same", "at": "2026-11-22T09:45:00+05:30", "upload": 0}

    async def play() -> None:
        async with provider.fresh() as connection:
            await keep(provider, "niroop", silence_s)
            numbers = [row["id"] for row in await connection.fetch(NAMESAKES)]
            for number in numbers:
                await connection.execute(OVERRIDE, number, {**DATA, "every": "never"})
                await connection.execute(BEGUN, number, provider.clock.now_ms - 1_000_000)
            settled = []
            for turn in range(2):
                size = {"download": 1 + 13 * MIB * turn}
                sent = [
                    {**record, **size, "recordId": f"above{turn}"},
                    {**record, **size, "recordId": f"below{turn}", "account": "niroop"},
                ]
                status, told = await operate(provider, "POST", "usage/batch", sent)
                assert (200, 2) == (status, told["data"]["accepted"])
                settled.append(await connection.fetch(SETTLED, numbers))
            # The second batch was added in place.
            assert settled[0] == settled[1]
            rows = await connection.fetch(SWITCHED, numbers)
            assert numbers[:switched] == [row["subscriber"] for row in rows]

    loop.run(play())
