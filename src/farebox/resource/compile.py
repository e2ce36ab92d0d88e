"""A declaration and checked criteria made into SQL: the only place where SQL text is built.

Every name in the text comes from a declaration and every value is a bound parameter; a read always
stands inside the caller's scope. Executes nothing.
"""
# ruff: noqa: S608 - building SQL from declared names is what this module is for.

import re
from collections.abc import Mapping, Sequence

from farebox.domain.errors import InvalidError
from farebox.resource.criteria import Condition, Criteria
from farebox.resource.definition import Association, Field, Resource, View

Query = tuple[str, list[object]]
NOTIFY = "select pg_notify($1, $2)"
_PLACE = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
_WILD = re.compile(r"([\\%_])")


class Statement:
    """SQL text in the making: turns `{name}` and values into numbered parameters."""

    def __init__(self, view: View) -> None:
        self.args: list[object] = []
        self._view = view
        self._numbers: dict[str, str] = {}

    def bind(self, value: object) -> str:
        """Give the place of a value."""
        self.args.append(value)
        return f"${len(self.args)}"

    def fill(self, text: str) -> str:
        """Replace every `{name}` by the place of the view's value of that name."""
        return _PLACE.sub(self._place, text)

    def _place(self, found: re.Match[str]) -> str:
        name = found[1]
        if name not in self._numbers:
            self._numbers[name] = self.bind(self._view.value(name))
        return self._numbers[name]


def _columns(resource: Resource) -> str:
    return ", ".join(one.kind.shown(one.sql) for one in resource.fields)


def _visible(resource: Resource, within: str, joined: str = "") -> str:
    source = resource.source or resource.table
    return f" from {source} as t{joined} where ({resource.scope.read}) and ({within})"


def select(
    resource: Resource, criteria: Criteria, view: View, *, limit: int | None, within: str = "true"
) -> Query:
    """Give the statement for the rows of a list; `within` is a further condition on `t`."""
    s = Statement(view)
    text = s.fill(f"select {_columns(resource)}{_visible(resource, within)}")
    text += _criteria(s, criteria) + _order(s, criteria)
    return _cut(s, text, limit, criteria.skip), s.args


def count(
    resource: Resource, criteria: Criteria, view: View, *, limit: int | None = None,
    within: str = "true",
) -> Query:  # fmt: skip
    """Give the statement that counts what a list would show without skip; at most `limit`."""
    s = Statement(view)
    text = s.fill(f"select 1{_visible(resource, within)}") + _criteria(s, criteria)
    return f"select count(*) from ({_cut(s, text, limit)}) as c", s.args


def read(resource: Resource, view: View, within: str, *, lock: bool = False) -> Query:
    """Give the statement for a visible row; `lock` adds whether it may be written and deleted."""
    shown = _columns(resource)
    if lock:
        shown += f", ({resource.scope.write}), ({resource.scope.delete})"
    s = Statement(view)
    text = f"select {shown}{_visible(resource, within)}"
    return s.fill(text + (" for no key update of t" if lock else "")), s.args


def present(resource: Resource, ids: Sequence[int], view: View) -> Query:
    """Give the statement for those of the ids that are visible."""
    s = Statement(view)
    within = f"t.id = any({s.bind(list(ids))}::bigint[])"
    return s.fill(f"select t.id{_visible(resource, within)}"), s.args


def insert(resource: Resource, values: Mapping[str, object]) -> Query:
    """Give the statement that inserts a row of columns and gives back its id."""
    places = ", ".join(f"${number + 1}" for number in range(len(values)))
    text = f"insert into {resource.table} ({', '.join(values)}) values ({places}) returning id"
    return text, [*values.values()]


def update(
    resource: Resource, key: int, values: Mapping[str, object], now_ms: int, *, touch: bool
) -> Query:
    """Give the statement that writes columns only if one differs (`touch`: in any case)."""
    names = [f"{name} = ${number}" for number, name in enumerate(values, 3)]
    changed = " or ".join("t." + one.replace(" = ", " is distinct from ") for one in names)
    text = f"update {resource.table} as t set {', '.join([*names, 'updated_at_ms = $2'])}"
    text += " where t.id = $1" + ("" if touch else f" and ({changed or 'false'})")
    return text + " returning 1", [key, now_ms, *values.values()]


def delete(resource: Resource, key: int) -> Query:
    """Give the statement that removes one row."""
    return f"delete from {resource.table} where id = $1", [key]


def refers(resource: Resource, key: int) -> Query:
    """Give the statement that says of each referrer whether it holds on to the row."""
    tests = [f"exists (select 1 from {t} as r where r.{c} = $1)" for _, t, c in resource.referrers]
    return "select " + ", ".join(tests), [key]


def link(through: tuple[str, str, str], parent: int, ids: Sequence[int]) -> Query:
    """Give the statement that adds associations where they are missing, one row for each added."""
    table, ours, theirs = through
    text = f"insert into {table} ({ours}, {theirs}) select $1, x from unnest($2::int[]) as x"
    return text + " on conflict do nothing returning 1", [parent, list(ids)]


