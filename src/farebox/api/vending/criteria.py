"""What a chart asks, as clients write it (vending-commerce.md 4.15).

Read into a summary that names only members of the record lists and of machines, and into time
frames. Every fault is reported under its own path, `criteria.select[0].op`. Where the document is
silent: a column without `as` is called by what it is of, `*` can only be counted, all time frames
speak of one column, and sales that are left out of reports are left out here.
"""

import re
from typing import Any, Final, NamedTuple

import msgspec

from farebox.api.vending.dialect import Fields
from farebox.api.vending.fleet import MACHINE
from farebox.api.vending.records import LOG, PAYMENTTRANSACTION, REVENUETRANSACTION
from farebox.domain import instants
from farebox.domain.errors import InvalidError
from farebox.domain.frames import TYPES, UNITS, Frame, is_backwards
from farebox.resource.criteria import Condition
from farebox.resource.definition import Field, Resource
from farebox.storage.sqlfile import load
from farebox.summary.definition import Selected, Summary

SQL = load(__file__)
SELECTED_MAX: Final = 20
CONDITIONS_MAX: Final = 32
VALUES_MAX: Final = 1000
FRAMES_MAX: Final = 10
HOURS_MAX: Final = 10 * 366 * 24
_OPERATORS: Final = {
    "=": "in", "!=": "nin", "in": "in", "nin": "nin", "<": "<", "<=": "<=", ">": ">", ">=": ">=",
    "contains": "contains", "startsWith": "startsWith",
}  # fmt: skip
AGGREGATES: Final = ("sum", "count", "avg", "min", "max")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)
# What a row of a chart with time frames has beside its columns.
RESERVED: Final = ("timeFrame", "date")
_MEMBERS: Final = ("select", "from", "where", "orderBy", "timeFrames")
_FRAME: Final = ("type", "viewType", "startAt", "endAt", "hoursToSub", "column", "description")


class Source(NamedTuple):
    """What a chart can be of: the zone of its rows' place, and which of them count."""

    resource: Resource
    zone: str
    within: str = "true"


SOURCES: Final = {
    "revenuetransaction": Source(REVENUETRANSACTION, "t.time_zone", "not t.excluded"),
    "paymenttransaction": Source(PAYMENTTRANSACTION, "t.time_zone"),
    "log": Source(LOG, "t.time_zone"),
    "machine": Source(MACHINE, SQL.zone_of_machine),
}


class Question(msgspec.Struct, frozen=True):
    """Checked criteria."""

    source: Source
    asked: Summary
    frames: tuple[Frame, ...]


def question(body: Fields) -> Question | None:
    """The member `criteria` of a body; None where it is absent or wrong, which is reported."""
    given = body.nested("criteria", known=_MEMBERS)
    if given is None:
        return None
    name = given.enum("from", SOURCES, required=True)
    if name is None:
        return None
    return _Reader(given, SOURCES[name]).read()


def stored(criteria: Any) -> Question:
    """Criteria that were checked when they were kept. Raises InvalidError should they be none."""
    fields = Fields({"criteria": criteria})
    found = question(fields)
    fields.finish()
    if found is None:
        raise InvalidError("The chart has no criteria")
    return found


