"""The composition root: builds every object once, wires them, and takes them down again.

`open_services` gives the objects of one process, `assemble` the ASGI application around them, and
`create_app` an application that does both in its lifespan. Only here and in settings is the outside
world looked at: the clock, the file system, the addresses of PostgreSQL and Redis.
"""

import asyncio
import gc
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog
from litestar import Litestar, Request, Response
from litestar.datastructures import State
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from farebox import __version__
from farebox.api import iptv, isp, logs, pbx, probes, vending
from farebox.api.metrics import Metrics, Watch
from farebox.api.services import Options, Services
from farebox.api.vending import dialect
from farebox.api.vending.lane import Lane
from farebox.api.vending.wire_device import VendingSpelling
from farebox.engine import exchange, portal
from farebox.engine.access import Access
from farebox.engine.attempts import Restraint
from farebox.engine.box_events import CHANNEL as EVENT_CHANNEL
from farebox.engine.boxes import SWEEP_S as BOXES_S
from farebox.engine.campaigns import Campaigns
from farebox.engine.commands import EXPIRE_S, Commands
from farebox.engine.devices import Devices
from farebox.engine.ingestion import Ingestion
from farebox.engine.integrations import FORGET_S, PURPOSE, Deliveries
from farebox.engine.issuance import Issuance
from farebox.engine.moving import SWEEP_S as MOVE_S
from farebox.engine.network_keys import PURPOSE as NETWORK
from farebox.engine.network_keys import NetworkKeys
from farebox.engine.people import RESETS, SIGN_INS, People, Policy
from farebox.engine.places import Places
from farebox.engine.presence import DETECT_S, Presence
from farebox.engine.provider import Provider
from farebox.engine.provider import build as build_provider
from farebox.engine.redemption import Desk
from farebox.engine.revenue import Revenue
from farebox.engine.revenue_columns import Columns
from farebox.engine.revenue_months import CLEAR_S
from farebox.engine.sealing import Sealer
from farebox.engine.sheets import Sheets
from farebox.engine.shifts import Shifts
from farebox.engine.tokens import KeyRing
from farebox.engine.vouchers import Vouchers
from farebox.engine.watching import SWEEP_S, Watching
from farebox.jobs import Handler, MovingClock, Worker
from farebox.locks import Attempts, Leases, LocalAttempts, LocalLease, RedisAttempts, RedisLease
from farebox.outbound.mail import Mailer
from farebox.outbound.simulators import Simulators
from farebox.outbound.webhook import Webhook
from farebox.settings import Settings
from farebox.storage import partitions, upkeep
from farebox.storage import people as people_store
from farebox.storage.embedded import EmbeddedServer
from farebox.storage.joining import JoiningPool
from farebox.storage.migrate import migrate
from farebox.storage.patience import patiently
from farebox.storage.pool import Pool, open_pool
from farebox.storage.redemption import Ledger
from farebox.web import ASGI, Front, Proxies, Receive, Scope, Send

DAY_MS: Final = 86_400_000
HOUR_S: Final = 3600.0
MINUTE_S: Final = 60.0
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
        services = await _build(settings, dsn, JoiningPool(pool), now, stack)
        await _start(settings, dsn, services, stack)
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


