"""What comes next: one answer for every combination, and under prompt=none its registered error."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from innkeeper.oauth.errors import (
    AccessDenied,
    AccountSelectionRequired,
    ConsentRequired,
    InteractionRequired,
    LoginRequired,
    UnmetAuthenticationRequirements,
)
from innkeeper.oauth.parameters import Parameters
from innkeeper.oauth.scope import Scope
from innkeeper.server.config import Settings
from innkeeper.server.model.api import Api, ApiScope
from innkeeper.server.model.client import ApiGrant, Client
from innkeeper.server.model.consent import Consent
from innkeeper.server.model.handle import mint
from innkeeper.server.model.identifiers import ApiIdentifier, ClientId, SessionId, Subject
from innkeeper.server.model.registry import RegistrySnapshot
from innkeeper.server.model.session import Session
from innkeeper.server.protocol.acr import ONE_FACTOR
from innkeeper.server.protocol.authorize import AuthorizationRequest, validate
from innkeeper.server.protocol.interaction import (
    AskConsent,
    Authenticated,
    Choose,
    Confirm,
    Issue,
    KnownAs,
    Progress,
    SignIn,
    Step,
    next_step,
)
from innkeeper.server.protocol.target import locate
from tests.world import ISSUER, START, TIMESHEETS, a_client, a_public_client, a_user, authorize_parameters

READ, WRITE = "read:timesheets", "create:timesheets"
SCOPES = (ApiScope(value=READ), ApiScope(value=WRITE))
API = Api(identifier=TIMESHEETS, name="Timesheets", scopes=SCOPES)
LOOPBACK = "http://127.0.0.1/callback"
PARTNER = a_client(
    "paycheck", is_first_party=False, api_grants=(ApiGrant(api=TIMESHEETS, scope=(READ, WRITE)),)
)
SID = SessionId("sid-of-erin")
ASKED = Scope(("openid", READ, WRITE))


def a_request(
    client: Client | None = None, api: Api | None = API, **changes: str | None
) -> AuthorizationRequest:
    client = client or a_client()
    default: dict[str, str | None] = {
        "scope": f"openid {READ} {WRITE}",
        "redirect_uri": client.redirect_uris[0],
    }
    if api is not None:
        default["audience"] = api.identifier
    parameters = Parameters.from_pairs(authorize_parameters(**(default | changes)).items())
    registry = RegistrySnapshot(
        epoch=1, apis={} if api is None else {api.identifier: api}, roles={}, signing_keys={}
    )
    return validate(parameters, locate(parameters, client), registry, Settings(issuer=ISSUER))


def a_session(**changes: Any) -> Session:
    _, key = mint("ik_se_", latest_expiry_s=1, counter=1, random=b"r" * 32)
    end = START + timedelta(days=1)
    session = Session(
        key=key, sid=SID, user_id=Subject("ik|erin"), user_epoch=1, auth_time=START, amr=("pwd",), acr=None,
        created_at=START, last_used_at=START, idle_expires_at=end, absolute_expires_at=end,
    )  # fmt: skip
    return msgspec.structs.replace(session, **changes)


def a_consent(api: ApiIdentifier | None, *scope: str, answered: tuple[str, ...] = ()) -> Consent:
    return Consent(
        user_id=Subject("ik|erin"), client_id=ClientId("paycheck"), api=api, scope=scope, answered=answered,
        epoch=0, granted_at=START,
    )  # fmt: skip


def step(
    request: AuthorizationRequest,
    *remembered: Consent,
    session: Session | None = None,
    signed_in: bool = True,
    now: datetime = START,
    **progress: Any,
) -> Step:
    session = session or (a_session() if signed_in else None)
    user = a_user() if session is not None else None
    return next_step(request, session, user, remembered, {}, Progress(**progress), now)


EVERYTHING = (a_consent(None, "openid"), a_consent(TIMESHEETS, READ, WRITE))


# ------------------------------------------------------------ the right person


JUST_NOW: dict[str, Any] = {"authenticated": Authenticated(sid=SID, at=START)}
STRANGER = KnownAs(subject="ik|erin", is_hinted=False)


def meant(who: KnownAs | None = None, **changes: Any) -> Step:
    """What comes next for erin; what is neither request nor session is progress."""
    request, session = changes.pop("request", a_request()), changes.pop("session", a_session())
    return next_step(request, session, a_user(), (), {}, Progress(**changes), START, who)


@pytest.mark.parametrize(
    ("who", "choice"),
    [(None, False), (KnownAs(subject="ik|erin"), False), (STRANGER, True)],
)
def test_a_doubtful_name_is_asked_about_once(who: KnownAs | None, choice: bool) -> None:
    assert isinstance(meant(who), Choose) is choice
    assert isinstance(meant(who, account_chosen=SID), Issue)
    assert isinstance(meant(who, **JUST_NOW), Issue)
    assert isinstance(meant(who, account_chosen=SessionId("another")), Choose) is choice


def test_a_choice_of_account_is_asked_for_once() -> None:
    request = a_request(prompt="select_account")
    assert isinstance(meant(request=request), Choose)
    assert isinstance(meant(request=request, account_chosen=SID), Issue)
    assert isinstance(meant(request=request, **JUST_NOW), Issue)


def test_a_person_who_is_not_meant_signs_in_and_is_never_told_about() -> None:
    request = a_request(claims='{"id_token":{"sub":{"value":"ik|mona"}}}')
    assert isinstance(meant(request=request), SignIn)
    assert isinstance(meant(request=request, account_chosen=SID), SignIn)
    assert isinstance(meant(KnownAs(subject="ik|mona"), request=request), Issue)
    with pytest.raises(LoginRequired):
        meant(request=request, **JUST_NOW)


def test_a_session_without_the_acr_that_is_demanded_is_not_enough() -> None:
    """As those that began before it was stated."""
    request = a_request(claims='{"id_token":{"acr":{"essential":true}}}')
    assert isinstance(meant(request=request), SignIn)
    assert isinstance(meant(request=request, session=a_session(acr=ONE_FACTOR)), Issue)
    with pytest.raises(UnmetAuthenticationRequirements):
        meant(request=request, **JUST_NOW)


def test_under_prompt_none_a_doubtful_name_becomes_its_error() -> None:
    with pytest.raises(AccountSelectionRequired):
        meant(STRANGER, request=a_request(prompt="none"))


# ------------------------------------------------------------ sign-in


def test_who_is_not_signed_in_signs_in() -> None:
    assert isinstance(step(a_request(), signed_in=False), SignIn)


def test_a_session_is_enough_for_a_first_party() -> None:
    assert step(a_request()) == Issue(scope=ASKED, asked=ASKED)


@pytest.mark.parametrize(
    ("max_age", "seconds", "again"),
    [
        ("0", 0, True),
        ("0", 1, True),
        ("60", 59, False),
        ("60", 60, True),
        ("60", 61, True),
        (None, 80_000, False),
    ],
)
def test_max_age_is_judged_by_the_age_of_the_sign_in(max_age: str | None, seconds: int, again: bool) -> None:
    found = step(a_request(max_age=max_age), now=START + timedelta(seconds=seconds))
    assert isinstance(found, SignIn) is again


@pytest.mark.parametrize("asked", [{"prompt": "login"}, {"max_age": "0"}])
def test_a_sign_in_made_for_this_request_ends_the_asking(asked: dict[str, Any]) -> None:
    just_now = Authenticated(sid=SID, at=START)
    later = START + timedelta(minutes=5)
    assert isinstance(step(a_request(**asked), authenticated=just_now, now=later), Issue)
    elsewhere = Authenticated(sid=SessionId("another"), at=START)
    assert isinstance(step(a_request(**asked), authenticated=elsewhere, now=later), SignIn)


# ------------------------------------------------------------ consent


def test_a_third_party_is_asked_for_all_then_for_what_is_missing() -> None:
    assert step(a_request(PARTNER)) == AskConsent(missing=ASKED, asked=ASKED)
    partly = (a_consent(None, "openid"), a_consent(TIMESHEETS, READ))
    assert step(a_request(PARTNER), *partly) == AskConsent(missing=Scope((WRITE,)), asked=ASKED)
    assert step(a_request(PARTNER), *EVERYTHING) == Issue(scope=ASKED, asked=ASKED)


def test_a_third_party_is_asked_even_for_nothing_but_identity() -> None:
    found = step(a_request(PARTNER, api=None, scope="openid"))
    assert found == AskConsent(missing=Scope(("openid",)), asked=Scope(("openid",)))


@pytest.mark.parametrize(("skip_consent", "kind"), [(True, Issue), (False, AskConsent)])
def test_a_first_party_is_asked_where_the_api_says_so(skip_consent: bool, kind: type) -> None:
    api = Api(identifier=TIMESHEETS, name="T", scopes=SCOPES, skip_consent=skip_consent)
    assert isinstance(step(a_request(api=api)), kind)


def test_what_was_left_out_stays_out_without_asking_again() -> None:
    rows = (a_consent(None, "openid"), a_consent(TIMESHEETS, READ, answered=tuple(ASKED)))
    assert step(a_request(PARTNER), *rows) == Issue(scope=Scope(("openid", READ)), asked=ASKED)


def test_an_answer_of_this_request_goes_on_without_the_row() -> None:
    found = step(a_request(PARTNER), answered_by=SID, consent_answered=("openid", READ))
    assert found == Issue(scope=Scope(("openid", READ)), asked=ASKED)


@pytest.mark.parametrize("answered_by", [SessionId("another"), None])
def test_CO_04_the_answer_of_another_session_is_none(answered_by: SessionId | None) -> None:
    found = step(a_request(PARTNER), answered_by=answered_by, consent_answered=tuple(ASKED), confirmed=True)
    assert isinstance(found, AskConsent)


def test_an_answer_cannot_hold_more_than_was_asked() -> None:
    narrow = a_request(PARTNER, scope=f"openid {READ}")
    found = step(narrow, answered_by=SID, consent_answered=("openid", READ, WRITE, "email"))
    assert isinstance(found, Issue) and found.scope == Scope(("openid", READ))


def test_prompt_consent_asks_for_everything_and_only_the_new_answer_counts() -> None:
    request = a_request(PARTNER, prompt="consent")
    assert step(request, *EVERYTHING) == AskConsent(missing=ASKED, asked=ASKED)
    found = step(request, *EVERYTHING, answered_by=SID, consent_answered=("openid",))
    assert isinstance(found, Issue) and found.scope == Scope(("openid",))
    assert isinstance(step(a_request(prompt="consent")), AskConsent), "a first party is asked too"


def test_without_openid_an_openid_request_is_denied() -> None:
    with pytest.raises(AccessDenied):
        step(a_request(PARTNER), answered_by=SID, consent_answered=(READ,))


# ------------------------------------------------------------ confirmation


def native(uri: str = LOOPBACK, **changes: Any) -> AuthorizationRequest:
    client = a_public_client("native", type="native", redirect_uris=(uri,), **changes)
    return a_request(client, client_id="native")


@pytest.mark.parametrize(
    ("uri", "confirmed"),
    [
        (LOOPBACK, True),
        ("com.example.app:/cb", True),
        ("http://localhost/cb", True),
        ("https://a.example/cb", False),
    ],
)
def test_R_CN6_a_callback_that_anyone_may_claim_is_confirmed(uri: str, confirmed: bool) -> None:
    assert isinstance(step(native(uri)), Confirm) is confirmed


def test_a_page_of_this_request_or_a_confirmation_is_enough() -> None:
    here = Authenticated(sid=SID, at=START)
    assert isinstance(step(native(), authenticated=here, pages_shown=True), Issue)
    assert isinstance(step(native(), answered_by=SID, confirmed=True), Issue)


def test_a_page_that_somebody_else_has_seen_is_not_enough() -> None:
    before = Authenticated(sid=SessionId("another"), at=START)
    assert isinstance(step(native(), authenticated=before, pages_shown=True), Confirm)


def test_the_confirmation_of_another_session_is_none() -> None:
    assert isinstance(step(native(), answered_by=SessionId("another"), confirmed=True), Confirm)
    assert isinstance(step(native(), confirmed=True), Confirm)


@pytest.mark.parametrize("kind", ["regular_web", "spa"])
def test_only_native_apps_are_confirmed(kind: str) -> None:
    client = a_client(type=kind, redirect_uris=("http://localhost:3000/cb",))
    assert isinstance(step(a_request(client)), Issue)


# ------------------------------------------------------------ prompt=none


def test_under_prompt_none_every_page_becomes_its_error() -> None:
    with pytest.raises(LoginRequired):
        step(a_request(prompt="none"), signed_in=False)
    with pytest.raises(LoginRequired):
        step(a_request(prompt="none", max_age="0"))
    with pytest.raises(ConsentRequired):
        step(a_request(PARTNER, prompt="none"))
    client = a_public_client("native", type="native", redirect_uris=(LOOPBACK,))
    with pytest.raises(InteractionRequired):
        step(a_request(client, client_id="native", prompt="none"))
    assert isinstance(step(a_request(prompt="none")), Issue)
    assert isinstance(step(a_request(PARTNER, prompt="none"), *EVERYTHING), Issue)
