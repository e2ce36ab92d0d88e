"""What Asterisk makes of configuration files: the program itself where it is, and its rules.

`read` follows the rules of the file format as its manual has them; `Asterisk` runs the program, and
asks it. Tests expect the same of both.
"""

import contextlib
import hashlib
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.commands import free_port

MODULES = (
    "res_pjproject res_sorcery_config res_sorcery_memory res_sorcery_astdb res_pjsip"
    " res_pjsip_session res_pjsip_authenticator_digest res_pjsip_registrar res_smdi res_adsi"
    " res_pjsip_endpoint_identifier_user app_voicemail"
)
QUIET = "acl ccss cdr cel features indications manager pjproject stasis udptl smdi adsi logger"


class Seen(NamedTuple):
    """A line as Asterisk has it."""

    password: str
    caller: str
    context: str
    mailboxes: str
    contact: str


Boxes = set[tuple[str, str, str]]


def program() -> str | None:
    """Where Asterisk is, if it is installed."""
    return shutil.which("asterisk")


# The rules


def sections(text: str) -> list[tuple[str, dict[str, str]]]:
    """Sections with their settings; of equal names in one section the last counts."""
    found: list[tuple[str, dict[str, str]]] = []
    for raw in text.splitlines():
        line = re.split(r"(?<!\\);", raw, maxsplit=1)[0].replace("\\;", ";").strip()
        if line.startswith("["):
            found.append((line[1 : line.index("]")], {}))
        elif line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found[-1][1][name.strip()] = value.removeprefix(">").strip()
    return found


def read(folder: Path) -> tuple[dict[str, Seen], Boxes]:
    """Lines by name, and mailboxes, by the rules."""
    parts: dict[tuple[str, str], dict[str, str]] = {
        (name, given["type"]): given
        for name, given in sections((folder / "pjsip_farebox.conf").read_text())
    }
    lines = {
        name: Seen(
            parts[given["auth"], "auth"]["password"],
            re.sub(r"\\(.)", r"\1", given["callerid"]),
            given["context"],
            given.get("mailboxes", ""),
            parts[given["aors"], "aor"].get("contact", ""),
        )
        for (name, kind), given in parts.items()
        if kind == "endpoint"
    }
    boxes = {
        (context, number, value.split(",")[1])
        for context, given in sections((folder / "voicemail_farebox.conf").read_text())
        for number, value in given.items()
        if not number.startswith("*")
    }
    return lines, boxes


# The program


class Asterisk:
    """A running Asterisk that has read the files in a folder."""

    def __init__(self, command: list[str], port: int) -> None:
        self._command = command
        self.port = port

    def told(self, command: str) -> str:
        """What it answers on its console."""
        done = subprocess.run(
            [*self._command, "-rx", command], capture_output=True, text=True, check=False
        )
        return done.stdout

    def values(self, command: str) -> dict[str, str]:
        """The settings that a `show` lists."""
        found = re.findall(r"(?m)^ (\w+) +: (.*)$", self.told(command))
        return {name: value.strip() for name, value in found}

    def line(self, name: str) -> Seen:
        """A line as it has it."""
        endpoint = self.values(f"pjsip show endpoint {name}")
        return Seen(
            self.values(f"pjsip show auth {name}")["password"],
            re.sub(r"\\(.)", r"\1", endpoint["callerid"]),
            endpoint["context"],
            endpoint["mailboxes"],
            self.values(f"pjsip show aor {name}")["contact"],
        )

    def boxes(self) -> Boxes:
        """The mailboxes that it has."""
        rows = self.told("voicemail show users").splitlines()[1:-1]
        return {(row[:10].strip(), row[11:16].strip(), row[17:42].strip()) for row in rows}

    def registers(self, name: str, password: str) -> int:
        """The status with which a telephone is let in or not."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
            phone.connect(("127.0.0.1", self.port))
            phone.settimeout(10)
            uri = f"sip:127.0.0.1:{self.port}"
            _, asked = self._ask(phone, name, 1, "")
            realm, nonce = (re.search(rf'{one}="([^"]*)"', asked) for one in ("realm", "nonce"))
            assert realm is not None
            assert nonce is not None
            # As RFC 2617 has it, without a quality of protection.
            whose = _md5(f"{name}:{realm[1]}:{password}")
            proof = _md5(f"{whose}:{nonce[1]}:{_md5(f'REGISTER:{uri}')}")
            return self._ask(
                phone, name, 2,
                f'Authorization: Digest username="{name}", realm="{realm[1]}", nonce="{nonce[1]}",'
                f' uri="{uri}", response="{proof}", algorithm=MD5\r\n',
            )[0]  # fmt: skip

    def _ask(self, phone: socket.socket, name: str, number: int, proof: str) -> tuple[int, str]:
        here = "{}:{}".format(*phone.getsockname())
        who = f"<sip:{name.replace('#', '%23')}@127.0.0.1:{self.port}>"
        text = (
            f"REGISTER sip:127.0.0.1:{self.port} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {here};branch=z9hG4bK{_md5(here + name)}{number}\r\n"
            f"Max-Forwards: 70\r\nFrom: {who};tag=1\r\nTo: {who}\r\nCall-ID: {_md5(here)}\r\n"
            f"CSeq: {number} REGISTER\r\nContact: <sip:phone@{here}>\r\nExpires: 60\r\n{proof}"
            "Content-Length: 0\r\n\r\n"
        )
        phone.send(text.encode())
        answer = phone.recv(65_535).decode()
        return int(answer.split(" ")[1]), answer


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Asterisk]:
    """The program on the files in a folder, with nothing else to do."""
    port = free_port()
    places = {"astetcdir": folder}
    for name in ("astrundir", "astdbdir", "astspooldir", "astlogdir"):
        places[name] = folder / name
        places[name].mkdir()
    listed = "\n".join(f"{name} => {place}" for name, place in places.items())
    loaded = "\n".join(f"load={name}.so" for name in MODULES.split())
    for name, text in {
        "asterisk": f"[directories]\n{listed}\n",
        "modules": f"[modules]\nautoload=no\n{loaded}\n",
        "pjsip": f"[here]\ntype=transport\nprotocol=udp\nbind=127.0.0.1:{port}\n"
                 "#include pjsip_farebox.conf\n",
        "voicemail": "[general]\nformat=wav\n#include voicemail_farebox.conf\n",
        **dict.fromkeys(QUIET.split(), ""),
    }.items():  # fmt: skip
        (folder / f"{name}.conf").write_text(text)
    command = [str(program()), "-C", str(folder / "asterisk.conf")]
    with (folder / "said").open("w") as said:
        process = subprocess.Popen(
            [*command, "-f"], stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
    made = Asterisk(command, port)
    try:
        for _ in range(200):
            if "fully booted" in made.told("core waitfullybooted"):
                break
            assert process.poll() is None, (folder / "said").read_text()
            time.sleep(0.05)
        yield made
    finally:
        made.told("core stop now")
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
