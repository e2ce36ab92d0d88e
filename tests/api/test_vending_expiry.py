"""Filters on expiresOn: they compare dates, whatever form they and the stored texts have."""

from tests.api.conftest import Api
from tests.api.test_vending_campaigns import create
from tests.api.test_vending_vouchers import found, make

STORED = ["2026-12-31", "2026-12-31 18:00", "2027-01-01T00:00:00+01:00", None, "2027-02-01"]
FOUND = {
    "where[expiresOn]=2026-12-31": "1",
    # Stored as 2026-12-31T18:00:00, however it is asked for.
    "where[expiresOn]=2026-12-31 18:00:00": "2",
    "where[expiresOn]=2026-12-31T18:00": "2",
    "where[expiresOn]=2026-12-31T18:00:00.500": "2",
    # An offset is worked out: 2026-12-31T23:00:00Z.
    "where[expiresOn]=2027-01-01T01:00:00%2B02:00": "3",
    "where[expiresOn][lte]=2026-12-31": "1",
    "where[expiresOn][>]=2026-12-31 17:59": "235",
    "where[expiresOn][<]=2027-01-01 00:00": "123",
    "where[expiresOn][gte]=2027-02-01": "5",
    "where[expiresOn][in][]=2026-12-31&where[expiresOn][in][]=2027-02-01 ": "15",
    "where[expiresOn]=null": "4",
    "where[expiresOn][ne]=2026-12-31": "2345",
    "sort=expiresOn desc": "45321",
}
NO_DATES = ["tomorrow", "2026-02-30", "31/12/2026", "", "2026-12"]


async def test_expiry_compares_as_a_date(api: Api) -> None:
    """A day, a local time and an instant are found by any spelling of themselves."""
    nora = await api.login("nora")
    campaign = await create(nora, totalVouchers=0)
    for text in STORED:
        await make(nora, campaign, expiresOn=text)

    assert FOUND == {query: "".join(await found(nora, query)) for query in FOUND}


async def test_what_is_no_date_is_refused(api: Api) -> None:
    """A value that cannot be compared is named."""
    nora = await api.login("nora")
    for resource in ("voucher", "campaign"):
        for value in NO_DATES:
            answer = await nora.get(f"/{resource}?where[expiresOn][<]={value}")

            assert (400, "invalid_filter") == (answer.status_code, answer.json()["code"])
            assert ["where[expiresOn][<]"] == list(answer.json()["fields"])
