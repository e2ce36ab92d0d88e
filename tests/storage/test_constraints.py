"""What the schema itself refuses: the last line of defence behind the rules of the engine."""

import asyncpg
import pytest

from farebox.demo import load_demo
from farebox.storage.pool import Pool
from tests.clocks import SettableClock

SETTINGS = (
    ("code_key = repeat('X', 65) || id", "voucher_settings"),
    ("type = 'dynamic'", "voucher_settings"),
    ("value = -1", "voucher_settings"),
    ("redemption_limit = 2147483648", "voucher_settings"),
    ("reset_frequency = 'year'", "voucher_settings"),
    ("pdf_status = 'lost'", "voucher_settings"),
    ("expires_on = '2026-01-01'", "voucher_settings"),
    ("inherit = false, type = null", "voucher_settings"),
    ("count = -1", "voucher_counts"),
    ("count = total + 1", "voucher_counts"),
    ("amount = -1", "voucher_amounts"),
    ("amount = total_amount + 1", "voucher_amounts"),
    ("hold_device = 'm:80'", "voucher_hold_whole"),
)


@pytest.mark.parametrize(("change", "constraint"), SETTINGS)
async def test_a_voucher_cannot_be_made_wrong(
    pool: Pool, clock: SettableClock, change: str, constraint: str
) -> None:
    """An update that contradicts the schema fails and names what it broke."""
    await load_demo(pool, clock)
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await pool.execute(f"update voucher.voucher set {change}")
    assert constraint == refused.value.constraint_name


async def test_a_voucher_cannot_come_wrong(pool: Pool, clock: SettableClock) -> None:
    """The same holds for new rows."""
    await load_demo(pool, clock)
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await pool.execute(
            "insert into voucher.voucher (code_key, code, campaign, inherit, currency, prefix,"
            " initial_value, period_end_ms, created_at_ms, updated_at_ms)"
            " select 'W', 'W', min(id), false, 'EUR', '', 0, 0, 0, 0 from voucher.campaign"
        )
    assert "voucher_settings" == refused.value.constraint_name
