"""A summary made into SQL, from declared names and bound values only, inside the caller's scope.

The pieces are those of the resource engine: what is compared, seen and sorted means the same in a
list and in a summary. Executes nothing.
"""
# ruff: noqa: S608 - building SQL from declared names is what this module is for.

from farebox.resource.compile import Query, bound, compared, ordered, seen
from farebox.resource.definition import Resource, View
from farebox.summary.definition import Selected, Summary

# Stretches of time: frame, zone, instants, and how far the clock on the wall was ahead of UTC.
_STRETCHES = (
    " join unnest({frames}::int[], {zones}::text[], {from_ms}::bigint[], {until_ms}::bigint[],"
    " {offset_ms}::bigint[], {units}::text[])"
    " as p (frame, zone, from_ms, until_ms, offset_ms, unit)"
)
_WALL = (
    "date_trunc(nullif(p.unit, ''),"
    " timestamp 'epoch' + ({at} + p.offset_ms) * interval '1 millisecond')"
)


def zones(resource: Resource, asked: Summary, view: View, within: str = "true") -> Query:
    """Give the statement for the names of the zones in which a summary's rows happened."""
    values: dict[str, object] = {}
    text = seen(f"distinct {asked.zone}", resource, within) + _asked(asked, values)
    return bound(text, view.having(**values))


def summary(
    resource: Resource, asked: Summary, view: View, *, limit: int, within: str = "true"
) -> Query:
    """Give the statement for a summary: a row a group, before its columns the frame and the date.

    Where it has a time, the view has the arrays of stretches and the instants around them all.
    """
    values: dict[str, object] = {"limit": limit}
    orders = {one.name: ordered(one.own, _value(one)) for one in asked.selected}
    keys = [_value(one) for one in asked.selected if not one.operation]
    columns, spans = ["null::int", "null::text"], ""
    if asked.time is not None:
        wall = _WALL.format(at=asked.time.sql)
        columns = ["p.frame", f"vending.date_label({wall}, p.unit)"]
        keys = ["p.frame", "p.unit", wall, *keys]
        orders |= {"timeFrame": "p.frame", "date": wall}
        spans = _STRETCHES + f" on p.zone = {asked.zone}"
        spans += f" and {asked.time.sql} >= p.from_ms and {asked.time.sql} < p.until_ms"
    columns += [_told(one) for one in asked.selected]
    text = f"select {', '.join(columns)} from {resource.source or resource.table} as t{spans}"
    text += f" where ({resource.scope.read}) and ({within})" + _asked(asked, values)
    text += f" group by {', '.join(keys) or '()'}"
    order = [orders[name] + (" desc" if desc else "") for name, desc in asked.order]
    text += (f" order by {', '.join(order)}" if order else "") + " limit {limit}::bigint"
    return bound(text, view.having(**values))


def _asked(asked: Summary, values: dict[str, object]) -> str:
    tests = [compared(one, values) for one in asked.conditions]
    if asked.time is not None:
        tests += [
            f"{asked.time.sql} >= {{low_ms}}::bigint",
            f"{asked.time.sql} < {{high_ms}}::bigint",
        ]
    return "".join(f" and {test}" for test in tests)


def _value(one: Selected) -> str:
    """A column of a summary as PostgreSQL works it out."""
    column = one.field.sql if one.field else "*"
    match one.operation:
        case "":
            return column
        case "sum":
            return f"coalesce(sum({column}), 0)"
        case "avg":
            return f"round(avg({column}), 2)::float8"
    return f"{one.operation}({column})"


def _told(one: Selected) -> str:
    """The column as it is shown: a smallest price is a price, a count is not."""
    return one.own.kind.shown(_value(one)) if one.own else _value(one)