class _Reader:
    """Reads the members of one criteria object over one source."""

    def __init__(self, given: Fields, source: Source) -> None:
        self._given = given
        self._source = source
        fields = source.resource.fields
        self._columns = {one.name: one for one in fields if one.kind.read is not None}
        self._instants = {name: one for name, one in self._columns.items() if one.type == "instant"}

    def read(self) -> Question | None:
        """The whole question; None if anything of it is wrong."""
        selected = self._selected()
        conditions = self._conditions()
        time, frames = self._frames()
        order = self._order(selected, has_time=bool(frames))
        if not self._given.is_clean:
            return None
        asked = Summary(selected, conditions, order, time, self._source.zone)
        return Question(self._source, asked, frames)

    def _column(self, given: Fields, name: str, text: str) -> Field | None:
        if text and text not in self._columns:
            given.wrong(name, f"is no column of {self._source.resource.name}")
        return self._columns.get(text)

    def _selected(self) -> tuple[Selected, ...]:
        items = self._given.each(
            "select", low=1, high=SELECTED_MAX, known=("expr", "op", "as"), required=True
        )
        found: list[Selected] = []
        for item in items or ():
            one = self._select(item)
            if one.name and one.name in {other.name for other in found}:
                item.wrong("as", "is there twice")
            found.append(one)
        return tuple(found)

    def _select(self, item: Fields) -> Selected:
        expression, operation = item.string("expr", high=64), _text(item, "op", AGGREGATES)
        field = None if expression == "*" else self._column(item, "expr", expression)
        if expression == "*" and operation != "count":
            item.wrong("op", "must be count for *")
        if field is not None and not _applies(operation, field):
            item.wrong("op", f"does not apply to {expression}")
        named = operation if expression == "*" else "_".join(filter(None, (operation, expression)))
        name = item.optional_string("as", high=64, pattern=_NAME) or named
        return Selected(name, operation, field)

    def _conditions(self) -> tuple[Condition, ...]:
        items = self._given.each("where", high=CONDITIONS_MAX, known=("field", "op", "value"))
        return tuple(one for item in items or () if (one := self._condition(item)))

    def _condition(self, item: Fields) -> Condition | None:
        field = self._column(item, "field", item.string("field", high=64))
        operator = item.enum("op", _OPERATORS, required=True)
        if field is None or operator is None:
            return None
        meant, value = _OPERATORS[operator], item.given("value")
        if meant in ("contains", "startsWith") and not field.kind.is_text:
            item.wrong("op", f"does not apply to {field.name}")
            return None
        is_list = operator in ("in", "nin")
        values = value if is_list and isinstance(value, list) else [value]
        if is_list and not (isinstance(value, list) and 1 <= len(value) <= VALUES_MAX):
            item.wrong("value", f"must be an array of 1 to {VALUES_MAX} values")
            return None
        try:
            return Condition(field, meant, tuple(_value(field, meant, one) for one in values))
        except ValueError as error:
            item.wrong("value", str(error))
            return None

    def _order(
        self, selected: tuple[Selected, ...], *, has_time: bool
    ) -> tuple[tuple[str, bool], ...]:
        """What is asked for, then frame, date and what is grouped by: never left to chance."""
        time = RESERVED if has_time else ()
        names = {one.field.name: one.name for one in selected if one.field and not one.operation}
        names |= {one.name: one.name for one in selected} | dict(zip(time, time, strict=True))
        for place, one in enumerate(selected):
            if one.name in time:
                self._given.wrong(f"select[{place}].as", f"must not be {one.name}")
        order: list[tuple[str, bool]] = []
        for place, text in enumerate(self._given.array("orderBy", high=SELECTED_MAX) or ()):
            words = text.split() if isinstance(text, str) else []
            if not 1 <= len(words) <= 2 or [*words, "asc"][1].lower() not in ("asc", "desc"):
                self._given.wrong(f"orderBy[{place}]", "must be a name, with asc or desc")
            elif words[0] not in names:
                self._given.wrong(f"orderBy[{place}]", "is neither selected nor grouped by")
            else:
                order.append((names[words[0]], [*words, "asc"][1].lower() == "desc"))
        rest = [*time, *(one.name for one in selected if not one.operation)]
        return (*order, *((name, False) for name in rest))

    def _frames(self) -> tuple[Field | None, tuple[Frame, ...]]:
        items = self._given.each("timeFrames", high=FRAMES_MAX, known=_FRAME) or []
        frames = tuple(self._frame(item) for item in items)
        names = [item.optional_string("column", high=64) or next(iter(self._instants))
                 for item in items]  # fmt: skip
        for item, name in zip(items, names, strict=True):
            if name not in self._instants:
                item.wrong("column", f"is no date column of {self._source.resource.name}")
            elif name != names[0]:
                item.wrong("column", "must be that of the first time frame")
        return (self._instants.get(names[0]) if names else None), frames

    def _frame(self, item: Fields) -> Frame:
        frame = Frame(
            type=item.enum("type", TYPES, required=True) or "day",
            unit=_text(item, "viewType", UNITS),
            hours=item.optional_integer("hoursToSub", low=0, high=HOURS_MAX) or 0,
            start=_moment(item, "startAt"),
            end=_moment(item, "endAt"),
            description=item.optional_string("description") or "",
        )
        if is_backwards(frame):
            item.wrong("endAt", "is before startAt", "invalid_range")
        return frame


def _text(item: Fields, name: str, values: tuple[str, ...]) -> str:
    """One of the values, or "" for none of them."""
    return item.enum(name, (*values, "")) or ""


def _applies(operation: str, field: Field) -> bool:
    if operation in ("sum", "avg"):
        return field.type in ("int", "money")
    return operation not in ("min", "max") or field.type not in ("bool", "bool01")


def _value(field: Field, operator: str, value: object) -> object:
    """A value to compare with. Raises ValueError."""
    if field.kind.read is None or (value is None and operator in ("in", "nin")):
        return None
    return field.kind.read(value)


def _moment(item: Fields, name: str) -> instants.Moment | None:
    text = item.optional_string(name, high=64)
    try:
        return None if text is None else instants.parse(text)
    except InvalidError as error:
        item.wrong(name, error.message)
        return None
