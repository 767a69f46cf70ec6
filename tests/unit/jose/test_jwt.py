"""`jose.jwt`: what we sign is what stock libraries read, and what we verify is returned with its types."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import joserfc.jwk
import joserfc.jwt
import jwt as pyjwt
import msgspec
import pytest

from innkeeper.jose import jwk
from innkeeper.jose.jwks import KeySet
from innkeeper.jose.jwt import Signer, TokenRefused, verify

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
EXP = int(NOW.timestamp()) + 600
KEYS = {alg: jwk.load(jwk.generate(alg), alg=alg) for alg in jwk.SIGNING_ALGORITHMS}
SET = KeySet([key.public_jwk for key in KEYS.values()])
CLAIMS: dict[str, Any] = {
    "iss": "https://id.example",
    "sub": "usr_erin",
    "aud": ["https://api.example", "https://id.example/userinfo"],
    "exp": EXP,
    "iat": EXP - 600,
    "jti": "grant.random",
    "client_id": "timesheets-web",
    "scope": "openid read:timesheets",
    "name": "Erín 😀",
}


def checked(token: str, **changes: Any) -> Any:
    arguments: dict[str, Any] = {
        "algorithms": ("ES256", "RS256"),
        "typ": "at+jwt",
        "now": NOW,
        "issuer": "https://id.example",
        "audience": "https://api.example",
    }
    return verify(token, SET, **(arguments | changes))


@pytest.mark.parametrize("alg", jwk.SIGNING_ALGORITHMS)
def test_joserfc_and_pyjwt_read_what_the_signer_writes(alg: str) -> None:
    key = KEYS[alg]
    signer = Signer(key, "at+jwt")
    public = joserfc.jwk.import_key(dict(key.public_jwk))
    for number in range(50):  # ECDSA integers come in several lengths
        claims = CLAIMS | {"jti": str(number), "exp": 4102444800}
        token = signer.sign(claims)
        ours = joserfc.jwt.decode(token, public, algorithms=[alg])
        theirs = pyjwt.decode(
            token,
            pyjwt.PyJWK(dict(key.public_jwk)),
            algorithms=[alg],
            audience="https://api.example",
            issuer="https://id.example",
        )
        assert ours.claims == theirs == claims
        assert ours.header == {"alg": alg, "typ": "at+jwt", "kid": key.kid}


@pytest.mark.parametrize("alg", jwk.SIGNING_ALGORITHMS)
def test_what_we_sign_we_verify_and_get_typed_claims(alg: str) -> None:
    claims = checked(Signer(KEYS[alg], "at+jwt").sign(CLAIMS))
    assert dict(claims) == dict(claims.raw) == CLAIMS
    assert (claims.iss, claims.sub) == ("https://id.example", "usr_erin")
    assert claims.aud == ("https://api.example", "https://id.example/userinfo")
    assert claims.exp == NOW + timedelta(minutes=10)
    assert claims.iat == NOW
    assert (claims.jti, claims.client_id) == ("grant.random", "timesheets-web")
    assert claims.scope == "openid read:timesheets"
    assert claims["name"] == "Erín 😀"
    assert "name" in claims
    assert len(claims) == len(CLAIMS)


def test_claims_show_names_and_not_values_in_a_log() -> None:
    assert "usr_erin" not in repr(checked(Signer(KEYS["ES256"], "at+jwt").sign(CLAIMS)))


def test_a_record_is_signed_like_a_dict() -> None:
    class Access(msgspec.Struct, frozen=True, kw_only=True):
        iss: str
        sub: str
        aud: str
        exp: int

    record = Access(iss="https://id.example", sub="s", aud="https://api.example", exp=EXP)
    claims = checked(Signer(KEYS["ES256"], "at+jwt").sign(record))
    assert claims.aud == ("https://api.example",)
    assert claims.iat is None
    assert claims.jti is None


def test_tokens_of_pyjwt_are_verified() -> None:
    private = jwk.generate("RS256")
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    key = jwk.load(private, alg="RS256", kid="theirs")
    token = pyjwt.encode(
        CLAIMS,
        load_der_private_key(private, None),  # type: ignore[arg-type]
        algorithm="RS256",
        headers={"kid": "theirs", "typ": "application/AT+JWT"},
    )
    claims = verify(
        token,
        KeySet([key.public_jwk]),
        algorithms=["RS256"],
        typ="at+jwt",
        now=NOW,
        issuer="https://id.example",
        audience="https://api.example",
    )
    assert claims.sub == "usr_erin"


def test_tokens_of_joserfc_under_the_other_asymmetric_algorithms_are_verified() -> None:
    made: list[tuple[str, Any]] = [
        ("ES384", joserfc.jwk.ECKey.generate_key("P-384")),
        ("ES512", joserfc.jwk.ECKey.generate_key("P-521")),
        ("PS256", joserfc.jwk.RSAKey.generate_key(2048)),
        ("Ed25519", joserfc.jwk.OKPKey.generate_key("Ed25519")),
        ("EdDSA", joserfc.jwk.OKPKey.generate_key("Ed25519")),
    ]
    for alg, key in made:
        public = {**key.as_dict(private=False), "kid": "k", "alg": alg}
        with pytest.warns(joserfc.errors.SecurityWarning) if alg == "EdDSA" else _quiet():
            token = joserfc.jwt.encode(
                {"alg": alg, "kid": "k", "typ": "at+jwt"}, CLAIMS, key, algorithms=[alg]
            )
        claims = verify(
            token,
            KeySet([public]),
            algorithms=[alg],
            typ="at+jwt",
            now=NOW,
            issuer="https://id.example",
            audience=None,
        )
        assert claims.sub == "usr_erin", alg


def _quiet() -> Any:
    from contextlib import nullcontext

    return nullcontext()


@pytest.mark.parametrize("algorithms", [(), ("none",), ("HS256",), ("ES256", "HS256"), ("dir",)])
def test_a_caller_cannot_allow_an_algorithm_that_is_never_safe(algorithms: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="asymmetric"):
        checked(Signer(KEYS["ES256"], "at+jwt").sign(CLAIMS), algorithms=algorithms)


def test_without_an_expected_audience_the_caller_decides_on_aud() -> None:
    token = Signer(KEYS["ES256"], "at+jwt").sign(CLAIMS | {"aud": "somebody else"})
    assert checked(token, audience=None).aud == ("somebody else",)
    with pytest.raises(TokenRefused) as refused:
        checked(token)
    assert refused.value.code == "audience"


def test_loading_the_signer_does_not_load_joserfc() -> None:
    """Start-up time: the library is needed by the first token that arrives, not by `serve`."""
    code = "import sys, innkeeper.jose.jwt, innkeeper.oauth.pkce; sys.exit('joserfc' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
