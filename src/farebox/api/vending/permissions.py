"""The permissions that a group can be granted, by name and number (vending-platform.md 4.2).

The numbers are positions in this list and are shown to clients: names are only ever added at its
end. A route asks for `<resource>:read` or `<resource>:write`, a few for a right of their own.
"""

from typing import Final

_RESOURCES: Final = (
    "user", "usergroup", "permission", "machine", "location", "locationgroup", "machinegroup",
    "machinetype", "manufacturer", "machinemodel", "errorprofile", "erroridentity", "errorcode",
    "transactionprofile", "alertgroup", "alertrecipient", "alertobserver", "image", "language",
    "translation", "dashboard", "widget", "widgettype", "product", "productflavour",
    "productextra", "machineconfig", "houdiniconfig", "machineconfigtemplate", "openinghours",
    "shift", "devicecommand", "integration", "integrationjob", "connector", "currency",
    "campaign", "voucher", "revenuetransaction", "paymenttransaction", "log", "iotevent",
    "report", "userreport", "chart", "charttemplate", "currencyrate", "deadletter",
)  # fmt: skip

PERMISSIONS: Final = (
    "command:write",
    "export:read",
    "voucher:redeem",
    *(f"{resource}:{right}" for resource in _RESOURCES for right in ("read", "write")),
)
