"""What every route has in common: errors, bodies, methods, the mount table, health, repeats."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from farebox.api.vending.dialect import reply
from farebox.api.vending.fields import Fields
from farebox.api.vending.repeats import once
from farebox.domain.errors import (
    ConflictError,
    DomainError,
    InvalidError,
    RateLimitedError,
    UnavailableError,
)
from farebox.engine.access import Principal
from farebox.web import Front, Proxies, Scope
from tests.api.conftest import Api

MIB = 1 << 20
JSON = {"Content-Type": "application/json"}
LOGIN = "/vending/auth/login"


async def post(api: Api, body: bytes, kind: str = "application/json") -> httpx.Response:
    """A raw body to the login route, which needs no token."""
    return await api.client.post(LOGIN, content=body, headers={"Content-Type": kind})


# Errors


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/vending", 404, "not_found"),
        ("GET", "/vending/nothing", 404, "not_found"),
        ("GET", "/vending/nothing/at/all", 404, "not_found"),
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/isp/api/v1/x", 404, "not_found"),
        ("DELETE", "/vending/user/me", 405, "method_not_allowed"),
        ("GET", "/vending/auth/login", 405, "method_not_allowed"),
        ("GET", "/vending/user/me", 401, "unauthorized"),
        ("POST", "/vending/auth/login", 400, "missing_parameters"),
    ],
)
async def test_every_error_has_the_documented_shape(
    api: Api, method: str, path: str, status: int, code: str
) -> None:
    """Message and code, whoever refused: the front, the router or a handler."""
    answer = await api.client.request(method, path)
    assert (status, code) == (answer.status_code, answer.json()["code"])
    assert answer.json()["message"]
    assert {"message", "code"} >= set(answer.json()) - {"fields"}
    assert "application/json; charset=utf-8" == answer.headers["content-type"]


async def test_a_wrong_method_names_the_right_ones(api: Api) -> None:
    """405 carries Allow, and comes before authentication and body."""
    answer = await api.client.put(LOGIN, content=b"{", headers={"Content-Type": "text/plain"})
    assert 405 == answer.status_code
    assert {"POST", "OPTIONS"} == set(answer.headers["allow"].split(", "))


async def test_a_trailing_slash_is_ignored(api: Api) -> None:
    """The same answer with and without."""
    nora = await api.login("nora")
    assert (await nora.get("/user/me/")).json() == (await nora.get("/user/me")).json()


@pytest.mark.parametrize(
    ("error", "status", "code", "retry"),
    [
        (InvalidError("x", "invalid_sort", {"sort": "no"}), 400, "invalid_sort", None),
        (ConflictError("x", "duplicate"), 409, "duplicate", None),
        (RateLimitedError("x", 7), 429, "rate_limited", "7"),
        (UnavailableError("x", "busy"), 503, "busy", "1"),
        (UnavailableError("x", "storage_unavailable"), 503, "unavailable", "1"),
        (ConnectionRefusedError("secret dsn"), 503, "unavailable", "1"),
        (DomainError("x"), 400, "error", None),
        (RuntimeError("secret"), 500, "internal", None),
    ],
)
async def test_what_a_use_case_raises_is_spelled(
    api: Api, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, code: str,
    retry: str | None,
) -> None:  # fmt: skip
    """Domain errors by their kind; everything unexpected is 500 and tells nothing."""

    async def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(api.services.people, "sign_in", fail)
    answer = await post(api, b'{"username": "a", "password": "b"}')
    assert (status, code, retry) == (
        answer.status_code,
        answer.json()["code"],
        answer.headers.get("retry-after"),
    )
    assert "secret" not in answer.text


async def test_a_database_that_is_away_is_503(api: Api) -> None:
    """Not 500 and not 401; readiness says so, liveness does not mind."""
    nora = await api.login("nora")
    api.services.pool.terminate()
    api.services.access.forget()
    answer = await nora.get("/user/me")
    assert (503, "unavailable", "1") == (
        answer.status_code,
        answer.json()["code"],
        answer.headers["retry-after"],
    )
    assert 503 == (await api.client.get("/health/ready")).status_code
    assert 200 == (await api.client.get("/health/live")).status_code


# Bodies


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "invalid_json"),
        (b"not json", "invalid_json"),
        (b'{"username": "\xff"}', "invalid_json"),
        (b"\xef\xbb\xbf{}", "invalid_json"),
        (b'{"username": "\\ud800"}', "invalid_json"),
        (b'{"username": NaN}', "invalid_json"),
        (b'{"username": Infinity}', "invalid_json"),
        (b'{"username": 1e999}', "invalid_json"),
        (b'{"username": %s}' % (b"9" * 5000), "invalid_json"),
        (b'{"username": 1} x', "invalid_json"),
        (b"[" * 10_000 + b"]" * 10_000, "invalid_json"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "invalid_json"),
        (b"[" * 66 + b"]" * 66, "invalid_json"),
        (b"[" * 64 + b"]" * 64, "invalid_parameter"),
        (b"[" + b"[]," * 500 + b"[]]", "invalid_parameter"),
        (b"[]", "invalid_parameter"),
        (b"null", "invalid_parameter"),
        (b"5", "invalid_parameter"),
        (b'{"username": %s, "password": "b"}' % (b"9" * 400), "invalid_parameter"),
        (b'{"username": 1e300, "password": "b"}', "invalid_parameter"),
        (b'{"username": "a\\u0000", "password": "b"}', "invalid_parameter"),
        (b"{}", "missing_parameters"),
        (b"", "missing_parameters"),
        (b'{"username": 5, "username": "nora"}', "missing_parameters"),
    ],
)
async def test_malformed_bodies_are_400(api: Api, body: bytes, code: str) -> None:
    """Syntax, encoding, depth and numbers out of any range never reach a handler's logic."""
    answer = await post(api, body)
    assert (400, code) == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 201),
        ("Application/JSON; charset=utf-8", 201),
        ("text/plain", 415),
        ("application/xml", 415),
        ("application/jsonx", 415),
        ("multipart/form-data; boundary=x", 415),
        ("", 415),
    ],
)
async def test_media_types(api: Api, kind: str, status: int) -> None:
    """JSON in any spelling of its name, nothing else."""
    body = json.dumps({"username": "nora", "password": "correct horse 9"}).encode()
    assert status == (await post(api, body, kind)).status_code


