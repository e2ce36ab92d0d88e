"""The golden cases of iptv.md 5 as data: calls of each operation, in order, on the fixture."""

from dataclasses import dataclass
from typing import Any

EMPTY_PUT = "HTTP PUT data is empty"
EMPTY_POST = "HTTP POST data is empty"
NO_UPDATE = "Update data is empty"
NO_INSERT = "Insert data is empty"
NO_ID = "Identifier required"
ONE_ID = "Only one identifier allowed"
WRONG_IDS = "One or more identifiers are incorrect"
NO_STB = "STB not found"
NO_ACCOUNT = "Account not found"
NOT_IN_PATH = "Identifier not allowed"
NOT_MAC = "Not valid mac address"
MAC_TAKEN = "MAC address already in use"
LOGIN_TAKEN = "Login already in use"


@dataclass(frozen=True)
class Row:
    """A call and what it answers: results, or with a status the refusal's text."""

    call: str
    body: str = ""
    answer: Any = True
    # The status that a refusal has where it has one of its own.
    status: int = 0


def bad(call: str, body: str, message: str, status: int = 400) -> Row:
    """A call that is refused."""
    return Row(call, body, message, status)


M1, M2 = "00:1A:79:00:39:5E", "00:1A:79:00:15:B3"
BOX1 = {
    "mac": M1, "status": 1, "additional_services_on": "1", "ls": 1553, "login": "1553",
    "online": "0", "ip": "", "version": "", "last_active": "0000-00-00 00:00:00",
    "account_balance": "", "reseller_id": "",
}  # fmt: skip
BOX2 = {**BOX1, "mac": M2, "status": 0, "ls": 3, "login": "3"}
ACCOUNT1 = {
    "login": "1553", "full_name": "", "phone": "", "account_number": "1553", "tariff_plan": "FULL",
    "tariff_expired_date": "", "tariff_instead_expired": "", "stb_sn": "", "stb_mac": M1,
    "stb_type": "", "status": 1, "online": "0", "ip": "", "version": "", "comment": "",
    "account_balance": "", "last_active": "0000-00-00 00:00:00", "reseller_id": "",
    "reseller_name": "", "subscribed": [], "subscribed_id": [],
}  # fmt: skip
ACCOUNT2 = {**ACCOUNT1, "login": "3", "account_number": "3", "stb_mac": M2, "status": 0}
TEST = {
    **ACCOUNT1, "login": "3210", "full_name": "Test", "account_number": "123", "stb_mac": "",
}  # fmt: skip
U1 = {**ACCOUNT1, "login": "u1", "account_number": "", "stb_mac": ""}
NEWS = {"id": "27", "name": "News", "number": "1", "base_ch": "0"}
SPORT = {"id": "29", "name": "Sport", "number": "2", "base_ch": "0"}
KIDS = {"id": "58", "name": "Kids", "number": "3", "base_ch": "0"}
MTV = {"id": "37", "name": "М-TV Украина", "number": "64", "base_ch": "0"}
ALL_VIDEO = {
    "id": "10", "external_id": "all_video", "name": "All video", "type": "video",
    "description": "", "all_services": "1", "service_type": "periodic", "rent_duration": "0",
    "price": "0.00", "services": "all",
}  # fmt: skip


def _tv(id_: str, name: str) -> dict[str, Any]:
    return {
        "id": id_, "external_id": f"tv_{name}", "name": f"Television {name}", "type": "tv",
        "description": "", "all_services": "0", "service_type": "periodic",
        "rent_duration": "0", "price": "0.00",
    }  # fmt: skip


TV = [_tv("1", "2"), _tv("2", "3"), _tv("3", "6")]
FULL = {
    "id": "1", "external_id": "FULL", "name": "Full", "user_default": "1", "days_to_expires": "0",
    "packages": [
        *({**one, "optional": "1"} for one in TV),
        {**{k: v for k, v in ALL_VIDEO.items() if k != "services"}, "optional": "0"},
    ],
}  # fmt: skip
STANDART = {
    "id": "2", "external_id": "STANDART", "name": "Standart", "user_default": "0",
    "days_to_expires": "0", "packages": [],
}  # fmt: skip


def watched(mac: str, ls: int, *channels: str) -> dict[str, Any]:
    """The channels of a box."""
    return {"mac": mac, "sub_ch": list(channels), "ls": ls, "additional_services_on": "1"}


