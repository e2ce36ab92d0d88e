"""The golden cases of pbx.md 5 as data: rows of one operation, played in order on the fixture.

An answer is the data of a success, the message of a refusal, or `...` for anything. Rows of `STEPS`
change what the next row of the same list meets.
"""

from dataclasses import dataclass, field
from typing import Any

MISSING = "Record Not Found."
REQUIRED = "Please Enter Required Fields."
UPDATED = {"msg": "Record Updated Successfully."}
DELETED = "Record Deleted Successfully."
SECRET = "$50jLkuPLypGxqBmyftPV51AM91."


@dataclass(frozen=True)
class Row:
    """One call and what it must answer."""

    path: str
    form: dict[str, Any] = field(default_factory=dict)
    answer: Any = ...
    status: int = 200
    by: str = "admin"
    method: str = "POST"


def refused(path: str, form: dict[str, Any], message: str, status: int = 400, **more: Any) -> Row:
    """A row whose call is refused."""
    return Row(path, form, message, status, **more)


def unlike_ids(path: str, name: str) -> tuple[Row, ...]:
    """What every operation with an id refuses."""
    return (
        refused(path, {}, REQUIRED),
        refused(path, {name: " "}, REQUIRED),
        *(
            refused(path, {name: wrong}, f"Invalid Parameter {name}.")
            for wrong in ("abc", "0", "-1", "+1", "01", "1.0", "9223372036854775808", "1 2")
        ),
        refused(path, {name: "999"}, MISSING, 404),
        refused(path, {name: "9223372036854775807"}, MISSING, 404),
    )


def of_tenant(path: str, *answers: dict[str, str]) -> tuple[Row, ...]:
    """The rows of a list of tenant 2."""
    return (
        Row(path, {"tenant_id": "2"}, list(answers)),
        refused(path, {"tenant_id": "2"}, MISSING, 404, by="advicewise"),
        refused(path, {"tenant_id": "80"}, MISSING, 404, by="Airlord"),
        *unlike_ids(path, "tenant_id"),
    )


_CHRIS = {
    "ex_id": "11", "ex_name": "Chris Latremoille", "ex_number": "221",
    "ex_cidnum": "15146339933", "ex_cidname": "Uniglobe Dorval", "ex_callwaiting": "",
}  # fmt: skip
_TEST = {
    "ex_id": "240", "ex_name": "Test", "ex_number": "251", "ex_cidnum": "", "ex_cidname": "Test",
    "ex_callwaiting": "",
}  # fmt: skip
_MAIN = {
    "di_country": "", "di_area": "", "di_number": "15146339933",
    "di_comment": "Uniglobe Dorval - Main",
}  # fmt: skip
_HUNT3 = {
    "hu_id": "3", "hu_number": "501", "hu_name": "Franchise Opportunities", "hu_type": "RINGALL",
    "hu_ringtime": "60",
}  # fmt: skip
_HUNT4 = {
    "hu_id": "4", "hu_number": "502", "hu_name": "General Inquriies", "hu_type": "RINGALL",
    "hu_ringtime": "60",
}  # fmt: skip
_PARAMS = {f"co_param{number}": "" for number in range(1, 13)}
_XYZ = (
    '{"ph_name":"xyz","ph_te_id":"2","ph_pm_id":"1","ph_mac":"1.1.25.1",'
    '"ph_http_user":"abcdasda","ph_http_password":"132456"}'
)
_REAL = '{"ph_name":"desk","ph_te_id":"2","ph_pm_id":7,"ph_mac":"%s"}'
_BOTH = {"tenant_id": "2", "extension_id": "240"}

