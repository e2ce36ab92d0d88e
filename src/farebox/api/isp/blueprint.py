"""A declared operation as routes (isp.md 1.1 to 1.3).

The order of checks is the document's: credential, scope, body, account, arguments as listed; then
the operation runs. What is not a mere reading runs in one transaction with its entry in the audit
log and, where the caller sent an Idempotency-Key, with its kept answer. Optional arguments of a
path may be missing from its right end; those routes, and second methods, are not in the document.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from litestar.handlers import HTTPRouteHandler, get, post

from farebox.api.isp.arguments import Argument, merge, path_pairs, query_pairs, read_all
from farebox.api.isp.dialect import MEDIA_TYPES, Answer, Call, Failure, HTTPRequest, read_body
from farebox.api.isp.kinds import ACCOUNT
from farebox.api.isp.recording import recorded
from farebox.api.operations import documented
from farebox.api.services import Services

_WHICH: Final = Argument("accountId", ACCOUNT, required=False)


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One documented operation; `also` are further operations of the same route.

    `path` names the route and its arguments, `{optional?}` ones last, `{free*}` ones with slashes.
    `far` operations wait for other machines, so they open their transactions themselves.
    """

    id: str
    method: str
    path: str
    scope: str
    run: Callable[[Call], Awaitable[Answer]]
    gives: Any
    takes: tuple[Argument, ...] = ()
    also: tuple[str, ...] = ()
    second_method: bool = False
    repeatable: bool = False
    audited: bool = False
    far: bool = False
    # Segments before the arguments, as in /isp/api/v1/{name}.
    fixed: int = 4
    # What success is called.
    status: int = 200

    @property
    def name(self) -> str:
        """The path without its arguments."""
        return self.path.partition("/")[0]

    @property
    def places(self) -> list[str]:
        """The arguments of the path, each as written: `user_id`, `status?`, `value*`."""
        return re.findall(r"\{(.+?)\}", self.path)

    @property
    def is_recorded(self) -> bool:
        """Whether it leaves an entry in the audit log."""
        return self.scope != "read" or self.audited


def routes_of(services: Services, operation: Operation) -> list[HTTPRouteHandler]:
    """The documented route and the shorter and second ones beside it."""

    async def answer(request: HTTPRequest) -> Answer:
        call = await enter(services, request, operation)
        if not operation.is_recorded:
            return await operation.run(call)
        return await recorded(request, call, operation)

    methods = (get, post) if operation.method == "GET" else (post, get)
    whole, *shorter = _paths(operation)
    made = [methods[0](whole, **_described(operation))(answer)]
    made += [methods[0](path, status_code=200, include_in_schema=False)(answer) for path in shorter]
    if operation.second_method:
        made += [
            methods[1](path, status_code=200, include_in_schema=False)(answer)
            for path in (whole, *shorter)
        ]
    return made


async def enter(
    services: Services, request: HTTPRequest, operation: Operation, *, has_body: bool = True
) -> Call:
    """The call, once all checks that need no rows have passed."""
    credentials = services.provider.credentials
    client = services.proxies.client(request.scope)
    caller = await credentials.check(request.headers.get("authorization"), client)
    caller.require(operation.scope)
    raw = request.scope["raw_path"].partition(b"?")[0]
    # A segment that is no argument has no name.
    segments = operation.path.split("/")[1:]
    names = [one.strip("{?*}") if one.startswith("{") else "" for one in segments]
    is_free = operation.path.endswith("*}")
    given = merge(
        path_pairs(raw, names, is_free=is_free, fixed=operation.fixed),
        query_pairs(request.scope["query_string"]),
        await read_body(request) if has_body else (),
    )
    account = await credentials.account(caller, _WHICH.read(given, {}))
    values = read_all(operation.takes, given)
    if caller.is_move_due:
        await services.provider.moves.apply_due()
    return Call(
        services=services, caller=caller, account=account, values=values, given=given,
        client=client,
        repeat_key=request.headers.get("idempotency-key"),
    )  # fmt: skip


def _paths(operation: Operation) -> Iterator[str]:
    """The documented path first, then those that leave arguments out."""
    places = operation.places
    for count in range(len(places), -1, -1):
        path = f"/{operation.name}"
        for place in places[:count]:
            kind = "path" if place.endswith("*") else "str"
            path += f"/{{{place.rstrip('?*')}:{kind}}}"
        yield path


def _described(operation: Operation) -> dict[str, Any]:
    names = [place.rstrip("?*") for place in operation.places]
    others = {
        argument.name: argument.kind.type
        for argument in _asked(operation)
        if argument.name.lower().replace("_", "") not in {n.lower().replace("_", "") for n in names}
    }
    is_form = operation.method == "POST"
    return documented(
        operation.id,
        body_type(operation.id.title().replace("-", ""), _asked(operation)) if is_form else None,
        operation.gives,
        query=None if is_form else others,
        path=dict.fromkeys(names, str),
        also=operation.also,
        takes_as=MEDIA_TYPES[::2],
        refused=Failure,
        security="provider",
    )


def _asked(operation: Operation) -> tuple[Argument, ...]:
    """The operation's arguments, and the account where it is not among them."""
    is_named = any(argument.name == _WHICH.name for argument in operation.takes)
    return operation.takes if is_named else (*operation.takes, _WHICH)


def body_type(name: str, arguments: Iterable[Argument]) -> Any:
    """The type of a body with these arguments, for the API document."""
    fields: list[Any] = []
    spelled = {}
    for argument in arguments:
        field = argument.name.replace("-", "_")
        spelled[field] = argument.name
        if argument.required is True and argument.only is None:
            fields.append((field, argument.kind.type))
        else:
            fields.append((field, argument.kind.type | msgspec.UnsetType, msgspec.UNSET))
    return msgspec.defstruct(name, fields, kw_only=True, module=__name__, rename=spelled)
