"""A declaration and checked criteria made into SQL: the only place where SQL text is built.

Every name in the text comes from a declaration and every value is a bound parameter, written as
`{name}` until the text is whole; a read always stands inside the caller's scope. Executes nothing.
"""
# ruff: noqa: S608 - building SQL from declared names is what this module is for.

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from farebox.domain.errors import InvalidError
from farebox.resource.criteria import Condition, Criteria
from farebox.resource.definition import Association, Field, Resource, View

Query = tuple[str, list[object]]
Link = tuple[str, str, str]
_BY_ID = " order by t.id"
_PLACE = re.compile(r"\{([a-z_][a-z0-9_]*)\}")


def bound(text: str, view: View) -> Query:
    """Replace every `{name}` by the number of a parameter, the view's value of that name."""
    args: list[object] = []
    numbers: dict[str, str] = {}

    def number(found: re.Match[str]) -> str:
        if found[1] not in numbers:
            args.append(view.value(found[1]))
            numbers[found[1]] = f"${len(args)}"
        return numbers[found[1]]

    return _PLACE.sub(number, text), args


def seen(columns: str, resource: Resource, within: str, scope: str = "") -> str:
    """Read columns of the rows that the caller sees and that satisfy `within`."""
    source = f"{resource.source or resource.table} as t"
    return f"select {columns} from {source} where ({scope or resource.scope.read}) and ({within})"


def select(
    resource: Resource, criteria: Criteria, view: View, *, limit: int | None, within: str = "true"
) -> Query:
    """Give the statement for the rows of a list; `within` is a further condition on `t`."""
    values: dict[str, object] = {"limit": limit, "skip": criteria.skip}
    text = seen(resource.shown, resource, within, _sight(resource, criteria, within))
    text += _criteria(criteria, values)
    return bound(text + _order(criteria) + _cut(criteria, limit), view.having(**values))


def page(
    resource: Resource, criteria: Criteria, view: View, *, limit: int, within: str = "true",
    tells: bool = True,
) -> Query:  # fmt: skip
    """Give the statement for a page whose rows end with how many match in all, null if untold.

    Where it `tells`, what matches is looked through once, for ids alone, and only the rows on the
    page are shown. It is untold of rows that nobody has by their ids, or whose first are the page
    anyway, and where all of a table are wanted.
    """
    values: dict[str, object] = {"limit": limit, "skip": criteria.skip}
    order, sight = _order(criteria), _sight(resource, criteria, within)
    if order == _BY_ID and _is_alone(resource, criteria, within):
        # An index begins with the page, and tells their number faster if that is asked for apart.
        ids = f"select t.id, null::bigint from {resource.table} as t where ({resource.scope.alone})"
    elif tells and _is_looked_through(resource, criteria, order):
        ids = seen("t.id, count(*) over ()", resource, within, sight)
        ids += _criteria(criteria, values)
    else:
        text = seen(f"{resource.shown}, null::bigint", resource, within, sight)
        text += _criteria(criteria, values) + order + _cut(criteria, limit)
        return bound(text, view.having(**values))
    on_page = f"({ids}{order}{_cut(criteria, limit)}) as page(id, total)"
    text = f"select {resource.shown}, page.total from {resource.source or resource.table} as t"
    return bound(f"{text} join {on_page} on page.id = t.id{order}", view.having(**values))


def count(
    resource: Resource, criteria: Criteria, view: View, *, limit: int | None = None,
    within: str = "true",
) -> Query:  # fmt: skip
    """Give the statement that counts what a list would show without skip; at most `limit`."""
    values: dict[str, object] = {"limit": limit}
    sight = _sight(resource, criteria, within)
    text = seen("1", resource, within, sight) + _criteria(criteria, values)
    if _is_alone(resource, criteria, within):
        text = f"select 1 from {resource.table} as t where ({resource.scope.alone})"
    text += "" if limit is None else " limit {limit}::bigint"
    return bound(f"select count(*) from ({text}) as c", view.having(**values))


def read(resource: Resource, view: View, within: str, *, lock: bool = False) -> Query:
    """Give the statement for a visible row; `lock` adds whether it may be written and deleted."""
    rights = f", ({resource.scope.write}), ({resource.scope.delete})" if lock else ""
    text = seen(resource.shown + rights, resource, within)
    return bound(text + (" for no key update of t" if lock else ""), view)


def present(resource: Resource, ids: Sequence[int], view: View) -> Query:
    """Give the statement for those of the ids that are visible."""
    return bound(seen("t.id", resource, "t.id = any({ids}::bigint[])"), view.having(ids=list(ids)))


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
    """Give the statement for the names of the referrers that hold on to the row."""
    test = "select '{}' where exists (select 1 from {} as r where r.{} = $1)"
    return " union all ".join(test.format(*one) for one in resource.referrers), [key]


def link(through: Link, parent: int, ids: Sequence[int], target: Resource, view: View) -> Query:
    """Give the statement that adds associations where they are missing, one row for each added."""
    table, ours, theirs = through
    rows = seen("{parent}::int, t.id", target, "t.id = any({ids}::int[])")
    text = f"insert into {table} ({ours}, {theirs}) {rows} on conflict do nothing returning 1"
    return bound(text, view.having(parent=parent, ids=list(ids)))


