"""Everything that can be set from outside, read once from a mapping of FAREBOX_ names.

All mistakes are reported together, each with the variable's name, what was expected and what was
found; values that may hold a password are never repeated. Unknown FAREBOX_ names give warnings.
Nothing below the composition root reads the environment.
"""

import difflib
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from farebox.domain.errors import InvalidError
from farebox.domain.windows import zone
from farebox.outbound.mail import check_url

FAMILIES: Final = ("vending", "isp", "iptv", "pbx")
SECRET_BYTES_MIN: Final = 32
DEVICE_COMMANDS: Final = (
    "reboot", "restart", "sync", "update", "sendlog", "setprice", "lock", "unlock", "clearerrors",
    "display",
)  # fmt: skip
_MIB: Final = 1 << 20


class SettingsError(Exception):
    """One or more variables cannot be used; the message has a line for each."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a process was told; the defaults make it work on its own."""

    # None: an embedded PostgreSQL in the data directory.
    database_url: str | None = None
    # None: leases and limits live in the process, so there may be only one.
    redis_url: str | None = None
    data_dir: Path
    # Who PostgreSQL runs as when we are root.
    postgres_user: str = "nobody"
    host: str = "127.0.0.1"
    port: int = 8000
    # Host names that serve one family at their root.
    hosts: dict[str, str] = {}
    public_url: str = ""
    # None: mails stay in the outbox.
    smtp_url: str | None = None
    mail_from: str = "Farebox <no-reply@localhost>"
    # By key id; the first one signs. Empty: made once and kept in the data directory.
    secrets: dict[str, str] = {}
    # The instant at which a demonstration stands still.
    test_now_ms: int | None = None
    book_memory: int = 512 * _MIB
    # For columns of sales, 22 bytes each; what does not fit is asked of the database.
    revenue_memory: int = 256 * _MIB
    # How long the start may take to read vouchers ahead; 0 reads none.
    warm_seconds: int = 2
    replay_window_days: int = 7
    statement_timeout_ms: int = 2000
    trusted_proxies: tuple[str, ...] = ()
    list_hard_cap: int = 10_000
    # 0: passwords do not expire.
    password_max_age_days: int = 0
    default_time_zone: str = "Europe/Amsterdam"
    reporting_currency: str = "EUR"
    # Records older than this are listed when the archive is asked for, too.
    archive_after_days: int = 397
    # Silence of a gateway after which its machines are offline.
    offline_after_s: int = 900
    # What devices may be told to do.
    device_commands: tuple[str, ...] = DEVICE_COMMANDS
    # Private networks that webhooks may reach, without TLS too.
    webhook_networks: tuple[str, ...] = ()
    # Attributes of RADIUS beside our own, in the usual format; None: no others.
    isp_dictionary: Path | None = None
    # Waits after a device of the network was silent, in seconds, before it is asked again.
    isp_coa_delays: tuple[int, ...] = (30, 120, 600, 1800, 7200)
    # Where gateways and mail servers of the provider's accounts may be, without TLS too.
    isp_private_targets: tuple[str, ...] = ()
    access_log: bool = False
    # http: refusals of the PBX family have HTTP statuses of their own; compat: most have 200.
    pbx_error_status: str = "http"
    # Longest span of days of a call history.
    pbx_cdr_max_days: int = 92
    pbx_password_min_length: int = 8
    # compat: most refusals of the IPTV family have status 200; http: statuses of their own.
    iptv_error_status: str = "compat"
    # false: the documented operations are open to everybody.
    iptv_auth_required: bool = True
    iptv_timezone: str = "UTC"
    # Whether PUT /stb without identifiers changes all boxes.
    iptv_allow_multiple_stb_update: bool = False
    # Whether only addresses of the usual vendor are taken.
    iptv_mac_oui_only: bool = False
    # Whether boxes of accounts without a password are let in by their address alone.
    iptv_device_mac_only_auth: bool = True
    # Silence after which a box is offline, in seconds.
    iptv_watchdog_timeout: int = 120
    # Whether accounts are switched off at their end date.
    iptv_enable_internal_billing: bool = False
    iptv_allow_resellers_info_for_api: bool = True
    iptv_subscription_changed_msg: str = (
        "Your channels have changed. The receiver restarts when you press OK."
    )
    # Only a demonstration's: far sides of the provider are simulated in the process.
    simulates: bool = False

    def __repr__(self) -> str:
        """The settings without anything that may hold a password."""
        shown = (name for name in self.__struct_fields__ if name not in _CONFIDENTIAL)
        return f"Settings({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"


