"""`farebox migrate`, `load` and `user create`: what an operator does to a database."""

import time
from pathlib import Path

import rich_click as click
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from farebox.cli.surroundings import (
    clock_of,
    database,
    err,
    given_password,
    migrated_pool,
    out,
    plain_errors,
    read_settings,
    run,
)
from farebox.engine.accounts import Account, create_account
from farebox.engine.loading import FaultyRowsError, Loaded, Loader
from farebox.settings import Settings
from farebox.storage.migrate import migrate as apply_migrations


@click.command()
def migrate() -> None:
    """Bring the database up to this version; harmless when it already is."""
    with plain_errors():
        settings = read_settings()
        with database(settings) as dsn:
            applied = run(lambda: apply_migrations(dsn))
    for name in applied:
        out.print(f"applied {name}")
    if not applied:
        out.print("nothing to apply")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--group", type=int, required=True, help="User group that owns the campaigns.")
@click.option("--dry-run", is_flag=True, help="Check every row and add nothing.")
def load(file: Path, group: int, dry_run: bool) -> None:
    """Load campaigns and vouchers from a .csv, .ndjson or .jsonl FILE.

    A row with a code is a voucher of the campaign it names, a row with a name a campaign. What
    exists already is skipped, so an interrupted load is simply run again.
    """
    with plain_errors():
        settings = read_settings(demo=True)
        with database(settings) as dsn:
            began = time.monotonic()
            try:
                loaded = run(lambda: _load(settings, dsn, file, group, dry_run))
            except FaultyRowsError as error:
                for fault in error.faults:
                    err.print(f"{file.name}: {fault}", markup=False)
                raise click.ClickException(
                    f"nothing of these rows was written; {error.loaded.vouchers} vouchers of"
                    " earlier rows were. Mend them and run the same command again"
                ) from error
    seconds = max(time.monotonic() - began, 0.001)
    _report(loaded, seconds, dry_run)


async def _load(settings: Settings, dsn: str, file: Path, group: int, dry_run: bool) -> Loaded:
    size = _size(file)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    async with migrated_pool(dsn, max_size=2) as pool:
        loader = Loader(pool, clock_of(settings), group, dry_run=dry_run)
        with Progress(*columns, TimeRemainingColumn(), console=err) as progress:
            task = progress.add_task(file.name, total=size)
            return await loader.load(file, lambda done: progress.update(task, completed=done))


def _size(file: Path) -> int:
    return file.stat().st_size


def _report(loaded: Loaded, seconds: float, dry_run: bool) -> None:
    verb = "would add" if dry_run else "added"
    out.print(
        f"{verb} {loaded.campaigns} campaigns and {loaded.vouchers} vouchers,"
        f" skipped {loaded.skipped} that exist;"
        f" {loaded.rows} rows in {seconds:.1f} s, {loaded.rows / seconds:,.0f} rows/s"
    )


@click.group()
def user() -> None:
    """Manage the people who may sign in."""


@user.command("create")
@click.argument("username")
@click.option("--email", required=True, help="Address; taken as confirmed.")
@click.option("--group", type=int, help="User group; without one, the first group of all.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def create_user(username: str, email: str, group: int | None, password_stdin: bool) -> None:
    """Create a user who can sign in at once.

    In an empty database this also makes the root group, whose members administer everything, and
    the language English.
    """
    password = given_password(from_stdin=password_stdin, ask=True)
    account = Account(username=username, email=email, password=password, group=group)
    with plain_errors():
        settings = read_settings(demo=True)
        with database(settings) as dsn:
            made = run(lambda: _create(settings, dsn, account))
    out.print(f"user {made} may sign in as {username}")


async def _create(settings: Settings, dsn: str, account: Account) -> int:
    async with migrated_pool(dsn, max_size=1) as pool:
        return await create_account(pool, clock_of(settings)(), account)
