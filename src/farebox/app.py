"""The composition root: builds every object once, wires them, and takes them down again.

`open_services` gives the objects of one process, `assemble` the ASGI application around them, and
`create_app` an application that does both in its lifespan. What a family needs is composed in its
own module of `farebox.composition`. Only here and in settings is the outside world looked at: the
clock, the file system, the addresses of PostgreSQL and Redis.
"""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import structlog
from litestar import Litestar, Request, Response
from litestar.datastructures import State
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from farebox import __version__, composition
from farebox.api import iptv, isp, logs, pbx, probes, vending
from farebox.api.metrics import Metrics, Watch
from farebox.api.services import Options, Services
from farebox.api.vending import dialect
from farebox.api.vending.lane import Lane
from farebox.composition.ground import DAY_MS, HOUR_S, Ground, Part
from farebox.engine.tokens import KeyRing
from farebox.jobs import Worker
from farebox.locks import Leases, LocalLease, RedisLease
from farebox.settings import Settings
from farebox.storage import partitions, upkeep
from farebox.storage import people as people_store
from farebox.storage.embedded import EmbeddedServer
from farebox.storage.joining import JoiningPool
from farebox.storage.migrate import migrate
from farebox.storage.patience import patiently
from farebox.storage.pool import Pool, open_pool
from farebox.web import ASGI, Front, Proxies, Receive, Scope, Send

_log = structlog.get_logger("farebox")


def wall_clock() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def clock_of(settings: Settings) -> Callable[[], int]:
    """The wall clock, or the instant at which a demonstration stands still."""
    frozen_ms = settings.test_now_ms
    return wall_clock if frozen_ms is None else lambda: frozen_ms


@asynccontextmanager
async def open_services(
    settings: Settings, *, clock: Callable[[], int] | None = None
) -> AsyncIterator[Services]:
    """All objects of one process, working; they end in the opposite order of their beginning."""
    async with AsyncExitStack() as stack:
        now = clock or clock_of(settings)
        dsn = settings.database_url or await _embedded(settings, stack)
        await migrate(dsn)
        pool = await open_pool(dsn, statement_timeout_ms=settings.statement_timeout_ms)
        stack.push_async_callback(_close_pool, pool)
        ground = _ground(settings, dsn, JoiningPool(pool), now, stack)
        whole = Part.joined([await compose(ground) for compose in composition.FAMILIES])
        services = _services(ground, whole.slots)
        services.worker = _start(ground, whole)
        yield services


async def _embedded(settings: Settings, stack: AsyncExitStack) -> str:
    server = EmbeddedServer(settings.data_dir, user=settings.postgres_user)
    dsn = await asyncio.to_thread(server.start)
    stack.push_async_callback(asyncio.to_thread, server.stop)
    return dsn


async def _close_pool(pool: Pool) -> None:
    try:
        await asyncio.wait_for(pool.close(), 5)
    except (TimeoutError, OSError):
        pool.terminate()


def _ground(
    settings: Settings, dsn: str, pool: Any, clock: Callable[[], int], stack: AsyncExitStack
) -> Ground:
    return Ground(
        settings=settings,
        dsn=dsn,
        pool=pool,
        clock=clock,
        keys=keys_of(settings),
        leases=_leases(settings, stack),
        metrics=Metrics(),
        stack=stack,
    )


def _services(ground: Ground, slots: Mapping[str, Any]) -> Services:
    settings = ground.settings
    return Services(
        options=Options(
            public_url=settings.public_url,
            list_hard_cap=settings.list_hard_cap,
            default_time_zone=settings.default_time_zone,
            archive_after_ms=settings.archive_after_days * DAY_MS,
            reporting_currency=settings.reporting_currency,
        ),
        clock=ground.clock,
        pool=ground.pool,
        proxies=Proxies(settings.trusted_proxies),
        leases=ground.leases,
        metrics=ground.metrics,
        **slots,
    )


def _leases(settings: Settings, stack: AsyncExitStack) -> Leases:
    if not settings.redis_url:
        return LocalLease()
    shared = RedisLease(settings.redis_url)
    stack.push_async_callback(shared.close)
    return shared


def keys_of(settings: Settings, say: Callable[[str], None] = _log.info) -> KeyRing:
    """The given key ring, or the one in the data directory, made on the first start."""
    if settings.secrets:
        return KeyRing(settings.secrets)
    path: Path = settings.data_dir / "secrets"
    if not path.exists():
        say(f"Made the key ring {path}, readable by its owner only")
    return KeyRing.kept_in(path)


def _start(ground: Ground, whole: Part) -> Worker:
    """Sets everything going that goes on beside the requests."""
    stack = ground.stack
    _background(stack, people_store.listen(ground.dsn, whole.heard), "changes")
    for name, run in whole.running.items():
        _background(stack, run(), name)
    worker = _worker(ground, whole)
    _background(stack, worker.run(), "worker")
    stack.push_async_callback(worker.stop)
    return worker


