"""Who is asked, for what, and what an answer is remembered as."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from innkeeper.oauth.scope import Scope
from innkeeper.server.model.api import Api
from innkeeper.server.model.consent import Consent
from innkeeper.server.model.identifiers import ApiIdentifier, ClientId, Subject
from innkeeper.server.protocol.consent import by_api, epoch_of, may_skip, remembered, was_answered
from tests.world import PAYROLL, START, TIMESHEETS, a_client

API = Api(identifier=TIMESHEETS, name="Timesheets")


def a_consent(api: ApiIdentifier | None = TIMESHEETS, *scope: str, **changes: Any) -> Consent:
    given: dict[str, Any] = {"epoch": 1, "granted_at": START} | changes
    return Consent(user_id=Subject("ik|erin"), client_id=ClientId("web"), api=api, scope=scope, **given)


@pytest.mark.parametrize(
    ("is_first_party", "skip_consent", "skipped"),
    [
        (True, True, True),
        (True, False, False),
        (True, None, True),
        (False, True, False),
        (False, False, False),
        (False, None, False),
    ],
)
def test_R_CN5_only_a_first_party_skips_and_only_where_the_api_allows_it(
    is_first_party: bool, skip_consent: bool | None, skipped: bool
) -> None:
    api = None if skip_consent is None else Api(identifier=TIMESHEETS, name="T", skip_consent=skip_consent)
    assert may_skip(a_client(is_first_party=is_first_party), api) is skipped


def test_identity_and_this_api_are_remembered_and_no_other_api() -> None:
    rows = [a_consent(None, "openid"), a_consent(TIMESHEETS, "a"), a_consent(PAYROLL, "b")]
    assert remembered(rows, API, START) == Scope(("openid", "a"))
    assert remembered(rows, None, START) == Scope(("openid",))
    assert remembered([], API, START) == Scope()


def test_a_consent_that_has_run_out_is_not_remembered() -> None:
    end = START + timedelta(days=1)
    rows = [a_consent(TIMESHEETS, "a", expires_at=end)]
    assert remembered(rows, API, end - timedelta(seconds=1)) == Scope(("a",))
    assert remembered(rows, API, end) == Scope()


def test_an_answer_counts_for_the_very_same_request_only() -> None:
    rows = [a_consent(TIMESHEETS, "a", answered=("a", "b"))]
    assert was_answered(rows, API, Scope(("b", "a")))
    assert not was_answered(rows, API, Scope(("a", "b", "c")))
    assert not was_answered(rows, API, Scope(("b",)))
    assert not was_answered(rows, None, Scope(("a", "b")))
    assert not was_answered([a_consent(TIMESHEETS, "a")], API, Scope())


def test_an_answer_is_stored_by_api() -> None:
    assert by_api(Scope(("openid", "a")), API) == [(None, Scope(("openid",))), (TIMESHEETS, Scope(("a",)))]
    assert by_api(Scope(("openid",)), API) == [(None, Scope(("openid",)))]
    assert by_api(Scope(("a",)), API) == [(TIMESHEETS, Scope(("a",)))]
    assert by_api(Scope(("a",)), None) == []
    assert by_api(Scope(), API) == []


def test_a_missing_consent_has_epoch_zero() -> None:
    rows = [a_consent(None, epoch=3), a_consent(PAYROLL, epoch=4)]
    assert (epoch_of(rows, None), epoch_of(rows, API)) == (3, 0)


def test_offline_access_belongs_to_the_api_it_was_asked_with() -> None:
    scope = Scope.parse("openid offline_access")
    assert by_api(scope, None) == [(None, scope)]
    assert by_api(scope, API) == [(None, Scope.parse("openid")), (TIMESHEETS, Scope.parse("offline_access"))]
    plain, with_api = a_consent(None, *scope), a_consent(TIMESHEETS, "offline_access")
    assert remembered([plain], None, START) == scope
    assert remembered([plain], API, START) == Scope.parse("openid")
    assert remembered([with_api], None, START) == Scope()
    assert remembered([plain, with_api], API, START) == scope
