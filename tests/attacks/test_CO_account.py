"""CO: which account an app gets is the person's to say, and nobody says it for another (OIDC Core §3.1.2.1)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from tests.attacks.authorizing import claims_of, tokens
from tests.attacks.oracles import is_html, is_redirect_error, no_row, redirected, rows, still_works
from tests.visitor import BROWSER, Visitor
from tests.world import World, a_world, basic, code_form

PARTNER = {"client_id": "paycheck"}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = await a_world()
    yield made
    await still_works(made)


async def choosing(world: World, **asked: str) -> Visitor:
    """erin is signed in and is asked whether it is her."""
    visitor = Visitor(world)
    await visitor.code("erin")
    await visitor.authorize(**({"prompt": "select_account"} | asked))
    is_html(visitor.response, status=200)
    assert "account-continue" in visitor.page.ids
    assert "Erin Example" in visitor.response.text
    return visitor


ASKED = {
    "prompt": {"prompt": "select_account"},
    "another's name": {"prompt": "", "login_hint": "mona"},
    "another's mail": {"prompt": "", "login_hint": "Mona@Example.Test"},
    "nobody's name": {"prompt": "", "login_hint": "nobody@example.test"},
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
async def test_the_person_who_is_there_may_go_on(world: World, asked: dict[str, str]) -> None:
    visitor = await choosing(world, **asked)
    await visitor.submit("account-continue")
    assert claims_of((await tokens(world, visitor))["id_token"])["sub"] == "ik|erin"


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
async def test_another_account_may_be_used(world: World, asked: dict[str, str]) -> None:
    visitor = await choosing(world, **asked)
    await visitor.submit("account-switch")
    assert dict(visitor.page.fields)["username"] == asked.get("login_hint", "")
    await visitor.sign_in("mona")
    assert claims_of((await tokens(world, visitor))["id_token"])["sub"] == "ik|mona"


async def test_CO_13_going_back_leaves_nothing_behind(world: World) -> None:
    visitor = await choosing(world, state="s")
    with no_row(world):
        await visitor.submit("account-cancel")
    is_redirect_error(visitor.response, "access_denied", state="s")


@pytest.mark.parametrize(
    "hint", ["erin", "ERIN", " erin@example.test ", "+1 202 555 0100", "ik|erin", "a b", "\u200b", "x" * 300]
)
async def test_a_hint_at_the_person_who_is_there_or_at_nobody_asks_nothing(world: World, hint: str) -> None:
    visitor = Visitor(world)
    await visitor.code("erin")
    assert "code" in redirected(await visitor.authorize(login_hint=hint))


async def test_who_has_just_signed_in_is_not_asked_which_account(world: World) -> None:
    visitor = Visitor(world)
    await visitor.authorize(prompt="select_account", login_hint="mona")
    await visitor.sign_in("erin")
    assert "code" in redirected(visitor.response)
    await visitor.authorize(prompt="login select_account")
    await visitor.sign_in("erin")
    assert "code" in redirected(visitor.response)


async def test_CO_11_a_silent_request_for_another_name_shows_no_page(world: World) -> None:
    visitor = Visitor(world)
    await visitor.code("erin")
    with no_row(world):
        response = await visitor.authorize(prompt="none", login_hint="mona", state="s")
    is_redirect_error(response, "account_selection_required", state="s")


async def test_an_app_of_somebody_else_cannot_try_names_in_silence(world: World) -> None:
    visitor = Visitor(world)
    await visitor.code("erin", **PARTNER, scope="openid")
    for name in ("erin", "mona", "erin@example.test", "nobody@example.test"):
        answer = redirected(
            await visitor.authorize(**PARTNER, scope="openid", prompt="none", login_hint=name)
        )
        assert answer.keys() == {"code", "state", "iss"}
    await visitor.authorize(**PARTNER, scope="openid", login_hint="mona")
    assert "account-continue" in visitor.page.ids, "a person who sees it may well be asked"


async def test_CO_04_a_page_shown_to_one_person_takes_no_answer_from_another(world: World) -> None:
    """erin's page is open in one tab while mona signs in in another of the same browser."""
    erin = await choosing(world)
    tab = Visitor(world)
    tab.http = erin.http
    await tab.authorize(prompt="login")
    await tab.sign_in("mona")
    before = rows(world)["grants"]
    await erin.submit("account-continue")
    assert rows(world)["grants"] == before
    assert "Mona Example" in erin.response.text and "Erin Example" not in erin.response.text


