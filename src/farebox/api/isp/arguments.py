"""How arguments come in: path, query, form, PHP arrays or JSON, under many spellings (isp.md 1.1).

All places are read into one mapping whose names are folded: lower case without `_`, `-` and spaces,
because the documents spell one argument several ways. One name with two values is refused, unknown
names are not looked at. Arguments are checked in the order in which an operation lists them, and
the first fault is the answer.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import msgspec

from farebox.api.forms import multipart, urlencoded
from farebox.api.isp.kinds import Kind
from farebox.domain.errors import InvalidError

DEPTH_MAX: Final = 4
KEYS_MAX: Final = 2000
_BRACKETS: Final = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_decode = msgspec.json.Decoder().decode

Pairs = Iterable[tuple[str, object]]
Condition = Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True)
class Argument:
    """An argument as the document names it.

    `required` and `only` may depend on the arguments listed before; where `only` does not hold, the
    argument is not even read.
    """

    name: str
    kind: Kind
    required: bool | Condition = True
    default: Any = None
    only: Condition | None = None

    def read(self, given: Mapping[str, object], before: Mapping[str, Any]) -> Any:
        """The value; InvalidError when it is missing or not of its kind."""
        if self.only is not None and not self.only(before):
            return self.default
        value = given.get(fold(self.name))
        if is_absent(value):
            if self.required if isinstance(self.required, bool) else self.required(before):
                raise InvalidError(f"{self.name} is required", "missing_argument")
            return self.default
        try:
            return self.kind.read(value)
        except ValueError as error:
            raise InvalidError(f"{self.name} {error}", "invalid_argument") from None


def read_all(arguments: Sequence[Argument], given: Mapping[str, object]) -> dict[str, Any]:
    """The values of all arguments under their documented names."""
    values: dict[str, Any] = {}
    for argument in arguments:
        values[argument.name] = argument.read(given, values)
    return values


def is_absent(value: object) -> bool:
    """Whether a value says nothing."""
    return value is None or (isinstance(value, str) and not value.strip())


def fold(name: str) -> str:
    """The one spelling of all spellings of a name."""
    return re.sub(r"[_\- ]", "", name.lower())


def merge(*places: Pairs) -> dict[str, object]:
    """One mapping of folded names; InvalidError when a name has two values."""
    merged: dict[str, object] = {}
    for name, value in (pair for place in places for pair in place):
        folded = fold(name)
        if not is_absent(merged.get(folded)) and not is_absent(value) and merged[folded] != value:
            raise InvalidError(f"{name} is given twice, differently", "conflicting_arguments")
        if is_absent(merged.get(folded)):
            merged[folded] = value
    return merged


def path_pairs(raw_path: bytes, names: Sequence[str], *, is_free: bool, fixed: int) -> Pairs:
    """The arguments in a raw path behind its fixed segments; a free text takes all that is left."""
    segments = raw_path.split(b"/")
    at = 0
    for _ in range(fixed):
        while not segments[at]:
            at += 1
        at += 1
    given = segments[at:]
    if is_free and len(given) >= len(names) > 0:
        given = [*given[: len(names) - 1], b"/".join(given[len(names) - 1 :])]
        given[-1] = given[-1].removesuffix(b"/")
    for name, segment in zip(names, given, strict=False):
        if name:
            yield name, _unquoted(segment)


def _unquoted(segment: bytes) -> str:
    try:
        return unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        raise _malformed("The path is not UTF-8") from None


def query_pairs(query: bytes) -> Pairs:
    """The arguments of a query string."""
    return unfold(_form(query)).items()


def body_pairs(body: bytes, media_type: str, parameters: str) -> Pairs:
    """The arguments of a body; InvalidError `malformed_body` when it is none."""
    if not body:
        return ()
    if media_type == "application/json":
        return _json(body).items()
    if media_type == "multipart/form-data":
        return unfold(_multipart(body, parameters)).items()
    return unfold(_form(body)).items()


def _form(text: bytes) -> list[tuple[str, str]]:
    try:
        return urlencoded(text, KEYS_MAX)
    except ValueError:
        raise _malformed("The form is malformed or has too many fields") from None


def _json(body: bytes) -> dict[str, object]:
    try:
        value = _decode(body)
    except (ValueError, RecursionError):
        raise _malformed("The body is not valid JSON") from None
    if not isinstance(value, dict):
        raise _malformed("The body must be an object")
    if _measure(value, 0) > KEYS_MAX:
        raise _malformed("The body has too many keys")
    return value


def _measure(value: object, depth: int) -> int:
    if not isinstance(value, dict | list):
        return 1
    if depth > DEPTH_MAX:
        raise _malformed("The body is nested too deeply")
    inner = value.values() if isinstance(value, dict) else value
    return sum(_measure(one, depth + 1) for one in inner) + 1


def _multipart(body: bytes, parameters: str) -> list[tuple[str, str]]:
    try:
        return multipart(body, parameters, KEYS_MAX)
    except ValueError:
        raise _malformed("The body must have named parts of UTF-8 text, not too many") from None


def unfold(pairs: Sequence[tuple[str, str]]) -> dict[str, object]:
    """Names with brackets as lists and objects: `a[]`, `a[0][k]`, `a[k]`."""
    tree: dict[str, Any] = {}
    for name, value in pairs:
        match = _BRACKETS.fullmatch(name)
        steps = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])] if match else [name]
        if len(steps) > DEPTH_MAX + 1:
            raise _malformed("The form is nested too deeply")
        _plant(tree, steps, value)
    return {name: _listed(value) for name, value in tree.items()}


def _plant(tree: dict[str, Any], steps: list[str], value: str) -> None:
    for at, step in enumerate(steps):
        key = step or str(len(tree))
        if at == len(steps) - 1:
            if tree.get(key, value) != value:
                raise InvalidError(f"{steps[0]} is given twice", "conflicting_arguments")
            tree[key] = value
            return
        tree = tree.setdefault(key, {})
        if not isinstance(tree, dict):
            raise InvalidError(f"{steps[0]} is given twice", "conflicting_arguments")


def _listed(value: Any) -> Any:
    """Objects whose keys are numbers are lists, in the order of the numbers."""
    if not isinstance(value, dict):
        return value
    inner = {key: _listed(one) for key, one in value.items()}
    if inner and all(key.isascii() and key.isdigit() and len(key) < 10 for key in inner):
        return [inner[key] for key in sorted(inner, key=int)]
    return inner


def _malformed(reason: str) -> InvalidError:
    return InvalidError(reason, "malformed_body")
