"""The `claims` parameter: single claims asked for by name (OIDC Core §5.5)."""

from typing import Any, Final

import msgspec

from innkeeper.jose import strict_json
from innkeeper.oauth.errors import InvalidRequest
from innkeeper.oauth.scope import Scope
from innkeeper.server.model.grant import NamedClaims
from innkeeper.server.protocol.tokens import user_claims

MAX_CLAIMS: Final = 100
MAX_DEPTH: Final = 8


class ClaimsRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is understood of it; what is not is ignored, as §5.5 asks."""

    named: NamedClaims = NamedClaims()
    subjects: frozenset[str] | None = None
    """The person has to be one of these (§5.5.1, `sub`)."""
    acr: tuple[str, ...] | None = None
    """The sign-in has to be one of these (§5.5.1.1, essential `acr`); empty: any that can be stated."""

    @property
    def scope(self) -> Scope:
        """The scopes that these claims belong to: a person is asked for them in these words."""
        names = (*self.named.id_token, *self.named.userinfo)
        return Scope(dict.fromkeys(user_claims.SCOPE_OF_CLAIM[name] for name in names))


NOTHING: Final = ClaimsRequest()


def parse(text: str | None) -> ClaimsRequest:
    """Raises `InvalidRequest` for what is not as §5.5 says, and for what is larger than any honest request."""
    if text is None:
        return NOTHING
    members = _object(text)
    for_id_token, for_userinfo = (_members(members, name) for name in ("id_token", "userinfo"))
    if len(for_id_token) + len(for_userinfo) > MAX_CLAIMS:
        raise InvalidRequest(f"claims asks for more than {MAX_CLAIMS} claims.")
    acr = for_id_token.get("acr") or {}
    return ClaimsRequest(
        named=NamedClaims(id_token=_known(for_id_token), userinfo=_known(for_userinfo)),
        subjects=_subjects(_values(for_id_token.get("sub"), "sub"), _values(for_userinfo.get("sub"), "sub")),
        acr=(_values(acr, "acr") or ()) if acr.get("essential") else None,
    )


def _object(text: str) -> dict[str, Any]:
    try:
        members = strict_json.parse_object(text.encode("utf-8", "surrogatepass"))
    except ValueError as error:
        raise InvalidRequest("claims is not one unambiguous JSON object.", detail=str(error)) from error
    if _is_deeper(members, MAX_DEPTH):
        raise InvalidRequest(f"claims is nested more than {MAX_DEPTH} deep.")
    return members


def _is_deeper(value: Any, depth: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(depth == 0 or _is_deeper(member, depth - 1) for member in inner)


def _members(members: dict[str, Any], place: str) -> dict[str, dict[str, Any]]:
    """The claims for one place; a claim asked for with null is asked for without more."""
    wanted = members.get(place) or {}
    if not isinstance(wanted, dict):
        raise InvalidRequest(f"claims: {place} must be an object.")
    for name, how in wanted.items():
        if how is not None and not isinstance(how, dict):
            raise InvalidRequest(f"claims: {name[:40]} must be null or an object.")
        if how is not None and not isinstance(how.get("essential", False), bool):
            raise InvalidRequest(f"claims: essential of {name[:40]} must be true or false.")
    return {name: how or {} for name, how in wanted.items()}


def _known(wanted: dict[str, dict[str, Any]]) -> tuple[str, ...]:
    return tuple(name for name in wanted if name in user_claims.SCOPE_OF_CLAIM)


def _values(how: dict[str, Any] | None, name: str) -> tuple[str, ...] | None:
    """The texts of `value` or `values`; None when neither is given."""
    if how is None or how.keys().isdisjoint(("value", "values")):
        return None
    values = how["values"] if "values" in how else [how["value"]]
    if not isinstance(values, list) or not all(isinstance(value, str) and value for value in values):
        raise InvalidRequest(f"claims: value of {name} must be text, and values a list of texts.")
    if "value" in how and how["value"] not in values:
        raise InvalidRequest(f"claims: value and values of {name} contradict each other.")
    return tuple(values)


def _subjects(*wanted: tuple[str, ...] | None) -> frozenset[str] | None:
    """Of all that were named, those that every place names."""
    named = [frozenset(values) for values in wanted if values is not None]
    return frozenset.intersection(*named) if named else None
