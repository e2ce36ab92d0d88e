"""Arguments in a query, for routes that are no lists: single ones, and arrays in three spellings.

`locations[]=2&locations[]=47`, `locations=2&locations=47` and `locations=2,47` are equal
(vending-commerce.md 1.5). An argument that nobody knows is refused: a misspelt filter would give
figures of everything.
"""

from collections.abc import Collection
from datetime import date, datetime

from farebox.api.vending.dialect import Call, Fields
from farebox.domain import periods
from farebox.domain.errors import InvalidError
from farebox.domain.instants import Moment, parse
from farebox.domain.periods import Edge


def arguments(request: Call, single: Collection[str], arrays: Collection[str]) -> Fields:
    """The query's arguments; a name that begins with `_` is somebody else's."""
    values: dict[str, object] = {}
    for name, value in request.query_params.multi_items():
        bare = name.removesuffix("[]")
        if bare in arrays:
            given = values.setdefault(bare, [])
            if isinstance(given, list):
                given.extend(part for part in value.split(",") if part.strip())
        elif not name.startswith("_"):
            values[name] = value
    return Fields(values, known=(*single, *arrays))


def edge(fields: Fields, name: str, *, is_end: bool = False) -> Edge:
    """A required date as the edge of a period; any edge where it is wrong."""
    text = fields.string(name)
    try:
        return periods.edge(text, is_end=is_end)
    except InvalidError as error:
        fields.wrong(name, error.message.removeprefix("The date "))
        return Edge(datetime(1970, 1, 1))  # noqa: DTZ001 - a wall clock has no zone


def moment(fields: Fields, name: str) -> Moment:
    """A required date in any accepted form; any date where it is wrong."""
    text = fields.string(name)
    try:
        return parse(text)
    except InvalidError as error:
        fields.wrong(name, error.message.removeprefix("The date "))
        return Moment(day=date(1970, 1, 1))
