"""What messages to subscribers say (isp.md 4.8): built-in texts, placeholders, what is secret.

A text keeps the places of its secrets open; their values travel apart and are filled in only where
the message leaves, or masked where it is shown. A placeholder that nobody knows stays as written.
"""

import re
from collections.abc import Mapping
from typing import Final

MASK: Final = "********"
_PLACE: Final = re.compile(r"\{(\w+)\}")
_GRANT: Final = (
    "You have been granted access to the internet at {account} -\n"
    "Username: {username}\nPassword: {password}"
)
_OTP: Final = "OTP to close ticket {ticketId}: {otp}"
_CLOSED: Final = "Ticket {ticketId} has been closed."
_OWED: Final = "Your outstanding balance is {balance} {currency}."
_REJECTED: Final = "Your registration at {account} was not accepted."
_SUSPENDED: Final = "Your account {username} has been suspended."

SMS: Final[Mapping[str, str]] = {
    "grantAccess": _GRANT,
    "verificationCode": "Your verification code is {otp}.",
    "rejectUser": _REJECTED,
    "usageAlert": "{usage}",
    "accountSuspension": _SUSPENDED,
    "validityExpire": (
        "Your validity expires in {days} days. Please recharge to enjoy uninterrupted service."
    ),
    "userBalance": _OWED,
    "closeTicketOtp": _OTP,
    "closeTicketNotification": _CLOSED,
}
# Subject and text.
EMAIL: Final[Mapping[str, tuple[str, str]]] = {
    "userRecipt": ("Your access to the internet", _GRANT),
    "suspend": ("Your account has been suspended", _SUSPENDED),
    "rejectedUserRecipt": ("Your registration", _REJECTED),
    "billReminder": ("Your balance", _OWED),
    "billWarning": ("Your balance", _OWED),
    "prepaid": ("Your balance", _OWED),
    "notifyUser": ("Your usage", "{usage}"),
    "closeTicketOtp": ("Closing your ticket", _OTP),
    "closedTicketNotificationClient": ("Your ticket has been closed", _CLOSED),
}
# What {usage} says, by the kind of alert.
USAGE: Final[Mapping[str, str]] = {
    "bandwidth": "You have used {percent}% of your data quota.",
    "duration": "You have used {percent}% of your time quota.",
    "vendor": "Your service profile has changed because of usage.",
}
ACCESS: Final = ("PPPoE/Hotspot", "PPPoE", "Hotspot", "customerPortal")


def fill(text: str, values: Mapping[str, str]) -> str:
    """The text with the values in their places; what is filled in is not looked at again."""
    return _PLACE.sub(lambda place: values.get(place[1], place[0]), text)


def mask(text: str, secrets: Mapping[str, str]) -> str:
    """The text as those may see it who may not see secrets."""
    return fill(text, dict.fromkeys(secrets, MASK))


def credentials(users: list[str]) -> str:
    """The text that recovers passwords; the first is {password}, the others are numbered."""
    lines = [
        f"Username: {username}\nPassword: {{{password_place(at)}}}"
        for at, username in enumerate(users)
    ]
    return "Your credentials:\n" + "\n".join(lines)


def password_place(at: int) -> str:
    """The name of the place of a password."""
    return "password" if at == 0 else f"password{at + 1}"
