"""How campaigns and vouchers are read: as they are at this instant, by this caller.

Their rows need more than the resource engine's usual values: the start of the window that runs now,
and signed links to sheets. Both are worked out here, per answer where that is cheap, in SQL where a
list is filtered or sorted by them. PostgreSQL's own zones take no part (vending-commerce.md 4.9).
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Literal

from farebox.api.services import Services
from farebox.api.vending.dialect import Answer, Call, principal, reply, require
from farebox.api.vending.filters import parse
from farebox.domain import windows
from farebox.domain.codes import canonical
from farebox.resource import store
from farebox.resource.criteria import Criteria
from farebox.resource.definition import Resource, View
from farebox.storage import vouchers
from farebox.storage.pool import Connection, transaction
from farebox.storage.sheets import Subject

# What the sources of rows give where only the reader can tell the start of the window.
UNTOLD: Final = datetime(1970, 1, 1, tzinfo=UTC)
_WINDOW_MEMBER: Final = "lastResetAt"
_OF_CODES: Final = "t.code_key = any({codes}::text[])"
# Lists over millions of vouchers take longer than other calls.
PATIENCE_MS: Final = 10_000


class Sight:
    """Reads declared resources whose rows depend on the calendar."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def view(self, request: Call, *mentions: str) -> View:
        """The caller's eyes; `mentions` is whatever names columns beside the query."""
        caller, now_ms = principal(request), self._services.clock()
        starts: dict[str, int] = {}
        query = request.query_params.multi_items()
        if any(_WINDOW_MEMBER in text for pair in (*query, mentions) for text in pair):
            pairs = await vouchers.calendars(self._services.pool, caller.groups)
            starts = {
                f"{frequency} {zone}": window_start(frequency, zone, now_ms)
                for frequency, zone in pairs
            }
        return View(caller, now_ms, {"starts": starts, "link": self._links(request)})

    def _links(self, request: Call) -> Any:
        host = self._services.proxies.host(request.scope).decode("latin-1")
        own_url = f"{request.url.scheme}://{host}"
        links = self._services.sheets.links

        def link(kind: Literal["voucher", "campaign"], key: int) -> str:
            url: str = links.url(Subject(kind, key), own_url)
            return url

        return link

    async def page(
        self, request: Call, resource: Resource, within: str = "true", **values: object
    ) -> Answer:
        """A list as the query asks for it, of the rows that also satisfy `within`."""
        options = self._services.options
        criteria = parse(resource, request.query_params.multi_items())
        require(principal(request), f"{resource.name}:read")
        codes = _codes(criteria)
        view = (await self.view(request)).having(**values, codes=codes)
        async with transaction(self._services.pool) as connection:
            await vouchers.be_patient(connection, PATIENCE_MS)
            page = await store.list_rows(
                connection,
                resource,
                criteria,
                view,
                within=within if codes is None else f"({within}) and {_OF_CODES}",
                hard_cap=options.list_hard_cap,
            )
        return reply(page.rows, headers=counted(page.total, truncated=page.truncated))

    async def read(
        self, request: Call, resource: Resource, key: int, connection: Connection | None = None
    ) -> Any:
        """One row; NotFoundError where the caller sees none."""
        view = await self.view(request)
        return await store.read(connection or self._services.pool, resource, key, view)

    async def allow(self, request: Call, resource: Resource, key: int, permission: str) -> None:
        """Refuses without the permission, but not before the row is known to be seen."""
        caller = principal(request)
        if caller.permissions is not None and permission not in caller.permissions:
            await self.read(request, resource, key)
            require(caller, permission)


def _codes(criteria: Criteria) -> list[str] | None:
    """Canonical forms of the codes that a list is asked for by; an index has these."""
    for one in criteria.conditions:
        if one.field.name == "code" and one.operator == "in" and None not in one.values:
            return [canonical(str(code)) for code in one.values]
    return None


def counted(total: int, *, truncated: bool) -> dict[str, str]:
    """The headers of a list."""
    headers = {"X-Total-Count": str(total)}
    if truncated:
        headers["X-Truncated"] = "1"
    return headers


@lru_cache(maxsize=4096)
def window_start(frequency: str, zone: str, now_ms: int) -> int:
    """The start of the window that contains an instant; many rows share a calendar."""
    return windows.window_start(frequency, zone, now_ms)


def told_start(row: Any, view: View) -> datetime:
    """The start of the window that runs now, for a row that names its calendar."""
    start_ms = window_start(row.resetFrequency, row.timeZone, view.now_ms)
    return datetime.fromtimestamp(start_ms // 1000, UTC)
