"""R-SC3: requested and defined and within the client's grant and within the person's permissions and consented."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from innkeeper.oauth.errors import InvalidScope, InvalidTarget
from innkeeper.oauth.scope import MAX_WORDS, Scope
from innkeeper.server.model.api import Api, ApiScope
from innkeeper.server.model.client import ApiGrant
from innkeeper.server.model.consent import Consent
from innkeeper.server.model.identifiers import ApiIdentifier
from innkeeper.server.model.role import Permission, Role
from innkeeper.server.protocol import consent as consents
from innkeeper.server.protocol import effective_scope
from innkeeper.server.protocol.effective_scope import ceiling, for_machine, grantable, permissions, requested
from tests.world import PAYROLL, START, TIMESHEETS, a_client, a_user

READ, WRITE = "read:timesheets", "create:timesheets"
API = Api(identifier=TIMESHEETS, name="Timesheets", scopes=(ApiScope(value=READ), ApiScope(value=WRITE)))


@pytest.mark.parametrize(
    "given", list(itertools.product((False, True), repeat=5)), ids=lambda g: "".join("01"[v] for v in g)
)
def test_R_SC3_a_scope_is_granted_only_where_all_five_say_yes(given: tuple[bool, ...]) -> None:
    """The 32 combinations: requested, defined, granted to the client, permitted to the person, consented."""
    is_requested, is_defined, is_in_client_grant, is_permitted, is_consented = given
    api = Api(
        identifier=TIMESHEETS,
        name="Timesheets",
        scopes=(ApiScope(value=WRITE), *([ApiScope(value=READ)] if is_defined else [])),
        enforce_rbac=True,
    )
    grant = ApiGrant(api=TIMESHEETS, scope=(WRITE, *([READ] if is_in_client_grant else [])))
    client = a_client(is_first_party=False, api_grants=(grant,))
    user = a_user(roles=(), permissions=(Permission(api=TIMESHEETS, scope=READ),) if is_permitted else ())
    remembered = Consent(
        user_id=user.user_id, client_id=client.client_id, api=TIMESHEETS, epoch=0, granted_at=START,
        scope=(READ,) if is_consented else (),
    )  # fmt: skip
    asked = requested(Scope((READ, "openid") if is_requested else ("openid",)), api)
    possible = grantable(asked, api=api, client=client, user=user, roles={})
    granted = possible & consents.remembered([remembered], api, START)
    assert (READ in granted) is all(given)
    assert (READ in possible) is all(given[:4])


def test_without_scope_the_apis_defaults_are_asked_for() -> None:
    api = Api(identifier=TIMESHEETS, name="T", scopes=API.scopes, default_scope=(READ,))
    assert requested(None, api) == Scope((READ,))
    assert requested(None, API) == requested(None, None) == Scope()


def test_unknown_words_are_dropped_and_identity_needs_openid() -> None:
    assert requested(Scope(("openid", "profile", READ, "nonsense")), API) == Scope(
        ("openid", "profile", READ)
    )
    assert requested(Scope(("profile", READ)), API) == Scope((READ,))
    assert requested(Scope(("openid", READ)), None) == Scope(("openid",))


@pytest.mark.parametrize(
    "word", ["read:timesheets2", "READ:timesheets", "read:", "read:timesheet", "read:*", "*"]
)
def test_R_SC2_scopes_match_whole_and_by_case(word: str) -> None:
    assert requested(Scope((word,)), API) == Scope()


def test_a_first_party_client_may_have_everything_the_api_defines() -> None:
    assert ceiling(API, a_client()) == Scope((READ, WRITE))


def test_a_client_grant_is_a_ceiling_for_first_parties_too() -> None:
    grant = ApiGrant(api=TIMESHEETS, scope=(READ, "gone:scope"))
    assert ceiling(API, a_client(api_grants=(grant,))) == Scope((READ,))


@pytest.mark.parametrize(
    ("user_access", "is_first_party", "has_grant", "may_ask"),
    [
        ("all", True, False, True),
        ("all", True, True, True),
        ("all", False, False, False),
        ("all", False, True, True),
        ("per_app", True, False, False),
        ("per_app", True, True, True),
        ("per_app", False, False, False),
        ("per_app", False, True, True),
        ("none", True, True, False),
        ("none", False, True, False),
        ("none", True, False, False),
    ],
)
def test_R_SC10_who_may_ask_an_api_at_all(
    user_access: str, is_first_party: bool, has_grant: bool, may_ask: bool
) -> None:
    api = Api(identifier=TIMESHEETS, name="T", scopes=API.scopes, user_access=user_access)  # type: ignore[arg-type]
    grants = (ApiGrant(api=TIMESHEETS, scope=(READ,)),) if has_grant else ()
    client = a_client(is_first_party=is_first_party, api_grants=grants)
    if may_ask:
        assert READ in ceiling(api, client)
    else:
        with pytest.raises(InvalidTarget):
            ceiling(api, client)


def test_a_grant_for_another_api_is_none() -> None:
    client = a_client(is_first_party=False, api_grants=(ApiGrant(api=PAYROLL, scope=(READ,)),))
    with pytest.raises(InvalidTarget):
        ceiling(API, client)


def test_R_SC4_permissions_come_from_roles_and_directly_and_for_this_api_only() -> None:
    roles = {
        "Reader": Role(name="Reader", permissions=(Permission(api=TIMESHEETS, scope=READ),)),
        "Payer": Role(name="Payer", permissions=(Permission(api=PAYROLL, scope=WRITE),)),
        "Other": Role(name="Other", permissions=(Permission(api=TIMESHEETS, scope="x:y"),)),
    }
    user = a_user(
        roles=("Reader", "Payer", "deleted"), permissions=(Permission(api=TIMESHEETS, scope=WRITE),)
    )
    assert permissions(user, API, roles) == Scope((READ, WRITE))
    assert permissions(a_user(roles=()), API, roles) == Scope()


def test_permissions_do_not_count_where_an_api_does_not_ask_for_them() -> None:
    user = a_user(roles=())
    wanted = Scope(("openid", READ))
    assert grantable(wanted, api=API, client=a_client(), user=user, roles={}) == wanted


def test_without_an_api_only_identity_can_be_granted() -> None:
    found = grantable(Scope(("openid", "email", READ)), api=None, client=a_client(), user=a_user(), roles={})
    assert found == Scope(("openid", "email"))


def test_a_machine_gets_its_grant_or_what_it_asks_of_it() -> None:
    client = a_client(api_grants=(ApiGrant(api=TIMESHEETS, scope=(READ, WRITE, "gone:scope")),))
    assert for_machine(None, api=API, client=client) == Scope((READ, WRITE))
    assert for_machine(Scope((READ,)), api=API, client=client) == Scope((READ,))


@pytest.mark.parametrize("word", [WRITE, "unknown:scope", "openid", "profile", "offline_access"])
def test_a_machine_may_not_ask_beyond_its_grant_nor_for_an_identity(word: str) -> None:
    client = a_client(api_grants=(ApiGrant(api=TIMESHEETS, scope=(READ,)),))
    with pytest.raises(InvalidScope):
        for_machine(Scope((READ, word)), api=API, client=client)


def test_a_machine_without_a_grant_gets_nothing_first_party_or_not() -> None:
    with pytest.raises(InvalidTarget):
        for_machine(None, api=API, client=a_client(is_first_party=True))


def test_identity_scopes_are_no_scopes_of_an_api() -> None:
    assert effective_scope.OIDC_SCOPES == ("openid", "profile", "email", "address", "phone")
    assert ApiIdentifier(TIMESHEETS) == API.identifier


def test_an_api_may_define_more_scopes_than_one_request_may_name() -> None:
    many = tuple(ApiScope(value=f"read:thing{number}") for number in range(MAX_WORDS + 50))
    api = Api(identifier=TIMESHEETS, name="Many", scopes=(*many, *API.scopes))
    assert ceiling(api, a_client()) >= Scope((READ, "read:thing149"))
    found = grantable(Scope((READ,)), api=api, client=a_client(), user=a_user(), roles={})
    assert found == Scope((READ,))


@pytest.mark.parametrize("given", list(itertools.product((False, True), repeat=4)))
def test_R_RT1_offline_access_needs_all_four(given: tuple[bool, ...]) -> None:
    """The 16 combinations: asked for, allowed by the API, granted to the client, and something to keep."""
    is_asked, is_allowed, has_grant, is_about_something = given
    api = msgspec.structs.replace(API, allow_offline_access=is_allowed) if is_about_something else None
    client = a_client(grant_types=("authorization_code", *(["refresh_token"] if has_grant else [])))
    scope = Scope((READ, *(["offline_access"] if is_asked else [])))
    granted = grantable(requested(scope, api), api=api, client=client, user=a_user(), roles={})
    assert ("offline_access" in granted) is (is_asked and is_allowed and has_grant and is_about_something)


def test_a_plain_sign_in_may_keep_access_without_an_api() -> None:
    client = a_client(grant_types=("authorization_code", "refresh_token"))
    scope = requested(Scope.parse("openid offline_access"), None)
    assert "offline_access" in grantable(scope, api=None, client=client, user=a_user(), roles={})