async def test_flat_forms_are_accepted(api: Api) -> None:
    """Clients of the original service may send forms; broken ones are 400."""
    form = "application/x-www-form-urlencoded"
    answer = await post(api, b"username=nora%40example.test&password=correct+horse+9", form)
    assert 201 == answer.status_code
    for body in (b"username=%ff", b"username=\xff", b"&".join([b"a=1"] * 1001)):
        assert 400 == (await post(api, body, form)).status_code


async def test_a_mebibyte_and_no_more(api: Api) -> None:
    """1 MiB is read, one byte more is 413 before its media type or syntax is looked at."""
    assert 400 == (await post(api, b" " * MIB)).status_code
    for kind in ("application/json", "text/plain"):
        answer = await post(api, b" " * (MIB + 1), kind)
        assert (413, "too_large") == (answer.status_code, answer.json()["code"])


async def test_a_chunked_body_is_stopped_while_it_streams(api: Api, server: str) -> None:
    """No length is announced; the limit holds all the same, and the rest is not waited for."""
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 64 * MIB:
            sent += 1 << 16
            yield b" " * (1 << 16)

    async with httpx.AsyncClient(base_url=server) as client:
        answer = await client.post(LOGIN, content=chunks(), headers=JSON)
    assert (413, "too_large") == (answer.status_code, answer.json()["code"])
    assert sent < 32 * MIB


async def test_the_order_of_checks(api: Api) -> None:
    """Route, method, size, media type, authentication, syntax: the first failure wins."""
    big, text = b" " * (MIB + 1), {"Content-Type": "text/plain"}
    nora = await api.login("nora")
    path = "/vending/admin/machine/80/devicekey"
    told = [
        (await api.client.put(path, content=big, headers=text)).status_code,
        (await api.client.post(path, content=big, headers=text)).status_code,
        (await api.client.post(path, content=b"x", headers=text)).status_code,
        (await api.client.post(path, content=b"x", headers=JSON)).status_code,
        (await api.client.post(path, headers=nora.headers)).status_code,
    ]
    assert [405, 413, 415, 401, 403] == told


