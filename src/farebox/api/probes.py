"""The routes that belong to no family: health, metrics, the API document and its reader.

They need no token and tell nothing about anybody. Live means that the process answers; ready means
that a request would be served now.
"""

import asyncio
from importlib.resources import files
from typing import Final

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.api.services import Services
from farebox.domain.errors import NotFoundError, UnavailableError
from farebox.storage.ready import missing_migrations

_PATIENCE_S: Final = 2.0
_TYPES: Final = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}
_ASSETS: Final = ("docs.js", "swagger-ui-bundle.js", "swagger-ui.css")
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_PAGE: Final = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Farebox API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="docs"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/docs.js"></script>
</body>
</html>
"""


class Health(msgspec.Struct):
    """What a probe is told."""

    status: str
    checks: dict[str, str] = {}


def routes(services: Services) -> list[HTTPRouteHandler]:
    """The handlers of the common routes."""
    return [*_probes(services), *_reader()]


def _probes(services: Services) -> list[HTTPRouteHandler]:
    @get("/health/live", include_in_schema=False)
    async def live() -> Response[bytes]:
        """The process answers."""
        return _json(Health("live"), 200)

    @get("/health/ready", include_in_schema=False)
    async def ready() -> Response[bytes]:
        """The database is reached and up to date, and the desk works."""
        checks = {"database": await _database(services), "desk": _desk(services)}
        is_ready = all(check == "ok" for check in checks.values())
        return _json(Health("ready" if is_ready else "not ready", checks), 200 if is_ready else 503)

    @get("/metrics", include_in_schema=False)
    async def metrics() -> Response[bytes]:
        """Numbers for Prometheus."""
        text = services.metrics.text()
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    return [live, ready, metrics]


async def _database(services: Services) -> str:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            missing = await missing_migrations(services.pool)
    except (UnavailableError, TimeoutError):
        return "unreachable"
    return "migrations are missing" if missing else "ok"


def _desk(services: Services) -> str:
    return "ok" if services.desk is not None and services.desk.running else "not running"


def _reader() -> list[HTTPRouteHandler]:
    @get("/docs", include_in_schema=False)
    async def docs() -> Response[bytes]:
        """The page that reads the API document."""
        headers = {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff"}
        return Response(_PAGE, media_type="text/html; charset=utf-8", headers=headers)

    @get("/docs/{name:str}", include_in_schema=False)
    async def asset(name: FromPath[str]) -> Response[bytes]:
        """A script or style of that page."""
        if name not in _ASSETS:
            raise NotFoundError("Not found")
        body = await asyncio.to_thread(files("farebox.api").joinpath("static", name).read_bytes)
        headers = {"Cache-Control": "public, max-age=86400", "X-Content-Type-Options": "nosniff"}
        return Response(body, media_type=_TYPES[name.rpartition(".")[2]], headers=headers)

    return [docs, asset]


def _json(value: Health, status: int) -> Response[bytes]:
    return Response(
        msgspec.json.encode(value),
        status_code=status,
        media_type="application/json; charset=utf-8",
        headers={"Cache-Control": "no-store"},
    )
