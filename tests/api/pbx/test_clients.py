"""Requests of real clients as they were on the wire: of one call, one answer (pbx.md 1).

A script of Python's requests, a portal of PHP's curl with an array of fields and with a built
query, a Node service with axios, and a shell script. What their libraries add is left in.
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_plus

import pytest

from tests.api.pbx.conftest import Exchange, authorization

RECORD = {"hu_name": "Käufer & Söhne", "hu_ringtime": "45", "hu_type": "cycle"}
# What each kind of parameter means, by path: text parameters, and a record in one of them.
CALLS: tuple[tuple[str, dict[str, str], dict[str, dict[str, str]]], ...] = (
    ("/extension/byid", {"extension_id": "240"}, {}),
    ("/extension/user", {"tenant_id": "2", "extension_id": "11"}, {}),
    ("/hunt/updatebyid", {"hunt_id": "3"}, {"hunt": RECORD}),
    ("/hunt/byid", {"hunt_id": "3"}, {}),
    ("/did/updatebyid", {"did_id": "30"}, {"did": {"di_comment": "50% + more=less?"}}),
    ("/did/byid", {"did_id": "30"}, {}),
    ("/user/tenants", {"user": "office@advicewise.example"}, {}),
    ("/cdr/getCallHistory", {
        "start_date_ymd": "2024-03-10", "end_date_ymd": "2024-03-10", "cost": ">=0",
        "disposition": "ANSWERED,BUSY", "tenant_code": "UniglobeDorval", "limit": "2",
    }, {}),
    ("/hunt/byid", {"hunt_id": "999"}, {}),
    ("/hunt/updatebyid", {"hunt_id": "3"}, {"hunt": {"hu_number": "221"}}),
    ("/phone/bytenant", {"tenant": "2"}, {}),
)  # fmt: skip
Sent = tuple[dict[str, str], bytes]


def requests_form(texts: dict[str, str], records: dict[str, Any]) -> Sent:
    """`requests.post(url, data={…, "hunt": json.dumps(…)}, auth=…)`."""
    given = {**texts, **{name: json.dumps(one) for name, one in records.items()}}
    body = "&".join(f"{name}={quote_plus(text)}" for name, text in given.items()).encode()
    return {
        "User-Agent": "python-requests/2.31.0", "Accept-Encoding": "gzip, deflate",
        "Accept": "*/*", "Connection": "keep-alive",
        "Content-Type": "application/x-www-form-urlencoded",
    }, body  # fmt: skip


def requests_json(texts: dict[str, str], records: dict[str, Any]) -> Sent:
    """`requests.post(url, json={…})`, ids as numbers and the record as an object."""
    given = {name: int(text) if text.isdigit() else text for name, text in texts.items()}
    body = json.dumps({**given, **records}).encode()
    return {"User-Agent": "python-requests/2.31.0", "Accept": "*/*",
            "Content-Type": "application/json"}, body  # fmt: skip


def php_array(texts: dict[str, str], records: dict[str, Any]) -> Sent:
    """PHP's CURLOPT_POSTFIELDS with an array: multipart, texts as json_encode escapes them."""
    given = {**texts, **{name: _php(one) for name, one in records.items()}}
    line = "------------------------d74496d66958873e"
    parts = "".join(
        f'--{line}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'
        for name, text in given.items()
    )
    kind = f"multipart/form-data; boundary={line}"
    return {"Accept": "*/*", "Content-Type": kind}, f"{parts}--{line}--\r\n".encode()


def php_query(texts: dict[str, str], records: dict[str, Any]) -> Sent:
    """PHP's http_build_query as the body; a stray array of PHP's is not looked at."""
    given = {**texts, **{name: _php(one) for name, one in records.items()}}
    pairs = [f"{name}={quote_plus(text)}" for name, text in given.items()]
    body = "&".join([*pairs, "columns%5B0%5D=a", "columns%5B1%5D=b", "submit="])
    return {"Accept": "*/*", "Content-Type": "application/x-www-form-urlencoded"}, body.encode()


def _php(record: dict[str, str]) -> str:
    return json.dumps(record, separators=(",", ":")).replace("/", "\\/")


def axios(texts: dict[str, str], records: dict[str, Any]) -> Sent:
    """`axios.post(url, {…}, {auth})`: the record as an object, in UTF-8."""
    body = json.dumps({**texts, **records}, separators=(",", ":"), ensure_ascii=False).encode()
    return {
        "Accept": "application/json, text/plain, */*", "Content-Type": "application/json",
        "User-Agent": "axios/1.6.2", "Accept-Encoding": "gzip, compress, deflate, br",
    }, body  # fmt: skip


def axios_form(texts: dict[str, str], records: dict[str, Any]) -> Sent:
    """The same with URLSearchParams."""
    given = {
        **texts,
        **{name: json.dumps(one, ensure_ascii=False) for name, one in records.items()},
    }
    body = "&".join(f"{name}={quote_plus(text, safe='*-._')}" for name, text in given.items())
    return {
        "Accept": "application/json, text/plain, */*", "User-Agent": "axios/1.6.2",
        "Content-Type": "application/x-www-form-urlencoded;charset=utf-8",
    }, body.encode()  # fmt: skip


def shell(texts: dict[str, str], records: dict[str, Any]) -> Sent:
    """`curl --data-urlencode name=text …`, which writes %20 for a space and no type of its own."""
    given = {**texts, **{name: json.dumps(one) for name, one in records.items()}}
    pairs = (f"{name}={quote_plus(text).replace('+', '%20')}" for name, text in given.items())
    return {"User-Agent": "curl/7.88.1", "Accept": "*/*"}, "&".join(pairs).encode()


CLIENTS = (requests_form, requests_json, php_array, php_query, axios, axios_form, shell)


def recorded(client: Any) -> Iterator[tuple[str, Sent]]:
    """The requests of a client."""
    for path, texts, records in CALLS:
        yield path, client(texts, records)


@pytest.mark.parametrize("client", CLIENTS[1:], ids=lambda one: one.__name__)
def test_clients_are_told_the_same(exchange: Exchange, client: Any) -> None:
    """Whatever library a request came from, its answer is the same to the byte."""

    async def told(sender: Any) -> list[tuple[int, bytes]]:
        async with exchange.fresh():
            answers = [
                await exchange.call(
                    "POST", path, "", content=body, headers={**headers, **authorization("admin")}
                )
                for path, (headers, body) in recorded(sender)
            ]
        return [(answer.status_code, answer.content) for answer in answers]

    async def run() -> None:
        usual = await told(requests_form)
        statuses = [200, 200, 200, 200, 200, 200, 200, 200, 404, 409, 400]
        assert statuses == [status for status, _ in usual]
        cursor = json.loads(usual[7][1])["paging"]["next_cursor"]
        assert cursor
        assert "Käufer & Söhne" == json.loads(usual[3][1])["data"][0]["hu_name"]
        assert "50% + more=less?" == json.loads(usual[5][1])["data"][0]["di_comment"]
        assert usual == await told(client)

    exchange.run(run())
