"""The figures of a chart made ready for people: units, currencies, names instead of numbers.

Names are those of rows that the caller sees and may read; what has none keeps its number.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from farebox.api.vending.blueprint import Blueprint
from farebox.api.vending.criteria import Question
from farebox.api.vending.dialect import Call, principal
from farebox.domain.frames import stretches
from farebox.domain.instants import to_ms, utc_text
from farebox.engine.chart_figure import Column, Figure
from farebox.resource import store
from farebox.resource.criteria import Condition, Criteria
from farebox.resource.definition import Resource
from farebox.storage.pool import Connection
from farebox.storage.sqlfile import load
from farebox.summary.definition import Selected
from farebox.summary.figures import ROWS_MAX, Figures

SQL = load(__file__)
# So many names are looked up; a picture with more things in it shows their numbers.
NAMES_MAX: Final = 1000
_ZONES_TOLD: Final = 3


async def figure_of(
    made: Blueprint, request: Call, connection: Connection, chart: Any, question: Question,
    figures: Figures,
) -> Figure:  # fmt: skip
    """What the picture of a chart shows."""
    services = made.services
    words = [
        await _names(made, request, connection, question.source.resource, one, figures.rows)
        for one in question.asked.selected
    ]
    columns = [_column(one) for one in question.asked.selected]
    lead = [name for name in ("timeFrame", "date") if name in (figures.rows or [{}])[0]]
    unit = question.frames[0].unit if question.frames else ""
    if not unit and "date" in lead:
        lead.remove("date")
    rows = tuple(
        (
            *(_frame(question, row[name]) if name == "timeFrame" else row[name] for name in lead),
            *(_said(known, row[one.name])
              for known, one in zip(words, question.asked.selected, strict=True)),
        )
        for row in figures.rows
    )  # fmt: skip
    leading = [Column(name, "date" if name == "date" else "key") for name in lead]
    return Figure(
        title=chart.name or chart.type.replace("_", " ").capitalize(),
        view=chart.view,
        columns=(*leading, *columns),
        rows=rows,
        unit=unit,
        notes=_notes(question, figures, services.clock(), services.options.default_time_zone),
        exponents=await _exponents(connection, columns, rows, len(lead)),
    )


def _column(one: Selected) -> Column:
    field = one.field
    if field is not None and (not one.operation or (one.own and field.kind.python is not int)):
        return Column(one.name, "currency" if field.name == "currency" else "key")
    unit = ""
    if field is not None and one.operation != "count":
        unit = "money" if field.type == "money" else ""
        unit = "seconds" if field.name == "duration" else unit
    return Column(one.name, "measure", unit, one.operation in ("sum", "count"))


def _frame(question: Question, number: int) -> str:
    return question.frames[number].description or f"time frame {number + 1}"


def _said(names: dict[int, str], value: Any) -> Any:
    if isinstance(value, datetime):
        return utc_text(to_ms(value))
    return names.get(value, value) if names else value


async def _names(
    made: Blueprint, request: Call, connection: Connection, resource: Resource, one: Selected,
    rows: Sequence[dict[str, Any]],
) -> dict[int, str]:  # fmt: skip
    """What the rows that a column's numbers refer to are called."""
    stored = one.field.stored if one.field is not None and not one.operation else ""
    target = next((made.catalogue[each.target] for each in resource.associations
                   if stored and each.column == stored), None)  # fmt: skip
    caller = principal(request)
    ids = {row[one.name] for row in rows} - {None}
    if target is None or "name" not in target.by_name or not ids or len(ids) > NAMES_MAX:
        return {}
    if caller.permissions is not None and f"{target.name}:read" not in caller.permissions:
        return {}
    wanted = Criteria((Condition(target.by_name["id"], "in", tuple(sorted(ids))),))
    page = await store.list_rows(connection, target, wanted, made.view(request))
    called = {row.id: row.name for row in page.rows if row.name}
    # Two of one name stay apart.
    times = Counter(called.values())
    return {key: f"{name} ({key})" if times[name] > 1 else name for key, name in called.items()}


def _notes(question: Question, figures: Figures, now_ms: int, home: str) -> tuple[str, ...]:
    """The span of each time frame, the zones of its dates, and what was cut off."""
    notes = []
    here = home if home in figures.zones else (*figures.zones, home)[0]
    for frame in question.frames:
        if found := stretches(frame, here, now_ms):
            first, last = found[0], found[-1]
            edges = (first.from_ms + first.offset_ms, last.until_ms - 1 + last.offset_ms)
            span = " to ".join(utc_text(at)[:16].replace("T", " ") for at in edges)
            notes.append(f"{frame.description}: {span}" if frame.description else span)
    if figures.zones:
        more = len(figures.zones) - _ZONES_TOLD
        told = ", ".join(figures.zones[:_ZONES_TOLD]) + (f" and {more} more" if more > 0 else "")
        notes.append(f"By the clock of each place: {told}")
    if figures.truncated:
        notes.append(f"Cut after {ROWS_MAX} rows")
    return tuple(notes)


async def _exponents(
    connection: Connection, columns: Sequence[Column], rows: Sequence[tuple[Any, ...]], skip: int
) -> dict[str, int]:
    """Digits after the point of the currencies that occur."""
    place = next((at for at, one in enumerate(columns, skip) if one.role == "currency"), None)
    codes = sorted({str(row[place]) for row in rows}) if place is not None else []
    return {row["code"]: row["exponent"] for row in await connection.fetch(SQL.exponents, codes)}