async def _build(
    settings: Settings, dsn: str, pool: Any, clock: Callable[[], int], stack: AsyncExitStack
) -> Services:
    keys = keys_of(settings)
    leases = _leases(settings, stack)
    restraint = Restraint(_attempts(settings, stack, "sign-in", SIGN_INS))
    access = Access(pool, clock, keys, restraint=restraint)
    policy = Policy(
        public_url=settings.public_url, password_max_age_days=settings.password_max_age_days
    )
    resets = _attempts(settings, stack, "reset", RESETS)
    people = People(pool, clock, keys, access, policy=policy, sign_ins=restraint, resets=resets)
    stack.callback(people.close)
    watching = Watching(pool, clock)
    webhook = Webhook(settings.webhook_networks)
    stack.push_async_callback(webhook.close)
    threads = min(4, os.cpu_count() or 1)
    columns = Columns(pool, bytes_max=settings.revenue_memory, threads=threads)
    ledger = Ledger(dsn, statement_timeout_ms=settings.statement_timeout_ms)
    desk = Desk(
        ledger,
        clock,
        VendingSpelling(),
        leases=leases,
        memory_bytes=settings.book_memory,
        replay_window_ms=settings.replay_window_days * DAY_MS,
        warm_s=settings.warm_seconds,
    )
    return Services(
        options=Options(
            public_url=settings.public_url,
            list_hard_cap=settings.list_hard_cap,
            default_time_zone=settings.default_time_zone,
            archive_after_ms=settings.archive_after_days * DAY_MS,
            reporting_currency=settings.reporting_currency,
        ),
        clock=clock,
        pool=pool,
        access=access,
        people=people,
        proxies=Proxies(settings.trusted_proxies),
        leases=leases,
        desk=desk,
        places=Places(pool),
        issuance=Issuance(pool, clock),
        campaigns=Campaigns(pool, clock),
        vouchers=Vouchers(pool, clock),
        ingestion=Ingestion(pool, clock, touched=watching.touch),
        devices=Devices(pool, clock),
        sheets=Sheets(pool, clock, keys.by_kid, settings.public_url or None),
        shifts=Shifts(pool, clock, leases),
        commands=Commands(pool, clock, settings.device_commands),
        deliveries=Deliveries(
            pool, MovingClock(clock), leases, Sealer(keys.by_kid, PURPOSE), webhook.post
        ),
        network_keys=NetworkKeys(Sealer(keys.by_kid, NETWORK)),
        watching=watching,
        revenue=Revenue(pool, clock, columns, reporting_currency=settings.reporting_currency),
        columns=columns,
        presence=Presence(
            pool,
            clock,
            offline_after_ms=settings.offline_after_s * 1000,
            touched=watching.touch,
        ),
        metrics=Metrics(),
        provider=await _provider(settings, pool, clock, keys, stack),
        exchange=_exchange(settings, pool, clock, keys, stack),
        portal=_portal(settings, pool, clock, stack),
    )


async def _provider(
    settings: Settings, pool: Any, clock: Callable[[], int], keys: KeyRing, stack: AsyncExitStack
) -> Provider:
    simulators = None
    if settings.simulates:
        simulators = Simulators()
        await simulators.start()
        stack.push_async_callback(simulators.stop)
    made = build_provider(
        pool,
        clock,
        keys.by_kid,
        partial(_attempts, settings, stack),
        moving=MovingClock(clock),
        networks=settings.webhook_networks,
        simulators=simulators,
    )
    stack.push_async_callback(made.sms.close)
    return made


def _exchange(
    settings: Settings, pool: Any, clock: Callable[[], int], keys: KeyRing, stack: AsyncExitStack
) -> exchange.Exchange:
    policy = exchange.Policy(
        is_compatible=settings.pbx_error_status == "compat",
        cdr_days_max=settings.pbx_cdr_max_days,
        password_chars_min=settings.pbx_password_min_length,
    )
    made = exchange.build(pool, clock, keys.by_kid, partial(_attempts, settings, stack), policy)
    stack.callback(made.operators.close)
    return made


def _portal(
    settings: Settings, pool: Any, clock: Callable[[], int], stack: AsyncExitStack
) -> portal.Portal:
    if not settings.iptv_auth_required:
        _log.warning("iptv.open", reason="FAREBOX_IPTV_AUTH_REQUIRED is false")
    policy = portal.Policy(
        is_compatible=settings.iptv_error_status == "compat",
        is_closed=settings.iptv_auth_required,
        time_zone=settings.iptv_timezone,
        may_change_all=settings.iptv_allow_multiple_stb_update,
        is_vendor_only=settings.iptv_mac_oui_only,
        watchdog_s=settings.iptv_watchdog_timeout,
        is_billing=settings.iptv_enable_internal_billing,
        has_resellers=settings.iptv_allow_resellers_info_for_api,
        subscription_changed_msg=settings.iptv_subscription_changed_msg,
    )
    made = portal.build(pool, clock, partial(_attempts, settings, stack), policy)
    stack.callback(made.passwords.close)
    return made


