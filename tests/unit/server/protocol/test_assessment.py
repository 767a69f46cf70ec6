"""Planted weaknesses are found, each by its name, and what is set well is left alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from innkeeper.server.config import LegacyFlows, Lifetimes, Settings
from innkeeper.server.model.api import Api
from innkeeper.server.model.client import RefreshPolicy
from innkeeper.server.protocol import assessment
from tests.docs.pages import DOCS, table_of
from tests.world import TIMESHEETS, a_client, a_public_client

SETTINGS = Settings(issuer="https://id.example.test")
GOOD = Api(identifier=TIMESHEETS, name="Timesheets")
ALL = LegacyFlows(password=True, implicit=True, front_channel_access_tokens=True)
YEARS = timedelta(days=800)
CODE = ("authorization_code", "refresh_token")

DAY = timedelta(hours=24)

WEAK: list[tuple[str, str, dict[str, Any]]] = [
    ("critical", "no_pkce", {"require_pkce": False}),
    ("warning", "password_grant", {"grant_types": (*CODE, "password")}),
    ("warning", "password_grant", {"grant_types": ("http://auth0.com/oauth/grant-type/password-realm",)}),
    ("critical", "public_password_grant", {"public": True, "grant_types": (*CODE, "password")}),
    ("warning", "implicit", {"grant_types": (*CODE, "implicit")}),
    ("critical", "wildcard", {"redirect_uris": ("https://*.example.test/cb",)}),
    ("critical", "wildcard", {"post_logout_redirect_uris": ("https://*.example.test/cb",)}),
    (
        "warning",
        "custom_scheme",
        {"public": True, "type": "native", "redirect_uris": ("com.example.app:/cb",)},
    ),
    ("notice", "loopback_callback", {"redirect_uris": ("http://localhost:8000/cb",)}),
    ("warning", "long_refresh_token", {"refresh": RefreshPolicy(absolute=YEARS)}),
    ("warning", "long_refresh_token", {"public": True, "refresh": RefreshPolicy(absolute=timedelta(days=2))}),
    ("critical", "no_rotation", {"public": True, "type": "native", "refresh": RefreshPolicy(rotation=False)}),
    ("warning", "endpoint_audience", {"accepts_endpoint_audience": True}),
    ("notice", "shared_secret_signature", {"token_endpoint_auth_method": "client_secret_jwt"}),
    ("notice", "trusted_forwarded_for", {"trusts_forwarded_for": True}),
    ("warning", "insecure_origin", {"allowed_origins": ("http://web.example.test",)}),
]


def found(
    *clients: Any, apis: tuple[Api, ...] = (GOOD,), settings: Settings = SETTINGS
) -> list[tuple[str, str]]:
    looked_at = {api.identifier: api for api in apis}
    return [(one.severity, one.check) for one in assessment.findings(clients, looked_at, settings)]


def an_app(**changes: Any) -> Any:
    changes = {"grant_types": CODE} | changes
    if not changes.pop("public", False):
        return a_client(**changes)
    usual: dict[str, Any] = {"refresh": RefreshPolicy(idle=DAY, absolute=DAY)}
    return a_public_client(**(usual | changes))


def test_what_is_set_well_is_left_alone() -> None:
    native = an_app(public=True, type="native", redirect_uris=("http://127.0.0.1/cb",))
    assert found(an_app(), an_app(public=True), native) == []


@pytest.mark.parametrize(("severity", "check", "weakness"), WEAK)
def test_a_weakness_of_an_app_is_named_with_its_severity(
    severity: str, check: str, weakness: dict[str, Any]
) -> None:
    assert found(an_app(**weakness)) == [(severity, check)]


def test_what_a_weak_app_may_do_grows_with_the_flows_that_are_switched_on() -> None:
    app = an_app(grant_types=("implicit", "password"))
    on = found(app, settings=replace(SETTINGS, legacy=ALL))
    assert on[:2] == [("critical", "front_channel_access_token"), ("critical", "password_grant")]
    assert on[2:] == [("warning", "legacy_flow")] * 3


def test_long_lives_are_named() -> None:
    long = replace(GOOD, access_token_lifetime=timedelta(hours=25))
    assert found(apis=(long,)) == [("critical", "long_access_token")]
    assert found(apis=(replace(long, token_format="opaque"),)) == [("warning", "long_access_token")]
    settings = replace(SETTINGS, lifetimes=Lifetimes(session_absolute_s=91 * 86_400))
    assert found(settings=settings) == [("warning", "long_session")]


def test_the_worst_comes_first_and_says_where() -> None:
    apps = [
        an_app(client_id=name, **weakness)
        for name, (_, _, weakness) in zip("abcdefghijklmnop", WEAK, strict=True)
    ]
    findings = assessment.findings(apps, {}, SETTINGS)
    order = [assessment.SEVERITIES.index(one.severity) for one in findings]
    assert order == sorted(order)
    assert {one.subject for one in findings} == set("abcdefghijklmnop")


def test_every_check_is_described_with_the_severity_it_has() -> None:
    shown = {
        row[0].strip("`"): set(row[1].split(" or ")) for row in table_of(DOCS / "security.md", "finding")
    }
    real: dict[str, set[str]] = {}
    long = replace(GOOD, access_token_lifetime=timedelta(hours=25))
    opaque = replace(long, identifier="https://opaque.example.test", token_format="opaque")
    settings = replace(SETTINGS, lifetimes=Lifetimes(session_absolute_s=91 * 86_400))
    apps = [an_app(**weakness) for _, _, weakness in WEAK]
    for legacy in (LegacyFlows(), ALL):
        for severity, check in found(*apps, apis=(long, opaque), settings=replace(settings, legacy=legacy)):
            real.setdefault(check, set()).add(severity)
    assert shown == real
