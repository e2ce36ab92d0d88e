"""`farebox iptv`: the first admin of the IPTV portal."""

import secrets

import rich_click as click

from farebox.cli.surroundings import (
    clock_of,
    database,
    given_password,
    migrated_pool,
    out,
    plain_errors,
    read_settings,
    run,
)
from farebox.engine.portal_users import bootstrap
from farebox.settings import Settings


@click.group()
def iptv() -> None:
    """Prepare the IPTV portal's API."""


@iptv.command("bootstrap")
@click.argument("login", default="admin")
@click.option("--role", type=click.Choice(["admin", "api"]), default="admin", show_default=True)
@click.option("--ask", is_flag=True, help="Ask for the password instead of making one.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def bootstrap_user(login: str, role: str, ask: bool, password_stdin: bool) -> None:
    """Make a user LOGIN, who may call /iptv.

    The password is made and shown this once, unless it is asked for.
    """
    given = given_password(from_stdin=password_stdin, ask=ask)
    password = given or secrets.token_urlsafe(18)
    with plain_errors():
        settings = read_settings(demo=True)
        with database(settings) as dsn:
            run(lambda: _make(settings, dsn, login, password, role))
    out.print(f"{role} {login} may call", markup=False)
    if not given:
        out.print(f"password {password}", markup=False)


async def _make(settings: Settings, dsn: str, login: str, password: str, role: str) -> None:
    async with migrated_pool(dsn, max_size=1) as pool:
        await bootstrap(pool, clock_of(settings)(), login, password, role)
