"""`farebox iptv`: the first admin of the IPTV portal."""

import sys

import rich_click as click

from farebox.cli.surroundings import (
    clock_of,
    database,
    migrated_pool,
    out,
    plain_errors,
    read_settings,
    run,
)
from farebox.engine.lines import generated
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
    given = ""
    if password_stdin:
        given = sys.stdin.readline().rstrip("\r\n")
    elif ask:
        given = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    password = given or generated()
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
