"""`farebox bench` and `farebox capacity`: what this machine gives, measured here and now.

The measurements live beside the package, in `benchmarks/` of a checkout; an installed package alone
has none and says so.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import rich_click as click

import farebox
from farebox.cli.surroundings import plain_errors


@click.command()
@click.option("--json", "path", type=click.Path(dir_okay=False, path_type=Path), help="Write here.")
@click.option("--quick", is_flag=True, help="Smaller fleets and shorter runs; ends within 60 s.")
@click.option("--only", help="Only metrics whose names begin with this, such as engine.")
def bench(path: Path | None, quick: bool, only: str | None) -> None:
    """Measure core, engine and HTTP beside their baselines.

    Everything runs on servers of its own in temporary folders.
    """
    with plain_errors():
        _benchmarks().run_all(path, quick=quick, only=only or "")


@click.command()
@click.option("--devices", type=click.IntRange(1), help="Devices in the field.")
@click.option("--taps", type=float, help="Validate and redeem pairs a device makes per hour.")
@click.option(
    "--p99-ms", type=float, default=50.0, show_default=True, help="Latency to stay below."
)
def capacity(devices: int | None, taps: float | None, p99_ms: float) -> None:
    """Say how many devices one worker on this machine serves.

    Raises the rate of validate and redeem pairs step by step, at fixed intervals whatever the
    answers do, until the 99th percentile passes --p99-ms.
    """
    with plain_errors():
        _benchmarks().run_capacity(devices, taps, p99_ms)


def _benchmarks() -> ModuleType:
    checkout = Path(farebox.__file__).parents[2]
    if not (checkout / "benchmarks" / "command.py").exists():
        raise click.ClickException("this needs a checkout of Farebox: benchmarks/ is not installed")
    sys.path.insert(0, str(checkout))
    missing = [name for name in ("redis",) if importlib.util.find_spec(name) is None]
    if missing:
        raise click.ClickException(f"missing packages: {', '.join(missing)}; run make test once")
    return importlib.import_module("benchmarks.command")
