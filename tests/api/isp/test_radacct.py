"""FreeRADIUS' accounting table is taken as usage: counted once, where it belongs."""

import asyncio
from typing import Any

from tests.api.isp.conftest import Provider

COLUMNS = (
    "RadAcctId,AcctSessionId,UserName,NASIPAddress,AcctStartTime,AcctUpdateTime,AcctStopTime,"
    "AcctSessionTime,AcctInputOctets,AcctOutputOctets,CallingStationId,AcctTerminateCause,"
    "FramedIPAddress"
)
ROWS = (
    "1,a1,testuser,127.0.0.1,2026-11-22 08:00:00,2026-11-22 09:00:00,,3600,100,200,"
    '"64-27-37-AF-E3-4D",,10.0.0.10\n'
    "2,a2,testuser,127.0.0.1,2026-11-22 07:00:00,,2026-11-22T01:45:00Z,900,1,6000000000,a place,"
    "User-Request,\n"
    "3,a3,testuser,127.0.0.1,2026-11-22 09:00:00,0000-00-00 00:00:00,,60,0,5,,,\n"
    "4,a4,nobody,127.0.0.1,2026-11-22 09:00:00,,,60,0,5,,,\n"
    "5,a5,testuser,127.0.0.1,yesterday,,,60,0,5,,,\n"
    "6,a6,testuser,127.0.0.1,,,,60,0,5,,,\n"
    "7,a7,testuser,127.0.0.1,2026-11-22 09:00:00,,,60,many,5,,,"
)


async def send(provider: Provider, body: str, **more: Any) -> Any:
    """The answer to a table."""
    headers = {"Content-Type": more.pop("kind", "text/csv")}
    path = "/isp/admin/usage/radacct"
    return await provider.call("POST", path, content=body.encode(), headers=headers, **more)


def test_a_table_counts_once(provider: Provider, loop: asyncio.Runner) -> None:
    """Twice is as once; faults are told by their row, and harm no other."""

    async def play() -> None:
        async with provider.fresh() as connection:
            body = f"{COLUMNS}\n{ROWS}"
            told = (await send(provider, body)).json()["data"]
            assert (3, 1) == (told["accepted"], told["unknownUser"])
            assert [4, 5, 6] == [fault["index"] for fault in told["errors"]]
            again = (await send(provider, body)).json()["data"]
            assert (0, 3) == (again["accepted"], again["duplicate"])
            rows = await connection.fetch(
                "select acct_session_id, upload, download, stopped_at_ms, upper(mac::text), cause"
                "  from isp.session where acct_session_id like 'a%' order by 1"
            )
            assert [
                ("a1", 100, 200, None, "64:27:37:AF:E3:4D", None),
                ("a2", 1, 6_000_000_000, 1795311900000, None, "User-Request"),
                ("a3", 0, 5, None, None, None),
            ] == [tuple(row) for row in rows]

    loop.run(play())


def test_what_is_no_table(provider: Provider, loop: asyncio.Runner) -> None:
    """Another type, another scope, nothing at all."""

    async def play() -> None:
        async with provider.fresh():
            assert 415 == (await send(provider, "{}", kind="application/json")).status_code
            assert 403 == (await send(provider, COLUMNS, cred="t-read")).status_code
            assert [] == (await send(provider, "")).json()["data"]["errors"]

    loop.run(play())
