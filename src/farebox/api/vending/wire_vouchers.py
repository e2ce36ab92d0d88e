"""What crosses the wire when vouchers are made and edited (vending-commerce.md 2.8, 3.43-3.48).

Reads requests as wire_campaigns does. Voucher ids are strings, because they are int64.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from farebox.api.vending import wire_campaigns as wire
from farebox.api.vending.dialect import Fields
from farebox.api.vending.fields import INT32_MAX
from farebox.api.vending.wire_campaigns import RuleBody
from farebox.domain import codes
from farebox.domain.campaigns import BATCH, FREQUENCIES, VALUE_MAX, VALUE_TYPES
from farebox.domain.errors import InvalidError
from farebox.domain.instants import optional_utc_text, utc_text
from farebox.domain.rules import check_rules
from farebox.domain.vouchers import (
    COMMENTS_MAX,
    STATUSES,
    TYPES,
    OwnSettings,
    Printed,
    VoucherChange,
    VoucherDraft,
    VoucherReplacement,
)

_ACTIONS: Final = ("validate", "redeem", "rollback", "unlock")
_STATES: Final = ("done", "rolled_back", "tombstone")
_encode = msgspec.json.Encoder().encode


class VoucherCreate(msgspec.Struct, rename="camel"):
    """Body of POST /voucher."""

    campaign: int
    type: str
    value: int | UnsetType = UNSET
    value_type: str | UnsetType = UNSET
    code: str | UnsetType = UNSET
    prefix: str | UnsetType = UNSET
    redemption_limit: int | UnsetType = UNSET
    reset_frequency: str | UnsetType = UNSET
    expires_on: str | UnsetType | None = UNSET
    time_zone: str | UnsetType = UNSET
    validation_rules: list[RuleBody] | UnsetType = UNSET
    count: int | UnsetType = UNSET
    text1: str | UnsetType | None = UNSET
    text2: str | UnsetType | None = UNSET
    text3: str | UnsetType | None = UNSET
    text4: str | UnsetType | None = UNSET
    style: str | UnsetType | None = UNSET
    voucher_comments: str | UnsetType | None = UNSET


class VoucherPatch(msgspec.Struct, rename="camel"):
    """Body of PATCH /voucher/{id}."""

    campaign: int
    value: int | UnsetType = UNSET
    expires_on: str | UnsetType | None = UNSET
    status: str | UnsetType = UNSET
    voucher_comments: str | UnsetType | None = UNSET


class VoucherReplace(msgspec.Struct, rename="camel"):
    """Body of PUT /voucher/{id}."""

    campaign: int
    type: str
    value: int
    validation_rules: list[RuleBody]
    value_type: str | UnsetType = UNSET
    redemption_limit: int | UnsetType = UNSET
    reset_frequency: str | UnsetType = UNSET
    expires_on: str | UnsetType | None = UNSET
    time_zone: str | UnsetType = UNSET
    text1: str | UnsetType | None = UNSET
    text2: str | UnsetType | None = UNSET
    text3: str | UnsetType | None = UNSET
    text4: str | UnsetType | None = UNSET
    voucher_comments: str | UnsetType | None = UNSET
    style: str | UnsetType | None = UNSET


class LogEntry(msgspec.Struct, rename="camel"):
    """One line of a voucher's log."""

    id: int
    voucher: str
    requester: str
    requester_location: str | None
    action: str
    success: int
    request: str
    response: str
    currency: str
    created_at: str
    updated_at: str


class RedemptionRow(msgspec.Struct, rename="camel"):
    """One redemption of a voucher, or the tombstone of an order that was rolled back first."""

    id: int
    voucher: str
    device: str
    order_id: str
    keyed: bool
    # An int64 without meaning to people, hence a string.
    fingerprint: str
    amount_off: int
    period_seq: int
    state: str
    requester: str
    requester_location: str | None
    currency: str
    response: str
    rollback_response: str | None
    redeemed_at: str
    rolled_back_at: str | None


_CREATED_BY = VoucherCreate.__struct_encode_fields__
_PATCHED_BY = VoucherPatch.__struct_encode_fields__
_REPLACED_BY = VoucherReplace.__struct_encode_fields__


def read_vouchers(body: dict[str, object], shown: Sequence[str], default_zone: str) -> VoucherDraft:
    """The voucher or vouchers that a POST asks for; `shown` are the members of an answer."""
    reader = Fields(body, known=_CREATED_BY, ignored=shown)
    campaign = reader.integer("campaign", low=1, high=INT32_MAX)
    kind = reader.enum("type", (*TYPES, "inherit"), required=True)
    settings = None if kind == "inherit" else _settings(reader, kind or "", default_zone)
    count = reader.optional_integer("count")
    if count is not None and not 1 <= count <= BATCH:
        reader.wrong("count", f"must be between 1 and {BATCH}", "count_out_of_range")
    code = _custom_code(reader, count)
    draft = VoucherDraft(
        campaign=campaign,
        settings=settings,
        code=code,
        prefix=wire.prefix(reader),
        count=1 if count is None else count,
        printed=_printed(reader),
        rules=_rules(reader),
    )
    reader.finish()
    return draft


