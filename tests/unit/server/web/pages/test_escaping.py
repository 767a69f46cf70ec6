"""Foreign text stays text (XS-01, XS-02, XS-05): thirty polyglots in every field of every page."""

import html
from typing import Final

import pytest

from innkeeper.server.web.pages.locale import LOCALES
from innkeeper.server.web.pages.screens import HomePage, Link, NoticePage, SignInPage
from innkeeper.server.web.pages.view import render
from tests.unit.server.web.pages.examples import Drawn, a_consent, an_error, every_page

POLYGLOTS: Final = (
    "<script>alert(1)</script>",
    '"><script>alert(1)</script>',
    "'><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</bdi></p><h1>Hello</h1>",
    "</code></main><form action=//evil.example>",
    '" autofocus onfocus="alert(1)',
    "' autofocus onfocus='alert(1)",
    " onmouseover=alert(1) x=",
    '"/><img src=x onerror=alert(1)>',
    "<img src=x onerror=alert(1)//",
    "<svg/onload=alert(1)>",
    "<svg><style><img src=x onerror=alert(1)></style>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<style>*{display:none}</style>",
    "--><script>alert(1)</script><!--",
    "<![CDATA[<script>alert(1)</script>]]>",
    "{{ 7*7 }}{% include '/etc/passwd' %}",
    "${7*7}#{7*7}<%= 7*7 %>",
    "%(app)s %(host)s %s %d %",
    "javascript:alert(1)",
    "jaVasCript:/*-/*`/*\\`/*'/*\"/**/(/* */oNcliCk=alert() )//",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)",
    "\x00<scr\x00ipt>alert(1)</script>",
    "＜script＞alert(1)\u2028<script>alert(2)\ud800</script>",
)
HOSTILE_LINKS: Final = (
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    " javascript:alert(1)",
    "java\tscript:alert(1)",
    "javascript://x.example/%0aalert(1)",
    "ftp://x.example/",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "//evil.example/",
    "/\\evil.example/",
    "https:evil.example",
    "https://[",
    "http://",
    "relative",
    "",
)


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("name", every_page())
def test_no_polyglot_adds_or_changes_an_element_of_a_page(name: str, locale: str) -> None:
    harmless = Drawn(render(every_page()[name], locale=locale, dev=True))
    for polyglot in POLYGLOTS:
        drawn = Drawn(render(every_page(polyglot)[name], locale=locale, dev=True))
        assert drawn.skeleton() == harmless.skeleton(), polyglot
        assert not drawn.mismatches


def test_there_are_thirty_polyglots() -> None:
    assert len(set(POLYGLOTS)) == 30


def test_text_is_shown_as_it_was_written() -> None:
    drawn = Drawn(render(an_error("<b>Tom & 'Jerry'</b>"), locale="en", dev=False))
    assert drawn.text.count("<b>Tom & 'Jerry'</b>") == 4  # title, heading, message, id


def test_values_of_hidden_fields_come_back_byte_for_byte() -> None:
    value = "a\"b'c<d>&amp;"
    drawn = Drawn(render(a_consent(value), locale="en", dev=False))
    hidden = {field["name"]: field["value"] for field in drawn.all("input") if field["type"] == "hidden"}
    assert hidden["interaction"] == hidden["csrf"] == value


@pytest.mark.parametrize("url", HOSTILE_LINKS)
def test_a_link_that_is_not_http_or_a_path_is_not_drawn(url: str) -> None:
    error = Drawn(render(an_error(restart_url=url), locale="en", dev=True))
    notice = Drawn(
        render(NoticePage(title="t", message="m", links=(Link(text="go", url=url),)), locale="en", dev=True)
    )
    home = Drawn(render(HomePage(issuer="i", product_version="1", discovery_url=url), locale="en", dev=True))
    assert error.all("a") == notice.all("a") == home.all("a") == []


def test_a_template_expression_in_a_name_is_not_evaluated() -> None:
    drawn = render(SignInPage(app_name="{{ 7*7 }}", interaction="i", csrf="c"), locale="en", dev=False)
    assert "49" not in drawn.split("</head>")[1]
    assert html.escape("{{ 7*7 }}") in drawn


def test_an_error_with_an_empty_message_does_not_show_the_header_of_the_catalogue() -> None:
    drawn = render(an_error(""), locale="de", dev=True)
    assert "Project-Id-Version" not in drawn
