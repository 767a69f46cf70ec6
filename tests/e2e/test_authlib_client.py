"""Authlib's client for programs, unmodified: every flow it knows, over real sockets."""

from __future__ import annotations

import json
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oauth2.rfc7523 import ClientSecretJWT, PrivateKeyJWT
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken, HybridIDToken, ImplicitIDToken
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey

from examples.timesheets_api.app import AUDIENCE
from tests.e2e.http_browser import HttpBrowser
from tests.e2e.node_client import landing
from tests.house import House, a_house, http
from tests.serving import free_socket, port_of, served

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("authlib-client")]

OFFLINE = "openid profile email offline_access read:timesheets"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
GRANTS = ("authorization_code", "refresh_token", "implicit", "client_credentials", "password")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Generator[House]:
    """With the flows that new apps should not use."""
    with a_house(tmp_path_factory.mktemp("house"), "--legacy") as running:
        yield running


class Desk:
    """Makes clients of apps, and knows the addresses that discovery tells."""

    def __init__(self, house: House, callback: str) -> None:
        self.house = house
        self.callback = callback
        with http() as client:
            self.metadata = client.get(f"{house.issuer}/.well-known/openid-configuration").json()
            self.keys = KeySet.import_key_set(client.get(self.metadata["jwks_uri"]).json())

    def app(self, client_id: str, *options: str) -> str:
        """A new web app with every grant that one may have; its secret, where it has one."""
        words = ["--type", "regular_web", "--callback", self.callback, "--acknowledge-password-grant"]
        words += [word for grant in GRANTS for word in ("--grant-type", grant)]
        words += ["--api", AUDIENCE, "--scope", "batch:upload read:timesheets"]
        created = json.loads(self.house.command("app", "create", client_id, *words, *options, "--json"))
        return str(created.get("client_secret", ""))

    def client(self, client_id: str, secret: Any = None, **options: Any) -> OAuth2Client:
        given = {
            "redirect_uri": self.callback,
            "code_challenge_method": "S256",
            "token_endpoint": self.metadata["token_endpoint"],
            "trust_env": False,
        }
        return OAuth2Client(client_id, secret, **(given | options))

    def claims(self, kind: Any, token: dict[str, Any], client: OAuth2Client, **known: str) -> Any:
        """As Authlib checks an ID token: signature, then every rule of its response type."""
        decoded = jwt.decode(token["id_token"], self.keys, algorithms=["RS256"])
        options = {"iss": {"value": self.house.issuer}, "aud": {"value": client.client_id}}
        params = {"client_id": client.client_id, "access_token": token.get("access_token"), **known}
        found = kind(decoded.claims, decoded.header, options, params)
        found.validate(leeway=5)
        return found


@pytest.fixture(scope="module")
def desk(house: House) -> Generator[Desk]:
    listening = free_socket()
    with served(landing(), listening):
        yield Desk(house, f"http://localhost:{port_of(listening)}/callback")


@pytest.fixture(scope="module")
def secret(desk: Desk) -> str:
    return desk.app("lib-web")


@pytest.fixture
def web(desk: Desk, secret: str) -> Generator[OAuth2Client]:
    with desk.client("lib-web", secret) as client:
        yield client


@pytest.fixture
def browser() -> Generator[HttpBrowser]:
    one = HttpBrowser()
    yield one
    one.close()


def came_back(desk: Desk, browser: HttpBrowser, client: OAuth2Client, **asked: str) -> str:
    """The address that erin's browser came back to."""
    url, _ = client.create_authorization_url(desk.metadata["authorization_endpoint"], **asked)
    browser.open(url)
    browser.sign_in("erin", desk.house.password("erin"))
    return browser.url


def signed_in(desk: Desk, browser: HttpBrowser, client: OAuth2Client, **asked: str) -> dict[str, Any]:
    """By code and PKCE."""
    verifier = generate_token(48)
    back = came_back(desk, browser, client, code_verifier=verifier, **asked)
    token: dict[str, Any] = client.fetch_token(authorization_response=back, code_verifier=verifier)
    return token


# ------------------------------------------------------------ people


def test_a_code_with_pkce_brings_an_id_token_that_it_accepts_and_userinfo(
    desk: Desk, web: OAuth2Client, browser: HttpBrowser
) -> None:
    token = signed_in(desk, browser, web, scope="openid profile", nonce="n-1", state="s-1")
    claims = desk.claims(CodeIDToken, token, web, nonce="n-1")
    told = web.get(desk.metadata["userinfo_endpoint"]).json()
    assert (told["name"], told["sub"]) == ("Erin Ellis", claims["sub"])


