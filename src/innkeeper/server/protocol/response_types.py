"""Which response types there are here, under which settings, and what an app needs for them.

OAuth 2.0 Multiple Response Types §3 and §5, RFC 9700 §2.1.2.
"""

from collections.abc import Collection
from typing import Final

from innkeeper.oauth.errors import UnsupportedResponseType
from innkeeper.oauth.response_type import ResponseType
from innkeeper.server.config import LegacyFlows

RESPONSE_TYPES: Final = (
    "code",
    "id_token",
    "id_token token",
    "code id_token",
    "code token",
    "code id_token token",
)
IMPLICIT: Final = "implicit"
"""The grant that an app needs for tokens from the authorization endpoint. The token endpoint knows no such grant."""
IMPLICIT_CLIENT_TYPES: Final = ("regular_web", "spa")


def offered(legacy: LegacyFlows) -> tuple[str, ...]:
    """Those that today's settings switch on: `code`, `code id_token`, and what an operator wants to keep alive."""
    return tuple(value for value in RESPONSE_TYPES if _is_on(ResponseType(value), legacy))


def of_client(grant_types: Collection[str], *, is_first_party: bool) -> tuple[str, ...]:
    """They follow from its grants: both for the hybrid ones (R-HY1). Third parties have `code` alone (R-AP3)."""
    held = set(grant_types) if is_first_party else set(grant_types) - {IMPLICIT}
    return tuple(value for value in RESPONSE_TYPES if grants_for(ResponseType(value)) <= held)


def grants_for(response_type: ResponseType) -> frozenset[str]:
    """OIDC Registration §2, the table at `response_types`."""
    needed = {"authorization_code"} if "code" in response_type else set()
    if is_front_channel(response_type):
        needed.add(IMPLICIT)
    return frozenset(needed)


def is_front_channel(response_type: ResponseType) -> bool:
    """A token leaves the authorization endpoint itself."""
    return "token" in response_type or "id_token" in response_type


def carries_tokens(text: str | None) -> bool:
    """The same of a `response_type` that nobody has checked yet. What is no registered one carries none."""
    try:
        return is_front_channel(ResponseType.parse(text or ""))
    except UnsupportedResponseType:
        return False


def default_mode(text: str | None) -> str:
    """Where an answer goes when `response_mode` is not there or impossible; also for a type that is refused."""
    return "fragment" if carries_tokens(text) else "query"


def _is_on(response_type: ResponseType, legacy: LegacyFlows) -> bool:
    if "token" in response_type and not legacy.front_channel_access_tokens:
        return False
    return "code" in response_type or legacy.implicit
