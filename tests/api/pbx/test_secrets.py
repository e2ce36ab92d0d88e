"""Passwords and secrets beyond one server and one key ring (pbx.md 1, 1.3)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from argon2 import PasswordHasher

from farebox.api.pbx import bulk
from farebox.engine.passwords import Passwords
from farebox.engine.sealing import Sealer
from farebox.storage.pool import transaction
from tests.api.pbx.conftest import Exchange, authorization, opened
from tests.clocks import SettableClock
from tests.servers import Databases

BOTH = {"tenant_id": "2", "extension_id": "240"}


def test_a_new_password_binds_on_every_server(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory, exchange: Exchange
) -> None:
    """Another server that has just let somebody in asks for the new password at once."""

    async def run() -> None:
        dsn, folder, clock = databases.create(), tmp_path_factory.mktemp("two"), SettableClock()
        old, new = authorization("advicewise"), authorization("advicewise:another99")
        async with opened(dsn, folder, clock) as one, opened(dsn, folder, clock) as two:
            for headers, status in ((old, 200), (new, 401)):
                answer = await two.client.get("/pbx/user/login", headers=headers)
                assert status == answer.status_code
            form = {"user_id": "134", "password": "another99"}
            done = await one.client.post("/pbx/user/updatebyid", headers=old, data=form)
            assert 200 == done.status_code
            for headers, status in ((old, 401), (new, 200)):
                answer = await two.client.get("/pbx/user/login", headers=headers)
                assert status == answer.status_code
        databases.drop(dsn)

    exchange.run(run())


def test_a_weak_hash_is_made_strong(exchange: Exchange) -> None:
    """Whoever signs in with a hash of lesser parameters has one of today's afterwards."""

    async def run() -> None:
        weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("airlordpass1")
        pool = exchange.api.services.pool
        change = "update pbx.users set password_hash = $1 where id = 124"
        kept = await pool.fetchval("select password_hash from pbx.users where id = 124")
        await pool.execute(change, weak)
        assert 200 == (await exchange.call("GET", "/user/login", "Airlord")).status_code
        found = await pool.fetchval("select password_hash from pbx.users where id = 124")
        assert not PasswordHasher().check_needs_rehash(found)
        assert 200 == (await exchange.call("GET", "/user/login", "Airlord")).status_code
        await pool.execute(change, kept)

    exchange.run(run())


def test_without_the_right_ring_no_secret_is_told(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret that cannot be opened is 503, and nobody has read it."""
    lines: Any = exchange.api.services.exchange.lines
    monkeypatch.setattr(lines, "_sealer", Sealer({"other": "x" * 32}, "pbx"))

    async def run() -> None:
        async with exchange.fresh() as connection:
            answer = await exchange.post("/extension/usersecret", **BOTH)
            told = {"status": "failed", "message": "Service Unavailable."}
            assert (503, told) == (answer.status_code, answer.json())
            assert 0 == await connection.fetchval("select count(*) from pbx.audit")

    exchange.run(run())


def test_a_secret_is_bound_to_its_line(exchange: Exchange) -> None:
    """What was sealed for one extension opens for no other."""

    async def run() -> None:
        async with exchange.fresh() as connection:
            await connection.execute(
                "update pbx.sip_peer set secret_sealed = (select secret_sealed from pbx.sip_peer"
                " where extension = 11) where extension = 240"
            )
            assert 503 == (await exchange.post("/extension/usersecret", **BOTH)).status_code

    exchange.run(run())


def test_passwords_are_made_ready_before_anything_is_held(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An import compares and hashes first; its transaction waits for no password."""
    steps: list[str] = []

    class Noticed(Passwords):
        async def _run(self, work: Any) -> Any:
            steps.append("work")
            return await super()._run(work)

    @asynccontextmanager
    async def noticed(pool: Any) -> AsyncIterator[Any]:
        async with transaction(pool) as connection:
            steps.append("begin")
            yield connection
            steps.append("end")

    users = [
        {"us_username": "AdviceWise", "password": "userpass1"},
        {"us_username": "airlord", "password": "another99"},
        {"us_username": "one", "password": "thesame99"},
        {"us_username": "two", "password": "thesame99"},
        {"us_username": "two", "email": "two@example.test"},
    ]

    async def run() -> None:
        async with exchange.fresh() as connection:
            answer = await exchange.call("POST", "/admin/import", json={"users": users})
            counts = {"inserted": "2", "updated": "2", "unchanged": "1"}
            assert {"users": counts} == answer.json()["data"]["counts"]
            # One that is kept, one that is another, two that are new.
            assert [*["work"] * (1 + 2 + 1 + 1), "begin", "end"] == steps
            kept = await connection.fetch("select distinct password_hash from pbx.users")
            assert 5 == len(kept)
            for who in ("advicewise", "Airlord:another99", "one:thesame99", "two:thesame99"):
                assert 200 == (await exchange.call("GET", "/user/login", who)).status_code

    monkeypatch.setattr(exchange.api.services.exchange.operators, "_passwords", Noticed())
    monkeypatch.setattr(bulk, "transaction", noticed)
    exchange.run(run())
