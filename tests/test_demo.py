"""The demonstration: complete, repeatable, and never beside real data."""

import pytest
from argon2 import PasswordHasher

from farebox.api.vending.criteria import stored
from farebox.demo import EXAMPLES, PASSWORDS, load_demo, load_fixture
from farebox.domain.errors import ConflictError
from farebox.storage.pool import Pool
from tests.clocks import SettableClock

COUNTS = {
    "vending.usergroup": 4,
    "vending.users": 3,
    "vending.location": 2,
    "vending.machine": 2,
    "vending.device_key": 1,
    "vending.machinemodel": 1,
    "vending.product": 4,
    "vending.dashboard": 3,
    "vending.widget": 1,
    "vending.report_machine": 1,
    "vending.userreport": 1,
    "vending.chart": 4,
    "vending.revenuetransaction": 17_667,
    "vending.paymenttransaction": 17_667,
    "voucher.campaign": 3,
    "voucher.voucher": 28,
}


async def test_loading_it_twice_is_loading_it_once(pool: Pool, clock: SettableClock) -> None:
    """A second start finds everything there and adds nothing."""
    for _ in range(2):
        await load_demo(pool, clock)
        counts = {table: await pool.fetchval(f"select count(*) from {table}") for table in COUNTS}
        assert COUNTS == counts


async def test_sales_are_of_the_year_before(pool: Pool, clock: SettableClock) -> None:
    """None is of the future, some are of every month, and each is paid once."""
    await load_demo(pool, clock)
    rows = await pool.fetch(
        "select s.occurred_at_ms as at_ms, s.price = p.price as is_paid"
        " from vending.revenuetransaction s"
        " left join vending.paymenttransaction p on p.revenuetransaction = s.id"
    )
    assert {True} == {row["is_paid"] for row in rows}
    year_ms = 365 * 86_400_000
    assert 0 <= min(clock() - row["at_ms"] for row in rows)
    assert year_ms > max(clock() - row["at_ms"] for row in rows)
    assert 12 == len({(clock() - row["at_ms"]) * 12 // year_ms for row in rows})


async def test_charts_ask_what_can_be_asked(pool: Pool, clock: SettableClock) -> None:
    """What the demonstration's charts keep would be accepted from a client."""
    await load_demo(pool, clock)
    kept = await pool.fetch("select criteria from vending.chart")
    assert {"revenuetransaction", "paymenttransaction"} == {
        stored(row["criteria"]).source.resource.name for row in kept
    }


async def test_the_passwords_are_the_documented_ones(pool: Pool, clock: SettableClock) -> None:
    """Every stored hash belongs to the password that the documentation shows."""
    await load_fixture(pool, clock())

    rows = await pool.fetch("select username, password_hash from vending.users order by id")
    assert list(PASSWORDS) == [row["username"] for row in rows]
    for row in rows:
        assert PasswordHasher().verify(row["password_hash"], PASSWORDS[row["username"]])


async def test_chosen_codes_are_usable(pool: Pool, clock: SettableClock) -> None:
    """The codes of the documentation exist, inherit and are active."""
    await load_demo(pool, clock)

    codes = [code for example in EXAMPLES for code in example.codes]
    rows = await pool.fetch(
        "select code, inherit, active from voucher.voucher where code_key = any($1)", codes
    )
    assert sorted((code, True, True) for code in codes) == sorted(tuple(row) for row in rows)


async def test_real_data_is_left_alone(pool: Pool, clock: SettableClock) -> None:
    """A database with a group of its own is refused and stays as it was."""
    await pool.execute(
        "insert into vending.usergroup (name, created_at_ms, updated_at_ms) values ('Acme', 0, 0)"
    )

    with pytest.raises(ConflictError):
        await load_demo(pool, clock)
    assert 1 == await pool.fetchval("select count(*) from vending.usergroup")


async def test_the_next_numbers_are_free(pool: Pool, clock: SettableClock) -> None:
    """Explicit numbers do not collide with the ones given next."""
    await load_fixture(pool, clock())

    expected = {
        "users": 5, "usergroup": 8, "location": 10, "locationgroup": 7, "machine": 90,
        "machinegroup": 6, "machinemodel": 2, "product": 5, "dashboard": 10, "widget": 12,
    }  # fmt: skip
    given = {
        name: await pool.fetchval(f"select nextval('vending.{name}_id_seq')") for name in expected
    }
    assert expected == given


async def test_currencies_are_there_without_it(pool: Pool) -> None:
    """The currencies of ISO 4217 belong to every database."""
    rows = await pool.fetch("select code, id, exponent from vending.currency")
    by_code = {row["code"]: (row["id"], row["exponent"]) for row in rows}

    assert 165 == len(rows)
    assert [(978, 2), (392, 0), (48, 3), (51, 2)] == [
        by_code[code] for code in ("EUR", "JPY", "BHD", "AMD")
    ]
