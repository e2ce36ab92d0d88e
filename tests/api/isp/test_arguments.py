"""How arguments come in: spellings, places, forms of bodies, and what is refused."""

import asyncio
from typing import Any

import pytest

from farebox.api.isp import arguments, kinds
from farebox.domain import thousandths
from farebox.domain.errors import InvalidError
from tests.api.isp.conftest import Provider

BASE = "/isp/api/v1"
PHONE = b'{"phone":"9745741812"}'
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
PARTS = "multipart/form-data; boundary=b"
MULTIPART = b'--b\r\nContent-Disposition: form-data; name="Phone"\r\n\r\n9745741812\r\n--b--\r\n'

# Method, path, body, its type, status, what the answer has.
CALLS: tuple[tuple[str, str, bytes, str, int, str], ...] = (
    ("POST", "/get_users_by_phone", b"PHONE=9745741812", FORM, 200, '"533"'),
    ("POST", "/get_users_by_phone/", b"pho_ne=9745741812&x=1", FORM, 200, '"533"'),
    ("POST", "/get_users_by_phone", PHONE, JSON, 200, '"533"'),
    ("POST", "/get_users_by_phone", MULTIPART, PARTS, 200, '"533"'),
    ("POST", "/get_users_by_phone?phone=9745741812", b"", "", 200, '"533"'),
    ("POST", "/get_users_by_phone?phone=1", b"phone=9745741812", FORM, 400, "conflicting"),
    ("POST", "/get_users_by_phone", b"phone=9745741812&Phone=12345", FORM, 400, "conflicting"),
    ("POST", "/get_users_by_phone", b"phone[]=9745741812", FORM, 400, "invalid_argument"),
    ("POST", "/get_users_by_phone", b"x" * 9, "text/plain", 415, "unsupported_media_type"),
    ("POST", "/get_users_by_phone", b"[1]", JSON, 400, "malformed_body"),
    ("POST", "/get_users_by_phone", b"{", JSON, 400, "malformed_body"),
    ("POST", "/get_users_by_phone", b"phone=%ff", FORM, 400, "malformed_body"),
    ("POST", "/get_users_by_phone", b"a[0][0][0][0][0]=1", FORM, 400, "malformed_body"),
    ("POST", "/get_users_by_phone", b"&".join([b"a=1"] * 2001), FORM, 400, "malformed_body"),
    ("POST", "/get_users_by_phone", b"x" * (1 << 20 | 1), FORM, 413, "body_too_large"),
    ("GET", "/get_user_by_phone/9745741812/suspended/", b"", "", 200, "sekark"),
    ("GET", "/get_user_by_phone?phone=9745741812", b"", "", 200, "sekark"),
    ("GET", "/get_user_by_phone/9745741812?phone=97457%34%31812", b"", "", 200, "sekark"),
    ("GET", "/get_user_by_phone/9745741812?phone=1234", b"", "", 400, "conflicting"),
    ("GET", "/get_user_by_phone/9745741812/a/b", b"", "", 404, "unknown_operation"),
    ("GET", "/get_user_by_username/a%2Fb/c%20d", b"", "", 404, "User a/b/c d not found"),
    ("GET", "/get_users_by_date//2016-09-01", b"", "", 400, "fromDate is required"),
    ("GET", "/get_users_by_date/01-09-2016/01-09-2016", b"", "", 200, "sekark"),
    ("GET", "/get_all_user_ids?limit=2&afterId=199", b"", "", 200, '["344","361"]'),
    ("GET", "/get_group_details/6/", b"", "", 200, "General 2Mbps"),
    ("GET", "/nothing", b"", "", 404, "unknown_operation"),
    ("HEAD", "/payment_collection_request/133/500", b"", "", 405, ""),
    ("POST", "/payment_collection_request/133", b"bringChangeFor=2000", FORM, 200, "We will"),
    ("GET", "/delete_user/00133", b"", "", 200, "deleted"),
    ("GET", "/get_details/1%00", b"", "", 400, "invalid_argument"),
)


def test_calls_are_read(provider: Provider, loop: asyncio.Runner) -> None:
    """Every place, spelling and form; the same under the alias that clients hard-code."""

    async def play() -> None:
        for method, path, body, kind, status, told in CALLS:
            for base in (BASE, "/api/v1"):
                async with provider.fresh():
                    answer = await provider.call(
                        method, base + path, content=body, headers={"Content-Type": kind}
                    )
                assert status == answer.status_code, f"{method} {path} {answer.text}"
                assert told in answer.text, f"{method} {path} {body[:60]!r}"

    loop.run(play())


REFUSED: tuple[tuple[dict[str, str], int], ...] = (
    ({}, 401),
    ({"Authorization": "Bearer x"}, 401),
    ({"Authorization": "Basic x"}, 401),
    ({"Authorization": "Basic dC10ZXN0"}, 401),
    ({"Authorization": "Basic AAA6AAA="}, 401),
)


