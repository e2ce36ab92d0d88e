"""Where calls come in and what they pass through (pbx.md 3.2, 3.4, 3.5, 3.7 to 3.9)."""

from typing import Any, Final

from farebox.api.pbx.blueprint import by_id, by_tenant, delete_by_id, update_by_id
from farebox.api.pbx.catalogue import (
    CONDITION,
    CUSTOM,
    DESTINATION,
    DID,
    HUNT,
    IVR,
    PARAMS,
    VOICEMAIL,
)

_DID: Final = ("di_id", "di_country", "di_area", "di_number", "di_comment")
# Without its own id, as the document has it.
_DID_WHOLE: Final = (
    "di_te_id", *_DID[1:], "di_recording", "di_fax", "di_didprefix", "di_didnameprefix",
)  # fmt: skip
_HUNT: Final = ("hu_id", "hu_number", "hu_name", "hu_type", "hu_ringtime")

OPERATIONS: Final[tuple[Any, ...]] = (
    by_tenant("PBX-DESTINATION-ALL", "/destination/all", DESTINATION,
              ("de_id", "de_type_src", "de_type_dst", "de_ord")),
    by_tenant("PBX-DID-BYTENANT", "/did/bytenant", DID, _DID),
    by_id("PBX-DID-BYID", "/did/byid", "did_id", DID, _DID_WHOLE),
    update_by_id("PBX-DID-UPDATE", "/did/updatebyid", "did_id", "did", DID),
    by_tenant("PBX-HUNT-BYTENANT", "/hunt/bytenant", HUNT, _HUNT),
    by_id("PBX-HUNT-BYID", "/hunt/byid", "hunt_id", HUNT, (*_HUNT, "hu_checkinuse")),
    update_by_id("PBX-HUNT-UPDATE", "/hunt/updatebyid", "hunt_id", "hunt", HUNT),
    delete_by_id("PBX-HUNT-DELETE", "/hunt/deletebyid", "hunt_id", HUNT),
    by_tenant("PBX-VOICEMAIL-BYTENANT", "/voicemail/bytenant", VOICEMAIL,
              ("uniqueid", "context", "fullname", "email")),
    by_tenant("PBX-CONDITION-BYTENANT", "/condition/bytenant", CONDITION,
              ("co_id", "co_name", "co_type", "co_timezone", *PARAMS)),
    by_tenant("PBX-IVR-BYTENANT", "/ivr/bytenant", IVR, ("iv_id", "iv_name")),
    by_tenant("PBX-CUSTOM-BYTENANT", "/custom/bytenant", CUSTOM,
              ("cu_id", "cu_name", "cu_ct_id", "ct_name", "ct_description")),
)  # fmt: skip
