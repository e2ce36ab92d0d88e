"""Figures on their way to a picture: typed columns and rows, and panels that share one scale.

A panel holds what can be compared: one measure, and of money one currency. What is grouped by
besides becomes series; beyond seven of them the smallest are one, where that can be added up. Where
the numbers come from and how they are drawn is not known here.
"""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

import msgspec

SERIES_MAX: Final = 8
CATEGORIES_MAX: Final = 20
# No axis has more dates; of more the last ones are shown.
DATES_MAX: Final = 1500
OTHERS: Final = "others"
_HOUR: Final = "%Y-%m-%d %H:00"
_STEPS: Final = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}


class Column(msgspec.Struct, frozen=True):
    """A column of figures; `unit` is "money", "seconds" or ""."""

    name: str
    role: Literal["date", "key", "currency", "measure"]
    unit: str = ""
    # Whether values of several rows can be added up.
    is_sum: bool = True


class Figure(msgspec.Struct, frozen=True):
    """What a picture shows: rows in the order of the columns, dates of one unit."""

    title: str
    view: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    unit: str = ""
    # What stands under the title: span, zones, what was cut off.
    notes: tuple[str, ...] = ()
    # Digits after the point, by currency.
    exponents: dict[str, int] = {}


class Report(msgspec.Struct, frozen=True, tag=True):
    """What is printed: figures in their order, under a title, with a line at every page's foot."""

    title: str
    figures: tuple[Figure, ...]
    foot: str = ""
    # What stands under the title.
    note: str = ""


class Series(NamedTuple):
    """A name, and a value or nothing for each of the panel's categories."""

    name: str
    values: tuple[float | None, ...]


class Panel(NamedTuple):
    """A measure over categories, with its unit as it is written beside the axis."""

    title: str
    unit: str
    # Digits after the point, and whether categories are dates.
    digits: int
    is_dated: bool
    is_sum: bool
    categories: tuple[str, ...]
    series: tuple[Series, ...]


def panels(figure: Figure) -> list[Panel]:
    """One panel for each measure, of money for each currency, in the order of the columns.

    Without a value there is no panel.
    """
    found = []
    currency = _place(figure, "currency")
    for place, column in enumerate(figure.columns):
        if column.role == "measure" and column.unit == "money" and currency is not None:
            for code in sorted({str(row[currency]) for row in figure.rows}):
                rows = [row for row in figure.rows if str(row[currency]) == code]
                found.append(_panel(figure, place, rows, code))
        elif column.role == "measure":
            found.append(_panel(figure, place, [*figure.rows], ""))
    return [panel for panel in found if panel.categories]


def scaled(figure: Figure, column: Column, value: Any, currency: str) -> tuple[Any, int]:
    """A value in the unit that people read, and its digits after the point."""
    digits = figure.exponents.get(currency, 2) if column.unit == "money" and currency else 0
    if isinstance(value, float) and not digits:
        return value, 2
    return (value / 10**digits if digits and value is not None else value), digits


def unit_of(column: Column, currency: str) -> str:
    """The unit as it is written."""
    return (currency or "minor units") if column.unit == "money" else column.unit


def _place(figure: Figure, role: str) -> int | None:
    return next((at for at, one in enumerate(figure.columns) if one.role == role), None)


def _panel(figure: Figure, place: int, rows: list[tuple[Any, ...]], currency: str) -> Panel:
    column, dated = figure.columns[place], _place(figure, "date")
    keys = [
        at for at, one in enumerate(figure.columns)
        if one.role == "key" or (one.role == "currency" and not currency)
    ]  # fmt: skip
    cells: dict[str, dict[str, float]] = defaultdict(dict)
    digits = 0
    for row in rows:
        name = " · ".join(_said(row[at]) for at in keys) or column.name
        value, told_digits = scaled(figure, column, row[place], currency)
        digits = max(digits, told_digits)
        if value is not None:
            category = name if dated is None else str(row[dated])
            line = cells[column.name if dated is None else name]
            line[category] = line.get(category, 0) + value
    named = dict.fromkeys(category for line in cells.values() for category in line)
    if dated is None:
        categories = _largest(cells[column.name], CATEGORIES_MAX, is_sum=column.is_sum)
    else:
        categories = dates(figure.unit, list(named))
    series = _series(cells, categories, is_sum=column.is_sum, empty=0.0 if column.is_sum else None)
    return Panel(column.name, unit_of(column, currency), digits, dated is not None, column.is_sum,
                 tuple(categories), series)  # fmt: skip


def _said(value: Any) -> str:
    return "none" if value is None else str(value)


def _series(
    cells: dict[str, dict[str, float]], categories: list[str], *, is_sum: bool, empty: float | None
) -> tuple[Series, ...]:
    """The largest series, largest first, and the sum of the rest."""
    sizes = {name: sum(abs(value) for value in line.values()) for name, line in cells.items()}
    kept = _largest(sizes, SERIES_MAX, is_sum=False)
    if len(cells) > SERIES_MAX and is_sum:
        kept = kept[: SERIES_MAX - 1]
        rest: dict[str, float] = defaultdict(float)
        for name in cells.keys() - set(kept):
            for category, value in cells[name].items():
                rest[category] += value
        cells[OTHERS] = dict(rest)
        kept.append(OTHERS)
    return tuple(
        Series(name, tuple(cells[name].get(one, empty) for one in categories)) for name in kept
    )


def _largest(values: dict[str, float], most: int, *, is_sum: bool) -> list[str]:
    """The names of the largest values; where they can be added up, the rest becomes one of them."""
    names = sorted(values, key=lambda name: (-values[name], name))
    if len(names) <= most or not is_sum:
        return names[:most]
    values[OTHERS] = sum(values.pop(name) for name in names[most - 1 :])
    return [*names[: most - 1], OTHERS]


def dates(unit: str, told: list[str]) -> list[str]:
    """The dates from the first to the last, those without a row included; the last of very many."""
    if unit in ("month", "year") and told:
        first, last = (_month(text, unit) for text in (min(told), max(told)))
        step = 12 if unit == "year" else 1
        return [_month_text(number, unit) for number in range(first, last + 1, step)][-DATES_MAX:]
    if unit not in _STEPS or not told:
        return sorted(told)[-DATES_MAX:]
    last_wall = _wall(max(told), unit)
    wall = max(_wall(min(told), unit), last_wall - (DATES_MAX - 1) * _STEPS[unit])
    filled = []
    while wall <= last_wall:
        filled.append(_wall_text(wall, unit))
        wall += _STEPS[unit]
    return filled


def _wall(text: str, unit: str) -> datetime:
    if unit == "week":
        return datetime.strptime(f"{text}-1", "%G-W%V-%u")  # noqa: DTZ007 - a clock on a wall
    return datetime.strptime(text, _HOUR if unit == "hour" else "%Y-%m-%d")  # noqa: DTZ007


def _wall_text(wall: datetime, unit: str) -> str:
    if unit == "week":
        year, week, _ = wall.isocalendar()
        return f"{year}-W{week:02d}"
    return wall.strftime(_HOUR if unit == "hour" else "%Y-%m-%d")


def _month(text: str, unit: str) -> int:
    year, _, month = text.partition("-")
    return int(year) * 12 + (int(month) - 1 if unit == "month" else 0)


def _month_text(number: int, unit: str) -> str:
    year, month = divmod(number, 12)
    return str(year) if unit == "year" else f"{year}-{month + 1:02d}"
