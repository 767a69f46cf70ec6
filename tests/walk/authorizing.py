"""The values of the authorization endpoint: each does what it says, each other one is refused in its own words.

`OTHER_*` is what anybody may try; what the document lists of it is left out. So what works unlisted is found too.
"""

from __future__ import annotations

import json

from innkeeper.oauth.response_type import LEGAL
from tests.attacks.token_requests import redeem, userinfo
from tests.fronting import answered, asked, claims_of, delivered, mode_of
from tests.visitor import BROWSER, Visitor
from tests.walk.worlds import told
from tests.world import World, authorize_parameters, code_form

ANSWERS = {"code": "code", "id_token": "id_token", "token": "access_token"}
OTHER_RESPONSE_TYPES = (*LEGAL, "CODE", "code code", "device")
OTHER_RESPONSE_MODES = (
    "query",
    "fragment",
    "form_post",
    "web_message",
    "query.jwt",
    "fragment.jwt",
    "form_post.jwt",
    "jwt",
    "QUERY",
    "message",
    "direct_post",
)
OTHER_PROMPTS = ("login", "consent", "select_account", "create", "dance", "none login", "NONE")
OTHER_DISPLAYS = ("page", "popup", "touch", "wap", "fax", "PAGE", "page popup")
OTHER_METHODS = ("S256", "plain", "s256", "S512", "none")
OTHER_ACRS = (
    "urn:innkeeper:acr:1",
    "urn:innkeeper:acr:2",
    "phr",
    "phrh",
    "http://schemas.openid.net/pape/policies/2007/06/multi-factor",
)
OTHER_LOCALES = ("de", "ar", "tlh", "x-klingon", "../../etc/passwd")


async def response_type(world: World, value: str) -> None:
    """Exactly what it names comes back, and each part of it is worth something."""
    answer = await answered(world, response_type=value)
    words = value.split()
    assert {name for word, name in ANSWERS.items() if word in words} == answer.keys() & set(ANSWERS.values())
    if "code" in words:
        form = code_form(answer["code"], redirect_uri=asked()["redirect_uri"])
        got = await redeem(world, answer["code"], "front", redirect_uri=form["redirect_uri"])
        assert got.status_code == 200
    if "id_token" in words:
        hashes = {"at_hash": "token" in words, "c_hash": "code" in words}
        claims = claims_of(answer["id_token"])
        assert {name: name in claims for name in hashes} == hashes
    if "token" in words:
        assert (await userinfo(world, answer["access_token"])).status_code == 200


async def no_response_type(world: World, value: str) -> None:
    answer = await answered(world, response_type=value)
    assert answer["error"] == "unsupported_response_type"
    assert answer.keys().isdisjoint(ANSWERS.values())


async def response_mode(world: World, value: str) -> None:
    """Success and error alike."""
    visitor = Visitor(world)
    await visitor.authorize(**asked(response_mode=value))
    await visitor.sign_in()
    assert mode_of(visitor.response) == value
    assert "code" in delivered(visitor.response)
    await visitor.authorize(**asked(response_mode=value, code_challenge_method="plain"))
    assert mode_of(visitor.response) == value
    assert delivered(visitor.response)["error"] == "invalid_request"


async def no_response_mode(world: World, value: str) -> None:
    assert (await answered(world, response_mode=value))["error"] == "invalid_request"


async def code_challenge_method(world: World, value: str) -> None:
    """The right verifier redeems, a wrong one does not."""
    for verifier, status in ((None, 200), ("w" * 64, 400)):
        code = (await told(world, code_challenge_method=value))["code"]
        changes = {} if verifier is None else {"code_verifier": verifier}
        assert (await redeem(world, code, **changes)).status_code == status


async def no_code_challenge_method(world: World, value: str) -> None:
    assert (await told(world, code_challenge_method=value))["error"] == "invalid_request"


async def prompt(world: World, value: str) -> None:
    """Somebody who is signed in sees the page that it asks for, and nobody a page under `none`."""
    shows = {
        "none": None,
        "login": "login-submit",
        "consent": "consent-allow",
        "select_account": "account-continue",
    }
    visitor = Visitor(world)
    await visitor.code()
    await visitor.authorize(prompt=value)
    if shows[value] is None:
        assert "code" in visitor.answer()
    else:
        assert shows[value] in visitor.page.ids


async def no_prompt(world: World, value: str) -> None:
    assert (await told(world, prompt=value))["error"] == "invalid_request"


async def display(world: World, value: str) -> None:
    visitor = Visitor(world)
    await visitor.authorize(display=value)
    assert "login-submit" in visitor.page.ids


async def no_display(world: World, value: str) -> None:
    assert (await told(world, display=value))["error"] == "invalid_request"


async def acr(world: World, value: str) -> None:
    """Asked for either way it is what the ID token states."""
    essential = json.dumps({"id_token": {"acr": {"essential": True, "values": [value]}}})
    for how in ({"acr_values": value}, {"claims": essential}):
        got = (await redeem(world, (await told(world, **how))["code"])).json()
        assert claims_of(got["id_token"])["acr"] == value


async def no_acr(world: World, value: str) -> None:
    """Demanded it is refused; wished for it is not claimed."""
    essential = json.dumps({"id_token": {"acr": {"essential": True, "values": [value]}}})
    assert (await told(world, claims=essential))["error"] == "unmet_authentication_requirements"
    got = (await redeem(world, (await told(world, acr_values=value))["code"])).json()
    assert claims_of(got["id_token"])["acr"] != value


async def ui_locale(world: World, value: str) -> None:
    visitor = Visitor(world)
    await visitor.authorize(ui_locales=value)
    assert visitor.response.headers["content-language"] == value
    assert f'lang="{value}"' in visitor.response.text


async def no_ui_locale(world: World, value: str) -> None:
    """A wish that nobody can meet is no error (OIDC Core §3.1.2.1)."""
    visitor = Visitor(world)
    await visitor.authorize(ui_locales=value)
    assert visitor.response.headers["content-language"] == "en"
    assert 'lang="en"' in visitor.response.text


async def iss_in_answers(world: World, value: bool) -> None:
    """Promised for success and error alike (RFC 9207 §2)."""
    assert value is True
    for answer in (await told(world), await told(world, prompt="dance"), await answered(world)):
        assert answer["iss"] == world.issuer


async def request_object(world: World, value: bool) -> None:
    assert value is False
    assert (await told(world, request="e30.e30."))["error"] == "request_not_supported"


async def request_uri(world: World, value: bool) -> None:
    assert value is False
    answer = await told(world, request_uri="https://x.example.test/request")
    assert answer["error"] == "request_uri_not_supported"


async def claims_parameter(world: World, value: bool) -> None:
    """A claim that no scope brings comes because it is named."""
    assert value is True
    wanted = json.dumps({"id_token": {"email": None}, "userinfo": {"nickname": {"essential": True}}})
    visitor = Visitor(world)
    await visitor.code()
    visitor.response = await visitor.http.get(
        "/authorize", params=authorize_parameters(scope="openid", claims=wanted), headers=BROWSER
    )
    if visitor.response.headers["location"].startswith("/"):
        await visitor._follow()
        await visitor.submit("consent-allow")
    got = (await redeem(world, visitor.answer()["code"])).json()
    assert claims_of(got["id_token"])["email"] == "erin@example.test"
    assert (await userinfo(world, got["access_token"])).json()["nickname"] == "x"