def read_change(body: dict[str, object], shown: Sequence[str]) -> VoucherChange:
    """What a PATCH changes; only the members it names."""
    reader = Fields(body, known=_PATCHED_BY, ignored=shown)
    values: dict[str, Any] = {"campaign": reader.integer("campaign", low=1, high=INT32_MAX)}
    if reader.has("value"):
        values["value"] = reader.integer("value", low=0, high=VALUE_MAX)
    if reader.has("expiresOn"):
        values["expires_on"] = wire.expiry_text(reader)
    # A derived status comes back with an object that was read; it is nothing to set.
    status = reader.enum("status", STATUSES)
    if status in ("active", "inactive"):
        values["active"] = status == "active"
    if reader.has("voucherComments"):
        values["comments"] = _comments(reader)
    reader.finish()
    return VoucherChange(**values)


def read_replacement(
    body: dict[str, object], shown: Sequence[str], default_zone: str
) -> VoucherReplacement:
    """The settings that a PUT gives."""
    reader = Fields(body, known=_REPLACED_BY, ignored=shown)
    campaign = reader.integer("campaign", low=1, high=INT32_MAX)
    kind = reader.enum("type", TYPES, required=True)
    replacement = VoucherReplacement(
        campaign=campaign,
        settings=_settings(reader, kind or "", default_zone),
        printed=_printed(reader),
        rules=_rules(reader, required=True),
    )
    reader.finish()
    return replacement


def log_entry(voucher: int, row: Any) -> LogEntry:
    """A row of the log as it is shown."""
    at = utc_text(row["created_at_ms"])
    return LogEntry(
        id=row["id"],
        voucher=str(voucher),
        requester=row["requester"],
        requester_location=None if row["location"] is None else str(row["location"]),
        action=_ACTIONS[row["action"]],
        success=int(row["success"]),
        request=row["request"],
        response=row["response"],
        currency=row["currency"],
        created_at=at,
        updated_at=at,
    )


def redemption_row(voucher: int, row: Any) -> RedemptionRow:
    """A redemption as it is shown."""
    return RedemptionRow(
        id=row["id"],
        voucher=str(voucher),
        device=row["device"],
        order_id=row["order_id"],
        keyed=row["keyed"],
        fingerprint=str(row["fingerprint"]),
        amount_off=row["amount_off"],
        period_seq=row["period_seq"],
        state=_STATES[row["state"]],
        requester=row["requester"],
        requester_location=None if row["location"] is None else str(row["location"]),
        currency=row["currency"],
        response=row["response"],
        rollback_response=row["rollback_response"],
        redeemed_at=utc_text(row["redeemed_at_ms"]),
        rolled_back_at=optional_utc_text(row["rolled_back_at_ms"]),
    )


def _settings(reader: Fields, kind: str, default_zone: str) -> OwnSettings:
    zone = wire.time_zone(reader) or default_zone
    text, expires_before_ms = wire.expires_on(reader, zone)
    reader.enum("valueType", VALUE_TYPES)
    return OwnSettings(
        type=kind,
        value=reader.integer("value", low=0, high=VALUE_MAX),
        redemption_limit=reader.integer("redemptionLimit", low=0, high=VALUE_MAX, required=False),
        reset_frequency=reader.enum("resetFrequency", FREQUENCIES) or "never",
        time_zone=zone,
        expires_on=text,
        expires_before_ms=expires_before_ms,
    )


def _printed(reader: Fields) -> Printed:
    return Printed(
        text1=wire.printed_text(reader, "text1"),
        text2=wire.printed_text(reader, "text2"),
        text3=wire.printed_text(reader, "text3"),
        text4=wire.printed_text(reader, "text4"),
        style=wire.style(reader, "style"),
        comments=_comments(reader),
    )


def _comments(reader: Fields) -> str | None:
    return reader.optional_string("voucherComments", high=COMMENTS_MAX, lines=True)


def _custom_code(reader: Fields, count: int | None) -> str | None:
    # Codes are trimmed of ASCII whitespace only, so their own rule reads them.
    text = reader.optional_string("code", high=256, trim=False, lines=True)
    if text is None:
        return None
    if count is not None and count != 1:
        reader.wrong("code", "can be given for one voucher only", "code_with_count")
        return None
    try:
        return codes.check_custom(text)
    except InvalidError as error:
        for name, reason in error.fields.items():
            reader.wrong(name, reason, error.code)
        return None


def _rules(reader: Fields, *, required: bool = False) -> str | None:
    """The JSON list as it is stored; null without rules."""
    raw = reader.array("validationRules", required=required)
    if not raw:
        return None
    try:
        return _encode(check_rules(raw)).decode()
    except InvalidError as error:
        for name, reason in error.fields.items():
            reader.wrong(name, reason, error.code)
        return None
