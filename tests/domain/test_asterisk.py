"""Configuration files of Asterisk: whole, and not broken by what people are called."""

from configparser import RawConfigParser

import msgspec

from farebox.domain.asterisk import Line, Mailbox, pjsip, voicemail

ANN = Line(
    name="100-Acme", context="Acme", number="100", cidname="Ann", cidnum="", host="dynamic",
    secret="s.3$", has_mailbox=True,
)  # fmt: skip


def test_a_line() -> None:
    """A line is an endpoint, a login and a place of one name."""
    assert (
        "[100-Acme]\ntype=endpoint\ncontext=Acme\nauth=100-Acme\naors=100-Acme\n"
        'callerid="Ann" <100>\nmailboxes=100@Acme\ndisallow=all\nallow=alaw,ulaw\n'
        "\n[100-Acme]\ntype=auth\nauth_type=userpass\nusername=100-Acme\npassword= s.3$\n"
        "\n[100-Acme]\ntype=aor\nmax_contacts=1\n"
    ) == pjsip([ANN])


def test_what_a_line_may_be() -> None:
    """A fixed host is a contact, a caller id of its own is shown, a name begins no comment."""
    odd = msgspec.structs.replace(
        ANN, cidname="a;b\\c", cidnum="5551", host="10.0.0.1", has_mailbox=False
    )
    text = pjsip([odd])
    assert 'callerid="a\\;b\\\\c" <5551>\n' in text
    assert "contact=sip:10.0.0.1\n" in text
    assert "mailboxes" not in text


def test_mailboxes() -> None:
    """Mailboxes stand under their tenant; a name with a comma is one field."""
    boxes = [
        Mailbox(context="Acme", mailbox="100", fullname="Ann, B; C", email="a@b.example"),
        Mailbox(context="Acme", mailbox="101", fullname="", email=""),
        Mailbox(context="Other", mailbox="1", fullname="", email=""),
    ]
    text = voicemail(boxes)
    assert ("[Acme]\n100 => ,Ann  B\\; C,a@b.example\n101 => ,,\n\n[Other]\n1 => ,,\n") == text
    parser = RawConfigParser()
    parser.read_string(text)
    assert ["Acme", "Other"] == parser.sections()
