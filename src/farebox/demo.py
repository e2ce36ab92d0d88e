"""A demonstration: people, places, machines and vouchers whose names the documentation shows.

`load_fixture` writes the people, places and machines of vending-platform.md 5; `load_demo` adds
campaigns and vouchers, made as any others are made, and a year of sales. Both change nothing where
their rows already are, and refuse a database that holds other people's data, because the passwords
are public.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from farebox.domain.campaigns import CampaignDraft
from farebox.domain.errors import ConflictError
from farebox.domain.vouchers import VoucherDraft
from farebox.engine.issuance import Issuance
from farebox.storage.pool import Pool, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)

PASSWORDS: Final = {"root": "root horse 99", "nora": "correct horse 9", "sam": "battery staple 9"}
DEVICE: Final = "gw-0080"
DEVICE_KEY: Final = "demo-device-key"
NORTH: Final = 2


class Example(msgspec.Struct, frozen=True):
    """A campaign of the demonstration and the codes chosen in it."""

    campaign: CampaignDraft
    codes: tuple[str, ...]


EXAMPLES: Final = (
    Example(
        CampaignDraft(
            name="Spring on the house",
            total_vouchers=24,
            voucher_value=100,
            type="discount",
            redemption_limit=2,
            reset_frequency="day",
            prefix="SPR",
            texts=(
                "Spring on the house",
                "Η άνοιξη κερνάει",
                "Весна угощает",
                "Գարունը հյուրասիրում է",
            ),
        ),
        ("SPRING-DAY",),
    ),
    Example(
        CampaignDraft(
            name="A week of coffee",
            total_vouchers=0,
            voucher_value=1000,
            type="gift",
            reset_frequency="week",
            prefix="WEEK",
            texts=("Ten euro of coffee", "every week", None, None),
        ),
        ("COFFEE-WEEK",),
    ),
    Example(
        CampaignDraft(
            name="Gift cards",
            total_vouchers=0,
            voucher_value=500,
            type="gift",
            prefix="GIFT",
            texts=("A gift for you", None, None, None),
        ),
        ("GIFT-500", "GIFT-FOR-TWO"),
    ),
)


async def load_fixture(pool: Pool, now_ms: int) -> None:
    """Writes the fixture; ConflictError where the database holds anybody else's data."""
    async with transaction(pool) as connection:
        if await connection.fetchval(SQL.holds_other_data):
            raise ConflictError(
                "this database holds data of its own; the demonstration has public passwords and"
                " is only loaded into an empty one",
                code="not_empty",
            )
        for statement in (
            SQL.insert_groups,
            SQL.insert_language,
            SQL.insert_users,
            SQL.insert_locations,
            SQL.insert_location_group,
            SQL.insert_model,
            SQL.insert_transaction_profile,
            SQL.insert_machines,
            SQL.insert_device_key,
            SQL.insert_machine_group,
            SQL.insert_products,
            SQL.insert_template,
            SQL.insert_alert_group,
            SQL.insert_connector,
        ):
            await connection.execute(statement, now_ms)
        await connection.execute(SQL.number_dashboard)
        await connection.execute(SQL.insert_widget, now_ms)
        await connection.execute(SQL.insert_report, now_ms)
        await connection.execute(SQL.insert_members)
        await connection.execute(SQL.move_sequences)


async def load_demo(pool: Pool, clock: Callable[[], int]) -> None:
    """Writes the fixture, a year of sales, charts, then every campaign and code that is missing."""
    await load_fixture(pool, clock())
    await _load_sales(pool, clock())
    issuance = Issuance(pool, clock)
    for example in EXAMPLES:
        draft = example.campaign
        campaign = await pool.fetchval(SQL.find_campaign, NORTH, draft.name)
        if campaign is None:
            campaign = await issuance.create_campaign(NORTH, draft)
        for code in example.codes:
            voucher = VoucherDraft(campaign=campaign, settings=None, code=code, prefix=draft.prefix)
            try:
                await issuance.create_vouchers([NORTH], voucher)
            except ConflictError as error:
                if error.code != "code_taken":
                    raise


async def _load_sales(pool: Pool, now_ms: int) -> None:
    async with transaction(pool) as connection:
        # A busy machine may need longer than a statement usually gets.
        await connection.execute(SQL.patience)
        await connection.execute(SQL.insert_sales, now_ms)
        await connection.execute(SQL.note_last_sales)
        await connection.execute(SQL.insert_charts, now_ms)