# Argument readers


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, 5), (5.0, 5), ("5", 5), (" 5 ", 5), ("-5", -5), (0, 0), (1e3, 1000),
        (True, None), ("5a", None), (5.5, None), ("5.0", None), ("", None), ([], None), ({}, None),
        ("9" * 19, None), (10**30, None), (1e300, None), ("٥", None), ("1_0", None),
    ],
)  # fmt: skip
def test_integers_are_read_leniently(value: object, expected: int | None) -> None:
    """Integers, integral floats and decimal text; no booleans, no other digits."""
    fields = Fields({"n": value})
    assert expected == fields.optional_integer("n")
    assert (expected is not None) == fields.is_clean


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", "a"), (" a ", "a"), ("", None), ("  ", None), (None, None), ("ä☕", "ä☕"),
        ("x" * 255, "x" * 255),
    ],
)  # fmt: skip
def test_optional_text_is_trimmed_and_empty_is_null(value: object, expected: str | None) -> None:
    """An empty string for an optional argument is stored as null."""
    fields = Fields({"s": value})
    assert expected == fields.optional_string("s")
    assert fields.is_clean


@pytest.mark.parametrize("value", [5, True, [], "x" * 256, "a\nb", "a\x00", "\ud800", "a\x7f"])
def test_text_that_is_refused(value: object) -> None:
    """Other types, too long ones, control characters and halves of characters."""
    fields = Fields({"s": value})
    assert fields.optional_string("s") is None
    assert not fields.is_clean


@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, True), (False, False), (0, False), (1, True), ("1", True), ("false", False)],
)
def test_booleans(value: object, expected: bool) -> None:
    """true, false, 0, 1, and the same as forms and queries write them."""
    assert expected is Fields({"b": value}).boolean("b")


@pytest.mark.parametrize("value", [2, "yes", 1.0, [], "TRUE"])
def test_what_is_no_boolean(value: object) -> None:
    """Anything else is an error."""
    fields = Fields({"b": value})
    assert fields.boolean("b") is None
    assert not fields.is_clean


def test_all_errors_of_a_request_come_together_in_order() -> None:
    """Unknown before missing before wrong decides the code; every name has its reason."""
    body = {"nam": 1, "n": "x", "demand": {"amount": 0}, "items": [{"quantity": 0}, 5]}
    fields = Fields(body, known=("n", "s", "demand", "items"), ignored=("id",))
    fields.string("s")
    fields.integer("n", low=1)
    demand = fields.nested("demand")
    assert demand is not None
    demand.integer("amount", low=1)
    for item in fields.each("items") or []:
        item.integer("quantity", low=1)
    with pytest.raises(InvalidError) as caught:
        fields.finish()
    assert "unknown_field" == caught.value.code
    assert {
        "nam": "is unknown",
        "s": "is required",
        "n": "must be an integer",
        "demand.amount": "must be >= 1",
        "items[1]": "must be an object",
        "items[0].quantity": "must be >= 1",
    } == caught.value.fields


# The mount table


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


async def test_operator_routes_are_closed_to_raw_bytes_too(api: Api, server: str) -> None:
    """No client library normalises these paths on the way."""
    root = await api.login("root")
    host, port = urlsplit(server).hostname, urlsplit(server).port
    told = []
    for path in (
        "/vending/admin/machine/80/devicekey",
        "/vending/%61dmin/machine/80/devicekey",
        "/vending//admin/machine/80/devicekey",
        "//vending/admin/machine/80/devicekey",
        "/vending%2Fadmin/machine/80/devicekey",
    ):
        reader, writer = await asyncio.open_connection(host, port)
        head = f"DELETE {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        writer.write(f"{head}Authorization: {root.headers['Authorization']}\r\n\r\n".encode())
        told.append(int((await reader.read()).split(b" ", 2)[1]))
        writer.close()
    assert [200, 404, 404, 404, 404] == told


# Common routes


async def test_health_metrics_and_documents(api: Api) -> None:
    """Probes, numbers by route template, and the API document with the specification's ids."""
    ready = await api.client.get("/health/ready")
    assert (200, {"database": "ok", "desk": "ok"}) == (ready.status_code, ready.json()["checks"])
    await api.client.get("/vending/nothing/4711")
    await api.login("nora")
    text = (await api.client.get("/metrics")).text
    counted = 'farebox_answers_total{method="POST",route="/vending/auth/login",status="201"} 1.0'
    assert counted in text
    assert "4711" not in text
    document = (await api.client.get("/schema/openapi.json")).json()
    ids = {
        operation["operationId"]
        for path in document["paths"].values()
        for operation in path.values()
    }
    assert {"VEND-AUTH-LOGIN", "VEND-USER-ME", "VEND-AUTH-REFRESH"} <= ids
    login = document["paths"]["/vending/auth/login"]["post"]
    schema = login["requestBody"]["content"]["application/json"]["schema"]
    assert ["username", "password"] == schema["required"]


