"""Lines and mailboxes as Asterisk's configuration files have them: pjsip.conf and voicemail.conf.

Texts of people cannot end a line, begin a comment or become a field of their own. A mailbox whose
number begins with `*` or `#` is left out, because Asterisk takes neither; a comment names it.
Nothing here knows where the rows come from or where the text goes.
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
    # Between quotes a backslash is one only when it is doubled.
    name = _plain(line.cidname.replace("\\", "\\\\"))
    shown = f'"{name}" <{line.cidnum or line.number}>'
    has_mailbox = line.has_mailbox and _is_mailbox(line.number)
    mailboxes = f"mailboxes={line.number}@{line.context}\n" if has_mailbox else ""
    # An address of IPv6 is told from its port by brackets.
    host = f"[{line.host}]" if line.host.count(":") > 1 else line.host
    place = "max_contacts=1\n" if line.host == "dynamic" else f"contact=sip:{host}\n"
    return (
        f"[{line.name}]\ntype=endpoint\ncontext={line.context}\nauth={line.name}\n"
        f"aors={line.name}\ncallerid={shown}\n{mailboxes}disallow=all\nallow=alaw,ulaw\n"
        f"\n[{line.name}]\ntype=auth\nauth_type=userpass\nusername={line.name}\n"
        # The space keeps a secret's `>` from becoming a part of the sign before it.
        f"password= {line.secret}\n"
        f"\n[{line.name}]\ntype=aor\n{place}"
    )


def voicemail(mailboxes: Iterable[Mailbox]) -> str:
    """The mailboxes of each tenant, which come one after another; without passwords."""
    text, context = "", None
    for one in mailboxes:
        if one.context != context:
            text += ("\n" if text else "") + f"[{one.context}]\n"
            context = one.context
        entry = f"{one.mailbox} => ,{_field(one.fullname)},{_field(one.email)}\n"
        text += entry if _is_mailbox(one.mailbox) else f"; no mailbox here: {one.mailbox}\n"
    return text


def _is_mailbox(number: str) -> bool:
    """Whether Asterisk takes a number as that of a mailbox."""
    return number[0] not in "*#"


def _field(text: str) -> str:
    return _plain(text).replace(",", " ")


def _plain(text: str) -> str:
    return text.replace(";", "\\;")