CASES: dict[str, tuple[Row, ...]] = {
    "PBX-USER-LOGIN": (
        Row("/user/login", {}, {"user_id": "134"}, by="advicewise", method="GET"),
        Row("/user/login", {}, {"user_id": "124"}, by="AIRLORD:airlordpass1", method="GET"),
        refused("/user/login", {}, "Unauthorized Access", 401, by="", method="GET"),
        refused("/user/login", {}, "Unauthorized Access", 401, by="admin:wrong", method="GET"),
        refused("/user/login", {}, "Unauthorized Access", 401, by="nobody:x", method="GET"),
        refused("/user/login", {}, "Method Not Allowed", 405),
    ),
    "PBX-USER-GET": (
        Row("/user/get", {}, [
            {"us_id": "97", "us_username": "admin"},
            {"us_id": "134", "us_username": "advicewise"},
            {"us_id": "124", "us_username": "Airlord"},
        ], method="GET"),
        Row("/user/get", {}, [{"us_id": "134", "us_username": "advicewise"}], by="advicewise",
            method="GET"),
    ),
    "PBX-USER-TENANTS": (
        Row("/user/tenants", {"user": "Office@advicewise.example"}, {
            "user_id": "134",
            "tenants": [{"te_id": "80", "te_name": "Advice Wise Solicitors"}],
        }),
        Row("/user/tenants", {"user": "ADMIN"}, {
            "user_id": "97",
            "tenants": [{"te_id": "2", "te_name": "Uniglobe Dorval"},
                        {"te_id": "80", "te_name": "Advice Wise Solicitors"}],
        }),
        Row("/user/tenants", {"user": "airlord"}, {"user_id": "124", "tenants": []}, by="Airlord"),
        refused("/user/tenants", {"user": " "}, REQUIRED),
        refused("/user/tenants", {"user": "x@y"}, MISSING, 404),
        refused("/user/tenants", {"user": "admin"}, MISSING, 404, by="advicewise"),
    ),
    "PBX-USER-UPDATE": (
        Row("/user/updatebyid", {"user_id": "134", "password": "newpass99"}, UPDATED),
        refused("/user/login", {}, "Unauthorized Access", 401, by="advicewise", method="GET"),
        Row("/user/login", {}, {"user_id": "134"}, by="advicewise:newpass99", method="GET"),
        Row("/user/updatebyid", {"user_id": "124", "password": " spaces  "}, UPDATED, by="Airlord"),
        Row("/user/login", {}, {"user_id": "124"}, by="Airlord: spaces  ", method="GET"),
        refused("/user/updatebyid", {"user_id": "97", "password": "newpass99"}, MISSING, 404,
                by="Airlord: spaces  "),
        refused("/user/updatebyid", {"user_id": "124", "password": "x"}, "Password Too Short."),
        refused("/user/updatebyid", {"user_id": "124", "password": "x" * 129},
                "Password Too Long."),
        refused("/user/updatebyid", {"user_id": "124"}, REQUIRED),
        refused("/user/updatebyid", {"user_id": "999", "password": "newpass99"}, MISSING, 404),
    ),
    "PBX-DESTINATION-ALL": of_tenant(
        "/destination/all",
        {"de_id": "156", "de_type_src": "CONDITION", "de_type_dst": "DISA", "de_ord": "1"},
        {"de_id": "157", "de_type_src": "NOTCONDITION", "de_type_dst": "CONDITION", "de_ord": "1"},
    ),
    "PBX-EXT-BYTENANT": of_tenant("/extension/bytenant", _CHRIS, _TEST),
    "PBX-EXT-BYID": (
        Row("/extension/byid", {"extension_id": "240"}, [_TEST]),
        refused("/extension/byid", {"extension_id": "240"}, MISSING, 404, by="advicewise"),
        *unlike_ids("/extension/byid", "extension_id"),
    ),
    "PBX-EXT-USER": (
        Row("/extension/user", _BOTH, [
            {"name": "251-UniglobeDorval", "host": "dynamic", "secret": SECRET}
        ]),
        refused("/extension/user", {"tenant_id": "80", "extension_id": "240"}, MISSING, 404),
        refused("/extension/user", _BOTH, MISSING, 404, by="advicewise"),
        refused("/extension/user", {"tenant_id": "2"}, REQUIRED),
        refused("/extension/user", {"extension_id": "2"}, REQUIRED),
    ),
    "PBX-EXT-USERSECRET": (
        Row("/extension/usersecret", _BOTH, SECRET),
        refused("/extension/usersecret", _BOTH, MISSING, 404, by="advicewise"),
        refused("/extension/usersecret", {"tenant_id": "2", "extension_id": "900"}, MISSING, 404),
        refused("/extension/usersecret", {}, REQUIRED),
    ),
    "PBX-EXT-CIDNUM": (
        Row("/extension/getCidNumber", {"extension_id": "11"}, "15146339933"),
        Row("/extension/getCidNumber", {"extension_id": "240"}, ""),
        refused("/extension/getcidnumber", {"extension_id": "11"}, "Not Found", 404),
        *unlike_ids("/extension/getCidNumber", "extension_id"),
    ),
    "PBX-EXT-CIDNUM-LIST": of_tenant(
        "/extension/getCidNumberList", {"ex_cidnum": "15146339933"}, {"ex_cidnum": ""}
    ),
    "PBX-EXT-FMFCID": (
        Row("/extension/GetFMFCallerId", {"extension_id": "11"}, "15146339933"),
        *unlike_ids("/extension/GetFMFCallerId", "extension_id"),
    ),
    "PBX-EXT-FMFCID-LIST": of_tenant(
        "/extension/GetFMFCallerIdList", {"GetFMFCallerId": "15146339933"}, {"GetFMFCallerId": ""}
    ),
    "PBX-EXT-UPDATE": (
        Row("/extension/updatebyid", {
            "extension_id": "240",
            "extension": '{"ex_name":"AAA","ex_number":"11","ex_cidnum":"12","ex_cidname":"AAA"}',
        }, UPDATED),
        Row("/extension/user", _BOTH, [
            {"name": "11-UniglobeDorval", "host": "dynamic", "secret": SECRET}
        ]),
        Row("/extension/byid", {"extension_id": "240"}, [
            {**_TEST, "ex_name": "AAA", "ex_number": "11", "ex_cidnum": "12", "ex_cidname": "AAA"}
        ]),
        *(
            refused("/extension/updatebyid", {"extension_id": "240", "extension": given}, text, at)
            for given, text, at in (
                ('{"ex_number":"221"}', "Number Already In Use.", 409),
                ('{"ex_number":"501"}', "Number Already In Use.", 409),
                ('{"ex_number":""}', "Invalid Field ex_number.", 400),
                ('{"ex_name":null}', "Invalid Field ex_name.", 400),
                ('{"ex_name":true}', "Invalid Field ex_name.", 400),
                ('{"ex_cidname":"<x>"}', "Invalid Field ex_cidname.", 400),
                ('{"ex_callwaiting":"maybe"}', "Invalid Field ex_callwaiting.", 400),
                ('{"ex_id":"5","te_id":"80","other":1}', REQUIRED, 400),
                ("[]", "Invalid JSON In Parameter extension.", 400),
            )
        ),
    ),
    "PBX-DID-BYTENANT": of_tenant(
        "/did/bytenant",
        {"di_id": "2", "di_country": "", "di_area": "", "di_number": "15146001434",
         "di_comment": ""},
        {"di_id": "30", **_MAIN},
    ),
    "PBX-DID-BYID": (
        Row("/did/byid", {"did_id": "30"}, [{
            "di_te_id": "2", **_MAIN, "di_recording": "yes", "di_fax": "no", "di_didprefix": "",
            "di_didnameprefix": "",
        }]),
        *unlike_ids("/did/byid", "did_id"),
    ),
    "PBX-DID-UPDATE": (
        Row("/did/updatebyid", {
            "did_id": "2",
            "did": '{"di_number":"1111111","di_didprefix":"12","di_didnameprefix":"asd",'
                   '"di_country":"USA","di_area":"test","di_comment":"Test Comment"}',
        }, UPDATED),
        Row("/did/byid", {"did_id": "2"}, [{
            "di_te_id": "2", "di_country": "USA", "di_area": "test", "di_number": "1111111",
            "di_comment": "Test Comment", "di_recording": "", "di_fax": "", "di_didprefix": "12",
            "di_didnameprefix": "asd",
        }]),
        refused("/did/updatebyid", {
            "did_id": "30", "did": '{"di_number":"1111111","di_country":"USA","di_area":"test"}',
        }, "Number Already In Use.", 409),
        Row("/did/updatebyid", {"did_id": "30", "did": '{"di_number":1111111}'}, UPDATED),
        refused("/did/updatebyid", {"did_id": "30", "did": '{"di_number":"x"}'},
                "Invalid Field di_number."),
        refused("/did/updatebyid", {"did_id": "30"}, REQUIRED),
    ),
    "PBX-HUNT-BYTENANT": of_tenant("/hunt/bytenant", _HUNT3, _HUNT4),
    "PBX-HUNT-BYID": (
        Row("/hunt/byid", {"hunt_id": "4"}, [{**_HUNT4, "hu_checkinuse": ""}]),
        refused("/hunt/byid", {}, "Method Not Allowed", 405, method="GET"),
        *unlike_ids("/hunt/byid", "hunt_id"),
    ),
    "PBX-HUNT-UPDATE": (
        Row("/hunt/updatebyid", {
            "hunt_id": "3",
            "hunt": '{"hu_number":"111","hu_name":"AAA","hu_type":"aa","hu_ringtime":"2"}',
        }, UPDATED),
        Row("/hunt/byid", {"hunt_id": "3"}, [{
            "hu_id": "3", "hu_number": "111", "hu_name": "AAA", "hu_type": "AA",
            "hu_ringtime": "2", "hu_checkinuse": "",
        }]),
        *(
            refused("/hunt/updatebyid", {"hunt_id": number, "hunt": given}, text, at)
            for number, given, text, at in (
                ("3", '{"hu_number":"221"}', "Number Already In Use.", 409),
                ("3", '{"hu_number":"502"}', "Number Already In Use.", 409),
                ("3", '{"hu_ringtime":"x"}', "Invalid Field hu_ringtime.", 400),
                ("3", '{"hu_ringtime":""}', "Invalid Field hu_ringtime.", 400),
                ("3", '{"hu_ringtime":3601}', "Invalid Field hu_ringtime.", 400),
                ("3", '{"hu_name":[1]}', "Invalid Field hu_name.", 400),
                ("3", "{}", REQUIRED, 400),
                ("3", "{", "Invalid JSON In Parameter hunt.", 400),
                ("3", "null", "Invalid JSON In Parameter hunt.", 400),
                ("999", '{"hu_name":"x"}', MISSING, 404),
                ("999", '{"hu_name":""}', MISSING, 404),
            )
        ),
        refused("/hunt/updatebyid", {"hunt_id": "3", "hunt": '{"hu_name":"x"}'}, MISSING, 404,
                by="advicewise"),
    ),
    "PBX-HUNT-DELETE": (
        refused("/hunt/deletebyid", {"hunt_id": "4"}, MISSING, 404, by="advicewise"),
        Row("/hunt/deletebyid", {"hunt_id": "4"}, DELETED),
        refused("/hunt/deletebyid", {"hunt_id": "4"}, MISSING, 404),
        refused("/hunt/byid", {"hunt_id": "4"}, MISSING, 404),
        *unlike_ids("/hunt/deletebyid", "hunt_id"),
    ),
    "PBX-PHONE-ADD": (
        Row("/phone/AddNewPhone", {"phone": _XYZ},
            {"msg": "Record Inserted Successfully.", "PhoneID": "1"}),
        *(
            refused("/phone/AddNewPhone", {"phone": given}, text, at)
            for given, text, at in (
                ('{"ph_name":"xyz","ph_te_id":"2","ph_pm_id":"1"}', REQUIRED, 400),
                ('{"ph_name":" ","ph_te_id":"2","ph_pm_id":"1","ph_mac":"x"}', REQUIRED, 400),
                ("{", "Invalid JSON In Parameter phone.", 400),
                (_XYZ.replace('"2"', '"999"'), MISSING, 404),
                (_XYZ.replace('"ph_pm_id":"1"', '"ph_pm_id":"x"'), "Invalid Field ph_pm_id.", 400),
                (_XYZ.replace("xyz", "x" * 129), "Invalid Field ph_name.", 400),
                (_XYZ.replace("132456", "1" * 129), "Invalid Field ph_http_password.", 400),
            )
        ),
        refused("/phone/AddNewPhone", {}, REQUIRED),
        refused("/phone/AddNewPhone", {"phone": _XYZ}, MISSING, 404, by="advicewise"),
        Row("/phone/AddNewPhone", {"phone": _REAL % "00:15:65:11:22:33"}),
        refused("/phone/AddNewPhone", {"phone": _REAL % "00:15:65:11:22:33"},
                "Record Already Exists.", 409),
        refused("/phone/AddNewPhone", {"phone": _REAL % "0015.6511.2233"},
                "Record Already Exists.", 409),
        Row("/phone/AddNewPhone", {"phone": _XYZ}),
    ),
    "PBX-PHONE-BYTENANT": (
        Row("/phone/bytenant", {"tenant_id": "2"}, []),
        Row("/phone/AddNewPhone", {"phone": _XYZ}),
        Row("/phone/bytenant", {"tenant_id": "2"}, [{
            "ph_id": ..., "ph_name": "xyz", "ph_te_id": "2", "ph_pm_id": "1", "ph_mac": "1.1.25.1",
            "ph_filename": "",
        }]),
        *unlike_ids("/phone/bytenant", "tenant_id"),
    ),
    "PBX-VOICEMAIL-BYTENANT": of_tenant(
        "/voicemail/bytenant",
        {"uniqueid": "55", "context": "UniglobeDorval", "fullname": "General Delivery Voicemail",
         "email": "info@uniglobe.example"},
    ),
    "PBX-CONDITION-BYTENANT": of_tenant(
        "/condition/bytenant",
        {"co_id": "2", "co_name": "Chris Latremoille DISA (END OF CHAIN)", "co_type": "CALLERID",
         "co_timezone": "", **_PARAMS, "co_param1": "5146349955", "co_param2": "5149239933"},
        {"co_id": "3", "co_name": "Francine Girard DISA", "co_type": "CALLERID", "co_timezone": "",
         **_PARAMS, "co_param1": "5148273211"},
    ),
    "PBX-IVR-BYTENANT": of_tenant(
        "/ivr/bytenant", {"iv_id": "1", "iv_name": "Main Menu - FR"},
        {"iv_id": "4", "iv_name": "Main Menu - EN"},
    ),
    "PBX-CUSTOM-BYTENANT": of_tenant(
        "/custom/bytenant",
        {"cu_id": "2", "cu_name": "Vickie Kyriakakos Mobile", "cu_ct_id": "1",
         "ct_name": "FORWARD", "ct_description": "<t>Forward call to</t>"},
    ),
}  # fmt: skip
