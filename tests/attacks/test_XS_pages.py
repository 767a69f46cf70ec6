"""XS: foreign text on our pages stays text, by every road on which it gets there."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

import httpx2
import msgspec
import pytest

from innkeeper.server.flows.administer import clients as administer
from innkeeper.server.flows.administer.refusal import Refused
from innkeeper.server.model.api import ApiScope
from innkeeper.server.model.client import ApiGrant
from innkeeper.server.model.user import Profile
from tests.attacks.oracles import is_html, is_page, is_redirect_error, no_row, redirected, rows, still_works
from tests.visitor import BROWSER, Visitor
from tests.world import ISSUER, TIMESHEETS, WEB_CALLBACK, World, a_world, authorize_parameters

MARK = "zq9x"
POLYGLOTS = [
    f"<script>{MARK}()</script>",
    f"</script><script>{MARK}()</script>",
    f'"><img src=x onerror={MARK}()>',
    f"'><svg onload={MARK}()>",
    f"<iframe srcdoc='<script>{MARK}()</script>'>",
    f'" autofocus onfocus={MARK}() x="',
    f"' onmouseover={MARK}() '",
    f"</title><script>{MARK}()</script>",
    f"</textarea><script>{MARK}()</script>",
    f"</bdi></p><form action=https://evil.example id={MARK}>",
    f"<base href=https://evil.example/{MARK}>",
    f"<meta http-equiv=refresh content='0;url=https://evil.example/{MARK}'>",
    f"<link rel=stylesheet href=https://evil.example/{MARK}>",
    f"<style>@import 'https://evil.example/{MARK}';</style>",
    f"<!--><script>{MARK}()</script>-->",
    f"<![CDATA[><script>{MARK}()</script>]]>",
    f"javascript:{MARK}()",
    f"data:text/html,<script>{MARK}()</script>",
    f"&lt;script&gt;{MARK}()&lt;/script&gt;",
    f"&#60;script&#62;{MARK}()",
    f"{{{{70007*70009}}}}{MARK}",
    f"{{% import 'os' %}}{MARK}",
    f"${{70007*70009}}<%= 70007*70009 %>{MARK}",
    f"%(app)s %s {MARK}",
    f"<math><mtext></p><img src onerror={MARK}()>",
    f"<a href=javascript:{MARK}()>x</a>",
    f"`-{MARK}()-`",
    f"\uff1cscript\uff1e{MARK}()",
    f"<scr<script>ipt>{MARK}()</scr</script>ipt>",
    f"jaVasCript:/*-/*`/*\\`/*'/*\"/**/(/* */{MARK}() )//<svg/onload='+/\"/+/onmouseover=1/+{MARK}()//'>",
]
IDS = range(len(POLYGLOTS))
OURS = {"html", "head", "meta", "title", "link", "body", "main", "header", "img", "div", "h1", "p", "form", "input",
        "label", "button", "footer", "bdi", "span", "strong", "small", "code", "fieldset", "legend", "ul", "li", "a",
        "section", "h2", "dl", "dt", "dd", "aside", "time"}  # fmt: skip


class Elements(HTMLParser):
    """Every element and attribute of a page, as a browser would make them."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data


def is_inert(response: httpx2.Response, *, status: int) -> Elements:
    """Only our own elements, no handler, nothing that leads or loads from elsewhere; the policy forbids the rest."""
    is_html(response, status=status)
    elements = Elements(response.text)
    for tag, attributes in elements.found:
        assert tag in OURS, f"<{tag}>"
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "srcdoc")], (
            attributes
        )
        for name in ("src", "href", "action"):
            url = attributes.get(name, "/").removeprefix(ISSUER)
            assert url.startswith("/") and not url.startswith("//"), f"<{tag} {name}={url}>"
        assert not re.match("refresh", attributes.get("http-equiv", ""), re.IGNORECASE)
    assert str(70007 * 70009) not in elements.text
    return elements


@pytest.fixture(scope="module")
async def world() -> AsyncIterator[World]:
    made = await a_world(dev=True)  # error pages show what was wrong, so what was sent is on them
    yield made
    await still_works(made)