@pytest.mark.parametrize("response_type", ["id_token", "id_token token"])
def test_tokens_that_come_through_the_browser_are_accepted(
    desk: Desk, web: OAuth2Client, browser: HttpBrowser, response_type: str
) -> None:
    asked = {"scope": "openid profile", "nonce": "n-2", "state": "s-2", "response_type": response_type}
    back = came_back(desk, browser, web, **asked)
    answer = dict(httpx2.QueryParams(back.partition("#")[2]))
    claims = desk.claims(ImplicitIDToken, answer, web, nonce="n-2")
    assert claims["name" if response_type == "id_token" else "at_hash"]
    if response_type == "id_token token":
        token = web.fetch_token(authorization_response=back, state="s-2")
        assert web.get(desk.metadata["userinfo_endpoint"]).json()["sub"] == claims["sub"]
        assert token["token_type"] == "Bearer"


@pytest.mark.parametrize("response_type", ["code id_token", "code id_token token"])
def test_hybrid_answers_are_accepted_with_the_hashes_of_what_came_with_them(
    desk: Desk, web: OAuth2Client, browser: HttpBrowser, response_type: str
) -> None:
    asked = {"scope": "openid profile", "nonce": "n-3", "state": "s-3", "response_type": response_type}
    verifier = generate_token(48)
    challenge = challenge_of(verifier)
    back = came_back(desk, browser, web, **asked, **challenge)
    answer = dict(httpx2.QueryParams(back.partition("#")[2]))
    front = desk.claims(HybridIDToken, answer, web, nonce="n-3", code=answer["code"])
    assert front["c_hash"]
    token = web.fetch_token(code=answer["code"], code_verifier=verifier)
    assert desk.claims(CodeIDToken, token, web, nonce="n-3")["sub"] == front["sub"]


def challenge_of(verifier: str) -> dict[str, str]:
    """Authlib adds it by itself for `code` alone."""
    return {"code_challenge": create_s256_code_challenge(verifier), "code_challenge_method": "S256"}


def test_the_password_grant_of_an_app_that_has_it(desk: Desk, web: OAuth2Client) -> None:
    token = web.fetch_token(username="erin", password=desk.house.password("erin"), scope="openid profile")
    assert desk.claims(CodeIDToken, token, web)["name"] == "Erin Ellis"
    with pytest.raises(OAuthError, match="invalid_grant"):
        web.fetch_token(username="erin", password="not hers")


def test_a_device_gets_its_tokens_once_somebody_said_yes(desk: Desk, browser: HttpBrowser) -> None:
    with desk.client("timesheets-tv") as tv:
        asked = {"client_id": "timesheets-tv", "scope": OFFLINE, "audience": AUDIENCE}
        with http() as screen:
            codes = screen.post(desk.metadata["device_authorization_endpoint"], data=asked).json()
        form = {"grant_type": DEVICE_GRANT, "device_code": codes["device_code"]}
        with pytest.raises(OAuthError, match="authorization_pending"):
            tv.fetch_token(**form)
        browser.open(codes["verification_uri_complete"])
        browser.press("device-confirm")
        browser.sign_in("erin", desk.house.password("erin"))
        token = tv.fetch_token(**form)
        assert desk.claims(CodeIDToken, token, tv)["name"] == "Erin Ellis"


# ------------------------------------------------------------ what became of the tokens


def test_an_expired_token_is_refreshed_by_itself_and_the_new_one_is_told(
    desk: Desk, secret: str, browser: HttpBrowser
) -> None:
    told: list[tuple[dict[str, Any], str]] = []

    def keep(token: dict[str, Any], refresh_token: str) -> None:
        told.append((dict(token), refresh_token))

    with desk.client("lib-web", secret, update_token=keep) as web:
        first = dict(signed_in(desk, browser, web, scope=OFFLINE, audience=AUDIENCE))
        # As if it were late: the library looks at its own note of when the token ends.
        web.token = first | {"expires_at": 1}
        assert web.get(desk.metadata["userinfo_endpoint"]).json()["name"] == "Erin Ellis"
    [(second, used)] = told
    assert used == first["refresh_token"] != second["refresh_token"]
    assert desk.claims(CodeIDToken, second, web)["sub"]


