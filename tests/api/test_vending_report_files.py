"""Reports as PDF files, read back with other people's code."""

from typing import Any

import pytest

from tests.api.conftest import Api, Caller, Golden
from tests.api.test_vending_chart_data import fill
from tests.engine.pdf_reader import PdfReader
from tests.golden import Example

PERIOD = {"startDate": "2026-03-28", "endDate": "2026-03-29", "type": "fixed date"}
ROWS = (
    Example("VEND-X-REPORT-PDF", "GET", "/report/1/pdf", None, 409,
            {"code": "report_without_period"}),
    Example("VEND-X-REPORT-PDF", "GET", "/report/1/pdf", None, 404, by="sam"),
    Example("VEND-X-REPORT-PDF", "GET", "/report/999/pdf", None, 404),
    Example("VEND-X-REPORT-PDF", "GET", "/report/x/pdf", None, 404),
    Example("VEND-X-USERREPORT-PDF", "GET", "/userreport/1/pdf", None, 404),
    Example("VEND-X-REPORT-PDF", "GET", "/report/1/pdf", None, 401, by="nobody"),
)  # fmt: skip


async def pdf(caller: Caller, path: str) -> PdfReader:
    """A file, opened."""
    answer = await caller.get(path)
    assert (200, "application/pdf") == (answer.status_code, answer.headers["Content-Type"])
    return PdfReader(answer.content)


def text(reader: PdfReader) -> str:
    """All text of a file, with plain spaces."""
    pages = (reader.text(page) for page in range(len(reader)))
    return "\n".join(pages).replace("\u202f", " ")


async def test_refusals(golden: Golden) -> None:
    """Without a period there is nothing to print, and a stranger's report does not exist."""
    await golden(*ROWS)


@pytest.mark.parametrize("second", [None, {**PERIOD, "startDate": "2026-03-29"}])
async def test_a_saved_report(api: Api, second: Any) -> None:
    """Every calculation of every period: a picture, a table, the span and the units."""
    await fill(api)
    await api.execute(
        "update vending.revenuetransaction set name = 'Кофе <b>' where currency = 'EUR'"
    )
    await api.execute("insert into vending.location_zone values (2, 'Asia/Kathmandu')")
    nora = await api.login("nora")
    body = {"name": "Platforms & <piers>", "period1": PERIOD, "period2": second}
    assert 200 == (await nora.patch("/report/1", body)).status_code
    told = text(await pdf(nora, "/report/1/pdf"))
    for words in ("Products", "Payment types", "Errors", "Кофе <b>", "revenue (EUR)", "11.40",
                  "revenue (AMD)", "0.07", "duration (seconds)", "CM_OFFLINE",
                  "2026-03-28 00:00:00 to 2026-03-29 23:59:59", "by the clock of each place",
                  "Platforms & <piers> · 2026-03-29 22:00 UTC", "Of 1 machine"):  # fmt: skip
        assert words in told, told
    assert (second is not None) == ("2026-03-29 00:00:00 to" in told)


async def test_a_report_prints_what_is_seen(api: Api) -> None:
    """A report of machines that are not seen shows nothing, rather than everything."""
    await fill(api)
    nora = await api.login("nora")
    await nora.patch("/report/1", {"period1": PERIOD, "machines": [80]})
    await api.execute("update vending.report_machine set machine = 81")
    told = text(await pdf(nora, "/report/1/pdf"))
    assert "nothing in this time" in told
    assert "Coffee" not in told


async def test_a_users_report(api: Api) -> None:
    """The charts in their order, each with its title; what may not be read says so."""
    await fill(api)
    nora = await api.login("nora")
    await nora.post("/userreport", {"name": "Mine"})
    for kind, view in (("revenue_grouped", "bars"), ("offline_machines", "table")):
        await nora.post("/userreport/1/chart", {"type": kind, "view": view})
    await nora.post("/userreport/1/chart", {"type": "revenue_full", "position": 0, "name": "One"})
    told = text(await pdf(nora, "/userreport/1/pdf"))
    places = [told.index(title) for title in ("Revenue grouped", "One", "Offline machines")]
    assert places == sorted(places)
    assert "Platform 2" in told
    await api.execute(
        "update vending.usergroup set permissions = '{chart:read,userreport:read,log:read}'"
        " where id = 2"
    )
    api.services.access.forget()
    told = text(await pdf(nora, "/userreport/1/pdf"))
    assert "This needs the permission revenuetransaction:read" in told
    assert "600" in told
