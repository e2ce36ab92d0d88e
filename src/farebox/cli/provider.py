"""`farebox isp bootstrap`: the first account of the internet provider and the key to it."""

import rich_click as click

from farebox.cli.surroundings import (
    clock_of,
    database,
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
from farebox.engine.provider import PURPOSE
from farebox.engine.sealing import Sealer
from farebox.settings import Settings


@click.group()
def isp() -> None:
    """Prepare the internet provider's API."""


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
