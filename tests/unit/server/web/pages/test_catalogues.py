"""Every sentence of a page exists in every language, and what ships is what was translated."""

import re
from gettext import GNUTranslations
from io import BytesIO

import pytest

pytest.importorskip("babel", reason="Babel, a development dependency, is not installed")

from babel.messages.catalog import Catalog, Message

from tests.unit.server.web.pages.catalogues import (
    TRANSLATED,
    compile_catalogue,
    compiled,
    source_messages,
    translations,
)

REMEDY = "run: python -m tests.unit.server.web.pages.catalogues"


@pytest.mark.parametrize("locale", TRANSLATED)
def test_every_message_of_the_sources_has_a_translation(locale: str) -> None:
    catalogue = translations(locale)
    missing = [
        message.id for message in _messages(source_messages()) if not _is_translated(catalogue, message)
    ]
    assert missing == [], REMEDY


@pytest.mark.parametrize("locale", TRANSLATED)
def test_no_catalogue_keeps_messages_that_no_page_uses(locale: str) -> None:
    in_sources = {message.id for message in _messages(source_messages())}
    assert {message.id for message in _messages(translations(locale))} <= in_sources, REMEDY


@pytest.mark.parametrize("locale", TRANSLATED)
def test_the_compiled_catalogue_is_the_translated_one(locale: str) -> None:
    shipped = GNUTranslations(BytesIO(compiled(locale)))
    fresh = GNUTranslations(BytesIO(compile_catalogue(translations(locale))))
    for message in _messages(translations(locale)):
        if isinstance(message.id, str):
            assert shipped.gettext(message.id) == fresh.gettext(message.id), REMEDY
        else:
            one, many = message.id
            for count in range(120):
                assert shipped.ngettext(one, many, count) == fresh.ngettext(one, many, count), REMEDY


@pytest.mark.parametrize("locale", TRANSLATED)
def test_a_translation_keeps_the_elements_of_its_message_and_its_placeholders(locale: str) -> None:
    for message in _messages(translations(locale)):
        original = message.id if isinstance(message.id, str) else message.id[1]
        for form in _forms(message):
            assert re.findall(r"</?\w+", form) == re.findall(r"</?\w+", original)
            assert set(re.findall(r"%\(\w+\)s", form)) == set(re.findall(r"%\(\w+\)s", original))
        assert not list(message.check(translations(locale)))


def _messages(catalogue: Catalog) -> list[Message]:
    return [message for message in catalogue if message.id]


def _is_translated(catalogue: Catalog, message: Message) -> bool:
    found = catalogue.get(message.id)
    return found is not None and not found.fuzzy and all(_forms(found))


def _forms(message: Message) -> list[str]:
    """The translation, or all of them where the message counts something."""
    return [message.string] if isinstance(message.string, str) else list(message.string or [""])
