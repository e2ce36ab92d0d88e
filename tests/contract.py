"""The OpenAPI document as a test uses it: which operation a request is, what its answer may be.

Objects are held to be closed: a member that the document does not name is a difference.
"""

import re
from collections.abc import Mapping
from typing import Any

from jsonschema_rs import Draft202012Validator

_METHODS = frozenset(("get", "post", "put", "patch", "delete"))


class Contract:
    """An OpenAPI document, indexed by path."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        # A fixed segment wins over a parameter at the same place, as it does in the application.
        def rank(path: str) -> list[bool]:
            return [part.startswith("{") for part in path.split("/")]

        self._paths = [
            (re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), path, document["paths"][path])
            for path in sorted(document["paths"], key=rank)
        ]
        self._validators: dict[tuple[str, str], Draft202012Validator | None] = {}

    def template(self, path: str) -> str:
        """The described path that a request's path is an instance of; "" if there is none."""
        found = (template for pattern, template, _ in self._paths if pattern.fullmatch(path))
        return next(found, "")

    def operations(self, method: str, path: str) -> dict[str, Any]:
        """The described operations that a request may be, by id: one if its method is described.

        A second method of an operation is not described; then all methods of the path count.
        """
        for pattern, _, methods in self._paths:
            if pattern.fullmatch(path):
                described = {name: one for name, one in methods.items() if name in _METHODS}
                exact = described.get(method.lower())
                wanted = [exact] if exact else described.values()
                return {id_: one for one in wanted for id_ in _ids(one)}
        return {}

    def fault(self, operation: Mapping[str, Any], status: int, body: Any) -> str:
        """What the document does not allow about an answer; "" when all is well."""
        found = str(status) if str(status) in operation["responses"] else "default"
        key = (operation["operationId"], found)
        if key not in self._validators:
            content = operation["responses"][found].get("content") or {}
            schema = content.get("application/json", {}).get("schema")
            self._validators[key] = schema and Draft202012Validator(
                _closed(schema), validate_formats=True
            )
        if found == "default" and status < 400:
            return f"{status} is not a documented success of {key[0]}"
        validator = self._validators[key]
        error = next(iter(validator.iter_errors(body)), None) if validator else None
        return f"{key[0]} {status}: {error.message} at {error.instance_path}" if error else ""


def _ids(operation: Mapping[str, Any]) -> list[str]:
    return [*operation.get("x-operations", [operation["operationId"]])]


def _closed(schema: Any) -> Any:
    if isinstance(schema, dict):
        closed = {name: _closed(value) for name, value in schema.items()}
        if isinstance(schema.get("properties"), dict):
            closed.setdefault("additionalProperties", False)
        return closed
    return [_closed(value) for value in schema] if isinstance(schema, list) else schema
