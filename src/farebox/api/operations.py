"""Describes operations for the OpenAPI document: the spec's id, what goes in, what comes out.

Handlers read requests by hand, so the framework cannot see their shapes; `documented` says them.
It describes and never validates.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from litestar.openapi.spec import OpenAPIResponse, Operation, Parameter, RequestBody


class ErrorBody(msgspec.Struct, omit_defaults=True):
    """The body of every refusal."""

    message: str
    code: str
    fields: dict[str, str] = {}


def documented(
    operation: str,
    takes: Any = None,
    gives: Any = None,
    status: int = 200,
    *,
    query: Mapping[str, Any] | None = None,
    also: Sequence[str] = (),
    media_type: str = "application/json",
    public: bool = False,
    device: bool | str = False,
    path: Mapping[str, Any] | None = None,
    takes_as: Sequence[str] = ("application/json",),
    refused: Any = ErrorBody,
    security: str = "bearer",
) -> dict[str, Any]:
    """The handler arguments that document an operation under its id in the specification.

    `takes` and `gives` are types that msgspec knows, or None; `query` maps names of query arguments
    to types; `also` names further documented operations that the same route carries. A `public`
    operation wants no token; `device` lets devices in too, or only them when it is "only". `path`
    names arguments of the path that the handler does not take, `takes_as` the media types of the
    body, `refused` the type of a refusal, `security` the scheme by which callers are known.
    """

    class Documented(Operation):
        def __init__(self, **given: Any) -> None:
            super().__init__(**given)
            if takes is not None:
                content: Any = {kind: {"schema": _schema(takes)} for kind in takes_as}
                self.request_body = RequestBody(content=content, required=True)
            answer: Any = {media_type: {"schema": _schema(gives)}} if gives is not None else None
            error: Any = {"application/json": {"schema": _schema(refused)}}
            self.responses = {
                str(status): OpenAPIResponse(description="Done", content=answer),
                "default": OpenAPIResponse(description="Refused", content=error),
            }
            self.security = [] if public else [{security: []}]
            if device:
                self.security.append({"device": []})
            asked = [*_asked(path or {}, "path"), *_asked(query or {}, "query")]
            if asked:
                # What is described here is not described by the framework again.
                named = {(one.name, one.param_in) for one in asked}
                others = [
                    one
                    for one in self.parameters or []
                    if (getattr(one, "name", ""), getattr(one, "param_in", "")) not in named
                ]
                self.parameters = [*others, *asked]

        def to_schema(self) -> dict[str, Any]:
            described = super().to_schema()
            if also:
                described["x-operations"] = [operation, *also]
            return described

    return {
        "operation_id": operation,
        "operation_class": Documented,
        "status_code": status,
        "opt": {"public": public, "device": device},
    }


def _asked(named: Mapping[str, Any], place: str) -> list[Any]:
    asked = []
    for name, kind in named.items():
        schema: Any = _schema(kind)
        asked.append(Parameter(name=name, param_in=place, schema=schema, required=place == "path"))
    return asked


def _schema(kind: Any) -> dict[str, Any]:
    """The JSON schema of a type, with what it refers to written out in place."""
    (schema,), parts = msgspec.json.schema_components([kind], ref_template="{name}")
    inlined: dict[str, Any] = _inline(schema, parts)
    return inlined


def _inline(value: Any, parts: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        if "$ref" in value:
            return _inline(parts[value["$ref"]], parts)
        return {key: _inline(inner, parts) for key, inner in value.items()}
    if isinstance(value, list):
        return [_inline(inner, parts) for inner in value]
    return value