def unlink(
    through: Link, parent: int, ids: Sequence[int], target: Resource, view: View, keep: bool = False
) -> Query:
    """Give the statement that removes the visible of these associations, or of others (`keep`)."""
    table, ours, theirs = through
    test = f"l.{theirs} {'<> all' if keep else '= any'}({{ids}}::int[])"
    test += f" and exists ({seen('1', target, f't.id = l.{theirs}')})"
    text = f"delete from {table} as l where l.{ours} = {{parent}}::int and {test} returning 1"
    return bound(text, view.having(parent=parent, ids=list(ids)))


def notify(resource: Resource) -> Query:
    """Give the statement that tells the resource's channels that its table changed."""
    channels = list(resource.notify)
    return "select pg_notify(c, $1) from unnest($2::text[]) as c", [resource.table, channels]


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
    for path in paths:
        alias, _, name = path.rpartition(".")
        association = resource.aliases.get(alias)
        ours = association.column if association else None
        target = catalogue[association.target] if association and ours else resource
        field = target.by_name.get(name)
        if field is None or (alias and not ours):
            reason = f"unknown column {path[:64]}"
            raise InvalidError(reason, fields={"columns": reason})
        if ours:
            field = replace(field, column=seen(field.sql, target, f"t.id = o.{ours}"))
        fields.append(field)
    # In the inner queries `t` is another row, so this row needs a second name.
    source = f"{resource.source or resource.table} as o cross join lateral (select o.*)"
    wide = replace(resource, fields=tuple(fields), source=source)
    return select(wide, criteria, view, limit=None), fields


def _is_alone(resource: Resource, criteria: Criteria, within: str) -> bool:
    """Whether a statement asks for all that the caller sees, and there is a best way to say so."""
    is_filtered = criteria.conditions or criteria.branches or within != "true" or resource.source
    return bool(resource.scope.alone) and not is_filtered


def _is_looked_through(resource: Resource, criteria: Criteria, order: str) -> bool:
    """Whether ids and their number come first, and only then the rows of a page."""
    if not resource.source:
        return criteria.limit is not None
    # What such rows are made of is only worth its price for those that are shown.
    filters = {one.field.name for one in criteria.conditions}
    is_sorted_out = criteria.branches or not filters <= resource.scope.indexed
    return resource.is_keyed and bool(is_sorted_out or order != _BY_ID)


def _sight(resource: Resource, criteria: Criteria, within: str) -> str:
    """The scope as it is best said beside the criteria: which of them could find rows by itself."""
    through = "" if within != "true" or resource.source else resource.scope.through
    either = criteria.branches and all(_leads(resource, one) for one in criteria.branches)
    return "" if either or _leads(resource, criteria.conditions) else through


def _leads(resource: Resource, all_: Sequence[Condition]) -> bool:
    """Whether an index may find what satisfies all of the conditions."""
    finding = ("in", "<", "<=", ">", ">=")
    return any(one.field.name in resource.scope.indexed and one.operator in finding for one in all_)


def _cut(criteria: Criteria, limit: int | None) -> str:
    page = "" if limit is None else " limit {limit}::bigint"
    return page + (" offset {skip}::bigint" if criteria.skip else "")


def _criteria(criteria: Criteria, values: dict[str, object]) -> str:
    texts = [compared(one, values) for one in criteria.conditions]
    either = [" and ".join(compared(one, values) for one in all_) for all_ in criteria.branches]
    texts += [f"(({') or ('.join(either)}))"] if either else []
    return "".join(f" and {text}" for text in texts)


def compared(condition: Condition, values: dict[str, object]) -> str:
    """Write one comparison and put what it compares with among the values."""
    field, operator, column = condition.field, condition.operator, condition.field.sql
    name, value = f"_{len(values)}", condition.values[:1]
    place = f"{{{name}}}::{field.kind.bound}"
    if operator in ("in", "nin"):
        wanted = [one for one in condition.values if one is not None]
        if field.type == "instant":
            column, wanted = f"{column} / 1000", [int(str(one)) // 1000 for one in wanted]
        values[name] = wanted[0] if len(wanted) == 1 else wanted
        test = f"{column} = {place}" if len(wanted) == 1 else f"{column} = any({place}[])"
        if None in condition.values:
            test = f"({test} or {column} is null)"
        # The exact complement: a null row is unequal to every value.
        return test if operator == "in" else f"({test}) is not true"
    if operator[0] in "<>" and field.type == "instant":
        # Shown in whole seconds, stored in milliseconds: 12:00:05.250 is neither < nor > 12:00:05.
        values[name] = int(str(value[0])) + (1000 if operator in (">", "<=") else 0)
        return f"{column} {'<' if operator[0] == '<' else '>='} {place}"
    if operator[0] in "<>":
        values[name] = value[0]
        return f"{ordered(field, column)} {operator} {place}"
    values[name] = _pattern(operator, str(value[0]))
    return f"{column} ilike {place}"


def _order(criteria: Criteria) -> str:
    """PostgreSQL's own rule for nulls is the wanted one: last in ascending order, else first."""
    parts = [ordered(one, one.sql) + (" desc" if desc else "") for one, desc in criteria.order]
    parts += [] if any(field.name == "id" for field, _ in criteria.order) else ["t.id"]
    return " order by " + ", ".join(parts)


def ordered(field: Field | None, value: str) -> str:
    # Code points: the same order on every server, whatever its locale.
    return f'{value} collate "C"' if field and field.kind.is_text else value


def _pattern(operator: str, value: str) -> str:
    """Only like has a wildcard of its own, and only `%`."""
    value = re.sub(r"([\\_])" if operator == "like" else r"([\\%_])", r"\\\1", value)
    value = f"%{value}" if operator in ("contains", "endsWith") else value
    return f"{value}%" if operator in ("contains", "startsWith") else value
