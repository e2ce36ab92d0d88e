"""Currency rates as operators provide them (vending-commerce.md 4.12, VEND-X-CURRENCYRATE).

A rate multiplies sums in its currency to sums in the reporting currency, from its day on until the
next one; a second rate of a day replaces the first. Whoever reads finds what was committed last.
"""

from datetime import date
from decimal import Decimal

from farebox.domain.errors import InvalidError
from farebox.domain.sales import Rates
from farebox.storage.pool import Connection, Pool, storage_errors
from farebox.storage.sqlfile import load

SQL = load(__file__)


async def write_rate(
    connection: Connection, currency: str, day: date, rate: Decimal, now_ms: int
) -> int:
    """Store a rate and give its id. Raises InvalidError (invalid_reference)."""
    key: int | None = await connection.fetchval(SQL.write_rate, currency, day, rate, now_ms)
    if key is None:
        reason = f"does not exist: {currency}"
        raise InvalidError(f"currency {reason}", "invalid_reference", {"currency": reason})
    return key


async def read_rates(pool: Pool, reporting: str) -> Rates:
    """All rates."""
    async with storage_errors():
        rows = await pool.fetch(SQL.rates, reporting)
    exponents = {row["currency"]: row["exponent"] for row in rows}
    if rows:
        exponents[reporting] = rows[0]["reporting_exponent"] or 0
    return Rates(reporting, exponents, (tuple(row)[:3] for row in rows))