def unlink(through: tuple[str, str, str], parent: int, ids: Sequence[int], *, keep: bool) -> Query:
    """Give the statement that removes the associations with these ids, or all others (`keep`)."""
    table, ours, theirs = through
    test = f"{theirs} {'<> all' if keep else '= any'}($2::int[])"
    return f"delete from {table} where {ours} = $1 and {test} returning 1", [parent, list(ids)]


def belonging(resource: Resource, association: Association) -> str:
    """Give the condition on the target's `t` that holds for rows associated with `{parent}`."""
    if association.column is not None:
        ours = f"select p.{association.column} from {resource.table} as p"
        return f"t.id = ({ours} where p.id = {{parent}}::bigint)"
    if association.through is not None:
        table, ours, theirs = association.through
        return f"t.id in (select {theirs} from {table} where {ours} = {{parent}}::bigint)"
    return association.back or "false"


def export(
    resource: Resource, catalogue: Mapping[str, Resource], paths: Sequence[str],
    criteria: Criteria, view: View,
) -> tuple[Query, list[Field]]:  # fmt: skip
    """Give the statement for columns `field` and `alias.field` (singular aliases) and its fields.

    Raises InvalidError naming an unknown column.
    """
    fields: list[Field] = []
    texts: list[str] = []
    for path in paths:
        alias, _, name = path.rpartition(".")
        association = resource.aliases.get(alias)
        ours = association.column if association else None
        target = catalogue[association.target] if association and ours else resource
        field = target.by_name.get(name)
        if field is None or (alias and not ours):
            reason = f"unknown column {path[:64]}"
            raise InvalidError(reason, fields={"columns": reason})
        fields.append(field)
        text = field.kind.shown(field.sql)
        texts.append(f"(select {text}{_visible(target, f't.id = o.{ours}')})" if ours else text)
    s = Statement(view)
    # In the inner queries `t` is another row, so this row needs a second name.
    source = _visible(resource, "true", " cross join lateral (select t.*) as o")
    text = s.fill(f"select {', '.join(texts)}{source}")
    return (text + _criteria(s, criteria) + _order(s, criteria), s.args), fields


def _cut(s: Statement, text: str, limit: int | None, skip: int = 0) -> str:
    if limit is not None:
        text += f" limit {s.bind(limit)}::bigint"
    return text + (f" offset {s.bind(skip)}::bigint" if skip else "")


def _criteria(s: Statement, criteria: Criteria) -> str:
    text = "".join(f" and {_condition(s, one)}" for one in criteria.conditions)
    if criteria.branches:
        either = (" and ".join(_condition(s, one) for one in all_) for all_ in criteria.branches)
        text += f" and (({') or ('.join(either)}))"
    return text


def _order(s: Statement, criteria: Criteria) -> str:
    """PostgreSQL's own rule for nulls is the wanted one: last in ascending order, else first."""
    parts = [_ordered(field) + (" desc" if desc else "") for field, desc in criteria.order]
    if not any(field.name == "id" for field, _ in criteria.order):
        parts.append("t.id")
    return s.fill(" order by " + ", ".join(parts))


def _ordered(field: Field) -> str:
    # Code points: the same order on every server, whatever its locale.
    return f'{field.sql} collate "C"' if field.kind.is_text else field.sql


def _condition(s: Statement, condition: Condition) -> str:
    field, operator = condition.field, condition.operator
    if operator in ("in", "nin"):
        return _listed(s, condition)
    value = condition.values[0]
    if field.type == "instant":
        # Shown in whole seconds, stored in milliseconds: 12:00:05.250 is neither < nor > 12:00:05.
        bound = int(str(value)) + (1000 if operator in (">", "<=") else 0)
        return f"{s.fill(field.sql)} {'<' if operator[0] == '<' else '>='} {s.bind(bound)}::bigint"
    if operator[0] in "<>":
        return f"{s.fill(_ordered(field))} {operator} {s.bind(value)}::{field.kind.bound}"
    return f"{s.fill(field.sql)} ilike {s.bind(_pattern(operator, str(value)))}::text"


def _listed(s: Statement, condition: Condition) -> str:
    """`nin` is the exact complement of `in`: a null row is unequal to every value."""
    column, bound = s.fill(condition.field.sql), condition.field.kind.bound
    values = [one for one in condition.values if one is not None]
    compared = column
    if condition.field.type == "instant":
        compared, values = f"{column} / 1000", [int(str(one)) // 1000 for one in values]
    if len(values) == 1:
        test = f"{compared} = {s.bind(values[0])}::{bound}"
    else:
        test = f"{compared} = any({s.bind(values)}::{bound}[])" if values else "false"
    if len(values) < len(condition.values):
        test = f"({test} or {column} is null)"
    return test if condition.operator == "in" else f"({test}) is not true"


def _pattern(operator: str, value: str) -> str:
    if operator == "like":
        return _WILD.sub(lambda found: found[1] if found[1] == "%" else "\\" + found[1], value)
    value = _WILD.sub(r"\\\1", value)
    forms = {"startsWith": f"{value}%", "endsWith": f"%{value}"}
    return forms.get(operator, f"%{value}%")
