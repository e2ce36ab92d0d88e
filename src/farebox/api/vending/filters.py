"""Where, sort, skip and limit as clients of this API write them (vending-platform.md 1.6).

They are read into criteria that name only declared fields. Bracket form is planted into the tree
that the JSON form is, and one walk reads either, so they cannot differ. All faults of a request are
reported together, each under the place where it stands. Nothing here touches SQL.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from farebox.domain.errors import InvalidError
from farebox.resource.criteria import Condition, Criteria
from farebox.resource.definition import Field, Resource
from farebox.resource.kinds import integer

MAX_LIMIT = 100
# Fields, and whether they descend.
Order = tuple[tuple[Field, bool], ...]
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
_PART = re.compile(r"\[([^\[\]]*)\]")
_DIRECTIONS = {"asc": False, "desc": True}


def parse(
    resource: Resource, pairs: Iterable[tuple[str, object]], reserved: Iterable[str] = (),
    order: Order = (),
) -> Criteria:  # fmt: skip
    """Read a query's pairs, or a body's members: `where` and `sort` may be decoded already.

    Without `sort` the order is the given one. Keys in `reserved` and keys that start with `_` are
    somebody else's. Raises InvalidError (invalid_filter, invalid_sort, invalid_parameter) naming
    each bad part.
    """
    reader, known = _Reader(resource), frozenset(reserved)
    for key, value in pairs:
        found = _KEY.fullmatch(key)
        name = found[1] if found else key
        parts = _PART.findall(found[2]) if found else []
        if name not in known and not name.startswith("_"):
            reader.read(key, name, parts, value)
    criteria = reader.criteria()
    return criteria if criteria.order else replace(criteria, order=order)


def _decoded(value: object) -> object:
    try:
        return msgspec.json.decode(value) if isinstance(value, str) else value
    except (msgspec.DecodeError, RecursionError):
        return None


class _Texts(list[str]):
    """The values of one condition in bracket form, where a repeated key is a list."""


def _planted(tree: dict[str, Any], parts: list[str], value: object) -> bool:
    """Put [col], [col][op] or [or][i][col][op] where the JSON form has it; a list ends in []."""
    if parts[0] == "or" and len(parts) >= 3 and re.fullmatch("[0-9]", parts[1]):
        tree, parts = tree.setdefault("or", {}).setdefault(parts[1], {}), parts[2:]
    if len(parts) > 1 and (not parts[-1] or parts[-1].isdecimal()):
        parts = parts[:-1]
    if len(parts) > 2 or parts[0] == "or":
        return False
    operator = parts[1] if len(parts) == 2 else "="
    tree.setdefault(parts[0], {}).setdefault(operator, _Texts()).append(str(value))
    return True


class _Reader:
    """Collects the parts of one request and their faults."""

    def __init__(self, resource: Resource) -> None:
        self._fields = {one.name: one for one in resource.fields if one.kind.read is not None}
        self._faults: dict[str, str] = {}
        self._code = ""
        # What the keys of columns say, what where[...] says, and the JSON form.
        self._shortcuts: dict[str, Any] = {}
        self._brackets: dict[str, Any] = {}
        self._object: dict[str, Any] | None = None
        self._conditions: list[Condition] = []
        self._branches: list[list[Condition]] = []
        self._order: list[tuple[Field, bool]] = []
        self._cut: dict[str, int] = {}
        self._counts = [0, 0]

    def _fault(self, place: str, reason: str, code: str = "invalid_filter") -> None:
        """Note what is wrong where; the first fault gives the answer its code."""
        self._faults.setdefault(place[:128], reason)
        self._code = self._code or code

    def read(self, key: str, name: str, parts: list[str], value: object) -> None:
        """Note one pair, whose key is a name and the parts in brackets."""
        if name == "where" and parts:
            if not _planted(self._brackets, parts, value):
                self._fault(key, "is not a condition")
        elif name == "where":
            found = _decoded(value)
            if not isinstance(found, dict) or self._object is not None:
                self._fault("where", "must be one JSON object")
            else:
                self._object = found
        elif name == "sort" and len(parts) <= 1:
            self._sort(f"{parts[0]} {value}" if parts else value)
        elif name in ("skip", "limit") and not parts:
            self._read_cut(name, value)
        elif not (name in self._fields and parts in ([], [""])):
            self._fault(key, "unknown parameter")
        else:
            _planted(self._shortcuts, [name], value)

    def _read_cut(self, name: str, value: object) -> None:
        try:
            self._cut[name] = number = integer(value)
            if number < 0 or (name == "limit" and number > MAX_LIMIT):
                raise ValueError(f"must be from 0 to {MAX_LIMIT if name == 'limit' else 2**63 - 1}")
        except ValueError as error:
            self._fault(name, str(error), "invalid_parameter")

    def _sort(self, value: object) -> None:
        """Read `col`, `col desc`, a comma list, `[{"col": "DESC"}]`, or bare asc and desc."""
        if isinstance(value, str):
            value = _decoded(value) if value.startswith(("[", "{")) else value.split(",")
        for item in value if isinstance(value, list) else [value]:
            for pair in item.items() if isinstance(item, dict) else [str(item).split()]:
                self._sort_column(*([str(word) for word in pair or [""]] + ["asc"])[:3])

    def _sort_column(self, name: str, way: str = "asc", rest: str = "asc") -> None:
        if name.lower() in _DIRECTIONS and name not in self._fields:
            name, way, rest = "id", name, way
        if name not in self._fields:
            self._fault("sort", f"unknown column {name[:64]}", "invalid_sort")
        elif way.lower() not in _DIRECTIONS or rest != "asc" or len(self._order) >= MAX_CONDITIONS:
            self._fault("sort", "must be columns, each with asc or desc", "invalid_sort")
        else:
            self._order.append((self._fields[name], _DIRECTIONS[way.lower()]))

    def criteria(self) -> Criteria:
        """Give what was collected. Raises InvalidError with every fault found."""
        branches = self._brackets.pop("or", {})
        if self._object is not None and (self._brackets or branches):
            self._fault("where", "must not be mixed with where[...]")
        self._walk(self._conditions, "", self._shortcuts)
        self._walk(self._conditions, "where", self._brackets)
        if branches:
            self._read_branches([branches[number] for number in sorted(branches)])
        if "or" in (written := dict(self._object or {})):
            self._read_branches(written.pop("or"))
        self._walk(self._conditions, "where", written)
        if self._faults:
            place, reason = next(iter(self._faults.items()))
            raise InvalidError(f"{place}: {reason}", self._code, self._faults)
        return Criteria(
            tuple(self._conditions), tuple(map(tuple, self._branches)), tuple(self._order),
            self._cut.get("skip", 0), self._cut.get("limit"),
        )  # fmt: skip

    def _read_branches(self, value: object) -> None:
        if not isinstance(value, list) or not 0 < len(value) <= MAX_BRANCHES:
            self._fault("where[or]", f"must be an array of 1 to {MAX_BRANCHES} objects")
            return
        for index, branch in enumerate(value):
            if isinstance(branch, dict) and branch:
                self._branches.append([])
                self._walk(self._branches[-1], "where", branch)
            else:
                self._fault(f"where[or][{index}]", "must be an object with conditions")

    def _walk(self, target: list[Condition], origin: str, tree: Mapping[str, Any]) -> None:
        for column, value in tree.items():
            for operator, inner in (value if isinstance(value, dict) else {"=": value}).items():
                place = f"{origin}[{column}][{operator}]" if origin else column
                field, name = self._fields.get(column), _OPERATORS.get(operator)
                if field is None:
                    self._fault(place, f"unknown column {column[:64]}")
                elif name is None or (name in _TEXT_ONLY and not field.kind.is_text):
                    self._fault(place, f"unknown operator {operator[:64]} for this column")
                else:
                    try:
                        target.append(Condition(field, name, self._values(field, name, inner)))
                    except ValueError as error:
                        self._fault(place, str(error))

    def _values(self, field: Field, operator: str, value: Any) -> tuple[object, ...]:
        """Read what is compared with. Raises ValueError."""
        is_list, read = operator in _LISTS, field.kind.read or integer
        if isinstance(value, _Texts) and is_list:
            texts = ",".join(value).split(",") if field.kind.is_integer else value
            value = [None if text == "null" else text for text in texts]
        elif isinstance(value, _Texts) and len(value) == 1:
            value = value[0]
        values = value if is_list and isinstance(value, list) else [value]
        self._counts[0] += 1
        self._counts[1] += len(values) if len(values) > 1 else 0
        if self._counts[0] > MAX_CONDITIONS or self._counts[1] > MAX_LIST:
            raise ValueError(f"more than {MAX_CONDITIONS} conditions or {MAX_LIST} values")
        return tuple(None if one is None and is_list else read(one) for one in values)
