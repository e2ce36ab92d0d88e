"""The declaration of a resource: frozen data and three hooks (prepare, render, scope), no more.

SQL in a declaration (a column's expression, a source, a scope) speaks of the row as `t` and of
values as `{name}`; values are bound, never written into the text. Known names: `{groups}`,
`{group}`, `{caller}`, `{admin}`, `{now_ms}`, and what the view carries besides.
What a resource needs beyond this is written by hand in its noun module.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec

from farebox.resource.kinds import KINDS, Kind

_NAME = re.compile(r"[a-z_][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class View:
    """Who looks, at what instant, with which further values for `{name}` places."""

    # Its id, group, groups (with all below) and admin are what restricts rows.
    caller: Any
    now_ms: int
    parameters: Mapping[str, object] = field(default_factory=dict)

    def value(self, name: str) -> object:
        """Give the value bound for `{name}`; an unknown name is a defect of the declaration."""
        if name in self.parameters:
            return self.parameters[name]
        if name == "groups":
            return sorted(self.caller.groups)
        own = {"caller": self.caller.id, "group": self.caller.group, "admin": self.caller.admin}
        return self.now_ms if name == "now_ms" else own[name]

    def having(self, **parameters: object) -> "View":
        """Give the same view with further values."""
        return View(self.caller, self.now_ms, {**self.parameters, **parameters})


@dataclass(frozen=True)
class Scope:
    """Conditions on `t`: rows that the caller sees, may write, may delete (both else forbidden)."""

    read: str
    write: str = "true"
    delete: str = "true"
    # The same as `read`, as it is best said where a statement asks for nothing else, and where all
    # rows that are seen have to be looked at, as no filter is by a field that has an index.
    alone: str = ""
    through: str = ""
    indexed: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class Field:
    """One member of the response.

    `write` has two letters, for create and update: R required, O optional, - ignored when sent
    back, = (update only) ignored when equal and refused when different.
    `low` and `high` bound a number or a text's length.
    """

    name: str
    type: str = "text"
    write: str = "--"
    # A column of the table, or an expression on `t`; the field's name when empty.
    column: str = ""
    default: object = None
    low: int | None = None
    high: int | None = None
    pattern: str | None = None
    choices: tuple[str, ...] = ()
    # Name of the resource whose visible row this id must be.
    reference: str | None = None

    @cached_property
    def kind(self) -> Kind:
        """The kind that `type` names."""
        return KINDS[self.type]

    @cached_property
    def stored(self) -> str:
        """The column that a write changes."""
        return self.column or self.name

    @cached_property
    def sql(self) -> str:
        """The stored value as an expression on `t`."""
        return f"t.{self.stored}" if _NAME.fullmatch(self.stored) else f"({self.stored})"

    @cached_property
    def form(self) -> re.Pattern[str] | None:
        """The compiled pattern."""
        return re.compile(self.pattern, re.ASCII) if self.pattern else None


@dataclass(frozen=True, eq=False)
class Association:
    """Rows of another resource that belong to one of these, under a name in the path.

    Exactly one of: `column` (ours, holding the one target's id), `back` (a condition on the
    target's `t` with `{parent}`), `through` (link table, its column for us, for the target).
    """

    alias: str
    target: str
    column: str | None = None
    back: str | None = None
    through: tuple[str, str, str] | None = None
    # Accepted as an array of ids in create and update, and by add and remove.
    writable: bool = False


@dataclass
class Write:
    """One insert or update on its way: `prepare` may fill, check and change `values`."""

    connection: Any
    resource: "Resource"
    view: View
    # By field name, and by alias the ids of associations.
    values: dict[str, Any]
    # The row before an update, as it is shown; None for an insert.
    current: Any = None
    # Columns that are no field.
    columns: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, kw_only=True)
class Resource:
    """A table, its fields and associations, and who may see and write which rows."""

    name: str
    table: str
    fields: tuple[Field, ...]
    scope: Scope
    associations: tuple[Association, ...] = ()
    # What is read instead of the table: a sub-select in brackets, for example from a .sql file.
    source: str | None = None
    # Whether the rows of the source are those of the table, each found by its id.
    is_keyed: bool = False
    title: str = ""
    # Column that takes the caller's group on insert.
    owner: str | None = "owner"
    # Unique constraint or index -> the field to blame.
    unique: Mapping[str, str] = field(default_factory=dict)
    # (resource, table, column) that keep a row from being deleted.
    referrers: tuple[tuple[str, str, str], ...] = ()
    # Channels told, in the writing transaction, that rows of the table changed.
    notify: tuple[str, ...] = ()
    prepare: Callable[[Write], Awaitable[None]] | None = None
    # Gives what is sent for a row; may change the row struct in place.
    render: Callable[[Any, View], Any] | None = None

    @cached_property
    def by_name(self) -> Mapping[str, Field]:
        """Fields by their wire name."""
        return {one.name: one for one in self.fields}

    @cached_property
    def aliases(self) -> Mapping[str, Association]:
        """Associations by their name in the path."""
        return {one.alias: one for one in self.associations}

    @cached_property
    def shown(self) -> str:
        """The select list: every field as it is shown."""
        return ", ".join(one.kind.shown(one.sql) for one in self.fields)

    @cached_property
    def row(self) -> type[Any]:
        """The response struct; its members stand in the order of the select list."""
        members: list[Any] = [(one.name, one.kind.python | None) for one in self.fields]
        name = self.name[:1].upper() + self.name[1:] + "Row"
        # Rows hold no cycles, so the collector need not look at a hundred of them per answer.
        return msgspec.defstruct(name, members, module=__name__, gc=False)

    @cached_property
    def label(self) -> str:
        """The resource's name in messages for people."""
        return self.title or self.name.capitalize()


ID = Field("id", "int")
CREATED = Field("createdAt", "instant", column="created_at_ms")
UPDATED = Field("updatedAt", "instant", column="updated_at_ms")
