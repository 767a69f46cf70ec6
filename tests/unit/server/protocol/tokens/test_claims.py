"""The claim sets of access tokens, ID tokens and userinfo."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from innkeeper.jose.hashes import at_hash
from innkeeper.oauth.scope import Scope
from innkeeper.server.model.authorization import Authentication, Authorization
from innkeeper.server.model.identifiers import GrantId, SessionId
from innkeeper.server.model.user import Address
from innkeeper.server.protocol.tokens import access_token, id_token, user_claims
from tests.world import ISSUER, START, TIMESHEETS, a_client, a_user, apis

NOW_S = int(START.timestamp())
USERINFO = ISSUER + "/userinfo"
PROVED = Authentication(sid=SessionId("s"), auth_time=START - timedelta(minutes=5), amr=("pwd",), acr=None)


def an_authorization(scope: str = "openid read:timesheets", **changes: Any) -> Authorization:
    made = Authorization(
        client=a_client("web"),
        user=a_user("erin"),
        api=apis()[0],
        scope=Scope(scope.split()),
        grant_id=GrantId("g"),
        authentication=PROVED,
        nonce="n",
        access_token_lifetime=timedelta(seconds=600),
    )
    return msgspec.structs.replace(made, **changes)


def of_access_token(
    authorization: Authorization, grant_type: str = "authorization_code", **changes: Any
) -> dict[str, Any]:
    facts = access_token.Facts(
        subject="ik|erin" if authorization.user else "web",
        issuer=ISSUER,
        userinfo_endpoint=USERINFO,
        jti="g.r",
        now=START,
        grant_type=grant_type,
    )
    claims = access_token.claims(authorization, msgspec.structs.replace(facts, **changes))
    built: dict[str, Any] = msgspec.to_builtins(claims)
    return built


def of_id_token(authorization: Authorization, token: str | None = "t") -> dict[str, Any]:
    return id_token.claims(
        authorization,
        subject="ik|erin",
        issuer=ISSUER,
        access_token=token,
        lifetime=timedelta(hours=1),
        now=START,
    )


def test_an_access_token_says_what_rfc_9068_asks() -> None:
    assert of_access_token(an_authorization()) == {
        "iss": ISSUER,
        "sub": "ik|erin",
        "aud": [TIMESHEETS, USERINFO],
        "client_id": "web",
        "iat": NOW_S,
        "exp": NOW_S + 600,
        "jti": "g.r",
        "scope": "openid read:timesheets",
        "auth_time": NOW_S - 300,
    }


def test_without_openid_userinfo_is_no_audience() -> None:
    assert of_access_token(an_authorization("read:timesheets"))["aud"] == TIMESHEETS


def test_a_machines_token_is_its_own_subject() -> None:
    claims = of_access_token(an_authorization("batch:upload", user=None, authentication=None, grant_id=None))
    assert claims["sub"] == claims["client_id"] == "web"
    assert not claims.keys() & {"auth_time", "acr", "name", "email"}


def test_an_id_token_is_for_the_app_and_bound_to_its_request_and_token() -> None:
    claims = of_id_token(an_authorization("openid"))
    assert claims == {
        "iss": ISSUER,
        "sub": "ik|erin",
        "aud": "web",
        "iat": NOW_S,
        "exp": NOW_S + 3600,
        "auth_time": NOW_S - 300,
        "amr": ("pwd",),
        "sid": "s",
        "nonce": "n",
        "at_hash": at_hash("t", "RS256"),
    }


@pytest.mark.parametrize(
    ("changes", "absent"),
    [
        ({"nonce": None}, "nonce"),
        ({"authentication": msgspec.structs.replace(PROVED, sid=None)}, "sid"),
    ],
)
def test_what_there_is_not_is_left_out(changes: dict[str, Any], absent: str) -> None:
    assert absent not in of_id_token(an_authorization(**changes))
    assert "at_hash" not in of_id_token(an_authorization(), token=None)


def test_claims_of_the_person_are_in_the_id_token_unless_the_app_says_no() -> None:
    asked = an_authorization("openid email")
    assert of_id_token(asked)["email"] == "erin@example.test"
    without = an_authorization("openid email", client=a_client("web", id_token_profile=False))
    assert "email" not in of_id_token(without)


@pytest.mark.parametrize(
    ("scope", "names"),
    [
        ("openid", set()),
        ("email", {"email", "email_verified"}),
        ("phone", {"phone_number", "phone_number_verified"}),
        ("address", {"address"}),
        ("profile", {"name", "given_name", "preferred_username", "updated_at"}),
    ],
)
def test_each_scope_brings_its_claims_and_no_other(scope: str, names: set[str]) -> None:
    person = a_user("erin", address=Address(locality="Ghent"))
    assert user_claims.of(person, Scope((scope,))).keys() == names
    assert names <= set(user_claims.NAMES)


def test_a_person_without_values_has_no_empty_claims() -> None:
    bare = a_user("mona", email=None)
    assert user_claims.of(bare, Scope(("email", "phone", "address"))) == {}
