"""`farebox serve`: one process, or several workers behind one port.

The parent starts the embedded PostgreSQL, migrates, and loads the demonstration before any worker
begins; it stops the server after the last worker has ended. Ctrl-C and SIGTERM end it cleanly.
"""

import os
import signal
import socket
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

import msgspec
import rich_click as click
import uvicorn

from farebox import __version__
from farebox.cli.surroundings import (
    clock_of,
    database,
    err,
    keys_of,
    log_to_stderr,
    migrated_pool,
    out,
    plain_errors,
    read_settings,
    run,
)
from farebox.cli.workers import WorkersFailedError, keep_running
from farebox.demo import DEVICE, DEVICE_KEY, EXAMPLES, load_demo
from farebox.demo_exchange import load_exchange
from farebox.demo_portal import load_portal
from farebox.demo_provider import load_provider
from farebox.engine.access import Access
from farebox.engine.people import People, Policy
from farebox.settings import Settings
from farebox.storage.patience import patiently

_DEMO_MARK: Final = "_FAREBOX_SERVES_DEMO"


@click.command()
@click.option("--host", help="Address to listen on (FAREBOX_HOST, 127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port (FAREBOX_PORT or PORT, 8000).")
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Worker processes; more than one needs FAREBOX_REDIS_URL.",
)
@click.option("--demo", is_flag=True, help="Load the demonstration and show calls to paste.")
def serve(host: str | None, port: int | None, workers: int, demo: bool) -> None:
    """Serve the HTTP APIs until Ctrl-C.

    Without FAREBOX_DATABASE_URL an embedded PostgreSQL runs in FAREBOX_DATA_DIR.
    """
    signal.signal(signal.SIGTERM, _end)
    # A shell without job control starts what runs in the background with SIGINT ignored.
    signal.signal(signal.SIGINT, _end)
    log_to_stderr()
    with plain_errors():
        settings = read_settings(demo=demo, workers=workers, host=host, port=port, simulates=demo)
        listening = _listen(settings)
        with database(settings) as dsn:
            run(lambda: patiently(lambda: _prepare(settings, dsn, demo), _say))
            text = _announcement(settings, dsn, listening, demo)

            def announce() -> None:
                out.print(text, markup=False)

            try:
                if workers == 1:
                    _serve_here(settings, dsn, listening, announce)
                else:
                    _serve_apart(settings, dsn, listening, announce, workers, demo)
            except KeyboardInterrupt:
                pass
            err.print("Stopping")


def _work(listening: socket.socket, is_ready: Callable[[], None]) -> None:
    """A worker process, which reads the settings that its parent has left it."""
    signal.signal(signal.SIGTERM, _end)
    log_to_stderr()
    is_demo = os.environ.pop(_DEMO_MARK, "") == "1"
    settings = read_settings(demo=is_demo, simulates=is_demo)
    _Server(server_config(_app(settings)), is_ready).serve_on(listening)


def _app(settings: Settings) -> Any:
    # Imported late, so that --help and refusals come without the web framework.
    from farebox.app import create_app

    return create_app(settings)


def _end(number: int, frame: FrameType | None) -> None:
    """SIGTERM unwinds like Ctrl-C, so that the embedded server is stopped and not abandoned."""
    del number, frame
    raise KeyboardInterrupt


def _listen(settings: Settings) -> socket.socket:
    """The socket, before anything slow: a port in use is said at once."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        where = f"{settings.host}:{settings.port}"
        hint = "choose another port with PORT or --port"
        raise click.ClickException(f"cannot listen on {where}: {error.strerror}; {hint}") from error
    listening.set_inheritable(True)
    return listening


def _say(sentence: str) -> None:
    err.print(sentence, markup=False)


async def _prepare(settings: Settings, dsn: str, demo: bool) -> None:
    async with migrated_pool(dsn) as pool:
        if demo:
            clock = clock_of(settings)
            await load_demo(pool, clock)
            ring = keys_of(settings).by_kid
            await load_provider(pool, clock, ring)
            await load_exchange(pool, clock, ring)
            await load_portal(pool, clock())


def _announcement(settings: Settings, dsn: str, listening: socket.socket, demo: bool) -> str:
    host, port = listening.getsockname()[:2]
    base = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    held = "given PostgreSQL" if settings.database_url else f"data in {settings.data_dir}"
    text = f"Farebox {__version__} serves {base} ({held}); documentation at {base}/docs"
    if demo:
        text += _demo_calls(
            base, run(lambda: patiently(lambda: _device_token(settings, dsn), _say))
        )
    return text


async def _device_token(settings: Settings, dsn: str) -> str:
    clock = clock_of(settings)
    keys = keys_of(settings)
    async with migrated_pool(dsn) as pool:
        people = People(pool, clock, keys, Access(pool, clock, keys), policy=Policy())
        try:
            return await people.device_token(DEVICE, DEVICE_KEY, settings.host)
        finally:
            people.close()


def _demo_calls(base: str, token: str) -> str:
    code = EXAMPLES[0].codes[0]
    call = (
        f"curl -s {base}/vending/voucher/{code}/%s \\\n"
        f"  -H 'Authorization: Bearer {token}' \\\n"
        "  -H 'Content-Type: application/json' \\\n"
        "  -d '%s'"
    )
    # A new order on every start: a known one would be answered again without taking anything.
    order = f"demo-{time.time_ns() // 1_000_000}"
    redeem = f'{{"deviceId":"{DEVICE}","order":{{"id":"{order}","amount":250}}}}'
    validate = f'{{"deviceId":"{DEVICE}"}}'
    return (
        f"\n\nThe demonstration is loaded; docs/demo.md lists its people, machines and codes.\n\n"
        f"Ask whether a voucher would work:\n\n{call % ('validate', validate)}\n\n"
        f"Take its value, once, however often this is sent:\n\n{call % ('redeem', redeem)}\n\n"
        f"Ctrl-C stops it."
    )


def server_config(app: Any) -> uvicorn.Config:
    """How a worker serves: uvloop, httptools, no access log."""
    return uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        # Whom to believe about the client's address is decided by our own list.
        proxy_headers=False,
        backlog=4096,
        timeout_graceful_shutdown=10,
    )


class _Server(uvicorn.Server):
    """Tells when it serves."""

    def __init__(self, config: uvicorn.Config, is_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._is_ready = is_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._is_ready()

    def serve_on(self, listening: socket.socket) -> None:
        """Serves until a signal; SystemExit when the application could not start."""
        self.run(sockets=[listening])
        if not self.started:
            raise SystemExit(3)


def _serve_here(
    settings: Settings, dsn: str, listening: socket.socket, announce: Callable[[], None]
) -> None:
    # The database is open already; the application joins it instead of starting its own.
    joined = msgspec.structs.replace(settings, database_url=dsn)
    _Server(server_config(_app(joined)), announce).serve_on(listening)


def _serve_apart(
    settings: Settings,
    dsn: str,
    listening: socket.socket,
    announce: Callable[[], None],
    workers: int,
    demo: bool,
) -> None:
    os.environ["FAREBOX_DATABASE_URL"] = dsn
    os.environ["FAREBOX_DATA_DIR"] = str(settings.data_dir)
    os.environ[_DEMO_MARK] = "1" if demo else ""
    # Made here, or every worker would make its own.
    keys_of(settings)
    try:
        keep_running(workers, listening, _work, announce)
    except WorkersFailedError as error:
        raise click.ClickException(str(error)) from error
