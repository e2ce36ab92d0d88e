"""What a list is asked for, in a checked form that names only declared fields.

How clients write it is each API family's own business; nothing here is read or made into SQL.
"""

from dataclasses import dataclass

from farebox.resource.definition import Field


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison: in nin < <= > >= and, of texts, contains startsWith endsWith like."""

    field: Field
    operator: str
    # Several only for in and nin, where None stands for SQL's null.
    values: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Criteria:
    """Conditions that all hold, branches of which one holds, order (field, descending), and cut."""

    conditions: tuple[Condition, ...] = ()
    branches: tuple[tuple[Condition, ...], ...] = ()
    order: tuple[tuple[Field, bool], ...] = ()
    skip: int = 0
    limit: int | None = None
