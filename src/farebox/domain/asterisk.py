"""Lines and mailboxes as Asterisk's configuration files have them: pjsip.conf and voicemail.conf.

Texts of people cannot end a line, begin a comment or become a field of their own. Nothing here
knows where the rows come from or where the text goes.
"""

from collections.abc import Iterable

import msgspec


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """An extension with its SIP account; `host` is an address or `dynamic`."""

    name: str
    context: str
    number: str
    cidname: str
    cidnum: str
    host: str
    secret: str
    has_mailbox: bool


class Mailbox(msgspec.Struct, frozen=True, kw_only=True):
    """A mailbox of a tenant."""

    context: str
    mailbox: str
    fullname: str
    email: str


def pjsip(lines: Iterable[Line]) -> str:
    """An endpoint, its login and its place for every line."""
    return "\n".join(map(_endpoint, lines))


def _endpoint(line: Line) -> str:
    shown = f'"{_plain(line.cidname)}" <{line.cidnum or line.number}>'
    mailboxes = f"mailboxes={line.number}@{line.context}\n" if line.has_mailbox else ""
    place = "max_contacts=1\n" if line.host == "dynamic" else f"contact=sip:{line.host}\n"
    return (
        f"[{line.name}]\ntype=endpoint\ncontext={line.context}\nauth={line.name}\n"
        f"aors={line.name}\ncallerid={shown}\n{mailboxes}disallow=all\nallow=alaw,ulaw\n"
        f"\n[{line.name}]\ntype=auth\nauth_type=userpass\nusername={line.name}\n"
        f"password={line.secret}\n"
        f"\n[{line.name}]\ntype=aor\n{place}"
    )


def voicemail(mailboxes: Iterable[Mailbox]) -> str:
    """The mailboxes of each tenant, which come one after another; without passwords."""
    text, context = "", None
    for one in mailboxes:
        if one.context != context:
            text += ("\n" if text else "") + f"[{one.context}]\n"
            context = one.context
        text += f"{one.mailbox} => ,{_field(one.fullname)},{_field(one.email)}\n"
    return text


def _field(text: str) -> str:
    return _plain(text).replace(",", " ")


def _plain(text: str) -> str:
    return text.replace("\\", "\\\\").replace(";", "\\;")
