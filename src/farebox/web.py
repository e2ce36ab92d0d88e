"""The front of the server: which API a path or host name means, and whose address to believe.

A request is rewritten at most once, on its raw path, before any handler sees it; handlers know only
canonical paths. Operator routes (`/<family>/admin/...`) are reachable by exactly that spelling: no
alias, no host name and no percent-encoding leads there, so one proxy rule closes them.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any, Final
from urllib.parse import unquote_to_bytes

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
ASGI = Callable[[Scope, Receive, Send], Awaitable[None]]

FAMILIES: Final = ("vending", "isp", "iptv", "pbx")
COMMON: Final = (b"/health", b"/metrics", b"/docs", b"/schema")
# Where real clients hard-code another path: (prefix they use, family, canonical prefix).
ALIASES: Final = (
    (b"/stalker_portal/api/v1", "iptv", b"/iptv"),
    (b"/stalker_portal/api", "iptv", b"/iptv"),
    (b"/api/v1", "isp", b"/isp/api/v1"),
)
_CANONICAL: Final = {b"/" + family.encode(): family for family in FAMILIES}


class Front:
    """The outermost ASGI callable: resolves host names and aliases, then passes the request on."""

    def __init__(
        self,
        app: ASGI,
        *,
        refused: ASGI,
        hosts: Mapping[str, str] | None = None,
        proxies: "Proxies | None" = None,
    ) -> None:
        """`refused` answers what must not be found; `hosts` maps host names to families."""
        unknown = set((hosts or {}).values()) - set(FAMILIES)
        if unknown:
            raise ValueError(f"no such API family: {', '.join(sorted(unknown))}")
        self._app = app
        self._refused = refused
        self._hosts = {name.lower().encode(): family for name, family in (hosts or {}).items()}
        self._proxies = proxies or Proxies(())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection; lifespan passes through untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        raw = _raw_path(scope)
        # The usual request costs two comparisons here.
        if not raw.startswith(b"/vending/"):
            target = self._resolve(raw, scope)
            if target is None:
                await self._refused(scope, receive, send)
                return
            if target != raw:
                _point(scope, target)
        if "admin" in scope["path"] and _reaches_admin(scope["path"], raw):
            await self._refused(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _resolve(self, raw: bytes, scope: Scope) -> bytes | None:
        """The canonical raw path; None when this host may not see it."""
        if _first_of(COMMON, raw) or _first_of(_CANONICAL, raw):
            return raw
        home = self._hosts.get(self._host(scope)) if self._hosts else None
        for prefix, family, canonical in ALIASES:
            if _is_under(prefix, raw):
                if home is None or home == family:
                    return canonical + raw[len(prefix) :]
                break
        if home is None:
            return raw
        return b"/" + home.encode() + (raw if raw != b"/" else b"")

    def _host(self, scope: Scope) -> bytes:
        return _bare_host(self._proxies.host(scope))


class Proxies:
    """The proxies that are believed about the client's address and the host it asked for."""

    def __init__(self, trusted: Sequence[str]) -> None:
        """`trusted` are addresses or networks; nobody is believed when there are none."""
        self._networks = [ip_network(entry, strict=False) for entry in trusted]

    def client(self, scope: Mapping[str, Any]) -> str:
        """The address of the client: the nearest one that is not a trusted proxy."""
        peer = (scope.get("client") or ("",))[0]
        if not self._is_trusted(peer):
            return str(peer)
        hops = ",".join(
            value.decode("latin-1")
            for name, value in scope["headers"]
            if name == b"x-forwarded-for"
        )
        nearest = str(peer)
        for hop in reversed([hop.strip() for hop in hops.split(",") if hop.strip()]):
            if not _is_address(hop):
                break
            nearest = hop
            if not self._is_trusted(hop):
                break
        return nearest

    def host(self, scope: Mapping[str, Any]) -> bytes:
        """The host asked for: as received, or as a trusted proxy says it was."""
        received = forwarded = b""
        for name, value in scope["headers"]:
            if name == b"host":
                received = value
            elif name == b"x-forwarded-host":
                forwarded = value
        if forwarded and self._is_trusted((scope.get("client") or ("",))[0]):
            return forwarded.rsplit(b",", 1)[-1].strip()
        return received

    def _is_trusted(self, address: str) -> bool:
        if not self._networks or not _is_address(address):
            return False
        parsed = ip_address(address)
        return any(parsed in network for network in self._networks)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _raw_path(scope: Scope) -> bytes:
    raw: bytes | None = scope.get("raw_path")
    if raw is None:
        raw = scope["path"].encode()
    # Some servers hand the query over with it.
    return raw.partition(b"?")[0]


def _point(scope: Scope, raw: bytes) -> None:
    scope["raw_path"] = raw
    scope["path"] = unquote_to_bytes(raw).decode("utf-8", "replace")


def _is_under(prefix: bytes, raw: bytes) -> bool:
    return raw.startswith(prefix) and raw[len(prefix) : len(prefix) + 1] in (b"", b"/")


def _first_of(prefixes: Sequence[bytes] | Mapping[bytes, str], raw: bytes) -> bool:
    return b"/" + raw[1:].partition(b"/")[0] in prefixes


def _bare_host(host: bytes) -> bytes:
    """The name without its port, lower-case, without the dot of a full name."""
    host = host.lower()
    if host.startswith(b"["):
        return host.partition(b"]")[0] + b"]"
    return host.partition(b":")[0].rstrip(b".")


def _reaches_admin(path: str, raw: bytes) -> bool:
    """Whether the router would see an operator route that was not spelled as one."""
    segments = [segment for segment in path.split("/") if segment][:2]
    if len(segments) < 2 or segments[0] not in FAMILIES or segments[1] != "admin":
        return False
    return not _is_under(f"/{segments[0]}/admin".encode(), raw)