def test_tokens_are_looked_into_until_they_are_revoked(
    desk: Desk, web: OAuth2Client, browser: HttpBrowser
) -> None:
    token = dict(signed_in(desk, browser, web, scope=OFFLINE, audience=AUDIENCE))
    asking = desk.metadata["introspection_endpoint"]
    for kind in ("access_token", "refresh_token"):
        known = web.introspect_token(asking, token=token[kind], token_type_hint=kind).json()
        assert (known["active"], known["client_id"]) == (True, "lib-web")
    answer = web.revoke_token(
        desk.metadata["revocation_endpoint"], token=token["refresh_token"], token_type_hint="refresh_token"
    )
    assert answer.status_code == 200
    for kind in ("access_token", "refresh_token"):
        assert web.introspect_token(asking, token=token[kind]).json() == {"active": False}
    with pytest.raises(OAuthError, match="invalid_grant"):
        web.refresh_token(refresh_token=token["refresh_token"])


# ------------------------------------------------------------ machines, and how an app proves itself


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_client_credentials_with_a_secret(desk: Desk, method: str) -> None:
    secret = desk.app(f"lib-{method[14:]}", "--auth-method", method)
    with desk.client(f"lib-{method[14:]}", secret, token_endpoint_auth_method=method) as machine:
        token = machine.fetch_token(grant_type="client_credentials", audience=AUDIENCE, scope="batch:upload")
        assert token["scope"] == "batch:upload"


def shortly(kind: Any, **options: Any) -> tuple[str, Any]:
    """Authlib's assertions are good for an hour by themselves; its own hook makes each one new, for a minute."""

    def sign(auth: Any, method: str, uri: str, headers: Any, body: str) -> Any:
        signing = kind(**options, claims={"exp": int(time.time()) + 60})
        return signing(auth, method, uri, headers, body)

    return kind.name, sign


def test_an_assertion_signed_with_the_secret(desk: Desk) -> None:
    key = OctKey.import_key(desk.app("lib-hmac", "--auth-method", "client_secret_jwt"))
    with desk.client("lib-hmac", key, token_endpoint_auth_method="client_secret_jwt") as machine:
        machine.register_client_auth_method(shortly(ClientSecretJWT, token_endpoint=desk.house.issuer))
        token = machine.fetch_token(grant_type="client_credentials", audience=AUDIENCE, scope="batch:upload")
        assert token["scope"] == "batch:upload"


def an_app_with_a_key(desk: Desk, client_id: str, folder: Path, *options: str) -> OAuth2Client:
    key = ECKey.generate_key("P-256", {"kid": client_id})
    public = folder / "public.json"
    public.write_text(json.dumps(key.as_dict(private=False)), encoding="utf-8")
    desk.app(client_id, "--auth-method", "private_key_jwt", "--key", str(public), *options)
    return desk.client(client_id, key, token_endpoint_auth_method="private_key_jwt")


@pytest.mark.parametrize("names", ["issuer", "endpoint"])
def test_an_assertion_signed_with_a_key_for_the_issuer_or_where_allowed_for_the_endpoint(
    desk: Desk, tmp_path: Path, names: str
) -> None:
    """By itself Authlib names the endpoint that it calls."""
    options = ("--endpoint-audience",) if names == "endpoint" else ()
    audience = desk.house.issuer if names == "issuer" else None
    with an_app_with_a_key(desk, f"lib-{names}", tmp_path, *options) as machine:
        machine.register_client_auth_method(shortly(PrivateKeyJWT, token_endpoint=audience, alg="ES256"))
        asked = {"grant_type": "client_credentials", "audience": AUDIENCE, "scope": "batch:upload"}
        token = machine.fetch_token(**asked)
        asking = desk.metadata["introspection_endpoint"]
        known = machine.introspect_token(asking, token=token["access_token"]).json()
        assert (known["active"], known["client_id"]) == (True, f"lib-{names}")


def test_an_assertion_that_is_not_taken_says_one_after_the_other_what_to_mend(
    desk: Desk, tmp_path: Path
) -> None:
    asked = {"grant_type": "client_credentials", "audience": AUDIENCE, "scope": "batch:upload"}
    with an_app_with_a_key(desk, "lib-strict", tmp_path) as machine:
        machine.register_client_auth_method(PrivateKeyJWT(alg="ES256"))
        with pytest.raises(OAuthError, match=r"invalid_client.* exp is more than 5 minutes ahead"):
            machine.fetch_token(**asked)
        machine.register_client_auth_method(shortly(PrivateKeyJWT, alg="ES256"))
        with pytest.raises(OAuthError, match=rf"invalid_client.* aud is not {desk.house.issuer} as one"):
            machine.fetch_token(**asked)
        machine.register_client_auth_method(
            shortly(PrivateKeyJWT, token_endpoint=desk.house.issuer, alg="ES256")
        )
        assert machine.fetch_token(**asked)["scope"] == "batch:upload"