def _background(stack: AsyncExitStack, work: Coroutine[Any, Any, None], name: str) -> None:
    task = asyncio.create_task(work, name=name)

    async def end() -> None:
        # The worker was asked to stop before; everything else is simply cancelled.
        await asyncio.wait([task], timeout=5 if name == "worker" else 0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def look(done: asyncio.Task[None]) -> None:
        if not done.cancelled() and done.exception() is not None:
            _log.error("background.ended", name=name, exc_info=done.exception())

    task.add_done_callback(look)
    stack.push_async_callback(end)


def _worker(ground: Ground, whole: Part) -> Worker:
    pool, clock = ground.pool, ground.clock
    replay_ms = ground.settings.replay_window_days * DAY_MS

    chores = {
        "partitions": (HOUR_S, lambda: partitions.make_ahead(pool, clock())),
        "upkeep": (
            HOUR_S / 4,
            lambda: upkeep.remove_expired(pool, clock(), replay_window_ms=replay_ms),
        ),
        **whole.chores,
    }
    return Worker(pool, clock, whole.handlers, periodic=chores, leases=ground.leases)


def _failure(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """What no router has caught, in the words of the family that was asked."""
    family = request.scope["path"].split("/", 2)[1]
    spoken: Any = {
        "isp": isp.dialect.failure, "pbx": pbx.dialect.failure, "iptv": iptv.dialect.failure,
    }.get(family, dialect.failure)  # fmt: skip
    told: Response[bytes] = spoken(request, error)
    return told


def litestar_app(services: Services) -> Litestar:
    """The framework's application: every route of every family, documented."""
    return Litestar(
        route_handlers=[
            *probes.routes(services),
            vending.router(services),
            isp.router(services),
            pbx.router(services),
            iptv.router(services),
        ],
        exception_handlers={Exception: _failure},
        openapi_config=OpenAPIConfig(
            title="Farebox",
            version=__version__,
            path="/schema",
            render_plugins=[JsonRenderPlugin(path="/openapi.json")],
            components=Components(
                security_schemes={
                    "bearer": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT"),
                    "device": SecurityScheme(type="http", scheme="basic"),
                    "provider": SecurityScheme(type="http", scheme="basic"),
                    "exchange": SecurityScheme(type="http", scheme="basic"),
                    "portal": SecurityScheme(type="http", scheme="basic"),
                    "box": SecurityScheme(type="http", scheme="bearer"),
                }
            ),
        ),
        request_max_body_size=dialect.BODY_BYTES_MAX,
        state=State({"services": services}),
        logging_config=None,
    )


def assemble(services: Services, settings: Settings, framework: ASGI | None = None) -> ASGI:
    """What answers requests: the front, the lane, the framework, one of its own unless given."""
    routed: Any = framework or litestar_app(services)
    metrics: Metrics = services.metrics
    inner: ASGI = Watch(routed, metrics)
    lane: ASGI = Lane(inner, services)
    front: ASGI = Front(lane, refused=_refused, hosts=settings.hosts, proxies=services.proxies)
    return Watch(front, metrics, is_logging=True) if settings.access_log else front


async def _refused(scope: Scope, receive: Receive, send: Send) -> None:
    """What must not be found is not found."""
    del scope, receive
    await _answer(send, 404, b'{"message":"Not found","code":"not_found"}')


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [
        (b"content-type", dialect.JSON.encode()),
        (b"content-length", b"%d" % len(body)),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Application:
    """An ASGI application that opens its services when the server starts it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._app: ASGI | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a request, or the server's own messages about starting and stopping."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._app is None:
            await _answer(send, 503, b'{"message":"Not started","code":"unavailable"}')
        else:
            await self._app(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        has_started = False
        try:
            async with AsyncExitStack() as stack:
                services = await patiently(
                    lambda: stack.enter_async_context(open_services(self._settings)),
                    lambda reason: _log.warning("start.waits", reason=reason),
                )
                self._app = assemble(services, self._settings)
                spare_collector()
                has_started = True
                await send({"type": "lifespan.startup.complete"})
                await receive()
                self._app = None
        except Exception as error:  # noqa: BLE001 - whatever it is, the server must be told
            _log.error("start.failed" if not has_started else "stop.failed", exc_info=error)
            stage = "shutdown" if has_started else "startup"
            await send({"type": f"lifespan.{stage}.failed", "message": str(error)})
            return
        await send({"type": "lifespan.shutdown.complete"})


def spare_collector() -> None:
    """Has the collector of cycles look at what is new, and seldom.

    What exists once a worker has started lives until its end, and nearly all that comes later ends
    with its request and without a cycle: a batch of calls made it look twice, in vain.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def create_app(settings: Settings) -> Application:
    """The application of one worker process, which logs as a server does."""
    logs.configure()
    return Application(settings)
