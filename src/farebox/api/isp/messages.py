"""Messages to subscribers, and what was sent (isp.md E32, E33, E38, E40).

A message that is only queued counts as sent: it will be tried again by itself, and so does its
repetition under an Idempotency-Key while nobody knows its fate. What a template does not use is not
read. Passwords and one-time codes are masked unless the caller may see secrets.
"""

from collections.abc import Mapping
from html import escape
from typing import Any, Final

import msgspec

from farebox.api.isp.arguments import Argument
from farebox.api.isp.blueprint import Operation
from farebox.api.isp.dialect import Answer, Call, message
from farebox.api.isp.kinds import EMAIL, FLAG, ID, PHONE, choice, ids, text
from farebox.api.isp.wire import Message
from farebox.domain import notices, wall_clocks
from farebox.domain.errors import InvalidError
from farebox.engine.addressing import Wording

RECIPIENTS_MAX: Final = 500


async def send_sms_to_user(call: Call) -> Answer:
    """Sends a text to one subscriber, or to many."""
    provider, template = call.services.provider, call["templateName"]
    await provider.limits.take("sms", call.caller.token)
    wording = Wording(
        channel="sms", template=template, usage=call["usageAlertType"], ticket=call["ticketId"],
        otp=call["otp"], is_alternative=call["sendSmsTo"],
    )  # fmt: skip
    if call["sendMultipleSms"]:

        def told_many(count: object) -> Answer:
            return message(f"{template} SMS has been dispatched to {count} users .")

        beside = call.keeping(told_many)
        return told_many(
            await provider.addressing.tell_many(
                call.account, call["userId"], call["userIds"], wording, beside
            )
        )

    def told(number: object) -> Answer:
        return message(f"{template} SMS has been dispatched to {number} .")

    return told(
        await provider.addressing.tell(call.account, call["userId"], wording, call.keeping(told))
    )


async def send_email_to_user(call: Call) -> Answer:
    """Sends a mail to one subscriber."""
    wording = Wording(
        channel="email", template=call["templateName"], usage=call["usageAlertType"],
        ticket=call["ticketId"], otp=call["otp"],
    )  # fmt: skip

    def told(_: object) -> Answer:
        return message("Email is sent successfully .")

    return told(
        await call.services.provider.addressing.tell(
            call.account, call["userId"], wording, call.keeping(told)
        )
    )


async def recover_password(call: Call) -> Answer:
    """Sends the credentials behind a contact to it."""
    phone, email = call["phone"], call["email"]
    if phone and email:
        raise InvalidError("Pass either phone or email, not both", "conflicting_arguments")
    if not phone and not email:
        raise InvalidError("phone or email is required", "missing_argument")
    provider = call.services.provider
    await provider.limits.take("recovery", call.caller.token)
    by, contact = ("phone", phone) if phone else ("email", email)
    stored = await provider.addressing.recover(call.account, by, contact)
    place = "SMS" if phone else "Email"
    return message(
        f"Your credentials have been sent to <strong>{escape(stored)}</strong>."
        f" Please check your {place}."
    )


async def get_user_logs(call: Call) -> Answer:
    """What was sent to a subscriber."""
    provider, channel = call.services.provider, call["type"]
    zone = (await provider.subscribers.get(call.account.id, call["userId"]))["time_zone"]
    shows_secrets = "secrets" in call.caller.scopes
    rows = await provider.notices.log(call["userId"], channel, shows_secrets=shows_secrets)
    return message([_line(row, content, channel, zone) for row, content in rows])


def _line(row: Any, content: str, channel: str, zone: str) -> dict[str, str]:
    whom = {"number": row["recipient"]}
    if channel == "email":
        whom = {"email": row["recipient"], "subject": row["subject"]}
    return {
        "date_created": wall_clocks.text(row["created_at_ms"], zone),
        **whom,
        "content": content,
        "status_code": row["status_code"],
        "error_message": row["error_message"],
    }


def _when(*templates: str) -> Any:
    def is_used(values: Mapping[str, Any]) -> bool:
        return values["templateName"] in templates

    return is_used


def _is_many(values: Mapping[str, Any]) -> bool:
    return bool(values["sendMultipleSms"])


class Sent(msgspec.Struct, omit_defaults=True):
    """A message that was sent."""

    date_created: str
    content: str
    status_code: str
    error_message: str
    number: str | msgspec.UnsetType = msgspec.UNSET
    email: str | msgspec.UnsetType = msgspec.UNSET
    subject: str | msgspec.UnsetType = msgspec.UNSET


_OTP: Final = text(10, 4)
_ALERTS: Final = choice(*notices.USAGE)
_TEXT_ARGUMENTS: Final = (
    Argument("userId", ID),
    Argument("templateName", choice(*notices.SMS)),
    Argument("sendSmsTo", FLAG, required=False, default=False),
    Argument("grantAccessType", choice(*notices.ACCESS), only=_when("grantAccess")),
    Argument("usageAlertType", _ALERTS, only=_when("usageAlert")),
    Argument("sendMultipleSms", FLAG, required=False, default=False),
    Argument("userIds", ids(RECIPIENTS_MAX), only=_is_many),
    Argument("ticketId", ID, only=_when("closeTicketOtp", "closeTicketNotification")),
    Argument(
        "otp", _OTP, required=_when("closeTicketOtp"),
        only=_when("closeTicketOtp", "verificationCode"),
    ),
)  # fmt: skip
_MAIL_ARGUMENTS: Final = (
    Argument("userId", ID),
    Argument("templateName", choice(*notices.EMAIL)),
    Argument("userReciptType", choice(*notices.ACCESS), only=_when("userRecipt")),
    Argument("usageAlertType", _ALERTS, only=_when("notifyUser")),
    Argument("ticketId", ID, only=_when("closeTicketOtp", "closedTicketNotificationClient")),
    Argument("otp", _OTP, only=_when("closeTicketOtp")),
)

OPERATIONS: Final = (
    Operation(
        id="ISP-E32", method="POST", path="send_sms_to_user", scope="notify",
        run=send_sms_to_user, gives=Message[str], far=True, repeatable=True, takes=_TEXT_ARGUMENTS,
    ),
    Operation(
        id="ISP-E33", method="POST", path="send_email_to_user", scope="notify",
        run=send_email_to_user, gives=Message[str], far=True, repeatable=True,
        takes=_MAIL_ARGUMENTS,
    ),
    Operation(
        id="ISP-E38", method="POST", path="recover_password", scope="notify",
        run=recover_password, gives=Message[str], far=True,
        takes=(
            Argument("phone", PHONE, required=False),
            Argument("email", EMAIL, required=False),
        ),
    ),
    Operation(
        id="ISP-E40", method="GET", path="get_user_logs/{userId}/{type?}", scope="notify",
        run=get_user_logs, gives=Message[list[Sent]],
        takes=(
            Argument("userId", ID),
            Argument("type", choice("sms", "email"), required=False, default="sms"),
        ),
    ),
)  # fmt: skip