def _attempts(
    settings: Settings, stack: AsyncExitStack, name: str, limit: tuple[int, int]
) -> Attempts:
    own = LocalAttempts(*limit)
    if not settings.redis_url:
        return own
    shared = RedisAttempts(settings.redis_url, name, own)
    stack.push_async_callback(shared.close)
    return shared


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


async def _start(settings: Settings, dsn: str, services: Services, stack: AsyncExitStack) -> None:
    await services.desk.start()
    stack.push_async_callback(services.desk.stop)
    _read_desk(services)
    services.metrics.read_each(
        "farebox_ingest_records", "Records that devices reported", ("stream", "outcome"),
        services.ingestion.told.items,
    )  # fmt: skip

    def access_changed(subject: str) -> None:
        services.access.forget(subject)
        services.places.forget()

    heard = {
        people_store.ACCESS_CHANNEL: access_changed,
        people_store.PLACES_CHANNEL: lambda _: services.places.forget(),
        EVENT_CHANNEL: services.portal.polls.wake,
    }
    _background(stack, people_store.listen(dsn, heard), "changes")
    _background(stack, services.presence.run(), "presence")
    _background(stack, services.watching.run(), "watching")
    _background(stack, services.deliveries.run(), "integrations")
    _background(stack, services.columns.months.run(), "revenue")
    services.worker = _worker(settings, services)
    _background(stack, services.worker.run(), "worker")
    stack.push_async_callback(services.worker.stop)


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


def _worker(settings: Settings, services: Services) -> Worker:
    pool, clock = services.pool, services.clock
    handlers: dict[str, Handler] = {"campaign.generate": services.issuance.generate}
    handlers |= services.sheets.handlers
    handlers |= services.provider.handlers
    if settings.smtp_url:
        mailer = Mailer(settings.smtp_url, settings.mail_from, clock)

        async def deliver(mail: dict[str, Any], attempt: int) -> None:
            del attempt
            await mailer.send(mail["to"], mail["subject"], mail["text"])

        handlers["mail"] = deliver
    else:
        _log.info("mail.waits", reason="FAREBOX_SMTP_URL is not set")
    replay_ms = settings.replay_window_days * DAY_MS
    periodic = {
        "partitions": (HOUR_S, lambda: partitions.make_ahead(pool, clock())),
        "campaigns": (MINUTE_S, services.issuance.give_up_abandoned),
        "upkeep": (
            HOUR_S / 4,
            lambda: upkeep.remove_expired(pool, clock(), replay_window_ms=replay_ms),
        ),
        "commands": (EXPIRE_S, services.commands.expire),
        "integrations": (FORGET_S, services.deliveries.forget),
        "moves": (MOVE_S, services.provider.moves.apply_due),
        "presence": (DETECT_S, services.presence.detect),
        "watching": (SWEEP_S, services.watching.sweep),
        "boxes": (BOXES_S, services.portal.boxes.sweep),
        "sales": (CLEAR_S, services.columns.months.clear_feed),
    }
    return Worker(pool, clock, handlers, periodic=periodic, leases=services.leases)


def _read_desk(services: Services) -> None:
    desk, metrics = services.desk, services.metrics
    for name, text in {
        "batches": "Batches decided",
        "calls": "Calls decided",
        "lost": "Batches whose comparison was lost",
        "settled": "Commits whose outcome had to be asked for",
    }.items():
        metrics.read_from(f"farebox_desk_{name}", text, lambda name=name: getattr(desk, name))


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
                # What exists now lives until the end: the collector need not look at it again.
                gc.collect()
                gc.freeze()
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


def create_app(settings: Settings) -> Application:
    """The application of one worker process, which logs as a server does."""
    logs.configure()
    return Application(settings)
