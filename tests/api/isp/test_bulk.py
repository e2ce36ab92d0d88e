"""Tables in and out: what was exported is imported again without a change, faults are told."""

import asyncio
import json
from typing import Any

import pytest

from farebox.api.isp import tables
from tests.api.isp.conftest import Provider

CSV, NDJSON = "text/csv", "application/x-ndjson"
# Of a thousand in life.
BATCH = 20
NOUNS = ("bandwidth_templates", "profiles", "groups", "users")
USERS = "username,groupId,name,phone,expirationTime,password,comments\n"


async def take(provider: Provider, noun: str, body: str, kind: str = CSV, **more: Any) -> Any:
    """What an import did."""
    path = f"/isp/admin/import/{noun}{more.pop('query', '')}"
    headers = {"Content-Type": kind}
    answer = await provider.call(
        "POST", path, content=body.encode(), headers=headers, cred="t-root", **more
    )
    assert 200 == answer.status_code, answer.text
    return answer.json()["data"]


async def give(provider: Provider, noun: str, kind: str, cred: str = "t-root") -> str:
    """An export."""
    path = f"/isp/admin/export/{noun}"
    answer = await provider.call("GET", path, headers={"Accept": kind}, cred=cred)
    assert 200 == answer.status_code, answer.text
    return answer.text


def counts(told: Any) -> tuple[int, int, int, list[int]]:
    """Created, updated, unchanged, lines with a fault."""
    lines = [one["line"] for one in told["errors"]]
    return told["created"], told["updated"], told["unchanged"], lines


def test_what_goes_out_comes_in(provider: Provider, loop: asyncio.Runner) -> None:
    """Nothing is changed by what an export says, in either form; another account gets it whole."""

    async def play() -> None:
        for kind in (CSV, NDJSON):
            async with provider.fresh() as connection:
                await connection.execute("update isp.subscriber set name = '=1+1' where id = 471")
                for noun in NOUNS:
                    body = await give(provider, noun, kind)
                    rows = len([line for line in body.splitlines() if line]) - (kind == CSV)
                    assert (0, 0, rows, []) == counts(await take(provider, noun, body, kind)), noun
                assert ("'=1+1" in body) == (kind == CSV)
                assert "test2" in body
                for noun in NOUNS[:2]:
                    body = await give(provider, noun, kind)
                    told = await take(provider, noun, body, kind, query="?accountId=niroop")
                    assert told["created"] > 0, told
                    assert [] == told["errors"]

    loop.run(play())


def test_subscribers_come_in(provider: Provider, loop: asyncio.Runner) -> None:
    """New ones are made, known ones changed, and passwords sealed; the account's own names only."""

    async def play() -> None:
        async with provider.fresh():
            body = USERS + (
                "anna,5,Anna,5551112222,2027-01-01 00:00:00,s3cret pass,\n"
                'bob,6,"Bob, the\nBuilder",,,,\'=2\n'
                "sekark,,Sekar,,,,\n"
                "testuser,5,,,,test2,\n"
            )
            told = await take(provider, "users", body.replace("the\n", "the "))
            assert (2, 1, 1, []) == counts(told)
            found = (await provider.get("get_user_by_username/bob"))["data"][0]
            assert ("Bob, the Builder", "=2") == (found["name"], found["comments"])
            anna = (await provider.get("get_user_by_username/anna"))["data"][0]
            assert "2027-01-01 00:00:00" == anna["expirationTime"]
            shown = await provider.get(f"get_user_password/{anna['id']}", cred="t-root")
            assert "s3cret pass" == shown["message"]["password"]
            twice = (
                USERS + "carl,5,Carl,,,first,\ncarl,,Carla,,,second,\nanna,,Anna,,,s3cret pass,\n"
            )
            assert (1, 1, 1, []) == counts(await take(provider, "users", twice))
            carl = (await provider.get("get_user_by_username/carl"))["data"][0]
            shown = await provider.get(f"get_user_password/{carl['id']}", cred="t-root")
            assert ("Carla", "second") == (carl["name"], shown["message"]["password"])
            line = json.dumps({"username": "anna", "expirationTime": None})
            assert (0, 1, 0, []) == counts(await take(provider, "users", line, NDJSON))

    loop.run(play())


def test_faults_take_their_batch_back(
    provider: Provider, loop: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches with a fault change nothing, others stand; every fault has its line."""
    monkeypatch.setattr(tables, "BATCH", BATCH)

    async def play() -> None:
        async with provider.fresh() as connection:
            lines = [json.dumps({"name": f"g{n}", "profileId": 5}) for n in range(BATCH + 3)]
            lines[BATCH] = '{"name": "x", "profileId": 77}'
            lines[BATCH + 1] = "{"
            told = await take(provider, "groups", "\n".join(lines), NDJSON)
            assert (BATCH, 0, 0) == counts(told)[:3]
            assert [BATCH + 1, BATCH + 2] == sorted(counts(told)[3])
            made = await connection.fetchval(
                "select count(*) from isp.user_group where name like 'g%'"
            )
            assert BATCH == made
            moved = json.dumps({"username": "testuser", "groupId": 6})
            told = await take(provider, "users", moved, NDJSON)
            assert (0, 0, 0, [1]) == counts(told)
            assert "groupId" in told["errors"][0]["error"]
            gone = '{"name": "25 Mbps", "upKbps": null}'
            told = await take(provider, "bandwidth_templates", gone, NDJSON)
            assert [{"line": 1, "error": "upKbps is required"}] == told["errors"]

    loop.run(play())


def test_what_is_no_table_costs_no_more_than_its_size(
    provider: Provider, loop: asyncio.Runner
) -> None:
    """Lines without an end, quotes without one, and names that no column holds are told."""
    bodies = (
        ("username\n" + "x" * (2 << 20), CSV, "The line has no end"),
        ('username\n"' + "\n" * 200_000, CSV, "The line is malformed"),
        ("username\na\0b\n", CSV, "The line is malformed: no text"),
        (json.dumps({"username": "a\0b"}), NDJSON, "The line is malformed: no text"),
    )

    async def play() -> None:
        async with provider.fresh():
            for body, kind, reason in bodies:
                told = await take(provider, "users", body, kind)
                assert [reason] == [one["error"][: len(reason)] for one in told["errors"]]

    loop.run(play())


def test_who_may(provider: Provider, loop: asyncio.Runner) -> None:
    """Operators only; the kind of the body is said; other nouns have no tables."""

    async def play() -> None:
        async with provider.fresh():
            for method, path, headers, cred, status in (
                ("POST", "import/users", {"Content-Type": CSV}, "t-test", 403),
                ("GET", "export/users", {}, "t-test", 403),
                ("POST", "import/users", {"Content-Type": "application/pdf"}, "t-root", 415),
                ("POST", "import/nas", {"Content-Type": CSV}, "t-root", 404),
                ("GET", "export/nas", {}, "t-root", 404),
            ):
                answer = await provider.call(
                    method,
                    f"/isp/admin/{path}",
                    headers=headers,
                    cred=cred,
                    content=b"a\nb\n" if method == "POST" else b"",
                )
                assert status == answer.status_code, f"{path}: {answer.text}"

    loop.run(play())
