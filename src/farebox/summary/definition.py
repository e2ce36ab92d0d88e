"""What a summary is asked for, in a checked form that names only declared fields.

How clients write it is each API family's own business; nothing here is read or made into SQL.
"""

from dataclasses import dataclass

from farebox.resource.criteria import Condition
from farebox.resource.definition import Field


@dataclass(frozen=True, slots=True)
class Selected:
    """One column of a summary: a field to group by (no operation), or sum count avg min max."""

    name: str
    operation: str
    # None: the row itself, which can only be counted.
    field: Field | None

    @property
    def own(self) -> Field | None:
        """The field whose values these are, if they are any: counts and sums are not."""
        return self.field if self.operation in ("", "min", "max") else None


@dataclass(frozen=True, slots=True)
class Summary:
    """Rows that meet all conditions, grouped and summed; by wall-clock dates where there is time.

    `time` is the instant by which rows fall into the stretches of time that the view has, `zone`
    an expression for the name of the row's zone. Order names columns, `date` or `timeFrame`.
    """

    selected: tuple[Selected, ...]
    conditions: tuple[Condition, ...] = ()
    order: tuple[tuple[str, bool], ...] = ()
    time: Field | None = None
    zone: str = ""