async def polluted(text: str) -> World:
    """Every record that a page shows holds `text`. No command would store most of it."""
    world = await a_world(dev=True)
    store = world.services.store
    api = rows(world)["apis"][TIMESHEETS]
    words = (ApiScope(value="read:timesheets", description=text), ApiScope(value="x:y", description=""))
    await store.apis.replace(
        msgspec.structs.replace(api, name=text, scopes=words, enforce_rbac=False), events=()
    )
    grant = ApiGrant(api=TIMESHEETS, scope=("read:timesheets", "x:y"))
    await world.change("paycheck", name=text, publisher=text, api_grants=(grant,))
    await world.change_user("erin", profile=Profile(name=text))
    await world.services.registry.refresh()
    return world


# ------------------------------------------------------------ XS-01


@pytest.mark.parametrize("text", POLYGLOTS, ids=IDS)
async def test_XS_01_names_of_apps_apis_scopes_and_people_are_text(text: str) -> None:
    visitor = Visitor(await polluted(text))
    await visitor.authorize(
        client_id="paycheck", audience=str(TIMESHEETS), scope="openid read:timesheets x:y", state="s"
    )
    signing_in = is_inert(visitor.response, status=200)
    await visitor.sign_in()
    asking = is_inert(visitor.response, status=200)
    assert MARK in signing_in.text
    assert asking.text.count(MARK) >= 5
    await visitor.submit("consent-allow")
    assert "code" in redirected(visitor.response)


@pytest.mark.parametrize("text", POLYGLOTS, ids=IDS)
@pytest.mark.parametrize("locale", ["en", "de", "ar"])
async def test_XS_01_what_a_request_says_is_text_on_the_sign_in_page(
    world: World, text: str, locale: str
) -> None:
    visitor = Visitor(world)
    names = ("state", "login_hint", "acr_values", "nonce", "x")
    await visitor.authorize(**dict.fromkeys(names, text), ui_locales=f"{locale} {text}")
    elements = is_inert(visitor.response, status=200)
    (username,) = [given for tag, given in elements.found if given.get("name") == "username"]
    assert MARK in username["value"], "login_hint is shown"
    assert visitor.response.headers["content-language"] == locale
    await visitor.sign_in(text, text)
    failed = is_inert(visitor.response, status=400)
    values = [given.get("value", "") for tag, given in failed.found if given.get("name") == "password"]
    assert values == [""], "no password comes back"


@pytest.mark.parametrize("text", POLYGLOTS, ids=IDS)
async def test_XS_01_02_what_is_wrong_with_a_request_is_text_on_the_error_page(
    world: World, text: str
) -> None:
    http = world.http()
    for wrong in ({"redirect_uri": text}, {"client_id": text}, {text: "1", "redirect_uri": "x"}):
        sent = authorize_parameters() | wrong
        with no_row(world):
            for response in (
                await http.get("/authorize", params=sent, headers=BROWSER),
                await http.post("/authorize", data=sent, headers=BROWSER),
            ):
                is_page(response)
                is_inert(response, status=400)
    is_page(await http.get("/sign-in", params={"interaction": text}))
    is_page(await http.get("/consent", params={"interaction": text}))


async def test_XS_01_the_error_page_of_a_development_server_says_what_was_sent(world: World) -> None:
    """Otherwise the tests above would hold for a page that shows nothing."""
    response = await world.http().get("/authorize", params=authorize_parameters(redirect_uri=POLYGLOTS[0]))
    assert POLYGLOTS[0] in Elements(response.text).text


async def test_XS_02_a_production_server_does_not_say_it() -> None:
    world = await a_world()
    response = await world.http().get("/authorize", params=authorize_parameters(redirect_uri=POLYGLOTS[0]))
    is_page(response)
    assert MARK not in response.text


# ------------------------------------------------------------ XS-02


@pytest.mark.parametrize("page", ["/sign-in", "/consent", "/", "/authorize", "/setup"])
async def test_XS_02_error_parameters_are_shown_on_no_page_of_ours(world: World, page: str) -> None:
    sent = dict.fromkeys(("error", "error_description", "error_hint", "message", "title"), POLYGLOTS[0])
    response = await world.http().get(page, params=sent, headers=BROWSER)
    is_inert(response, status=response.status_code)
    assert MARK not in response.text


