"""Only our own pages may post our forms: a token bound to browser and form, and the browser's own word.

Both are asked for. The token fails whoever has not seen the page in this browser (LG-02: also before
sign-in, when there is no session to bind to); `Sec-Fetch-Site` and `Origin` fail whoever has, but posts
from elsewhere (LG-01).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from innkeeper.jose import base64url
from innkeeper.jose.hashes import sha256
from innkeeper.server.config import Settings
from innkeeper.server.flows.seals import Seals
from innkeeper.server.web.http import Request

FIELD: Final = "csrf"
_OWN_SITE: Final = ("same-origin", "none")


def token(seals: Seals, *, browser: str, form: str, interaction: str = "") -> str:
    """For the hidden field of a form. `browser` is the value of the browser cookie."""
    return base64url.encode(seals.mac("csrf", _bound(browser, form, interaction)))


def is_valid(seals: Seals, given: str, *, browser: str | None, form: str, interaction: str = "") -> bool:
    """The token is this browser's, this form's and this interaction's."""
    if not browser or len(given) > 64:
        return False
    try:
        mac = base64url.decode(given)
    except ValueError:
        return False
    return seals.is_mac("csrf", _bound(browser, form, interaction), mac)


def is_from_our_pages(request: Request, settings: Settings) -> bool:
    """What the browser says about where the post comes from. If it is silent the token decides alone."""
    sites = request.header_values(b"sec-fetch-site")
    origins = request.header_values(b"origin")
    if any(site not in _OWN_SITE for site in sites):
        return False
    own = origin_of(settings.issuer)
    # Under our `Referrer-Policy: no-referrer` browsers write `Origin: null` even for our own forms
    # (Fetch §3.2). So do strangers' sandboxed frames: `null` counts only beside a Sec-Fetch-Site, checked above.
    return all(origin == own or (origin == "null" and sites) for origin in origins)


@lru_cache(maxsize=16)
def origin_of(url: str) -> str:
    """As browsers write it: lower case, without a port that the scheme implies (RFC 6454 §6.2)."""
    parts = urlsplit(url)
    host = parts.netloc.lower()
    implied = ":443" if parts.scheme == "https" else ":80"
    return f"{parts.scheme}://{host.removesuffix(implied)}"


def _bound(browser: str, form: str, interaction: str) -> bytes:
    """Digests, so that no value can reach into its neighbour."""
    parts = (browser, form, interaction)
    return b"".join(sha256(part.encode("utf-8", "surrogatepass")) for part in parts)