def chosen(mac: str = M1, **packages: str) -> dict[str, Any]:
    """The packages of a box."""
    return {"mac": mac, "subscribed": list(packages), "subscribed_id": list(packages.values())}


_RESELLER = {
    "id": ..., "name": "2", "created": "2026-03-10 09:00:00", "modified": "2026-03-10 09:00:00",
    "max_users": "200", "use_ip_ranges": "0",
}  # fmt: skip
_CHANGED = {"mac": M1, "status": 1, "additional_services_on": "0", "ls": 1553}
CASES: dict[str, tuple[Row, ...]] = {
    "IPTV-STB-LIST": (
        Row("GET /stb", answer=[BOX1, BOX2]), Row("GET /stb/", answer=[BOX1, BOX2]),
        Row("GET /stb?limit=1&offset=1", answer=[BOX2]), Row("GET /stb/,", answer=[BOX1, BOX2]),
        bad("GET /stb?limit=0", "", "Not valid limit"), bad("GET /stb?offset=-1", "",
                                                            "Not valid offset"),
        bad("GET /stb/1/2", "", 'Resource "stb/1/2" does not exist', 404),
    ),
    "IPTV-STB-GET": (
        *(Row(f"GET /stb/{one}", answer=[BOX1])
          for one in ("1553", M1, "00-1a-79-00-39-5e", "001A7900395E", "1553,1553, 1553 ,")),
        Row("GET /stb/3,1553", answer=[BOX2, BOX1]), Row("GET /stb/3,9999", answer=[BOX2]),
        bad("GET /stb/9999", "", NO_STB, 404), bad("GET /stb/aa:bb", "", NO_STB, 404),
        bad("GET /stb/" + ",".join(map(str, range(501))), "", "Too many identifiers"),
    ),
    "IPTV-STB-UPDATE": (
        Row("PUT /stb/1553", "status=1&additional_services_on=0", [_CHANGED]),
        Row("PUT /stb/1553", "status=0", [{**_CHANGED, "status": 0}]),
        Row("PUT /stb/1553,3", "ls=a1",
            [{**_CHANGED, "status": 0, "ls": "a1"},
             {"mac": M2, "status": 0, "additional_services_on": "1", "ls": "a1"}]),
        Row("PUT /stb/A1", "ls=0", [..., ...]),
        bad("PUT /stb", "status=1", NO_ID), bad("PUT /stb/1553", "status=1", NO_STB, 404),
        bad(f"PUT /stb/{M1}", "", EMPTY_PUT), bad(f"PUT /stb/{M1}", "foo=1", NO_UPDATE),
        bad(f"PUT /stb/{M1}", "status=2", "Not valid status"),
        bad(f"PUT /stb/{M1}", "status[]=1", "Not valid status"),
        bad(f"PUT /stb/{M1}", "ls=a/b", "Not valid ls"),
        bad(f"PUT /stb/{M1}", f"ls={'1' * 65}", "Value too long: ls"),
        bad(f"PUT /stb/{M1},9999", "status=1", WRONG_IDS, 404),
        Row(f"GET /stb/{M1}", answer=[{**BOX1, "status": 0, "additional_services_on": "0",
                                       "ls": "0"}]),
    ),
    "IPTV-STB-DELETE": (
        bad("DELETE /stb/1553,9", "", WRONG_IDS, 404), Row("DELETE /stb/1553"),
        bad("DELETE /stb/1553", "", NO_STB, 404), bad("DELETE /stb", "", NO_ID),
    ),
    "IPTV-STB-CREATE": (
        Row("POST /stb/", "login=test&password=1234",
            {"mac": "", "status": 1, "additional_services_on": "1", "ls": "0", "login": "test"}),
        Row("POST /stb/", "mac=00:1A:79:00:39:60&additional_services_on=0",
            {"mac": "00:1A:79:00:39:60", "status": 1, "additional_services_on": "0", "ls": "0",
             "login": ""}),
        Row("POST /stb", "mac=ffffffffffff&status=0&ls=77",
            {"mac": "FF:FF:FF:FF:FF:FF", "status": 0, "additional_services_on": "1", "ls": "77",
             "login": ""}),
        bad("POST /stb", "login=x", "Login and password required"),
        bad("POST /stb", "login=&password=a", "Login and password required"),
        bad("POST /stb", "mac=zz", NOT_MAC), bad("POST /stb", f"mac={M1}", "Stb already exists",
                                                 409),
        bad("POST /stb", "login=TEST&password=1", LOGIN_TAKEN, 409),
        bad("POST /stb/7", "mac=00:1A:79:00:39:61", NOT_IN_PATH), bad("POST /stb", "", EMPTY_POST),
        bad("POST /stb", "foo=1", NO_INSERT), bad("POST /stb", "login=a,b&password=1",
                                                  "Not valid login"),
    ),
    "IPTV-ACCOUNTS-LIST": (
        Row("GET /accounts", answer=[ACCOUNT1, ACCOUNT2]),
        Row("GET /accounts?limit=1", answer=[ACCOUNT1]),
        bad("PATCH /accounts", "", "Not supported method", 405),
    ),
    "IPTV-ACCOUNTS-GET": (
        Row(f"GET /accounts/{M1}", answer=[ACCOUNT1]),
        Row("GET /accounts/3,1553", answer=[ACCOUNT2, ACCOUNT1]),
        bad("GET /accounts/nope", "", NO_ACCOUNT, 404),
        bad("GET /accounts/1553,nope", "", WRONG_IDS, 404),
    ),
    "IPTV-ACCOUNTS-CREATE": (
        Row("POST /accounts/", "login=3210&password=1234&full_name=Test&account_number=123"
                               "&tariff_plan=FULL&status=1"),
        Row("GET /accounts/123", answer=[TEST]),
        bad("POST /accounts", "full_name=a", "Login required"),
        bad("POST /accounts", "login=1553", LOGIN_TAKEN, 409),
        bad("POST /accounts", "login=z&tariff_plan=NOPE", "Tariff plan not found", 404),
        bad("POST /accounts", f"login=z&stb_mac={M1}", MAC_TAKEN, 409),
        bad("POST /accounts", "login=z&stb_mac=zz", NOT_MAC),
        bad("POST /accounts", "login=z&status=x", "Not valid status"),
        bad("POST /accounts", "login=z&end_date=2020-13-01", "Not valid date: end_date"),
        bad("POST /accounts", f"login=z&full_name={'a' * 256}", "Value too long: full_name"),
        bad("POST /accounts", "login=z&reseller_id=7", "Reseller does not exist", 404),
        bad("POST /accounts/7", "login=z", NOT_IN_PATH), bad("POST /accounts", "", EMPTY_POST),
        bad("POST /accounts", "login=%FF", "Invalid encoding"),
        bad("POST /accounts", "login=a%00", "Invalid encoding"),
        bad("POST /accounts", "a[b][c]=1", "Malformed body"),
        bad("POST /accounts", "a=1&" * 10_000, "Too many fields"),
        bad("GET /accounts/z", "", NO_ACCOUNT, 404),
    ),
    "IPTV-ACCOUNTS-UPDATE": (
        Row(f"PUT /accounts/{M1}", "tariff_plan=STANDART"),
        Row(f"GET /accounts/{M1}", answer=[{**ACCOUNT1, "tariff_plan": "STANDART"}]),
        Row("PUT /accounts/1553", "tariff_plan=&comment=x&tariff_expired_date=2027-01-02"),
        Row("GET /accounts/1553",
            answer=[{**ACCOUNT1, "comment": "x", "tariff_expired_date": "2027-01-02 00:00:00"}]),
        bad("PUT /accounts/1553,3", "status=1", ONE_ID), bad("PUT /accounts", "status=1", NO_ID),
        bad("PUT /accounts/1553", "login=3", LOGIN_TAKEN, 409),
        bad("PUT /accounts/1553", "login=", "Login required"),
        bad("PUT /accounts/1553", f"stb_mac={M2}", MAC_TAKEN, 409),
        bad("PUT /accounts/9", "status=1", NO_ACCOUNT, 404),
        bad("PUT /accounts/1553", "", EMPTY_PUT), bad("PUT /accounts/1553", "a=b", NO_UPDATE),
        Row("PUT /accounts/3", "account_number=1553"), Row("PUT /accounts/1553", "full_name=Both"),
        bad("PUT /accounts/1553", "login=both", LOGIN_TAKEN, 409),
        bad("PUT /accounts/1553", "stb_mac=00:1A:79:00:00:01", MAC_TAKEN, 409),
        Row("PUT /accounts/1553", "stb_mac="), bad(f"GET /accounts/{M1}", "", NO_ACCOUNT, 404),
    ),
    "IPTV-ACCOUNTS-DELETE": (
        bad("DELETE /accounts", "", NO_ID), bad("DELETE /accounts/1553,3", "", ONE_ID),
        Row(f"DELETE /accounts/{M1}"), bad(f"GET /accounts/{M1}", "", NO_ACCOUNT, 404),
        bad(f"DELETE /accounts/{M1}", "", NO_ACCOUNT, 404),
    ),
    "IPTV-USERS-GET": (
        Row("GET /users/1553", answer=ACCOUNT1), Row(f"GET /users/{M2}", answer=ACCOUNT2),
        bad("GET /users", "", NO_ID), bad("GET /users/3,1553", "", ONE_ID),
        bad("GET /users/nope", "", NO_ACCOUNT, 404),
    ),
    "IPTV-USERS-CREATE": (
        Row("POST /users", "login=u1"), Row("GET /users/U1", answer=U1),
        bad("POST /users", "login=U1", LOGIN_TAKEN, 409), bad("POST /users", "", EMPTY_POST),
        bad("POST /users", "full_name=a", "Login required"),
        bad("POST /users/u2", "login=u2", NOT_IN_PATH), Row("POST /users", "login=a:b"),
        Row("GET /users/a:b", answer={**U1, "login": "a:b"}),
    ),
    "IPTV-USERS-UPDATE": (
        Row("POST /users", "login=u1"), Row("PUT /users/u1", "full_name=A"),
        Row("PUT /users/u1", "full_name=A"), Row("GET /users/u1", answer={**U1, "full_name": "A"}),
        bad("PUT /users", "full_name=A", NO_ID), bad("PUT /users/u9", "status=1", NO_ACCOUNT, 404),
        bad("PUT /users/u1,1553", "status=1", ONE_ID), bad("PUT /users/u1", "", EMPTY_PUT),
    ),
    "IPTV-USERS-DELETE": (
        Row("POST /users", "login=u1"), Row("DELETE /users/u1"),
        bad("GET /users/u1", "", NO_ACCOUNT, 404), bad("DELETE /users/u1", "", NO_ACCOUNT, 404),
        bad("DELETE /users", "", NO_ID),
    ),
    "IPTV-STBMSG-CREATE": (
        Row("POST /stb_msg/1553", "msg=%D0%BF%D1%80%D0%BE%D0%B2%D0%B5%D1%80%D0%BA%D0%B0%20"
                                  "%D1%81%D0%B2%D1%8F%D0%B7%D0%B8"),
        Row("POST /stb_msg/1553,9", "msg=a&ttl=60&auto_hide_timeout=5"),
        bad("POST /stb_msg/1553", "msg=", "Empty msg"), bad("POST /stb_msg", "msg=a", NO_ID),
        bad("POST /stb_msg/1553", "", EMPTY_POST), bad("POST /stb_msg/9", "msg=a", NO_STB, 404),
        bad("POST /stb_msg/1553", "msg[]=a", "Not valid msg"),
        bad("POST /stb_msg/1553", f"msg={'a' * 4001}", "Value too long: msg"),
        bad("GET /stb_msg/1553", "", 'Resource "stb_msg" does not support action "get"', 405),
    ),
    "IPTV-SENDEVENT-ALL": (
        Row("POST /send_event/", "event=reboot"), bad("POST /send_event", "", EMPTY_POST),
        bad("POST /send_event", "ttl=5", "Event required"),
        bad("DELETE /send_event", "", 'Resource "send_event" does not support action "delete"',
            405),
    ),
    "IPTV-SENDEVENT-CREATE": (
        Row(f"POST /send_event/{M1}", "event=play_channel&channel=10"),
        Row("POST /send_event/1553", "event=cut_off"),
        Row("POST /send_event/1553", "event=show_menu"), Row("GET /stb/1553", answer=[BOX1]),
        bad("POST /send_event/1553", "channel=1", "Event required"),
        bad("POST /send_event/1553", "event=boom", 'Unknown event "boom"'),
        bad("POST /send_event/1553", "event=play_channel", "Not valid channel"),
        bad("POST /send_event/1553", "event=reboot&ttl=-1", "Not valid ttl"),
        bad("POST /send_event/1553", "event=send_msg", "Empty msg"),
        bad("POST /send_event/9", "event=reboot", NO_STB, 404),
    ),
    "IPTV-STBMODULES-UPDATE": (
        Row(f"PUT /stb_modules/{M1}",
            "restricted[]=vclub&restricted%5B%5D=karaoke&disabled[]=radio",
            {"disabled": ["radio"], "restricted": ["vclub", "karaoke"]}),
        Row(f"GET /stb_modules/{M1}",
            answer={"disabled": ["radio"], "restricted": ["vclub", "karaoke"]}),
        Row(f"PUT /stb_modules/{M1}", "restricted[5]=b&restricted[0]=a&restricted[7]=a",
            {"disabled": ["radio"], "restricted": ["a", "b"]}),
        Row(f"PUT /stb_modules/{M1}", "restricted[]=&disabled[]=",
            {"disabled": [""], "restricted": [""]}),
        bad("PUT /stb_modules", "disabled[]=a", NO_ID), bad(f"PUT /stb_modules/{M1}", "",
                                                            EMPTY_PUT),
        bad(f"PUT /stb_modules/{M1}", "a=b", NO_UPDATE),
        bad(f"PUT /stb_modules/{M1}", "disabled[]=A", "Not valid disabled"),
        bad(f"PUT /stb_modules/{M1}", "restricted=a b", "Not valid restricted"),
        bad("PUT /stb_modules/9", "disabled[]=a", NO_STB, 404),
        bad("PUT /stb_modules/9,3", "disabled[]=a", WRONG_IDS, 404),
    ),
    "IPTV-STBMODULES-GET": (
        Row("GET /stb_modules/3", answer={"disabled": [], "restricted": []}),
        bad("GET /stb_modules", "", NO_ID), bad("GET /stb_modules/3,1553", "", ONE_ID),
        bad("GET /stb_modules/9", "", NO_STB, 404),
    ),
    "IPTV-ITV-LIST": (
        Row("GET /itv", answer=[NEWS, SPORT, KIDS, MTV]),
        bad("POST /itv", "a=b", 'Resource "itv" does not support action "create"', 405),
    ),
    "IPTV-ITV-GET": (
        Row("GET /itv/37", answer=[MTV]), Row("GET /itv/37,x,27", answer=[MTV, NEWS]),
        bad("GET /itv/999", "", "Channel not found", 404),
    ),
    "IPTV-ITVSUB-LIST": (
        Row("GET /itv_subscription", answer=[watched(M1, 1553), watched(M2, 3)]),
        bad("DELETE /itv_subscription", "",
            'Resource "itv_subscription" does not support action "delete"', 405),
    ),
    "IPTV-ITVSUB-GET": (
        Row("GET /itv_subscription/3", answer=[watched(M2, 3)]),
        bad("GET /itv_subscription/9", "", NO_STB, 404),
    ),
    "IPTV-ITVSUB-UPDATE": (
        Row("PUT /itv_subscription/1553",
            "sub_ch[]=29&sub_ch[]=27&sub_ch[]=29&additional_services_on=1",
            [{"sub_ch": ["29", "27"], "mac": M1, "ls": "1553", "additional_services_on": "1"}]),
        Row("GET /itv_subscription/1553", answer=[watched(M1, 1553, "29", "27")]),
        bad("PUT /itv_subscription/1553", "sub_ch[]=999&sub_ch[]=58&sub_ch[]=1",
            "One or more channels are incorrect: 999,1", 404),
        bad("PUT /itv_subscription", "sub_ch[]=27", NO_ID),
        bad("PUT /itv_subscription/9", "sub_ch[]=27", NO_STB, 404),
        bad("PUT /itv_subscription/1553", "", EMPTY_PUT),
        bad("PUT /itv_subscription/1553", "additional_services_on=x",
            "Not valid additional_services_on"),
        Row("PUT /itv_subscription/1553", "sub_ch[]=",
            [{"sub_ch": [], "mac": M1, "ls": "1553", "additional_services_on": "1"}]),
    ),
    "IPTV-TARIFFS-LIST": (Row("GET /tariffs", answer=[FULL, STANDART]),),
    "IPTV-TARIFFS-GET": (
        Row("GET /tariffs/1", answer=FULL), bad("GET /tariffs/99", "", "Tariff plan not found",
                                                404),
        bad("GET /tariffs/FULL", "", "Tariff plan not found", 404),
        bad("GET /tariffs/1,2", "", ONE_ID),
    ),
    "IPTV-SERVICESPACKAGE-LIST": (
        Row("GET /services_package", answer=[*({**one, "services": []} for one in TV), ALL_VIDEO]),
    ),
    "IPTV-SERVICESPACKAGE-GET": (
        Row("GET /services_package/10", answer=ALL_VIDEO),
        bad("GET /services_package/99", "", "Package not found", 404),
        bad("GET /services_package/1,2", "", ONE_ID),
    ),
    "IPTV-ACCSUB-GET": (
        Row("GET /account_subscription/1553", answer=[chosen()]),
        Row("GET /account_subscription", answer=[chosen(), chosen(M2)]),
        bad("GET /account_subscription/9", "", NO_ACCOUNT, 404),
        bad("GET /account_subscription/3,1553", "", ONE_ID),
    ),
    "IPTV-ACCSUB-UPDATE": (
        Row("PUT /account_subscription/1553", "subscribed[]=tv_2"),
        Row("GET /account_subscription/1553", answer=[chosen(tv_2="1")]),
        Row("PUT /account_subscription/1553", "subscribed_id[]=3&unsubscribed[]=TV_2"),
        Row("GET /account_subscription/1553", answer=[chosen(tv_6="3")]),
        bad("PUT /account_subscription/1553", "subscribed[]=tv_3&subscribed[]=tv_9",
            "One or more packages are incorrect: tv_9", 404),
        bad("PUT /account_subscription/1553", "subscribed[]=all_video",
            "One or more packages are incorrect: all_video", 404),
        bad("PUT /account_subscription/1553", "", EMPTY_PUT),
        bad("PUT /account_subscription", "subscribed[]=tv_2", NO_ID),
        Row("GET /account_subscription/1553", answer=[chosen(tv_6="3")]),
        Row("GET /accounts/1553",
            answer=[{**ACCOUNT1, "subscribed": ["tv_6"], "subscribed_id": ["3"]}]),
    ),
    "IPTV-ACCSUB-REPLACE": (
        Row("POST /account_subscription/1553", "subscribed[]=tv_3&subscribed[]=tv_2"),
        Row("GET /account_subscription/1553", answer=[chosen(tv_2="1", tv_3="2")]),
        Row("POST /account_subscription/1553", "subscribed[]="),
        Row("GET /account_subscription/1553", answer=[chosen()]),
        bad("POST /account_subscription/1553", "", EMPTY_POST),
        bad("POST /account_subscription", "subscribed[]=tv_2", NO_ID),
    ),
    "IPTV-ACCSUB-DELETE": (
        Row("PUT /account_subscription/1553", "subscribed[]=tv_2"),
        Row("DELETE /account_subscription/1553"), Row("DELETE /account_subscription/1553"),
        Row("GET /account_subscription/1553", answer=[chosen()]),
        bad("DELETE /account_subscription", "", NO_ID),
        bad("DELETE /account_subscription/9", "", NO_ACCOUNT, 404),
    ),
    "IPTV-RESELLER-LIST": (
        Row("GET /reseller", answer=[]),
        Row("POST /reseller", "name=2&max_users=200&use_ip_ranges=0"),
        Row("GET /reseller", answer=[_RESELLER]),
    ),
    "IPTV-RESELLER-CREATE": (
        Row("POST /reseller", "name=2&max_users=200&use_ip_ranges=0"),
        bad("POST /reseller", "max_users=1", "Reseller name required"),
        bad("POST /reseller", "name=2", "Reseller with this name already exists", 409),
        bad("POST /reseller", "name=3&max_users=-1", "Not valid max_users"),
        bad("POST /reseller", "name=3&use_ip_ranges=2", "Not valid use_ip_ranges"),
        bad("POST /reseller/1", "name=3", NOT_IN_PATH), bad("POST /reseller", "", EMPTY_POST),
    ),
}  # fmt: skip
