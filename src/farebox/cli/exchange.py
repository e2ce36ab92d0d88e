"""`farebox pbx`: the first admin of the hosted PBX, and its lines for Asterisk."""

import os
import secrets
from pathlib import Path

import rich_click as click

from farebox.cli.surroundings import (
    clock_of,
    database,
    err,
    given_password,
    keys_of,
    migrated_pool,
    out,
    plain_errors,
    read_settings,
    run,
)
from farebox.engine.exchange import PURPOSE
from farebox.engine.exchange_admin import bootstrap
from farebox.engine.exchange_export import export_asterisk
from farebox.engine.lines import Lines
from farebox.engine.sealing import Sealer
from farebox.settings import Settings


@click.group()
def pbx() -> None:
    """Prepare the hosted PBX's API, and take its lines to Asterisk."""


@pbx.command("bootstrap")
@click.argument("username", default="admin")
@click.option("--ask", is_flag=True, help="Ask for the password instead of making one.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def bootstrap_admin(username: str, ask: bool, password_stdin: bool) -> None:
    """Make an admin USERNAME, who creates everything else under /pbx/admin.

    The password is made and shown this once, unless it is asked for.
    """
    given = given_password(from_stdin=password_stdin, ask=ask)
    password = given or secrets.token_urlsafe(18)
    with plain_errors():
        settings = read_settings(demo=True)
        with database(settings) as dsn:
            made = run(lambda: _make(settings, dsn, username, password))
    out.print(f"admin {made} may call as {username}", markup=False)
    if not given:
        out.print(f"password {password}", markup=False)


async def _make(settings: Settings, dsn: str, username: str, password: str) -> int:
    async with migrated_pool(dsn, max_size=1) as pool:
        return await bootstrap(
            pool, clock_of(settings)(), username, password, settings.pbx_password_min_length
        )


@pbx.command("export-asterisk")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--tenant", default="", help="Code of one tenant; without it, all.")
def export(folder: Path, tenant: str) -> None:
    """Write pjsip_farebox.conf and voicemail_farebox.conf into FOLDER.

    They have the secrets of all lines in clear, so only their owner may read them. Each is replaced
    as a whole; include them in pjsip.conf and voicemail.conf and reload.
    """
    with plain_errors():
        settings = read_settings(demo=True)
        with database(settings) as dsn:
            texts = run(lambda: _export(settings, dsn, tenant))
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        _replace(folder / name, text)
        err.print(f"wrote {folder / name}", markup=False)


async def _export(settings: Settings, dsn: str, tenant: str) -> dict[str, str]:
    async with migrated_pool(dsn, max_size=1) as pool:
        clock = clock_of(settings)
        lines = Lines(pool, clock, Sealer(keys_of(settings).by_kid, PURPOSE))
        return await export_asterisk(pool, clock, lines, tenant)


def _replace(path: Path, text: str) -> None:
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "w", encoding="utf-8") as opened:
        opened.write(text)
    beside.replace(path)
