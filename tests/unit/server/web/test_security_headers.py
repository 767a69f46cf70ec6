"""Every answer is safe by default."""

from __future__ import annotations

from innkeeper.server.web.http import Response
from innkeeper.server.web.security_headers import SecurityHeaders


def completed(response: Response, *, is_secure: bool = True) -> dict[bytes, bytes]:
    headers = SecurityHeaders(is_secure=is_secure).complete(response)
    assert len(headers) == len(dict(headers))
    return dict(headers)


def test_an_answer_without_headers_gets_all_of_them() -> None:
    assert completed(Response(body=b"abc")) == {
        b"cache-control": b"no-store",
        b"x-content-type-options": b"nosniff",
        b"referrer-policy": b"no-referrer",
        b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
        b"x-frame-options": b"DENY",
        b"strict-transport-security": b"max-age=63072000",
        b"content-length": b"3",
    }


def test_over_plain_http_there_is_no_hsts() -> None:
    assert b"strict-transport-security" not in completed(Response(), is_secure=False)


def test_an_endpoint_may_say_otherwise() -> None:
    own = ((b"cache-control", b"public, max-age=60"), (b"content-security-policy", b"default-src 'self'"))
    headers = completed(Response(headers=own))
    assert headers[b"cache-control"] == b"public, max-age=60"
    assert headers[b"content-security-policy"] == b"default-src 'self'"
    assert headers[b"x-content-type-options"] == b"nosniff"


def test_only_a_page_that_says_who_may_frame_it_is_without_the_older_header() -> None:
    policy = b"default-src 'none'; frame-ancestors "
    for ancestors, is_denied in (
        (b"https://app.example", False),
        (b"http://localhost:8000", False),
        (b"'none'", True),
        (b"'self'", True),
        (b"", True),
    ):
        headers = completed(Response(headers=((b"content-security-policy", policy + ancestors),)))
        assert (b"x-frame-options" in headers) == is_denied
    assert completed(Response(headers=((b"content-security-policy", b"default-src 'self'"),)))[
        b"x-frame-options"
    ]


def test_no_referrer_leaves_our_pages() -> None:
    assert completed(Response())[b"referrer-policy"] == b"no-referrer"


def test_an_answer_without_content_has_no_length() -> None:
    assert b"content-length" not in completed(Response(status=204))
