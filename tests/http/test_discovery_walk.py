"""The discovery document is walked value by value: what it lists works, and what it does not list is refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.walk import authenticating, authorizing, endpoints, granting, telling
from tests.walk.worlds import SETTINGS, a_walked_world, document, promises
from tests.world import World

pytestmark = pytest.mark.anyio
AUTHENTICATING = ("token", "introspection", "revocation")

EXERCISES: dict[str, Callable[[World, Any], Awaitable[None]]] = {
    "issuer": endpoints.issuer,
    "authorization_endpoint": endpoints.authorization_endpoint,
    "token_endpoint": endpoints.token_endpoint,
    "userinfo_endpoint": endpoints.userinfo_endpoint,
    "jwks_uri": endpoints.jwks_uri,
    "end_session_endpoint": endpoints.end_session_endpoint,
    "device_authorization_endpoint": endpoints.device_authorization_endpoint,
    "introspection_endpoint": endpoints.introspection_endpoint,
    "revocation_endpoint": endpoints.revocation_endpoint,
    "response_types_supported": authorizing.response_type,
    "response_modes_supported": authorizing.response_mode,
    "code_challenge_methods_supported": authorizing.code_challenge_method,
    "prompt_values_supported": authorizing.prompt,
    "display_values_supported": authorizing.display,
    "acr_values_supported": authorizing.acr,
    "ui_locales_supported": authorizing.ui_locale,
    "authorization_response_iss_parameter_supported": authorizing.iss_in_answers,
    "claims_parameter_supported": authorizing.claims_parameter,
    "request_parameter_supported": authorizing.request_object,
    "request_uri_parameter_supported": authorizing.request_uri,
    "grant_types_supported": granting.grant_type,
    "scopes_supported": telling.scope,
    "claims_supported": telling.claim,
    "subject_types_supported": telling.subject_type,
    "id_token_signing_alg_values_supported": telling.id_token_algorithm,
    "userinfo_signing_alg_values_supported": telling.userinfo_algorithm,
}
OTHERS: dict[str, tuple[tuple[str, ...], Callable[[World, Any], Awaitable[None]]]] = {
    "response_types_supported": (authorizing.OTHER_RESPONSE_TYPES, authorizing.no_response_type),
    "response_modes_supported": (authorizing.OTHER_RESPONSE_MODES, authorizing.no_response_mode),
    "code_challenge_methods_supported": (authorizing.OTHER_METHODS, authorizing.no_code_challenge_method),
    "prompt_values_supported": (authorizing.OTHER_PROMPTS, authorizing.no_prompt),
    "display_values_supported": (authorizing.OTHER_DISPLAYS, authorizing.no_display),
    "acr_values_supported": (authorizing.OTHER_ACRS, authorizing.no_acr),
    "ui_locales_supported": (authorizing.OTHER_LOCALES, authorizing.no_ui_locale),
    "grant_types_supported": (granting.OTHERS, granting.unknown),
    "scopes_supported": (telling.OTHER_SCOPES, telling.no_scope),
    "claims_supported": (telling.OTHER_CLAIMS, telling.no_claim),
    "subject_types_supported": (telling.OTHER_SUBJECTS, telling.not_registrable("--subject-type")),
    "id_token_signing_alg_values_supported": (
        telling.OTHER_ALGORITHMS,
        telling.not_registrable("--id-token-alg"),
    ),
    "userinfo_signing_alg_values_supported": (
        tuple(alg for alg in telling.OTHER_ALGORITHMS if alg != "none"),
        telling.not_registrable("--userinfo-alg"),
    ),
}
for _name in AUTHENTICATING:
    _methods = f"{_name}_endpoint_auth_methods_supported"
    _algorithms = f"{_name}_endpoint_auth_signing_alg_values_supported"
    EXERCISES[_methods] = authenticating.method_at(_name)
    EXERCISES[_algorithms] = authenticating.algorithm_at(_name)
    OTHERS[_methods] = (authenticating.OTHER_METHODS, authenticating.no_method_at(_name))
    OTHERS[_algorithms] = (authenticating.OTHER_ALGORITHMS, authenticating.no_algorithm_at(_name))


def unlisted() -> list[tuple[str, str, str]]:
    """Settings, member, a value that somebody somewhere knows and this document does not list."""
    usual = document("default")
    found = []
    for name in SETTINGS:
        for member, listed in document(name).items():
            if name in ("default", "everything") or listed != usual[member]:
                candidates = OTHERS.get(member, ((), None))[0]
                found += [(name, member, value) for value in candidates if value not in listed]
    return found


@pytest.mark.parametrize("name", SETTINGS)
async def test_what_is_walked_is_what_is_served(name: str) -> None:
    world = await a_walked_world(name)
    for path in ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"):
        assert (await world.http().get(path)).json() == document(name)


@pytest.mark.parametrize(("name", "member", "value"), [*promises()])
async def test_what_is_listed_works(name: str, member: str, value: Any) -> None:
    assert member in EXERCISES, f"nobody exercises {member}"
    await EXERCISES[member](await a_walked_world(name), value)


@pytest.mark.parametrize(("name", "member", "value"), unlisted())
async def test_what_is_not_listed_is_refused(name: str, member: str, value: str) -> None:
    refusal = OTHERS[member][1]
    await refusal(await a_walked_world(name), value)


@pytest.mark.parametrize("name", SETTINGS)
def test_every_list_has_values_that_are_tried_in_vain(name: str) -> None:
    lists = {member for member, value in document(name).items() if isinstance(value, list)}
    tried = {member for settings, member, _ in unlisted() if settings in (name, "default")}
    assert lists - tried == set()


async def test_no_claim_comes_that_is_not_listed() -> None:
    told = await telling.everything_told(await a_walked_world("default"))
    assert told.keys() == set(document("default")["claims_supported"])