async def test_the_reader_of_the_document_comes_from_here(api: Api) -> None:
    """The page and everything it loads, and nothing from another host."""
    page = await api.client.get("/docs")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "//" not in page.text.replace("<!doctype", "").replace("</", "")
    for name in ("docs.js", "swagger-ui-bundle.js", "swagger-ui.css"):
        assert 200 == (await api.client.get(f"/docs/{name}")).status_code
    for name in ("swagger-ui.LICENSE.txt", "..%2fapp.py", "x"):
        assert 404 == (await api.client.get(f"/docs/{name}")).status_code


# Repeats


class Counting:
    """Adds a language in the request's transaction and counts how often it ran."""

    def __init__(
        self, api: Api, path: str = "/x", body: bytes = b"{}", key: str | None = "k"
    ) -> None:
        self.api = api
        self.ran = 0
        self.request = _Asked(path, body, key)

    async def __call__(self, *, fail: Exception | None = None, status: int = 201) -> Any:
        async def run(connection: Any) -> Any:
            self.ran += 1
            # The services' pool takes part in the same transaction.
            inner = self.api.services.pool
            number = await inner.fetchval(_ADD_LANGUAGE, f"l{self.ran}")
            await asyncio.sleep(0.05)
            if fail is not None:
                raise fail
            return reply({"id": number}, status, {"X-Total-Count": "1"})

        return await once(self.request, self.api.services, run)  # type: ignore[arg-type]


_ADD_LANGUAGE = """
insert into vending.language (name, language, locale, created_at_ms, updated_at_ms)
values ($1, 'xx', 'xx', 0, 0) returning id
"""


class _Asked:
    """As much of a request as the Idempotency-Key looks at."""

    def __init__(self, path: str, body: bytes, key: str | None) -> None:
        self.method = "POST"
        self.headers = {} if key is None else {"Idempotency-Key": key}
        nora = Principal(kind="user", id=2, name="nora", group=2)
        self.scope = {"path": path, "query_string": b"", "user": nora}
        self._body = body

    async def body(self) -> bytes:
        return self._body


async def test_a_repeat_gets_the_first_answer(api: Api) -> None:
    """Status, headers and body again, with a mark; nothing runs twice."""
    create = Counting(api)
    first, second = await create(), await create()
    assert (1, first.content, 201) == (create.ran, second.content, second.status_code)
    assert {"X-Total-Count": "1", "Idempotent-Replayed": "true"} == second.headers
    other = Counting(api, key="other")
    await other()
    assert 1 == other.ran
    plain = Counting(api, key=None)
    assert (await plain()).content != (await plain()).content


@pytest.mark.parametrize("changed", [{"body": b'{"a":1}'}, {"path": "/y"}])
async def test_a_key_belongs_to_one_request(api: Api, changed: dict[str, Any]) -> None:
    """Another body or route under the same key is a conflict."""
    await Counting(api)()
    with pytest.raises(ConflictError) as caught:
        await Counting(api, **changed)()
    assert "idempotency_conflict" == caught.value.code


async def test_twins_wait_for_each_other(api: Api) -> None:
    """Of parallel requests with one key one runs; all get its answer."""
    create = Counting(api)
    answers = await asyncio.gather(*(create() for _ in range(5)))
    assert (1, 1) == (create.ran, len({answer.content for answer in answers}))


async def test_failures_are_not_kept(api: Api) -> None:
    """What failed left nothing behind, and may be tried again under its key."""
    create = Counting(api)
    with pytest.raises(ConflictError):
        await create(fail=ConflictError("no"))
    assert 1 == await api.fetchval("select count(*) from vending.language")
    await create(status=404)
    await create()
    assert 3 == create.ran


async def test_a_key_is_free_again_after_a_day(api: Api) -> None:
    """One millisecond less is not enough."""
    create = Counting(api)
    await create()
    api.clock.advance_ms(86_399_999)
    await create()
    assert 1 == create.ran
    api.clock.advance_ms(1)
    await create()
    assert 2 == create.ran


async def test_a_twin_that_never_ends_is_not_waited_for(api: Api) -> None:
    """After five seconds the answer is 409 locked."""
    async with api.services.pool.acquire() as connection, connection.transaction():
        statement = "insert into farebox.idempotency values ('user:2', 'k', '', 0, '{}', '', $1)"
        await connection.execute(statement, api.clock())
        with pytest.raises(ConflictError) as caught:
            await Counting(api)()
    assert "locked" == caught.value.code


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
async def test_keys_are_short_printable_text(api: Api, key: str) -> None:
    """Anything else is an argument error."""
    with pytest.raises(InvalidError):
        await Counting(api, key=key)()