_CONFIDENTIAL: Final = frozenset(("database_url", "redis_url", "smtp_url", "secrets"))


def _text(value: str) -> str:
    return value


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if not re.fullmatch(r"\d{1,18}", value) or not least <= int(value) <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return int(value)

    return read


def _bytes(value: str) -> int:
    units = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
    match = re.fullmatch(r"(\d{1,15}) ?(|KiB|MiB|GiB)", value)
    if match is None or int(match[1]) * units[match[2]] < _MIB:
        raise ValueError("a number of bytes, at least 1MiB, such as 536870912 or 512MiB")
    return int(match[1]) * units[match[2]]


def _flag(value: str) -> bool:
    words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if value.lower() not in words:
        raise ValueError("true or false")
    return words[value.lower()]


def _url(*schemes: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if urlsplit(value).scheme not in schemes:
            raise ValueError(
                "an address that begins with " + " or ".join(f"{s}://" for s in schemes)
            )
        return value

    return read


def _public_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("an address such as https://api.example.com")
    return value.rstrip("/")


def _smtp_url(value: str) -> str:
    check_url(value)
    return value


def _hosts(value: str) -> dict[str, str]:
    hosts: dict[str, str] = {}
    for entry in _list(value):
        name, equals, family = (part.strip().lower() for part in entry.partition("="))
        if not equals or not re.fullmatch(r"[a-z0-9.-]+", name) or family not in FAMILIES:
            raise ValueError(
                f"host=family, separated by commas; families are {', '.join(FAMILIES)}"
            )
        hosts[name] = family
    return hosts


def _secrets(value: str) -> dict[str, str]:
    secrets: dict[str, str] = {}
    for entry in _list(value):
        kid, colon, secret = (part.strip() for part in entry.partition(":"))
        if not colon or not kid or kid in secrets or len(secret.encode()) < SECRET_BYTES_MIN:
            raise ValueError(
                f"kid:secret, separated by commas, with secrets of {SECRET_BYTES_MIN} bytes or more"
            )
        secrets[kid] = secret
    return secrets


def _networks(value: str) -> tuple[str, ...]:
    entries = _list(value)
    try:
        return tuple(str(ip_network(entry, strict=False)) for entry in entries)
    except ValueError:
        raise ValueError("addresses or networks, separated by commas") from None


def _commands(value: str) -> tuple[str, ...]:
    names = tuple(_list(value))
    if not names or not all(re.fullmatch(r"[a-z][a-z0-9_]{0,31}", name) for name in names):
        raise ValueError("names of small letters, digits and _, separated by commas")
    return names


def _folder(value: str) -> Path:
    path = Path(value).expanduser().absolute()
    if not path.is_dir():
        raise ValueError("a folder")
    return path


def _delays(value: str) -> tuple[int, ...]:
    entries = _list(value)
    if not 1 <= len(entries) <= 20 or not all(re.fullmatch(r"\d{1,6}", one) for one in entries):
        raise ValueError("one to twenty numbers of seconds, separated by commas")
    return tuple(int(entry) for entry in entries)


def _targets(value: str) -> tuple[str, ...]:
    entries = _list(value)
    if not all(re.fullmatch(r"[^\s:/]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}", one) for one in entries):
        raise ValueError("host:port, separated by commas")
    return tuple(entry.lower().replace("[", "").replace("]", "") for entry in entries)


def _zone(value: str) -> str:
    try:
        zone(value)
    except InvalidError:
        raise ValueError("an IANA time zone such as Europe/Amsterdam") from None
    return value


def _currency(value: str) -> str:
    if not re.fullmatch(r"[A-Z]{3}", value):
        raise ValueError("an ISO 4217 code such as EUR")
    return value


def _error_status(value: str) -> str:
    if value not in ("http", "compat"):
        raise ValueError("http or compat")
    return value


def _instant(value: str) -> int:
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise ValueError("an instant such as 2026-03-10T09:00:00Z") from None
    return round(instant.timestamp() * 1000)


def _data_dir(value: str) -> Path:
    return Path(value).expanduser().absolute()


def _list(value: str) -> list[str]:
    return [entry.strip() for entry in value.split(",") if entry.strip()]


_DAYS: Final = _whole(0, 36_500)
_READERS: Final[dict[str, Callable[[str], Any]]] = {
    "database_url": _url("postgresql", "postgres"),
    "redis_url": _url("redis", "rediss", "unix"),
    "data_dir": _data_dir,
    "postgres_user": _text,
    "host": _text,
    "port": _whole(0, 65_535),
    "hosts": _hosts,
    "public_url": _public_url,
    "smtp_url": _smtp_url,
    "mail_from": _text,
    "secrets": _secrets,
    "test_now": _instant,
    "book_memory": _bytes,
    "revenue_memory": _bytes,
    "warm_seconds": _whole(0, 600),
    "replay_window_days": _whole(1, 3650),
    "statement_timeout_ms": _whole(100, 600_000),
    "trusted_proxies": _networks,
    "list_hard_cap": _whole(1, 1_000_000),
    "password_max_age_days": _DAYS,
    "default_time_zone": _zone,
    "reporting_currency": _currency,
    "archive_after_days": _whole(1, 36_500),
    "offline_after_s": _whole(60, 31_536_000),
    "device_commands": _commands,
    "webhook_networks": _networks,
    "isp_dictionary": _folder,
    "isp_coa_delays": _delays,
    "isp_private_targets": _targets,
    "access_log": _flag,
    "pbx_error_status": _error_status,
    "pbx_cdr_max_days": _whole(1, 3660),
    "pbx_password_min_length": _whole(1, 128),
    "iptv_error_status": _error_status,
    "iptv_auth_required": _flag,
    "iptv_timezone": _zone,
    "iptv_allow_multiple_stb_update": _flag,
    "iptv_mac_oui_only": _flag,
    "iptv_device_mac_only_auth": _flag,
    "iptv_watchdog_timeout": _whole(10, 86_400),
    "iptv_enable_internal_billing": _flag,
    "iptv_allow_resellers_info_for_api": _flag,
    "iptv_subscription_changed_msg": _text,
}
# Read by the build and by the tests, not by a running process.
_ELSEWHERE: Final = frozenset(("FAREBOX_DEBUG",))


def variable(name: str) -> str:
    """The environment's name of a setting."""
    return f"FAREBOX_{name.upper()}"


def from_environment(
    environment: Mapping[str, str], *, demo: bool = False, workers: int = 1
) -> tuple[Settings, list[str]]:
    """The settings and the warnings about them; SettingsError if they cannot be used.

    Empty values count as unset. PORT is heard too, below FAREBOX_PORT.
    """
    values: dict[str, Any] = {}
    mistakes: list[str] = []
    for name, read in _READERS.items():
        given = environment.get(variable(name), "").strip()
        source = variable(name)
        if name == "port" and not given:
            given, source = environment.get("PORT", "").strip(), "PORT"
        if not given:
            continue
        try:
            values[name] = read(given)
        except ValueError as error:
            expected = str(error).removeprefix("expected ")
            found = "something else" if name in _CONFIDENTIAL else repr(given)
            mistakes.append(f"{source}: expected {expected}, found {found}")
    mistakes += _conflicts(values, demo=demo, workers=workers)
    if mistakes:
        raise SettingsError("\n".join(mistakes))
    if "test_now" in values:
        values["test_now_ms"] = values.pop("test_now")
    values.setdefault("data_dir", _default_data_dir(environment))
    return Settings(**values), _warnings(environment)


def _conflicts(values: Mapping[str, Any], *, demo: bool, workers: int) -> list[str]:
    mistakes = []
    if "test_now" in values and not demo:
        mistakes.append(
            "FAREBOX_TEST_NOW: expected to be unset without --demo,"
            " because a clock that stands still is for demonstrations"
        )
    if workers > 1 and not values.get("redis_url"):
        mistakes.append(
            f"FAREBOX_REDIS_URL: expected the address of a Redis for {workers} workers, found none;"
            " they need it for leases, limits and revoked tokens. Set it, or run one worker"
        )
    return mistakes


def _default_data_dir(environment: Mapping[str, str]) -> Path:
    home = environment.get("HOME")
    return (Path(home) if home else Path.home()) / ".local" / "share" / "farebox"


def _warnings(environment: Mapping[str, str]) -> list[str]:
    known = {variable(name): name for name in _READERS}
    warnings = []
    for name in sorted(environment):
        if name.startswith("FAREBOX_") and name not in known and name not in _ELSEWHERE:
            bare = name.removeprefix("FAREBOX_").lower()
            near = difflib.get_close_matches(bare, known.values(), n=1)
            hint = f"; did you mean {variable(near[0])}?" if near else ""
            warnings.append(f"{name} is no setting of this version and has no effect{hint}")
    return warnings
