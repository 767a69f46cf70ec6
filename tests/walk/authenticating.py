"""How apps prove themselves at the endpoints that ask them to: each way works, each other way is refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx2

from tests.assertions import (
    ED_PRIVATE,
    ED_PUBLIC,
    RSA_KEY,
    RSA_PUBLIC,
    a_key,
    assertion,
    by_assertion,
    let_sign,
    let_sign_by_secret,
    rsa_private,
    secret_assertion,
)
from tests.attacks.token_requests import userinfo
from tests.refreshing import signed_in
from tests.visitor import Visitor
from tests.walk.worlds import GUARD
from tests.world import SECRET, SPA_CALLBACK, TIMESHEETS, World, basic, code_form

Proof = tuple[dict[str, str], dict[str, str]]
"""Fields of the form, and headers."""
Exercise = Callable[[World, str], Awaitable[None]]
ALGORITHMS: dict[str, Callable[[], str]] = {
    "ES256": lambda: assertion(GUARD),
    "RS256": lambda: assertion(GUARD, header={"alg": "RS256", "kid": "rsa"}, sign=RSA_KEY),
    "PS256": lambda: assertion(GUARD, header={"alg": "PS256", "kid": "rsa"}, sign=rsa_private()),
    "EdDSA": lambda: assertion(GUARD, header={"alg": "EdDSA", "kid": "ed"}, sign=ED_PRIVATE),
    "Ed25519": lambda: assertion(GUARD, header={"alg": "Ed25519", "kid": "ed"}, sign=ED_PRIVATE),
    "HS256": lambda: secret_assertion(GUARD),
}
METHODS = ("client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt")
OTHER_METHODS = (*METHODS, "tls_client_auth", "self_signed_tls_client_auth", "attest_jwt_client_auth", "none")
OTHER_ALGORITHMS = (
    *ALGORITHMS,
    "none",
    "RS384",
    "RS512",
    "PS384",
    "PS512",
    "ES384",
    "ES512",
    "ES256K",
    "HS384",
    "HS512",
)


async def _proof(world: World, method: str) -> Proof:
    """`guard` is registered for it, and proves itself so."""
    match method:
        case "client_secret_basic":
            return {}, basic(GUARD)
        case "client_secret_post":
            await world.change(GUARD, token_endpoint_auth_method=method)
            return {"client_id": GUARD, "client_secret": SECRET}, {}
        case "private_key_jwt":
            return await _signed(world, "ES256"), {}
        case "client_secret_jwt":
            return await _signed(world, "HS256"), {}
    raise AssertionError(f"nobody exercises the method {method}")


async def _signed(world: World, alg: str) -> dict[str, str]:
    if alg == "HS256":
        await let_sign_by_secret(world, GUARD)
    else:
        await let_sign(world, GUARD, keys=(a_key(), a_key(RSA_PUBLIC), a_key(ED_PUBLIC)))
    return by_assertion(ALGORITHMS[alg]())


# ------------------------------------------------------------ what each endpoint does for whom it believes


async def _at_token(world: World, form: dict[str, str], headers: dict[str, str]) -> httpx2.Response:
    sent = {"grant_type": "client_credentials", "audience": TIMESHEETS} | form
    return await world.http().post("/oauth/token", data=sent, headers=headers)


async def _at_introspection(world: World, form: dict[str, str], headers: dict[str, str]) -> httpx2.Response:
    """Of erin's token for the API that `guard` guards."""
    token = (await signed_in(world))["access_token"]
    answer = await world.http().post("/oauth/introspect", data={"token": token} | form, headers=headers)
    assert answer.status_code != 200 or answer.json()["active"] is True
    return answer


async def _at_revocation(world: World, form: dict[str, str], headers: dict[str, str]) -> httpx2.Response:
    return await world.http().post("/oauth/revoke", data={"token": "ik_at_x"} | form, headers=headers)


ENDPOINTS = {
    "token": _at_token,
    "introspection": _at_introspection,
    "revocation": _at_revocation,
}


async def _without_proof(world: World, endpoint: str) -> httpx2.Response:
    """A public app: a code with its verifier, a token given back. It may look into none."""
    if endpoint == "token":
        code = await Visitor(world).code(client_id="spa", redirect_uri=SPA_CALLBACK)
        form = code_form(code, client_id="spa", redirect_uri=SPA_CALLBACK)
        return await world.http().post("/oauth/token", data=form)
    token = (await signed_in(world, "spa"))["access_token"]
    path = "/oauth/revoke" if endpoint == "revocation" else "/oauth/introspect"
    answer = await world.http().post(path, data={"token": token, "client_id": "spa"})
    assert (await userinfo(world, token)).status_code == (401 if answer.status_code == 200 else 200)
    return answer


def method_at(endpoint: str) -> Exercise:
    """The way works there."""

    async def exercise(world: World, method: str) -> None:
        if method == "none":
            answer = await _without_proof(world, endpoint)
        else:
            answer = await ENDPOINTS[endpoint](world, *await _proof(world, method))
        assert answer.status_code == 200, answer.text

    return exercise


def algorithm_at(endpoint: str) -> Exercise:
    """An assertion signed so is believed there."""

    async def exercise(world: World, alg: str) -> None:
        answer = await ENDPOINTS[endpoint](world, await _signed(world, alg), {})
        assert answer.status_code == 200, answer.text

    return exercise


def no_method_at(endpoint: str) -> Exercise:
    """The way does not work there."""

    async def refusal(world: World, method: str) -> None:
        if method == "none":
            answer = await _without_proof(world, endpoint)
        elif method in METHODS:
            answer = await ENDPOINTS[endpoint](world, *await _proof(world, method))
        else:
            certificate = {"x-client-cert": "MIIB", "x-ssl-client-verify": "SUCCESS"}
            answer = await ENDPOINTS[endpoint](world, {"client_id": GUARD}, certificate)
        assert answer.status_code in (401, 403), answer.text
        assert answer.json()["error"] == "invalid_client"

    return refusal


def no_algorithm_at(endpoint: str) -> Exercise:
    """An assertion that claims it is refused, whatever key of the app signed it."""

    async def refusal(world: World, alg: str) -> None:
        if alg in ALGORITHMS:
            answer = await ENDPOINTS[endpoint](world, await _signed(world, alg), {})
            assert answer.status_code == 401, answer.text
        signs: tuple[Any, ...] = (SECRET.encode(),) if alg.startswith("HS") else (RSA_KEY, b"")
        if alg.startswith("HS"):
            await let_sign_by_secret(world, GUARD)
        else:
            await let_sign(world, GUARD, keys=(a_key(), a_key(RSA_PUBLIC)))
        for sign in signs:
            text = assertion(GUARD, header={"alg": alg, "kid": "rsa"}, sign=sign)
            unsigned = text.rpartition(".")[0] + "."
            for sent in (text, unsigned) if alg == "none" else (text,):
                answer = await ENDPOINTS[endpoint](world, by_assertion(sent), {})
                assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")

    return refusal