def test_refused_credentials_look_alike(provider: Provider, loop: asyncio.Runner) -> None:
    """Missing, of another scheme, broken, unknown or wrong: one answer."""

    async def play() -> None:
        texts = set()
        for headers, status in REFUSED:
            answer = await provider.api.client.get(f"{BASE}/get_all", headers=headers)
            assert status == answer.status_code
            assert "Basic" in answer.headers["www-authenticate"]
            texts.add(answer.text)
        for cred in ("t-test:wrong", "nobody:x"):
            texts.add((await provider.call("GET", f"{BASE}/get_all", cred=cred)).text)
        assert 1 == len(texts)

    loop.run(play())


def test_foreign_rows_are_missing_rows(provider: Provider, loop: asyncio.Runner) -> None:
    """Whatever names a row of another account gets the very answer of a row that is nowhere."""
    paths = ("get_details/{}", "get_allowed_groups/{}", "get_user_logs/{}", "delete_user/{}",
             "get_logofftime_onlinestatus/{}", "payment_collection_request/{}")  # fmt: skip

    async def play() -> None:
        async with provider.fresh() as connection:
            everything = "{read,write,collect,notify,network,secrets}"
            await connection.execute("update isp.credential set scopes = $1::text[]",
                                     everything.strip("{}").split(","))  # fmt: skip
            for path in paths:
                told = [
                    (await provider.call("GET", f"{BASE}/{path.format(n)}", cred="t-other"))
                    for n in (133, 999)
                ]
                assert 404 == told[0].status_code, path
                assert told[0].text.replace("133", "999") == told[1].text

    loop.run(play())


FOLDED = (
    (b"a[]=1&a[]=2", {"a": ["1", "2"]}),
    (b"a[1][k]=y&a[0][k]=x", {"a": [{"k": "x"}, {"k": "y"}]}),
    (b"a[k]=1&b=2", {"a": {"k": "1"}, "b": "2"}),
    (b"a[=1", {"a[": "1"}),
)


def test_arrays_of_forms() -> None:
    """Brackets make lists and objects."""
    for form, expected in FOLDED:
        assert expected == dict(arguments.body_pairs(form, FORM, ""))


KINDS: tuple[tuple[kinds.Kind, Any, Any], ...] = (
    (kinds.ID, "42", 42), (kinds.ID, 42, 42), (kinds.ID, 0, None), (kinds.ID, "-1", None),
    (kinds.ID, "1" * 19, None), (kinds.ID, True, None), (kinds.ID, 4.0, None),
    (kinds.ID, "٤", None),
    (kinds.MONEY, "250.5", 250_500), (kinds.MONEY, 0.001, 1), (kinds.MONEY, 1e-05, None),
    (kinds.MONEY, "1e3", None), (kinds.MONEY, "1" * 12, None), (kinds.MONEY, [], None),
    (kinds.FLAG, "YES", True), (kinds.FLAG, 0, False), (kinds.FLAG, False, False),
    (kinds.FLAG, "maybe", None), (kinds.FLAG, {}, None),
    (kinds.PHONE, "+91 (974) 574-1812", "+919745741812"), (kinds.PHONE, "12", None),
    (kinds.NAME, " a\u0301 ", "á"), (kinds.NAME, "a\nb", None), (kinds.NOTE, "a\nb", "a\nb"),
    (kinds.NAME, "\x00", None), (kinds.NAME, "\ud800", None), (kinds.NAME, "x" * 256, None),
    (kinds.ids(3), "1,2,1", [1, 2]), (kinds.ids(3), ["1", 2], [1, 2]), (kinds.ids(1), "1,2", None),
    (kinds.choice("A", "b"), "a", "A"), (kinds.choice("A"), ["A"], None),
    (kinds.EMAIL, " A@B.test ", "a@b.test"), (kinds.EMAIL, "a\r\n@b", None),
    (kinds.whole(1, 5), "6", None), (kinds.whole(1, 5), 5, 5),
)  # fmt: skip


def test_kinds() -> None:
    """What they make of a value; None is a refusal."""
    for kind, given, expected in KINDS:
        if expected is not None:
            assert expected == kind.read(given), given
            continue
        with pytest.raises(ValueError, match=r".+"):
            kind.read(given)


def test_amounts_come_back_as_they_went() -> None:
    """Exact thousandths, without trailing zeros; a credit is negative."""
    for text in ("3789.004", "10", "0", "0.5", "99999999999.999"):
        assert text == thousandths.text(thousandths.parse(text))
    assert "-5" == thousandths.text(-5000)


def test_two_values_are_a_conflict() -> None:
    """Whatever the spellings; an empty one says nothing."""
    assert {"userid": "1"} == arguments.merge(
        [("userId", "1")], [("USER-ID", ""), ("user_id", "1")]
    )
    with pytest.raises(InvalidError):
        arguments.merge([("userId", "1")], [("user id", "2")])
