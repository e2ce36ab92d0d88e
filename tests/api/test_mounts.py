"""Which API a path or host name means, and whose word is taken for an address."""

from typing import Any

import httpx
import pytest

from farebox.web import Front, Proxies, Scope


async def mounted(path: str, host: str = "", **more: Any) -> str:
    """Where a request arrives: a path, or 'refused'."""
    arrived = ""

    async def app(scope: Scope, receive: Any, send: Any) -> None:
        nonlocal arrived
        arrived = scope["path"]

    async def refused(scope: Scope, receive: Any, send: Any) -> None:
        nonlocal arrived
        arrived = "refused"

    hosts = {"vend.example.com": "vending", "box.example.com": "iptv", "isp.example.com": "isp"}
    front = Front(app, refused=refused, hosts=hosts, proxies=Proxies(["10.0.0.0/8"]))
    raw, _, query = path.partition("?")
    scope = {
        "type": "http",
        "path": httpx.URL(f"http://x{raw}").path if raw.startswith("/") else raw,
        "raw_path": raw.encode(),
        "query_string": query.encode(),
        "headers": [(b"host", host.encode()), *more.get("headers", [])],
        "client": (more.get("client", "192.0.2.1"), 1),
    }
    await front(scope, None, None)  # type: ignore[arg-type]
    return arrived


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/vending/user/me", "/vending/user/me"),
        ("/vending", "/vending"),
        ("/api/v1/x", "/isp/api/v1/x"),
        ("/api/v1", "/isp/api/v1"),
        ("/api/v10/x", "/api/v10/x"),
        ("/api/x", "/api/x"),
        ("/stalker_portal/api/users", "/iptv/users"),
        ("/stalker_portal/api/v1/users", "/iptv/users"),
        ("/stalker_portal/api/v1", "/iptv"),
        ("/stalker_portal/c", "/stalker_portal/c"),
        ("/isp/api/v1/x", "/isp/api/v1/x"),
        ("/health/live", "/health/live"),
        ("/", "/"),
        ("/isp/admin/x", "/isp/admin/x"),
        ("/vending/admin/machine/1/devicekey", "/vending/admin/machine/1/devicekey"),
        ("/stalker_portal/api/admin/x", "refused"),
        ("/stalker_portal/api/v1/admin", "refused"),
        ("/stalker_portal/api/%61dmin/x", "refused"),
        ("/stalker_portal/api//admin/x", "refused"),
        ("/vending/%61dmin/x", "refused"),
        ("/vending//admin/x", "refused"),
        ("//vending/admin/x", "refused"),
        ("/vending%2fadmin/x", "refused"),
        ("/%76ending/admin/x", "refused"),
        ("/vending/adminx", "/vending/adminx"),
        ("/vending/voucher/admin/redeem", "/vending/voucher/admin/redeem"),
    ],
)
async def test_paths_and_aliases(path: str, expected: str) -> None:
    """Longest prefix first, whole segments, on the raw path; operator routes only as spelled."""
    assert expected == await mounted(path)


@pytest.mark.parametrize(
    ("host", "path", "expected"),
    [
        ("vend.example.com", "/user/me", "/vending/user/me"),
        ("VEND.example.com:8000", "/user/me", "/vending/user/me"),
        ("vend.example.com.", "/", "/vending"),
        ("vend.example.com", "/vending/user/me", "/vending/user/me"),
        ("vend.example.com", "/isp/x", "/isp/x"),
        ("vend.example.com", "/health/live", "/health/live"),
        ("vend.example.com", "/healthy", "/vending/healthy"),
        ("vend.example.com", "/docs", "/docs"),
        ("vend.example.com", "/api/v1/x", "/vending/api/v1/x"),
        ("vend.example.com", "/stalker_portal/api/x", "/vending/stalker_portal/api/x"),
        ("box.example.com", "/stalker_portal/api/x", "/iptv/x"),
        ("box.example.com", "/api/v1/x", "/iptv/api/v1/x"),
        ("isp.example.com", "/api/v1/x", "/isp/api/v1/x"),
        ("vend.example.com", "/admin/machine/1/devicekey", "refused"),
        ("vend.example.com", "/%61dmin/machine/1/devicekey", "refused"),
        ("vend.example.com", "//admin/x", "refused"),
        ("vend.example.com", "/vending/admin/x", "/vending/admin/x"),
        ("other.example.com", "/user/me", "/user/me"),
        ("", "/user/me", "/user/me"),
    ],
)
async def test_host_names(host: str, path: str, expected: str) -> None:
    """A mapped host serves its family at the root; common and canonical paths win over it."""
    assert expected == await mounted(path, host)


@pytest.mark.parametrize(
    ("client", "forwarded", "expected"),
    [
        ("192.0.2.1", b"vend.example.com", "/user/me"),
        ("10.0.0.1", b"vend.example.com", "/vending/user/me"),
        ("10.0.0.1", b"evil.example.com, vend.example.com", "/vending/user/me"),
        ("10.0.0.1", b"", "/user/me"),
    ],
)
async def test_a_forwarded_host_is_a_trusted_proxys_to_say(
    client: str, forwarded: bytes, expected: str
) -> None:
    """Anybody else's is ignored."""
    headers = [(b"x-forwarded-host", forwarded)]
    assert expected == await mounted("/user/me", "proxy", client=client, headers=headers)


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("192.0.2.1", b"203.0.113.9", "192.0.2.1"),
        ("10.0.0.1", b"203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", b"6.6.6.6, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", b"6.6.6.6, nonsense, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", b"", "10.0.0.1"),
        ("10.0.0.1", b"2001:db8::1", "2001:db8::1"),
    ],
)
def test_the_clients_address(peer: str, forwarded: bytes, expected: str) -> None:
    """The nearest address that is not a trusted proxy."""
    scope = {"client": (peer, 1), "headers": [(b"x-forwarded-for", forwarded)]}
    assert expected == Proxies(["10.0.0.0/8"]).client(scope)


def test_an_unknown_family_is_refused_at_start() -> None:
    """A typing error in a host mapping does not wait for its first request."""

    async def app(*arguments: Any) -> None: ...

    with pytest.raises(ValueError, match="vendin"):
        Front(app, refused=app, hosts={"a.example.com": "vendin"})
