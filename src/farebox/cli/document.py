"""`farebox openapi`: the API document, without a database or a running service."""

from pathlib import Path
from typing import Any

import msgspec
import rich_click as click


@click.command()
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file."
)
def openapi(output: Path | None) -> None:
    """Print the OpenAPI document of every documented operation."""
    # Imported late, so that every other command starts without the web framework.
    from farebox.api.services import Options, Services
    from farebox.app import litestar_app, wall_clock

    nothing: Any = None
    services = Services(
        options=Options(),
        clock=wall_clock,
        pool=nothing,
        access=nothing,
        people=nothing,
        proxies=nothing,
    )
    document = litestar_app(services).openapi_schema.to_schema()
    text = msgspec.json.format(msgspec.json.encode(document), indent=2)
    if output is None:
        click.echo(text)
    else:
        output.write_bytes(text + b"\n")
