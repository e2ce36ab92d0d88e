"""Signed links to sheets: whoever has one may read that sheet for a day, without signing in.

The signature covers the voucher or campaign and the end of the day, with a key that is derived from
the installation's secrets and used for nothing else. A link outlives a change of the sheet: it then
leads to the new one.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from urllib.parse import urlencode

from farebox.storage.sheets import Subject

LINK_SECONDS = 24 * 3600
_PURPOSE = b"farebox sheet link 1"
_SECONDS = re.compile(r"\d{1,12}", re.ASCII)


class SheetLinks:
    """Makes and checks links; the first secret signs, all are believed."""

    def __init__(
        self, secrets: Mapping[str, str], public_url: str | None, clock: Callable[[], int]
    ) -> None:
        if not secrets:
            raise ValueError("links need at least one secret")
        self._keys = {kid: _mac(text.encode(), _PURPOSE) for kid, text in secrets.items()}
        self._kid = next(iter(secrets))
        self._public_url = public_url
        self._clock = clock

    def url(self, subject: Subject, own_url: str) -> str:
        """A link that works for a day. `own_url` is how the request reached us, scheme and host;
        it counts only where no public address is set."""
        expires = str(self._clock() // 1000 + LINK_SECONDS)
        query = {"expires": expires, "key": self._kid, "signature": self._sign(subject, expires)}
        base = (self._public_url or own_url).rstrip("/")
        return f"{base}/vending/{subject.kind}/{subject.id}/pdf?{urlencode(query)}"

    def verify(self, subject: Subject, expires: str, key: str, signature: str) -> bool:
        """Whether the link is ours, for this subject, and still good."""
        # An unknown key costs as much time as a known one.
        expected = self._sign(subject, expires, key if key in self._keys else self._kid)
        genuine = hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace"))
        if not genuine or key not in self._keys or not _SECONDS.fullmatch(expires):
            return False
        return self._clock() < int(expires) * 1000

    def _sign(self, subject: Subject, expires: str, kid: str | None = None) -> str:
        message = f"{subject}\n{expires}".encode("utf-8", "replace")
        mac = _mac(self._keys[kid or self._kid], message)
        return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, hashlib.sha256)
