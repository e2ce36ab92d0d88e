"""Declared operations as routes: every resource answers the four methods (iptv.md 1, 1.2).

The order of checks is: who calls, which resource and action, identifiers, body. What a resource
cannot do is a refusal of its own, so its routes exist all the same, undescribed.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler, route
from litestar.params import FromPath
from litestar.response import Stream

from farebox.api.iptv.arguments import (
    MEDIA_TYPES,
    Given,
    identifiers_of,
    read_body,
    read_query,
    shape,
)
from farebox.api.iptv.dialect import (
    BODY_BYTES_MAX,
    JSON,
    UNSUPPORTED,
    Answer,
    Failure,
    HTTPRequest,
    Success,
    encode,
    invalid,
    let_in,
    told,
)
from farebox.api.operations import documented
from farebox.api.services import Services
from farebox.domain.errors import InvalidError

ACTIONS: Final = {"GET": "get", "POST": "create", "PUT": "update", "DELETE": "delete"}
_PAGE: Final = 1000


@dataclass(frozen=True)
class Call:
    """A request that was let in, with its identifiers and parameters."""

    services: Services
    ids: tuple[str, ...]
    given: Given
    limit: int | None = None
    offset: int = 0

    @property
    def portal(self) -> Any:
        """The use-cases."""
        return self.services.portal


Run = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One documented operation."""

    id: str
    method: str
    run: Run
    gives: Any = bool
    takes: Mapping[str, Any] = field(default_factory=dict)
    # Whether it has identifiers in its path; how many it needs at least and takes at most.
    named: bool = False
    least: int = 0
    most: int | None = None
    # Whether a body of unknown names alone is refused before the operation sees it.
    is_strict: bool = True
    is_paged: bool = False


@dataclass(frozen=True)
class Noun:
    """A resource with what it can do."""

    name: str
    operations: tuple[Operation, ...]

    def chosen(self, method: str, named: bool) -> Operation | None:
        """What a method does, with identifiers or without; the other form stands in."""
        able = [one for one in self.operations if one.method == method]
        return next((one for one in able if one.named == named), able[0] if able else None)


def routes_of(services: Services, noun: Noun) -> list[HTTPRouteHandler]:
    """The routes of a resource."""
    return [
        _route(services, noun, method, is_named) for is_named in (False, True) for method in ACTIONS
    ]


def _route(services: Services, noun: Noun, method: str, is_named: bool) -> HTTPRouteHandler:
    async def answer(request: HTTPRequest) -> Answer:
        await let_in(services, request)
        ids = identifiers_of(request.path_params.get("ids", ""))
        chosen = noun.chosen(method, bool(ids))
        if chosen is None:
            text = f'Resource "{noun.name}" does not support action "{ACTIONS[method]}"'
            raise InvalidError(text, UNSUPPORTED)
        return await chosen.run(await _call(services, request, chosen, ids))

    if is_named:

        async def answer_named(request: HTTPRequest, ids: FromPath[str]) -> Answer:
            del ids
            return await answer(request)

    operation = noun.chosen(method, is_named)
    is_described = operation is not None and operation.named == is_named
    return route(
        f"/{noun.name}/{{ids:str}}" if is_named else f"/{noun.name}",
        http_method=[HttpMethod(method)],
        request_max_body_size=BODY_BYTES_MAX,
        include_in_schema=is_described,
        **(_description(operation) if operation and is_described else {"status_code": 200}),
    )(answer_named if is_named else answer)


async def _call(
    services: Services, request: HTTPRequest, operation: Operation, ids: tuple[str, ...]
) -> Call:
    """The checked call."""
    if ids and not operation.named:
        raise invalid("Identifier not allowed")
    if len(ids) < operation.least:
        raise invalid("Identifier required")
    if operation.most is not None and len(ids) > operation.most:
        raise invalid("Only one identifier allowed")
    limit, offset = read_query(request) if operation.is_paged and not ids else (None, 0)
    if not operation.takes:
        return Call(services, ids, Given({}), limit, offset)
    given = await read_body(request)
    if not given:
        raise invalid(f"HTTP {operation.method} data is empty")
    if operation.is_strict and not given.keys() & operation.takes.keys():
        raise invalid(f"{'Insert' if operation.method == 'POST' else 'Update'} data is empty")
    return Call(services, ids, Given(given))


def _description(operation: Operation) -> dict[str, Any]:
    envelope: Any = Success
    name = operation.id.title().replace("-", "")
    return documented(
        operation.id,
        shape(name, operation.takes) if operation.takes else None,
        envelope[operation.gives],
        query={"limit": int, "offset": int} if operation.is_paged else None,
        takes_as=MEDIA_TYPES,
        refused=Failure,
        security="portal",
    )


# Lists


def listed(call: Call, rows: list[Any]) -> Answer:
    """A list that is short enough to be read at once, or the asked part of it."""
    end = None if call.limit is None else call.offset + call.limit
    return told(rows[call.offset : end], X_Total_Count=str(len(rows)))


async def streamed(call: Call, show: Callable[[Any], Any]) -> Answer:
    """All accounts, page by page as they are sent; each one is as it is when it is read."""
    boxes = call.portal.boxes
    total = await boxes.count()
    first = await boxes.page(0, call.offset, min(_PAGE, call.limit or _PAGE))
    headers = {"X-Total-Count": str(total), "Cache-Control": "no-store"}

    async def pages() -> AsyncIterator[bytes]:
        yield b'{"status":"OK","results":['
        rows, is_first = first, True
        while rows:
            text = b",".join(encode(show(row)) for row in rows)
            yield text if is_first else b"," + text
            is_first = False
            is_last = call.limit is not None or len(rows) < _PAGE
            rows = [] if is_last else await boxes.page(rows[-1]["id"], 0, _PAGE)
        yield b"]}"

    return Stream(pages(), headers=headers, media_type=JSON)
