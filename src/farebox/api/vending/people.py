"""Sign-in, the caller's own record, and the keys of devices (vending-platform.md 3.1, 3.16, 4.1).

Handlers read arguments and spell answers; what happens is in `farebox.engine.people`.
"""

from litestar import delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.api.operations import documented
from farebox.api.services import Services
from farebox.api.vending import wire_people as wire
from farebox.api.vending.dialect import (
    Answer,
    Call,
    Fields,
    message,
    path_id,
    principal,
    read_body,
    reply,
)
from farebox.engine.people import DEVICE_MS, Pair

_RESET_SENT = "If this user exists, a mail with a token is on its way"


def routes(services: Services) -> list[HTTPRouteHandler]:
    """The routes about people."""
    return [*_sessions(services), *_passwords(services), *_devices(services)]


def _sessions(services: Services) -> list[HTTPRouteHandler]:
    people, proxies = services.people, services.proxies

    @post(
        "/auth/login",
        **documented("VEND-AUTH-LOGIN", wire.LoginRequest, wire.TokenPair, 201, public=True),
    )
    async def login(request: Call) -> Answer:
        """Signs in with username (or e-mail address) and password."""
        fields = Fields(await read_body(request), known=("username", "password"))
        username = fields.string("username")
        password = fields.string("password", high=1024, trim=False, lines=True)
        fields.finish()
        return _pair(await people.sign_in(username, password, proxies.client(request.scope)))

    @post(
        "/auth/refresh",
        **documented("VEND-AUTH-REFRESH", wire.RefreshRequest, wire.TokenPair, 201, public=True),
    )
    async def refresh(request: Call) -> Answer:
        """Exchanges a refresh token for a new pair; each one works once."""
        fields = Fields(await read_body(request), known=("refresh_token",))
        token = fields.string("refresh_token", high=4096)
        fields.finish()
        return _pair(await people.refresh(token))

    @get("/user/me", **documented("VEND-USER-ME", None, wire.Me))
    async def me(request: Call) -> Answer:
        """The caller's own record."""
        return reply(wire.me(await people.person(principal(request).id)))

    return [login, refresh, me]


def _passwords(services: Services) -> list[HTTPRouteHandler]:
    people, proxies = services.people, services.proxies

    @post(
        "/auth/setpassword",
        **documented(
            "VEND-AUTH-SETPASSWORD", wire.NewPasswordRequest, wire.TokenPair, 201, public=True
        ),
    )
    async def set_password(request: Call) -> Answer:
        """Sets a password by the token of a reset mail and signs in."""
        return _pair(await people.set_password(*await _new_password(request)))

    @post(
        "/auth/resetpassword",
        **documented("VEND-AUTH-RESETPASSWORD", wire.ResetRequest, wire.Message, public=True),
    )
    async def reset_password(request: Call) -> Answer:
        """Mails a token for a new password; the answer does not say whether the user exists."""
        fields = Fields(await read_body(request), known=("username", "email"))
        username = fields.optional_string("username")
        email = fields.optional_string("email", high=254)
        if fields.is_clean and username is None and email is None:
            for name in ("username", "email"):
                fields.wrong(name, "or the other is required", "missing_parameters")
        fields.finish()
        await people.request_reset(username, email, proxies.client(request.scope))
        return message(_RESET_SENT)

    @post(
        "/auth/activate",
        **documented("VEND-AUTH-ACTIVATE", wire.NewPasswordRequest, wire.Message, public=True),
    )
    async def activate(request: Call) -> Answer:
        """Sets the first password by the token of an activation mail."""
        await people.activate(*await _new_password(request))
        return message("User activated")

    return [set_password, reset_password, activate]


def _devices(services: Services) -> list[HTTPRouteHandler]:
    people, proxies = services.people, services.proxies

    @post(
        "/device/token",
        **documented(
            "VEND-X-DEVICE-TOKEN", wire.DeviceTokenRequest, wire.DeviceToken, 201, public=True
        ),
    )
    async def device_token(request: Call) -> Answer:
        """A day's token for a device that proves itself with its key."""
        fields = Fields(await read_body(request), known=("hostname", "key"))
        hostname = fields.string("hostname")
        key = fields.string("key", trim=False)
        fields.finish()
        token = await people.device_token(hostname, key, proxies.client(request.scope))
        return reply(wire.DeviceToken(token, DEVICE_MS // 1000), 201)

    @post(
        "/admin/machine/{machine:str}/devicekey",
        **documented("VEND-X-DEVICEKEY-CREATE", None, wire.DeviceKey, 201),
    )
    async def make_key(request: Call, machine: FromPath[str]) -> Answer:
        """Gives a machine a new key, shown this once; its former keys end."""
        hostname, key = await people.make_key(principal(request), path_id(machine))
        return reply(wire.DeviceKey(hostname, key), 201, {"Cache-Control": "no-store"})

    @delete(
        "/admin/machine/{machine:str}/devicekey",
        **documented("VEND-X-DEVICEKEY-DELETE", None, wire.Message),
    )
    async def revoke_keys(request: Call, machine: FromPath[str]) -> Answer:
        """Ends all keys of a machine and every token made with them."""
        await people.revoke_keys(principal(request), path_id(machine))
        return message("Device keys revoked")

    return [device_token, make_key, revoke_keys]


async def _new_password(request: Call) -> tuple[str, str]:
    fields = Fields(await read_body(request), known=("token", "password"))
    token = fields.string("token")
    password = fields.string("password", high=1024, trim=False, lines=True)
    fields.finish()
    return token, password


def _pair(pair: Pair) -> Answer:
    return reply(
        wire.TokenPair(pair.access_token, pair.refresh_token), 201, {"Cache-Control": "no-store"}
    )
