"""RU: nothing but the registered bytes may ever receive an answer of the authorization endpoint (RFC 9700 §4.1)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlencode

import httpx2
import pytest

from innkeeper.server.flows.administer import clients as administer
from innkeeper.server.flows.administer.refusal import Refused
from tests.attacks.oracles import (
    is_json_error,
    is_page,
    is_redirect_error,
    no_row,
    redirected,
    rows,
    still_works,
)
from tests.visitor import BROWSER, Visitor
from tests.world import PASSWORD, WEB_CALLBACK, World, a_world, authorize_parameters, basic, code_form

WEB = WEB_CALLBACK
NATIVE = "http://127.0.0.1/callback"
PRIVATE = "com.example.app:/cb"

OTHER_THAN_REGISTERED = {
    "RU_01": [f"{WEB}/", f"{WEB}//", "https://web.example.test//cb", "https://web.example.test", ""],
    "RU_02": [f"{WEB}?x=1", f"{WEB}?", f"{WEB}&x=1", f"{WEB}?code=1&state=2", f"{WEB}%3Fx=1"],
    "RU_05": [
        "https://web.example.test\\@evil.example/cb",
        "https://web.example.test%5c@evil.example/cb",
        "https://web.example.test\\cb",
        "https://evil.example\\@web.example.test/cb",
        "https:\\\\web.example.test\\cb",
        "https://web.example.test@evil.example/cb",
        "https://erin:pass@web.example.test/cb",
    ],
    "RU_07": [f"{WEB}#", f"{WEB}#frag", f"{WEB}%23frag", f"{WEB}#/../evil"],
    "RU_08": [f"{WEB};evil=1", f"{WEB};", "https://web.example.test/;x/cb"],
    "RU_10": [
        "https://web.example.test/CB",
        "HTTPS://WEB.EXAMPLE.TEST/cb",
        "https://Web.example.test/cb",
        "HTTPS://web.example.test/cb",
        "https://web.example.test/%63b",
        "https://web.example.test:443/cb",
        "http://web.example.test/cb",
    ],
    "RU_11": ["https://web.example.test./cb", "https://web.example.test.:443/cb"],
    "RU_13": [
        "https://web.example.test.evil.example/cb",
        "https://evilweb.example.test/cb",
        "https://x.web.example.test/cb",
        f"https://evil.example/{WEB}",
        f"https://evil.example/?{WEB}",
        f"{WEB}.evil.example",
        f"{WEB}x",
    ],
    "RU_14": ["https://webXexample.test/cb", "https://web.exampleXtest/cb", "https://.*/cb"],
    "RU_16": [
        "https://web.ex\u0430mple.test/cb",
        "https://web\u3002example.test/cb",
        "https://\uff57eb.example.test/cb",
        "https://web.example.te\u00dft/cb",
        "https://xn--web-example-test.test/cb",
        "https://web.example.test/cb\u0301",
    ],
    "RU_17": [
        f" {WEB}",
        f"{WEB} ",
        f"{WEB}%20",
        f"%20{WEB}",
        f"{WEB}\u200b",
        f"\u00a0{WEB}",
        f"{WEB}\t",
        f"\n{WEB}",
        f"{WEB}\r\nLocation: https://evil.example/",
        f"{WEB}\0",
        f"{WEB}\x7f",
    ],
    "RU_19": [
        "https://[::1]/cb",
        "https://[::ffff:127.0.0.1]/cb",
        "https://2130706433/cb",
        "https://0x7f.1/cb",
        "https://127.1/cb",
    ],
    "RU_20": ["http://[::1", "http://[zz]/", "https://" + "a" * 10_000 + "/cb", "https://[", "://", ":", "%"],
    "RU_22": [f"{WEB},https://evil.example/", f"{WEB} https://evil.example/", f"https://evil.example/ {WEB}"],
    "R_AZ2": [
        "https://web.example.test/x/../cb",
        "https://web.example.test/%2e%2e/cb",
        "javascript:alert(1)//https://web.example.test/cb",
        "data:text/html,<script>alert(1)</script>",
        "//web.example.test/cb",
        "/cb",
        "cb",
    ],
}
OTHER = [(case, uri) for case, uris in OTHER_THAN_REGISTERED.items() for uri in uris]
LABELS = [f"{case}-{number}" for number, (case, _) in enumerate(OTHER)]


@pytest.fixture(scope="module")
async def world() -> AsyncIterator[World]:
    """One server for all of this file: every case proves that it left no row behind."""
    made = await a_world()
    yield made
    await still_works(made)


async def both(world: World, parameters: dict[str, str]) -> list[httpx2.Response]:
    """The request by GET and by POST, from a browser without cookies."""
    http = world.http()
    return [
        await http.get("/authorize", params=parameters, headers=BROWSER),
        await http.post("/authorize", data=parameters, headers=BROWSER),
    ]


async def only_a_page(world: World, parameters: dict[str, str]) -> None:
    """PAGE and 0ROW by both methods."""
    with no_row(world):
        for response in await both(world, parameters):
            is_page(response, sent=parameters.values())
            assert "set-cookie" not in response.headers


async def goes_on(world: World, parameters: dict[str, str], redirect_uri: str) -> None:
    """The control: it is accepted, and the answer goes to `redirect_uri`."""
    response = await world.http().get("/authorize", params=parameters | {"prompt": "none"}, headers=BROWSER)
    is_redirect_error(response, "login_required", redirect_uri=redirect_uri, state=parameters["state"])


async def test_RU_00_the_registered_uri_itself_is_accepted(world: World) -> None:
    await goes_on(world, authorize_parameters(), WEB)


@pytest.mark.parametrize(("case", "uri"), OTHER, ids=LABELS)
async def test_RU_no_other_spelling_of_the_registered_uri_gets_an_answer(
    world: World, case: str, uri: str
) -> None:
    await only_a_page(world, authorize_parameters(redirect_uri=uri))


@pytest.mark.parametrize(("case", "uri"), OTHER, ids=LABELS)
async def test_AZ_05_a_silent_request_with_a_foreign_uri_is_answered_with_a_page(
    world: World, case: str, uri: str
) -> None:
    await only_a_page(world, authorize_parameters(redirect_uri=uri, prompt="none"))


@pytest.mark.parametrize(
    "uri",
    [
        "http://localhost:80@evil.example/callback",
        "http://127.0.0.1:80@evil.example/",
        "http://127.0.0.1:80@evil.example/callback",
        "http://127.0.0.1@evil.example/callback",
        "http://127.0.0.1:80\\@evil.example/callback",
        "http://127.0.0.1.evil.example/callback",
        "http://127.0.0.1:1.evil.example/callback",
        "http://127.0.0.1:/callback/../x",
    ],
)
async def test_RU_04_a_user_name_before_the_host_hides_no_foreign_host(world: World, uri: str) -> None:
    await only_a_page(world, authorize_parameters(client_id="native", redirect_uri=uri))


@pytest.mark.parametrize(
    "name", ["redirect_uri[]", "redirect_uri[0]", "redirect_uri;", "Redirect_Uri", " redirect_uri"]
)
async def test_RU_22_a_name_that_looks_like_redirect_uri_is_another_parameter(
    world: World, name: str
) -> None:
    foreign = {name: "https://evil.example/"}
    await goes_on(world, authorize_parameters() | foreign, WEB)
    await only_a_page(world, authorize_parameters(redirect_uri=None) | foreign)


@pytest.mark.parametrize(
    "uris",
    [(WEB, "https://evil.example/"), ("https://evil.example/", WEB), (WEB, WEB), (WEB, ""), ("", WEB)],
)
async def test_RU_22_a_repeated_redirect_uri_is_never_chosen_from(
    world: World, uris: tuple[str, str]
) -> None:
    query = urlencode(
        [*authorize_parameters(redirect_uri=None).items(), *(("redirect_uri", u) for u in uris)]
    )
    http = world.http()
    form = BROWSER | {"content-type": "application/x-www-form-urlencoded"}
    with no_row(world):
        is_page(await http.get(f"/authorize?{query}", headers=BROWSER))
        is_page(await http.post("/authorize", content=query.encode(), headers=form))


@pytest.mark.parametrize("in_query", ["redirect_uri", "everything"])
async def test_RU_23_parameters_in_query_and_body_are_not_mixed(world: World, in_query: str) -> None:
    good = authorize_parameters()
    query = good if in_query == "everything" else {"redirect_uri": WEB}
    with no_row(world):
        response = await world.http().post(
            "/authorize", params=query, data=good | {"redirect_uri": "https://evil.example/"}
        )
    is_page(response)
    with no_row(world):
        is_page(await world.http().post("/authorize", params=query, data=good))


async def test_RU_23_the_body_of_a_get_request_is_not_read(world: World) -> None:
    response = await world.http().request(
        "GET",
        "/authorize",
        params=authorize_parameters(prompt="none", state="s"),
        content=b"redirect_uri=https%3A%2F%2Fevil.example%2F",
        headers=BROWSER | {"content-type": "application/x-www-form-urlencoded"},
    )
    is_redirect_error(response, "login_required", state="s")


async def test_RU_25_only_a_plain_request_of_an_app_with_one_uri_may_leave_it_out(world: World) -> None:
    plain = authorize_parameters(redirect_uri=None, scope=None)
    await goes_on(world, plain, WEB)
    await only_a_page(world, authorize_parameters(redirect_uri=None))
    await only_a_page(world, authorize_parameters(redirect_uri=""))
    await only_a_page(world, authorize_parameters(client_id="native", redirect_uri=None, scope=None))
    await only_a_page(world, authorize_parameters(client_id="cron", redirect_uri=None, scope=None))


@pytest.mark.parametrize("port", ["", ":1", ":80", ":49152", ":65535"])
async def test_RU_26_a_native_app_may_listen_on_any_port_of_a_loopback_address(
    world: World, port: str
) -> None:
    uri = f"http://127.0.0.1{port}/callback"
    await goes_on(world, authorize_parameters(client_id="native", redirect_uri=uri), uri)


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:8000/other",
        "http://127.0.0.1:8000/callback/",
        "http://127.0.0.1:8000/callback?x=1",
        "http://127.0.0.1:8000",
        "http://localhost/callback",
        "http://localhost:8000/callback",
        "http://127.0.0.2/callback",
        "http://127.0.0.2:8000/callback",
        "https://127.0.0.1/callback",
        "https://127.0.0.1:8000/callback",
        "http://[::1]/callback",
        "http://[::1]:8000/callback",
        "http://127.1:8000/callback",
        "http://2130706433/callback",
        "http://0.0.0.0:8000/callback",
        "http://127.0.0.1:/callback",
        "http://127.0.0.1:0/callback",
        "http://127.0.0.1:080/callback",
        "http://127.0.0.1:65536/callback",
        "http://127.0.0.1:8000:80/callback",
        "http://127.0.0.1:+80/callback",
        "http://127.0.0.1:\u0661/callback",
    ],
)
async def test_RU_26_nothing_but_the_port_may_differ(world: World, uri: str) -> None:
    await only_a_page(world, authorize_parameters(client_id="native", redirect_uri=uri))


@pytest.mark.parametrize("kind", ["regular_web", "spa"])
async def test_RU_26_the_port_is_free_for_native_apps_only(kind: str) -> None:
    world = await a_world()
    await world.change("web", type=kind, redirect_uris=(NATIVE,))
    await goes_on(world, authorize_parameters(redirect_uri=NATIVE), NATIVE)
    await only_a_page(world, authorize_parameters(redirect_uri="http://127.0.0.1:8000/callback"))


@pytest.mark.parametrize(
    "uri", ["https://other.example.test/cb", "https://spa.example.test/cb", NATIVE, PRIVATE]
)
async def test_RU_28_another_apps_uri_is_as_foreign_as_any(world: World, uri: str) -> None:
    await only_a_page(world, authorize_parameters(redirect_uri=uri))


async def test_RU_29_a_uri_that_was_removed_gets_nothing_any_more() -> None:
    world, moved = await a_world(), "https://web.example.test/new"
    await goes_on(world, authorize_parameters(), WEB)
    await world.change("web", redirect_uris=(moved,))
    await only_a_page(world, authorize_parameters())
    await goes_on(world, authorize_parameters(redirect_uri=moved), moved)


@pytest.mark.parametrize("button", ["login-submit", "login-cancel"])
async def test_RU_29_a_uri_removed_while_a_person_signs_in_gets_no_answer(button: str) -> None:
    world = await a_world()
    visitor = Visitor(world)
    await visitor.authorize()
    await world.change("web", redirect_uris=("https://web.example.test/new",))
    codes = rows(world)["codes"]
    is_page(await visitor.submit(button, username="erin", password=PASSWORD))
    assert rows(world)["codes"] == codes == {}


@pytest.mark.parametrize("button", ["consent-allow", "consent-deny"])
async def test_RU_29_a_uri_removed_while_a_person_is_asked_gets_no_answer(button: str) -> None:
    world = await a_world()
    visitor = Visitor(world)
    await visitor.authorize(client_id="paycheck")
    await visitor.sign_in()
    await world.change("paycheck", redirect_uris=("https://web.example.test/new",))
    with no_row(world):
        is_page(await visitor.submit(button))


@pytest.mark.parametrize(
    "uri",
    [
        "com.example.app://cb",
        "com.example.app:cb",
        "com.example.app:///cb",
        "COM.EXAMPLE.APP:/cb",
        "com.example.app:/CB",
        "com.example.app:/cb/",
        "com.example.app:/cb?x",
        "com.example.app:/cb#",
        "com.example.appp:/cb",
        "xcom.example.app:/cb",
        "com.example:/cb",
        "com.example.app:\\cb",
    ],
)
async def test_RU_31_a_private_scheme_is_compared_byte_by_byte(world: World, uri: str) -> None:
    await only_a_page(world, authorize_parameters(client_id="native", redirect_uri=uri))


async def test_RU_31_the_registered_private_scheme_is_accepted(world: World) -> None:
    await goes_on(world, authorize_parameters(client_id="native", redirect_uri=PRIVATE), PRIVATE)


@pytest.mark.parametrize("uri", [f"{WEB}/", f"{WEB}?", "https://other.example.test/cb", "", None])
async def test_RU_32_a_code_is_burnt_by_a_redemption_with_another_uri(uri: str | None) -> None:
    world = await a_world()
    code = await Visitor(world).code()
    wrong = await world.http().post(
        "/oauth/token", data=code_form(code, redirect_uri=uri), headers=basic("web")
    )
    is_json_error(wrong, 400, "invalid_grant")
    right = await world.http().post("/oauth/token", data=code_form(code), headers=basic("web"))
    is_json_error(right, 400, "invalid_grant")
    assert not rows(world)["access_tokens"]
    await still_works(world)


async def test_RU_32_a_loopback_port_is_part_of_what_a_code_is_bound_to() -> None:
    world = await a_world()
    sent = "http://127.0.0.1:50001/callback"
    visitor = Visitor(world)
    await visitor.authorize(client_id="native", redirect_uri=sent)
    await visitor.sign_in()
    form = code_form(redirected(visitor.response, redirect_uri=sent)["code"], client_id="native")
    other = form | {"redirect_uri": "http://127.0.0.1:50002/callback"}
    is_json_error(await world.http().post("/oauth/token", data=other), 400, "invalid_grant")
    is_json_error(
        await world.http().post("/oauth/token", data=form | {"redirect_uri": sent}), 400, "invalid_grant"
    )


@pytest.mark.parametrize(
    "uri",
    [
        "https://*.example.test/cb",
        "https://web.example.test/*",
        "https://*",
        "*",
        "https://web.example.test/cb#fragment",
        "http://web.example.test/cb",
        "javascript:alert(1)",
        "https://user@web.example.test/cb",
        "https://web.example.test/../cb",
        "myapp:/cb",
    ],
)
@pytest.mark.parametrize("kind", ["regular_web", "native"])
async def test_RU_34_what_two_parsers_could_read_differently_is_not_registered(
    world: World, uri: str, kind: str
) -> None:
    wanted = administer.NewClient(client_id="new", type=kind, redirect_uris=(uri,))  # type: ignore[arg-type]
    with no_row(world):
        with pytest.raises(Refused):
            await administer.create(world.services, wanted)
        with pytest.raises(Refused):
            await administer.change(world.services, "web", administer.ClientChanges(redirect_uris=(WEB, uri)))
