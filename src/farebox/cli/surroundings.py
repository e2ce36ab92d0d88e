"""What every command begins with: the settings, a terminal to write to, and a database.

Errors that an operator can mend leave as one sentence on stderr and exit code 1; anything else is a
defect and keeps its traceback.
"""

import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import msgspec
import rich_click as click
import structlog
import uvloop
from rich.console import Console

from farebox.domain.errors import DomainError
from farebox.engine.tokens import KeyRing
from farebox.settings import Settings, SettingsError, from_environment
from farebox.storage.embedded import EmbeddedServer, EmbeddedServerError
from farebox.storage.migrate import MigrationError, migrate
from farebox.storage.pool import Pool, open_pool

Result = TypeVar("Result")

# Figures go to stdout, everything said beside them to stderr.
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Lets what an operator can mend leave as a sentence."""
    try:
        yield
    except (SettingsError, EmbeddedServerError, MigrationError) as error:
        raise click.ClickException(str(error)) from error
    except DomainError as error:
        reasons = [f"{name}: {reason}" for name, reason in error.fields.items()]
        raise click.ClickException("\n".join([error.message, *reasons])) from error


def read_settings(*, demo: bool = False, workers: int = 1, **overrides: Any) -> Settings:
    """The settings from the environment with what the command line says above them."""
    settings, warnings = from_environment(os.environ, demo=demo, workers=workers)
    for warning in warnings:
        err.print(f"[yellow]warning:[/] {warning}")
    given = {name: value for name, value in overrides.items() if value is not None}
    return msgspec.structs.replace(settings, **given)


def given_password(*, from_stdin: bool, ask: bool) -> str:
    """A password from standard input or from the terminal, empty where neither was wanted."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if ask:
        typed: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        return typed
    return ""


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """Where PostgreSQL is: the given one, or the embedded one for as long as the block lasts."""
    if settings.database_url is not None:
        yield settings.database_url
        return
    folder = settings.data_dir / "postgres"
    with err.status(f"Starting PostgreSQL in {folder}"):
        server = EmbeddedServer(folder, user=settings.postgres_user)
        server.start()
    try:
        yield server.dsn
    finally:
        server.stop()


@asynccontextmanager
async def migrated_pool(dsn: str, *, max_size: int = 4) -> AsyncIterator[Pool]:
    """A pool on a database that is up to date."""
    await migrate(dsn)
    pool = await open_pool(dsn, max_size=max_size, statement_timeout_ms=60_000)
    try:
        yield pool
    finally:
        await pool.close()


def clock_of(settings: Settings) -> Callable[[], int]:
    """The clock that a service with these settings decides by."""
    # Imported late: the web framework takes a second that --help need not wait for.
    from farebox import app

    return app.clock_of(settings)


def keys_of(settings: Settings) -> KeyRing:
    """The key ring that a service with these settings signs with."""
    from farebox import app

    return app.keys_of(settings, err.print)


def log_to_stderr() -> None:
    """Keeps standard output for what a command was asked for."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))


def run(work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """Runs a command's asynchronous part to its end."""
    return uvloop.run(work())
