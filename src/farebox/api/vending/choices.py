"""Which machines and locations a report or summary is asked for (vending-commerce.md 3, C to E).

Arrays of ids, each of which may be left out or empty; ids of nothing that is seen choose nothing,
and are no fault. A query says with brackets and commas what a body says as JSON (1.5).
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from farebox.api.vending.fields import Fields
from farebox.engine.reports import Choice

# Members of bodies and queries, and what the choice calls them.
NAMES: Final = {
    "machines": "machines",
    "machineGroups": "machine_groups",
    "machineModels": "machine_models",
    "machineTypes": "machine_types",
    "manufacturers": "manufacturers",
    "locations": "locations",
    "locationGroups": "location_groups",
}
# The members for the document.
MEMBERS: Final[list[Any]] = [
    (name, list[int], msgspec.field(default_factory=list)) for name in NAMES
]


def read_choice(fields: Fields) -> Choice:
    """The choice; faults are noted."""
    return Choice(**{name: fields.ids(member) or () for member, name in NAMES.items()})


def planted(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """A query as the tree that a body is: `period1[startDate][year]=0&machines[]=2&machines=3,4`.

    The members of a choice are lists, whose texts may be comma lists; a name that begins with `_`
    is somebody else's.
    """
    tree: dict[str, Any] = {}
    for key, value in pairs:
        name, *rest = key.replace("]", "").split("[")
        if name in NAMES:
            tree.setdefault(name, []).extend(part for part in value.split(",") if part.strip())
        elif not name.startswith("_"):
            _plant(tree, [name, *rest], value)
    return tree


def _plant(level: dict[str, Any], names: list[str], value: str) -> None:
    for name in names[:-1]:
        inner = level.setdefault(name, {})
        if not isinstance(inner, dict):
            # Both a text and an object: neither, which its reader will refuse.
            level[name] = [inner]
            return
        level = inner
    # Of what is told twice neither is meant more than the other: a list, refused as well.
    level[names[-1]] = [level[names[-1]], value] if names[-1] in level else value
