"""Shifts over HTTP and in the engine: one chain per location, whoever asks at once."""

import asyncio
from itertools import pairwise

import pytest

from farebox.domain.errors import ConflictError
from farebox.engine.shifts import Shifts
from farebox.locks import LocalLease
from farebox.storage.pool import Pool, transaction
from tests.api.conftest import Api, Golden
from tests.engine.watch import MINUTE_MS, Scene
from tests.golden import Example

BEGIN = {"location": 2}
FIRST = {
    "id": 1, "location": 2, "firstTransaction": None, "lastTransaction": None,
    "previousShift": None, "closed": None, "createdAt": "2026-03-10T09:00:00Z",
    "updatedAt": "2026-03-10T09:00:00Z",
}  # fmt: skip
REFUSED = (
    Example("VEND-SHIFT-CREATE", "POST", "/shift", {}, 400, {"code": "missing_parameters"}),
    Example("VEND-SHIFT-CREATE", "POST", "/shift", {"location": "x"}, 400),
    Example("VEND-SHIFT-CREATE", "POST", "/shift", [], 400, {"code": "invalid_parameter"}),
    Example(
        "VEND-SHIFT-CREATE", "POST", "/shift", {"location": 2, "nam": 1}, 400,
        {"code": "unknown_field"},
    ),
    Example(
        "VEND-SHIFT-CREATE", "POST", "/shift", {"location": 3}, 400,
        {"code": "invalid_reference", "fields": {"location": "does not exist: 3"}},
    ),
    Example("VEND-SHIFT-CREATE", "POST", "/shift", BEGIN, 401, by="nobody"),
    Example("VEND-SHIFT-CREATE", "POST", "/shift", BEGIN, 403, by="device"),
    Example("VEND-SHIFT-GET", "GET", "/shift/1", status=404),
    Example("VEND-SHIFT-LIST", "GET", "/shift", answer=[]),
)  # fmt: skip


async def test_refusals(golden: Golden) -> None:
    """What is refused begins no shift."""
    await golden(*REFUSED)


async def test_two_shifts(golden: Golden) -> None:
    """The second shift follows the first, which ends when it begins."""
    second = {"id": 2, "previousShift": 1, "closed": None, "createdAt": "2026-03-10T09:10:00Z"}
    await golden(Example("VEND-SHIFT-CREATE", "POST", "/shift", BEGIN, 201, FIRST))
    golden.api.clock.advance_ms(10 * MINUTE_MS)
    await golden(
        Example("VEND-SHIFT-CREATE", "POST", "/shift", BEGIN, 201, second),
        Example(
            "VEND-SHIFT-GET", "GET", "/shift/1", answer={**FIRST, "closed": "2026-03-10T09:10:00Z",
                                                         "updatedAt": ...},
        ),
        Example("VEND-SHIFT-LIST", "GET", "/shift?sort=id desc&limit=1", answer=[second]),
        Example("VEND-SHIFT-POPULATE", "GET", "/shift/2/previousShift", answer={"id": 1}),
        Example("VEND-SHIFT-POPULATE", "GET", "/shift/1/previousShift", answer={}),
        Example("VEND-SHIFT-POPULATE", "GET", "/shift/2/location", answer={"activeShift": 2}),
        Example("VEND-SHIFT-GET", "GET", "/shift/1", status=404, by="sam"),
        Example("VEND-LOCATION-GET", "GET", "/location/2", answer={"activeShift": 2}),
        Example("VEND-LOCATION-POPULATE", "GET", "/location/2/activeShift", answer={"id": 2}),
        Example("VEND-LOCATION-POPULATE", "GET", "/location/2/shifts", answer=[1, 2]),
    )  # fmt: skip


async def test_a_repeated_request_begins_one_shift(golden: Golden) -> None:
    """With an Idempotency-Key the first answer comes again."""
    asked = Example(
        "VEND-SHIFT-CREATE", "POST", "/shift", BEGIN, 201, {"id": 1},
        headers={"Idempotency-Key": "a"},
    )  # fmt: skip
    await golden(asked, asked)
    assert 1 == await golden.api.fetchval("select count(*) from vending.shift")


async def chain(pool: Pool) -> list[tuple[int | None, int, int, int | None]]:
    """Previous shift, shift, begin and end of each, in order."""
    rows = await pool.fetch(
        "select previous_shift, id, created_at_ms, closed_at_ms from vending.shift order by id"
    )
    return [tuple(row) for row in rows]


async def test_many_at_once_form_one_chain(api: Api) -> None:
    """Twenty parallel requests give twenty shifts, each after the one before."""
    nora = await api.login("nora")
    answers = await asyncio.gather(*(nora.post("/shift", BEGIN) for _ in range(20)))
    assert {201} == {answer.status_code for answer in answers}
    links = await chain(api.services.pool)
    assert 20 == len(links)
    for before, after in pairwise(links):
        assert (before[1], before[3]) == (after[0], after[2])
    assert [None] == [end for _, _, _, end in links if end is None]


async def test_a_location_that_stays_held_is_locked(api: Api) -> None:
    """Neither the turn nor the row is waited for longer than allowed."""
    leases = LocalLease()
    shifts = Shifts(api.services.pool, api.clock, leases, wait_s=0.2)
    token = await leases.acquire("shift:2", 60_000)
    assert token
    with pytest.raises(ConflictError) as refused:
        async with shifts.turn(2):
            raise AssertionError
    assert "locked" == refused.value.code
    await leases.release(token)
    async with transaction(api.services.pool) as connection:
        await connection.execute("select from vending.location where id = 2 for share")
        async with shifts.turn(2) as ends_at:
            with pytest.raises(ConflictError) as refused:
                await shifts.begin(2, ends_at)
    assert "locked" == refused.value.code
    async with shifts.turn(2) as ends_at:
        assert await shifts.begin(2, ends_at)


async def test_sales_of_clocks_ahead_belong_to_the_later_shift(api: Api) -> None:
    """A sale told before its time moves over when a shift begins before it."""
    scene = Scene(api.services.pool, api.clock)
    nora = await api.login("nora")
    await nora.post("/shift", BEGIN)
    sold = await scene.sale(at_ms=api.clock() + MINUTE_MS)
    ahead = await scene.sale(at_ms=api.clock() + 9 * MINUTE_MS)
    await api.execute(
        "update vending.shift set first_transaction = $1, first_at_ms = $3,"
        " last_transaction = $2, last_at_ms = $4", sold, ahead, api.clock() + MINUTE_MS,
        api.clock() + 9 * MINUTE_MS,
    )  # fmt: skip
    api.clock.advance_ms(5 * MINUTE_MS)
    later = (await nora.post("/shift", BEGIN)).json()
    assert (ahead, ahead) == (later["firstTransaction"], later["lastTransaction"])
    first = (await nora.get("/shift/1")).json()
    assert (sold, sold) == (first["firstTransaction"], first["lastTransaction"])
