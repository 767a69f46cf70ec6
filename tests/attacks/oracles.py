"""What every attack has to leave behind: a safe answer, an unchanged store, silent events, a server that works."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Generator, Iterable
from typing import Any
from urllib.parse import parse_qsl

import httpx2
import msgspec

from innkeeper.server.storage.memory.tables import Tables
from innkeeper.server.web.pages.scripts import FORM_POST, WEB_MESSAGE, source_of
from tests.fronting import delivered, mode_of
from tests.visitor import Page, Visitor
from tests.world import ISSUER, PASSWORD, SECRET, VERIFIER, WEB_CALLBACK, World, basic, code_form

NOT_STATE = ("lock", "counters", "is_away", "loses_next_answer", "audit", "throttles")
"""Attributes of the memory store that are no rows, or that any attack may move (audit and throttle rows)."""

CANARIES = (PASSWORD, SECRET, VERIFIER)
INSIDES = re.compile(
    r'Traceback|File "|\.py\b|site-packages|/(?:src|usr|home|root|tmp)/|msgspec|asyncio|sqlite'
    r"|\b(?:SELECT|INSERT|UPDATE|DELETE) \w+ (?:FROM|INTO|SET)\b|\bselect .* from\b|<class|object at 0x",
    re.IGNORECASE,
)
POLICY = "default-src 'none'"


# ------------------------------------------------------------ 0ROW


def rows(world: World) -> dict[str, Any]:
    """Every table of the memory store but audit and throttle rows, copied. Records are frozen, so shallow copies do."""
    tables: Tables = world.services.store._tables  # type: ignore[attr-defined]
    return {
        name: value.copy() if isinstance(value, (dict, list)) else value
        for name, value in vars(tables).items()
        if name not in NOT_STATE
    }


@contextlib.contextmanager
def no_row(world: World) -> Generator[None]:
    """0ROW: whatever happens inside leaves every table as it was."""
    before = rows(world)
    yield
    after = rows(world)
    changed = [name for name in before if before[name] != after[name]]
    assert not changed, f"rows changed in {changed}"


# ------------------------------------------------------------ U1, U2, U6


def is_sound(response: httpx2.Response) -> None:
    """Universal: never a 5xx, nothing of our insides, the headers that every answer carries."""
    assert response.status_code < 500, response.text
    found = INSIDES.search(response.text)
    assert found is None, f"{found} in {response.text}"
    headers = response.headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "max-age" in headers["strict-transport-security"]
    policy = headers["content-security-policy"]
    assert POLICY in policy and "unsafe" not in policy
    if not is_delivery(response):
        assert headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in policy and "script-src" not in policy
    if "set-cookie" in headers or "location" in headers:
        assert headers["cache-control"] == "no-store"


def is_delivery(response: httpx2.Response) -> bool:
    """One of the two pages that carry an authorization response; `delivered_by` judges those."""
    return any(f"<script>{script}</script>" in response.text for script in (FORM_POST, WEB_MESSAGE))


def delivered_by(response: httpx2.Response, mode: str, redirect_uri: str) -> dict[str, str]:
    """What the client gets, and that it could have travelled in no other way and to nobody else (U5)."""
    is_sound(response)
    assert mode_of(response) == mode, response.text
    headers, page = response.headers, Page(response.text)
    assert headers["cache-control"] == "no-store"
    if mode in ("query", "fragment"):
        return redirected(response, redirect_uri=redirect_uri, mode=mode)
    policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
    script = FORM_POST if mode == "form_post" else WEB_MESSAGE
    assert response.status_code == 200 and "location" not in headers
    assert response.text.count("<script") == 1
    assert policy["script-src"] == source_of(script) and policy["base-uri"] == "'none'"
    origin = "/".join(redirect_uri.split("/")[:3])
    if mode == "form_post":
        assert page.action == redirect_uri and policy["form-action"] == redirect_uri.partition("?")[0]
        assert policy["frame-ancestors"] == "'none'" and headers["x-frame-options"] == "DENY"
        assert "form-post-continue" in page.buttons
    else:
        assert page.origin == origin and policy["form-action"] == "'none'" and page.action is None
        assert policy["frame-ancestors"] == origin and "x-frame-options" not in headers
    return delivered(response)


def is_html(response: httpx2.Response, *, status: int, sent: Iterable[str] = ()) -> Page:
    """A page of ours: nothing in it can run, nothing that was `sent` stands in it unescaped."""
    is_sound(response)
    assert response.status_code == status, response.text
    assert "location" not in response.headers
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in response.headers
    for value in sent:
        assert not set(value) & set("<>\"'") or value not in response.text, f"unescaped: {value}"
    return Page(response.text)


def is_page(response: httpx2.Response, *, status: int = 400, sent: Iterable[str] = ()) -> Page:
    """PAGE: an error page of ours, and no way out of it to anywhere."""
    page = is_html(response, status=status, sent=sent)
    assert '<body id="error-page">' in response.text
    assert "error-id" in page.ids
    return page


def is_redirect_error(
    response: httpx2.Response,
    error: str,
    *,
    redirect_uri: str = WEB_CALLBACK,
    state: str | None,
    issuer: str = ISSUER,
    mode: str = "query",
) -> dict[str, str]:
    """RED(e): to the registered URI, in this mode, `error`, the same `state`, and `iss`; each once, and no code."""
    if mode in ("query", "fragment"):
        answer = redirected(response, redirect_uri=redirect_uri, mode=mode)
    else:
        answer = delivered_by(response, mode, redirect_uri)
    assert answer.get("error") == error, answer
    assert re.fullmatch(r"[\x20\x21\x23-\x5b\x5d-\x7e]*", answer["error_description"])
    assert answer.get("state") == state
    assert answer["iss"] == issuer
    assert answer.keys() <= {"error", "error_description", "state", "iss"}
    return answer


def redirected(
    response: httpx2.Response, *, redirect_uri: str = WEB_CALLBACK, mode: str = "query"
) -> dict[str, str]:
    """303 to exactly this registered URI (U5); the parameters that were added, none of them twice."""
    is_sound(response)
    assert response.status_code == 303, response.text
    location = response.headers["location"]
    joiner = "#" if mode == "fragment" else "&" if "?" in redirect_uri else "?"
    assert location.startswith(redirect_uri + joiner), location
    assert location.count("#") == (mode == "fragment")
    pairs = parse_qsl(location[len(redirect_uri) + 1 :], keep_blank_values=True, strict_parsing=True)
    answer = dict(pairs)
    assert len(answer) == len(pairs), f"repeated: {location}"
    return answer


def is_json_error(response: httpx2.Response, status: int, error: str) -> dict[str, Any]:
    """J(n, e): JSON with this status and error code, not stored by anybody."""
    is_sound(response)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    body: dict[str, Any] = response.json()
    assert body["error"] == error, body
    assert body.keys() <= {"error", "error_description"}
    return body


# ------------------------------------------------------------ U4, U7


def keeps_secrets(world: World, *secrets: str) -> None:
    """U4: no canary and none of these values in any event that was told."""
    told = msgspec.json.encode(world.heard.events).decode()
    for secret in (*CANARIES, *secrets):
        assert secret not in told, f"{secret[:12]}... in the events"


async def still_works(world: World) -> None:
    """U7: the control request. erin signs in to `web` in a fresh browser and the app gets its tokens."""
    code = await Visitor(world, address="198.51.100.99").code("erin")
    answer = await world.http().post("/oauth/token", data=code_form(code), headers=basic("web"))
    assert answer.status_code == 200, answer.text
    keeps_secrets(world, code, answer.json()["access_token"])
