"""`farebox isp`: the internet provider's first account, all quotas, all secrets under a new key."""

import time

import rich_click as click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from farebox.cli.surroundings import (
    clock_of,
    database,
    err,
    keys_of,
    migrated_pool,
    out,
    plain_errors,
    read_settings,
    run,
)
from farebox.domain.errors import InvalidError
from farebox.domain.windows import zone
from farebox.engine.credentials import SCOPES, bootstrap
from farebox.engine.evaluating import Evaluating, Summary
from farebox.engine.provider import PURPOSE
from farebox.engine.rotating import Rotated
from farebox.engine.rotating import rotate as seal_again
from farebox.engine.sealing import Sealer
from farebox.settings import Settings


@click.group()
def isp() -> None:
    """Prepare the internet provider's API, evaluate quotas, exchange keys."""


@isp.command("bootstrap")
@click.argument("account")
@click.option("--token", help="The API token; made up when absent.")
@click.option("--time-zone", default="UTC", show_default=True, help="IANA zone of the account.")
@click.option("--currency", default="", help="ISO 4217 code.")
def bootstrap_account(account: str, token: str | None, time_zone: str, currency: str) -> None:
    """Make a root ACCOUNT and a credential that may do everything in it.

    The key is shown this once. An account of this name that exists only gets the credential.
    """
    with plain_errors():
        zone(time_zone)
        settings = read_settings(demo=True)
        with database(settings) as dsn:
            made, key = run(lambda: _make(settings, dsn, account, token, time_zone, currency))
    out.print(f"API token {made}\nAPI key   {key}", markup=False)


async def _make(
    settings: Settings, dsn: str, account: str, token: str | None, time_zone: str, currency: str
) -> tuple[str, str]:
    sealer = Sealer(keys_of(settings).by_kid, PURPOSE)
    async with migrated_pool(dsn, max_size=1) as pool:
        made = await bootstrap(
            pool, clock_of(settings), sealer, account, token, time_zone, currency, SCOPES
        )
    if made is None:
        raise InvalidError("an account has 1 to 64 letters, digits, _ or -; a token 4 to 64, new")
    return made


@isp.command("evaluate")
@click.argument("account")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
def evaluate(account: str, dry_run: bool) -> None:
    """Move the quotas of ACCOUNT and all below it on, and tell the network of other speeds.

    It may be stopped at any time and run again, and beside a server: everything happens once.
    """
    began = time.monotonic()
    with plain_errors():
        settings = read_settings(demo=True)
        with database(settings) as dsn:
            told = run(lambda: _evaluate(settings, dsn, account, dry_run))
    seconds = max(time.monotonic() - began, 0.001)
    verb = "would switch" if dry_run else "switched"
    out.print(
        f"evaluated {told.evaluated} quotas in {seconds:.1f} s: {told.rolled} began a new period,"
        f" {told.over} are over, {told.invalid} invalid; {verb} {told.switched}"
    )


async def _evaluate(settings: Settings, dsn: str, account: str, dry_run: bool) -> Summary:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    async with migrated_pool(dsn, max_size=2) as pool:
        job = Evaluating(pool, clock_of(settings))
        total = await job.count(account)
        with Progress(*columns, TimeRemainingColumn(), console=err) as progress:
            task = progress.add_task(account, total=total)
            return await job.run(
                account, dry_run=dry_run, progress=lambda rows: progress.advance(task, rows)
            )


@isp.command("rotate")
def rotate() -> None:
    """Seal every secret again with the first key of FAREBOX_SECRETS.

    Put a new key in front, restart the servers, run this, and take the old key out. It may be
    stopped at any time and run again, and beside servers.
    """
    with plain_errors():
        settings = read_settings(demo=True)
        with database(settings) as dsn:
            told = run(lambda: _rotate(settings, dsn))
    out.print(f"sealed {told.sealed} secrets again; no key of the ring opens {told.lost}")


async def _rotate(settings: Settings, dsn: str) -> Rotated:
    columns = (TextColumn("{task.description}"), MofNCompleteColumn())
    async with migrated_pool(dsn, max_size=1) as pool:
        with Progress(*columns, console=err) as progress:
            task = progress.add_task("secrets", total=None)
            return await seal_again(
                pool, keys_of(settings).by_kid, PURPOSE,
                lambda secrets: progress.advance(task, secrets),
            )  # fmt: skip
