"""Requests as clients of different make send them, byte for byte, over a socket (iptv.md 1).

A Python client with forms and a session, a PHP client with arrays and an expectation, a JavaScript
client with JSON and its headers, and a shell.
"""

import asyncio
import base64
import json
from typing import Any

import pytest

from tests.api.conftest import listening
from tests.api.iptv.cases import M1
from tests.api.iptv.conftest import Portal, authorization
from tests.golden import difference

BILLING = authorization("billing")["Authorization"]
PYTHON = {
    "User-Agent": "python-requests/2.31.0", "Accept-Encoding": "gzip, deflate", "Accept": "*/*",
    "Connection": "keep-alive", "Content-Type": "application/x-www-form-urlencoded",
    "Authorization": BILLING,
}  # fmt: skip
PHP = {
    "Authorization": BILLING, "Accept": "*/*",
    "Content-Type": "application/x-www-form-urlencoded",
}  # fmt: skip
AXIOS = {
    "Accept": "application/json, text/plain, */*",
    "Content-Type": "application/json", "Authorization": BILLING,
    "User-Agent": "axios/1.6.2", "Accept-Encoding": "gzip, compress, deflate, br",
    "Connection": "close",
}  # fmt: skip
SHELL = {"Authorization": BILLING, "User-Agent": "curl/8.5.0", "Accept": "*/*"}
NEWS = {"id": "27", "name": "News", "number": "1", "base_ch": "0"}
MODULES = {"disabled": ["radio"], "restricted": ["vclub", "karaoke"]}
# Who sends what where, and what the answer is.
RECORDED: tuple[tuple[dict[str, str], str, str, Any], ...] = (
    (PYTHON, "PUT /stalker_portal/api/v1/stb/1553", "status=1&additional_services_on=0",
     [{"mac": M1, "status": 1, "additional_services_on": "0", "ls": 1553}]),
    (PYTHON, "POST /stalker_portal/api/stb_msg/1553",
     "msg=%D0%BF%D1%80%D0%BE%D0%B2%D0%B5%D1%80%D0%BA%D0%B0+%D1%81%D0%B2%D1%8F%D0%B7%D0%B8", True),
    (PYTHON, "PUT /stalker_portal/api/itv_subscription/00%3A1A%3A79%3A00%3A39%3A5E/",
     "sub_ch%5B%5D=27&sub_ch%5B%5D=29",
     [{"sub_ch": ["27", "29"], "mac": M1, "ls": "1553", "additional_services_on": "0"}]),
    (PHP, f"PUT /stalker_portal/api/stb_modules/{M1}",
     "restricted%5B0%5D=vclub&restricted%5B1%5D=karaoke&disabled%5B0%5D=radio", MODULES),
    (PHP, "POST /stalker_portal/api/accounts/",
     "login=3210&password=1234&full_name=Test+User&account_number=123&tariff_plan=FULL&status=1",
     True),
    (PHP, "PUT /stalker_portal/api/account_subscription/123", "subscribed%5B0%5D=tv_2", True),
    (PHP, "GET /stalker_portal/api/account_subscription/123", "",
     [{"mac": "", "subscribed": ["tv_2"], "subscribed_id": ["1"]}]),
    (AXIOS, "PUT /iptv/accounts/123", '{"full_name":"Тест","status":0,"comment":"a b"}', True),
    (AXIOS, "GET /iptv/users/3210", "", {"full_name": "Тест", "status": 0, "comment": "a b"}),
    (AXIOS, f"PUT /iptv/stb_modules/{M1}", '{"disabled":[]}', {**MODULES, "disabled": []}),
    (SHELL, "GET /stalker_portal/api/v1/itv/27", "", [NEWS]),
    (SHELL, "DELETE /stalker_portal/api/users/3210", "", True),
    (SHELL, "GET /stalker_portal/api/users/3210", "", "Account not found"),
)  # fmt: skip


async def exchange(port: int, head: str, body: bytes) -> tuple[int, Any]:
    """One request as it stands on one connection: status and answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head.encode())
    if "100-continue" in head:
        assert b"100 Continue" in await reader.readuntil(b"\r\n\r\n")
    writer.write(body)
    told = await reader.readuntil(b"\r\n\r\n")
    lengths = [line for line in told.lower().split(b"\r\n") if line.startswith(b"content-length")]
    answer = await reader.readexactly(int(lengths[0].split(b":")[1]))
    writer.close()
    return int(told.split(b" ", 2)[1]), json.loads(answer)


def test_recorded_requests(portal: Portal) -> None:
    """Each client is understood, by the path that it has always called."""

    async def run() -> None:
        async with listening(portal.api.app) as address:
            port = int(address.rpartition(":")[2])
            for headers, call, body, expected in RECORDED:
                sent = {"Host": f"127.0.0.1:{port}", **headers}
                data = body.encode()
                if data:
                    sent["Content-Length"] = str(len(data))
                else:
                    sent.pop("Content-Type", None)
                if headers is PHP and data:
                    sent["Expect"] = "100-continue"
                lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
                status, told = await exchange(port, f"{call} HTTP/1.1\r\n{lines}\r\n", data)
                assert 200 == status, f"{call}: {told}"
                if told["status"] == "OK":
                    assert "" == difference(expected, told["results"]), f"{call}: {told}"
                else:
                    assert expected == told["error"], f"{call}: {told}"

    portal.run(run())


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_passwords_of_callers_are_utf_8(encoding: str, portal: Portal) -> None:
    """A caller's password may have any letters and colons, in UTF-8 and nothing else."""

    async def run() -> None:
        async with portal.fresh():
            word = "påss:wörd:9"
            new = json.dumps({"login": "åsa", "password": word}).encode()
            made = await portal.call(
                "POST", "/admin/api-users", new, by="stalker",
                headers={"Content-Type": "application/json"},
            )  # fmt: skip
            assert 201 == made.status_code, made.text
            pair = base64.b64encode(f"åsa:{word}".encode(encoding)).decode()
            headers = {"Authorization": f"Basic {pair}"}
            answer = await portal.call("GET", "/stb/3", by="", headers=headers)
            assert (200 if encoding == "utf-8" else 401) == answer.status_code

    portal.run(run())
