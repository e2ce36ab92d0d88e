"""Where, sort, skip and limit of a list, read into a checked form that names only declared fields.

Bracket form and JSON form are brought to one tree first, so they cannot differ. All faults of a
request are reported together, each under the place where it stands. Nothing here touches SQL.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from farebox.domain.errors import InvalidError
from farebox.resource.definition import Field, Resource
from farebox.resource.kinds import integer

MAX_LIMIT = 100
MAX_CONDITIONS = 32
MAX_LIST = 1000
MAX_BRANCHES = 10
_OPERATORS = {
    alias: name
    for name, aliases in {
        "in": "in = eq is", "nin": "nin != ! not ne",
        "<": "< lt lessThan", "<=": "<= lte lessThanOrEqual",
        ">": "> gt greaterThan", ">=": ">= gte greaterThanOrEqual",
        "contains": "contains", "startsWith": "startsWith", "endsWith": "endsWith", "like": "like",
    }.items()
    for alias in aliases.split()
}  # fmt: skip
_LISTS = {"in", "nin"}
_TEXT_ONLY = {"contains", "startsWith", "endsWith", "like"}
_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_BRANCH = re.compile(r"[0-9]")
_PART = re.compile(r"\[([^\[\]]*)\]")
_DIRECTIONS = {"asc": False, "desc": True}


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


def parse(
    resource: Resource, pairs: Iterable[tuple[str, str]], reserved: Iterable[str] = ()
) -> Criteria:
    """Read query pairs; keys in `reserved` and keys that start with `_` are somebody else's.

    Raises InvalidError (invalid_filter, invalid_sort, invalid_parameter) naming each bad part.
    """
    reader = _Reader(resource)
    known = frozenset(reserved)
    for key, value in pairs:
        found = _KEY.fullmatch(key)
        name = found[1] if found else key
        parts = _PART.findall(found[2]) if found else []
        if name in known or name.startswith("_"):
            continue
        if name == "where" and parts:
            reader.bracket("where", parts, value)
        elif name == "where":
            reader.where(_decoded(value))
        elif name == "sort" and len(parts) <= 1:
            reader.sort(f"{parts[0]} {value}" if parts else value)
        elif name in ("skip", "limit") and not parts:
            reader.cut(name, value)
        elif found and name in resource.by_name and parts in ([], [""]):
            reader.bracket("", [name], value)
        else:
            reader.fault(key, "unknown parameter")
    return reader.criteria()


def from_json(
    resource: Resource, where: object = None, sort: object = None, skip: object = None,
    limit: object = None,
) -> Criteria:  # fmt: skip
    """Read the same criteria from decoded JSON. Raises InvalidError as `parse` does."""
    reader = _Reader(resource)
    if where is not None:
        reader.where(where)
    if sort is not None:
        reader.sort(sort)
    for name, value in (("skip", skip), ("limit", limit)):
        if value is not None:
            reader.cut(name, value)
    return reader.criteria()


def _decoded(value: str) -> object:
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return None


class _Reader:
    """Collects the parts of one request and their faults."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._faults: dict[str, str] = {}
        self._code = ""
        # (origin, branch, column, operator) -> values, because a repeated key is a list.
        self._pairs: dict[tuple[str, int | None, str, str], list[str]] = {}
        self._object: dict[str, object] | None = None
        self._conditions: list[Condition] = []
        self._branches: dict[int, list[Condition]] = {}
        self._order: list[tuple[Field, bool]] = []
        self._cut: dict[str, int] = {}
        self._counts = [0, 0]

    def fault(self, place: str, reason: str, code: str = "invalid_filter") -> None:
        """Note what is wrong where; the first fault gives the answer its code."""
        self._faults.setdefault(place[:128], reason)
        self._code = self._code or code

    def bracket(self, origin: str, parts: list[str], value: str) -> None:
        """Note one pair: [col], [col][op], [or][i][col][op]; a list ends in [] or [n]."""
        branch: int | None = None
        place = origin + "".join(f"[{part}]" for part in parts)
        if parts[0] == "or" and len(parts) >= 3 and _BRANCH.fullmatch(parts[1]):
            branch, parts = int(parts[1]), parts[2:]
        if len(parts) > 1 and (not parts[-1] or parts[-1].isdecimal()):
            parts = parts[:-1]
        if len(parts) > 2:
            self.fault(place, "is not a condition")
            return
        operator = parts[1] if len(parts) == 2 else "="
        self._pairs.setdefault((origin, branch, parts[0], operator), []).append(value)

    def where(self, value: object) -> None:
        """Note the JSON form."""
        if not isinstance(value, dict) or self._object is not None:
            self.fault("where", "must be one JSON object")
        else:
            self._object = value

    def cut(self, name: str, value: object) -> None:
        """Read skip or limit."""
        try:
            self._cut[name] = number = integer(value)
            if number < 0 or (name == "limit" and number > MAX_LIMIT):
                raise ValueError(f"must be from 0 to {MAX_LIMIT if name == 'limit' else 2**63 - 1}")
        except ValueError as error:
            self.fault(name, str(error), "invalid_parameter")

    def sort(self, value: object) -> None:
        """Read `col`, `col desc`, a comma list, `[{"col": "DESC"}]`, or bare asc and desc."""
        if isinstance(value, str):
            value = _decoded(value) if value.startswith(("[", "{")) else value.split(",")
        for item in value if isinstance(value, list) else [value]:
            pairs = item.items() if isinstance(item, dict) else [tuple(str(item).split())]
            for pair in pairs:
                self._sort_column(*([str(word) for word in pair or [""]] + ["asc"])[:3])

    def _sort_column(self, name: str, way: str = "asc", rest: str = "asc") -> None:
        if name.lower() in _DIRECTIONS and name not in self._resource.by_name:
            name, way, rest = "id", name, way
        field = self._field(name)
        if field is None:
            self.fault("sort", f"unknown column {name[:64]}", "invalid_sort")
        elif way.lower() not in _DIRECTIONS or rest != "asc" or len(self._order) >= MAX_CONDITIONS:
            self.fault("sort", "must be columns, each with asc or desc", "invalid_sort")
        else:
            self._order.append((field, _DIRECTIONS[way.lower()]))

    def criteria(self) -> Criteria:
        """Give what was collected. Raises InvalidError with every fault found."""
        for (origin, branch, column, operator), texts in self._pairs.items():
            if origin and self._object is not None:
                self.fault("where", "must not be mixed with where[...]")
            place = f"{origin}[{column}][{operator}]" if origin else column
            self._condition(branch, place, column, operator, self._values(column, operator, texts))
        for column, value in (self._object or {}).items():
            if column == "or":
                self._or(value)
            else:
                self._column(None, column, value)
        if self._faults:
            place, reason = next(iter(self._faults.items()))
            raise InvalidError(f"{place}: {reason}", self._code, self._faults)
        return Criteria(
            tuple(self._conditions),
            tuple(tuple(one) for _, one in sorted(self._branches.items())),
            tuple(self._order),
            self._cut.get("skip", 0),
            self._cut.get("limit"),
        )

    def _values(self, column: str, operator: str, texts: list[str]) -> object:
        """Give what the JSON form would hold in the place of these texts."""
        if _OPERATORS.get(operator) not in _LISTS:
            return texts[0] if len(texts) == 1 else list(texts)
        field = self._field(column)
        if field is not None and field.kind.is_integer:
            texts = [part for text in texts for part in text.split(",")]
        return [None if text == "null" else text for text in texts]

    def _or(self, value: object) -> None:
        if not isinstance(value, list) or not 0 < len(value) <= MAX_BRANCHES:
            self.fault("where[or]", f"must be an array of 1 to {MAX_BRANCHES} objects")
            return
        for index, branch in enumerate(value):
            if not isinstance(branch, dict) or not branch:
                self.fault(f"where[or][{index}]", "must be an object with conditions")
                continue
            for column, inner in branch.items():
                self._column(index, column, inner)

    def _column(self, branch: int | None, column: str, value: object) -> None:
        operators = value if isinstance(value, dict) else {"=": value}
        for operator, inner in operators.items():
            self._condition(branch, f"where[{column}][{operator}]", column, operator, inner)

    def _condition(
        self, branch: int | None, place: str, column: str, operator: str, value: object
    ) -> None:
        field, name = self._field(column), _OPERATORS.get(operator)
        reads = field.kind.read if field is not None else None
        if field is None or reads is None:
            self.fault(place, f"unknown column {column[:64]}")
        elif name is None or (name in _TEXT_ONLY and not field.kind.is_text):
            self.fault(place, f"unknown operator {operator[:64]} for this column")
        else:
            values = value if name in _LISTS and isinstance(value, list) else [value]
            self._counts[0] += 1
            self._counts[1] += len(values) if len(values) > 1 else 0
            if self._counts[0] > MAX_CONDITIONS or self._counts[1] > MAX_LIST:
                self.fault(place, f"more than {MAX_CONDITIONS} conditions or {MAX_LIST} values")
                return
            try:
                null = name in _LISTS
                read = tuple(None if one is None and null else reads(one) for one in values)
            except ValueError as error:
                self.fault(place, str(error))
                return
            target = self._conditions if branch is None else self._branches.setdefault(branch, [])
            target.append(Condition(field, name, read))

    def _field(self, name: str) -> Field | None:
        field = self._resource.by_name.get(name)
        return field if field is not None and field.kind.read is not None else None
