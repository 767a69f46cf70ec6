"""What a browser says about where a form was posted from, and whether that is one of our pages."""

from __future__ import annotations

import pytest

from innkeeper.server.config import Settings
from innkeeper.server.web.csrf import is_from_our_pages
from innkeeper.server.web.http import Request

OURS = "http://localhost:9000"


def a_post(**headers: str) -> Request:
    sent = tuple((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items())
    return Request(
        method="POST",
        path="/sign-in",
        query=b"",
        headers=sent,
        body=b"",
        address="127.0.0.1",
        correlation_id="c",
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": OURS, "sec_fetch_site": "same-origin"},
        # What Chromium sends from a page with `Referrer-Policy: no-referrer`.
        {"origin": "null", "sec_fetch_site": "same-origin"},
        {"sec_fetch_site": "same-origin"},
        {"origin": OURS},
        {},
    ],
)
def test_a_form_of_our_own_page_is_recognised(headers: dict[str, str]) -> None:
    assert is_from_our_pages(a_post(**headers), Settings(issuer=OURS))


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://localhost:9001", "sec_fetch_site": "same-site"},
        {"origin": OURS, "sec_fetch_site": "cross-site"},
        {"origin": "https://evil.test"},
        {"origin": "https://evil.test", "sec_fetch_site": "same-origin"},
        {"origin": "null", "sec_fetch_site": "cross-site"},
        {"origin": "null"},
        {"sec_fetch_site": "cross-site"},
    ],
)
def test_a_form_of_any_other_page_is_not(headers: dict[str, str]) -> None:
    assert not is_from_our_pages(a_post(**headers), Settings(issuer=OURS))
