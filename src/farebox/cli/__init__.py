"""The command line: serve, migrate, load, measure, and what an operator does once.

Every command reads the settings from the environment, says what it is about to do, and ends with a
sentence instead of a traceback where the reason is the operator's to mend.
"""

import rich_click as click

from farebox import __version__
from farebox.cli.data import load, migrate, user
from farebox.cli.document import openapi
from farebox.cli.exchange import pbx
from farebox.cli.measuring import bench, capacity
from farebox.cli.portal import iptv
from farebox.cli.provider import isp
from farebox.cli.serving import serve


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="farebox")
def main() -> None:
    """Decide and record what a voucher is worth, once, for every device that asks.

    Settings come from FAREBOX_… variables; docs/operating.md lists them.
    """


for command in (serve, migrate, load, user, isp, pbx, iptv, openapi, bench, capacity):
    main.add_command(command)
