"""The memory of verified tokens is small, forgets with the keys, and holds no token."""

from __future__ import annotations

from datetime import timedelta

from innkeeper.jose.jwks import KeySet
from innkeeper.oauth.scope import Scope
from innkeeper.resource_server import AccessToken
from innkeeper.resource_server.verified_tokens import VerifiedTokens
from tests.stand_in_issuer import ISSUER, NOON, TIMESHEETS


def an_access_token() -> AccessToken:
    return AccessToken(
        issuer=ISSUER,
        subject="erin",
        client_id="timesheets-spa",
        scope=Scope(["read:timesheets"]),
        audience=(TIMESHEETS,),
        jti="grant.random",
        issued_at=NOON,
        expires_at=NOON + timedelta(minutes=15),
        claims={},
    )


def test_the_oldest_token_leaves_when_there_is_no_room() -> None:
    verified, keys = VerifiedTokens(max_tokens=2), KeySet([])
    for token in ("a", "b", "c"):
        verified.remember(token, keys, an_access_token())
    assert len(verified) == 2
    assert verified.find("a", keys, expires_after=NOON) is None
    assert verified.find("c", keys, expires_after=NOON) == an_access_token()


def test_other_keys_mean_that_nothing_is_verified() -> None:
    verified, keys = VerifiedTokens(), KeySet([])
    verified.remember("a", keys, an_access_token())
    assert verified.find("a", KeySet([]), expires_after=NOON) is None
    verified.remember("b", KeySet([]), an_access_token())
    assert len(verified) == 1
    assert verified.find("a", keys, expires_after=NOON) is None


def test_an_expired_token_is_forgotten() -> None:
    verified, keys = VerifiedTokens(), KeySet([])
    verified.remember("a", keys, an_access_token())
    assert verified.find("a", keys, expires_after=NOON + timedelta(minutes=15)) is None
    assert len(verified) == 0


def test_no_token_is_kept_in_memory() -> None:
    verified = VerifiedTokens()
    verified.remember("a-token-that-is-secret", KeySet([]), an_access_token())
    assert "a-token-that-is-secret" not in repr(vars(verified))