@pytest.mark.parametrize("text", [*POLYGLOTS, 'x"y\\z', "é\u202e\U0001f600"], ids=range(len(POLYGLOTS) + 2))
async def test_XS_02_descriptions_that_go_to_an_app_are_plain_ascii(world: World, text: str) -> None:
    """is_redirect_error holds error_description to the characters of RFC 6749 §4.1.2.1."""
    for wrong in ({"prompt": text}, {"response_mode": text}, {"audience": text}, {"max_age": text}):
        parameters: dict[str, Any] = authorize_parameters(state="s") | wrong
        response = await world.http().get("/authorize", params=parameters)
        error = redirected(response)["error"]
        is_redirect_error(response, error, redirect_uri=WEB_CALLBACK, state="s")
    repeated = [*authorize_parameters(state="s").items(), (text[:100], "1"), (text[:100], "2")]
    response = await world.http().get(f"/authorize?{urlencode(repeated)}")
    is_redirect_error(response, "invalid_request", state="s")


# ------------------------------------------------------------ XS-05, XS-07


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "JaVaScRiPt:alert(1)", "\tjavascript:alert(1)", "data:text/html,x", "vbscript:x",
     "//evil.example", "https:evil", "java\nscript:alert(1)", "/\\evil.example", "blob:x", "file:///etc/passwd"],
)  # fmt: skip
async def test_XS_05_no_link_of_ours_carries_another_scheme(url: str) -> None:
    world = await a_world()
    for field in ("initiate_login_uri", "redirect_uris"):
        changes = administer.ClientChanges(
            **({field: url} if field == "initiate_login_uri" else {field: (url,)})  # type: ignore[arg-type]
        )
        with pytest.raises(Refused):
            await administer.change(world.services, "web", changes)
    # Even if the record held it, the page would draw no link.
    await world.change("web", initiate_login_uri=url)
    visitor = Visitor(world)
    await visitor.authorize()
    world.clock.advance(hours=2)
    await visitor.submit("login-submit", username="erin", password="x")
    is_page(visitor.response)
    assert not [1 for tag, _ in is_inert(visitor.response, status=400).found if tag == "a"]


DISGUISES = {
    "right-to-left override": "Pay\u202echeck\u202c",
    "isolate": "\u2066Paycheck\u2069",
    "zero-width space": "Pay\u200bcheck",
    "soft hyphen": "Pay\u00adcheck",
    "Cyrillic a": "P\u0430ycheck",
    "Greek omicron": "Micr\u03bfsoft",
    "tag characters": "Paycheck\U000e0061",
    "marks": "P" + "\u0301" * 50,
    "line break": "Paycheck\nby your bank",
    "blank letter": "\u3164",
}


@pytest.mark.parametrize("kind", DISGUISES)
async def test_XS_07_a_name_in_disguise_is_shown_without_it(kind: str) -> None:
    name = DISGUISES[kind]
    visitor = Visitor(await polluted(name))
    await visitor.authorize(client_id="paycheck", audience=str(TIMESHEETS), scope="openid read:timesheets")
    await visitor.sign_in()
    page = is_inert(visitor.response, status=200)
    assert name not in page.text.replace("\n", " ") or kind == "line break"
    hidden = "\u202e\u202c\u2066\u2069\u200b\u00ad\u0430\u03bf\U000e0061\u3164"
    assert not set(page.text) & set(hidden)
    assert "\u0301" * 4 not in page.text


async def test_XS_07_a_host_of_lookalikes_is_shown_as_the_network_knows_it() -> None:
    uri = "https://xn--pple-43d.example.test/cb"
    world = await a_world()
    await world.change("paycheck", redirect_uris=(uri,))
    visitor = Visitor(world)
    await visitor.authorize(client_id="paycheck", redirect_uri=uri)
    await visitor.sign_in()
    assert "xn--pple-43d.example.test" in Elements(visitor.response.text).text