async def test_CO_04_a_choice_that_was_made_is_not_the_next_persons(world: World) -> None:
    """The same handle, with the choice inside, opened after somebody else signed in."""
    erin = await choosing(world, prompt="select_account consent")
    await erin.submit("account-continue")
    question = str(erin.response.request.url)
    assert "consent-allow" in erin.page.ids
    tab = Visitor(world)
    tab.http = erin.http
    await tab.authorize(prompt="login")
    await tab.sign_in("mona")
    await tab.get(question)
    assert "account-continue" in tab.page.ids and "Mona Example" in tab.response.text


@pytest.mark.parametrize("action", ["", "allow", "CONTINUE", "sign_in"])
async def test_CO_05_no_other_word_than_continue_goes_on(world: World, action: str) -> None:
    visitor = await choosing(world)
    fields = dict(visitor.page.fields) | {"action": action}
    headers = BROWSER | {"origin": world.issuer}
    with no_row(world):
        answer = await visitor.http.post("/select-account", data=fields, headers=headers)
    is_html(answer, status=200)


async def test_CO_07_a_choice_of_account_confirms_no_app(world: World) -> None:
    """Any program can listen on a loopback callback: which account is another question than whether."""
    uri = "http://127.0.0.1:50001/callback"
    visitor = await choosing(world, client_id="native", redirect_uri=uri)
    await visitor.submit("account-continue")
    assert "consent-allow" in visitor.page.ids


# ------------------------------------------------------------ claims by name need consent like their scope

NAMED = json.dumps({"userinfo": {"email": {"essential": True}}, "id_token": {"email": None, "name": None}})


async def test_CO_01_a_silent_request_for_claims_that_were_never_allowed_is_refused(world: World) -> None:
    visitor = Visitor(world)
    await visitor.code("erin", **PARTNER, scope="openid")
    with no_row(world):
        response = await visitor.authorize(**PARTNER, scope="openid", claims=NAMED, prompt="none", state="s")
    is_redirect_error(response, "consent_required", state="s")


async def answered(world: World, *, untick: tuple[str, ...]) -> tuple[dict[str, object], dict[str, object]]:
    visitor = Visitor(world)
    await visitor.authorize(**PARTNER, scope="openid", claims=NAMED)
    await visitor.sign_in()
    assert set(visitor.page.scopes) == {"openid", "email", "profile"}
    await visitor.submit("consent-allow", untick=untick)
    form = code_form(redirected(visitor.response)["code"])
    answer = (await world.http().post("/oauth/token", data=form, headers=basic("paycheck"))).json()
    assert answer["scope"] == "openid"
    headers = {"authorization": f"Bearer {answer['access_token']}"}
    return claims_of(answer["id_token"]), (await world.http().get("/userinfo", headers=headers)).json()


async def test_CO_02_claims_are_told_as_far_as_they_were_allowed(world: World) -> None:
    claimed, told = await answered(world, untick=())
    assert (claimed["email"], claimed["name"]) == ("erin@example.test", "Erin Example")
    assert told == {"sub": "ik|erin", "email": "erin@example.test"}


async def test_CO_10_a_claim_whose_box_was_emptied_is_told_nowhere(world: World) -> None:
    claimed, told = await answered(world, untick=("email",))
    assert claimed["name"] == "Erin Example"
    assert "email" not in claimed and told == {"sub": "ik|erin"}
