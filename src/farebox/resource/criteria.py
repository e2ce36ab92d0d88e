"""What a list is asked for, in a checked form that names only declared fields.

How clients write it is each API family's own business; nothing here is read or made into SQL.
"""

from dataclasses import dataclass

from farebox.resource.definition import Field

# What a condition can say: one of a list or not, one of a text, or one of < <= > >=.
LISTS = frozenset(("in", "nin"))
TEXT_ONLY = frozenset(("contains", "startsWith", "endsWith", "like"))


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison; `values` has None only for in and nin, where it stands for SQL's null."""

    field: Field
    operator: str
    values: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Criteria:
    """Conditions that all hold, branches of which one holds, order (field, descending), and cut."""

    conditions: tuple[Condition, ...] = ()
    branches: tuple[tuple[Condition, ...], ...] = ()
    order: tuple[tuple[Field, bool], ...] = ()
    skip: int = 0
    limit: int | None = None
