"""Reads the messages out of the sources and compiles the catalogues (Babel, development only).

Run it as a program after a sentence or a translation has changed:
`python -m tests.unit.server.web.pages.catalogues` adds new messages to each `.po`, drops old ones and
compiles each `.mo`.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from innkeeper.server.web.pages import view
from innkeeper.server.web.pages.locale import LOCALES

WEB: Final = Path(view.__file__).parent.parent
TRANSLATED: Final = LOCALES[1:]
_METHODS: Final = [("**.py", "python"), ("**.html", "jinja2")]
_OPTIONS: Final = {"**.html": {"newstyle_gettext": "true", "trim_blocks": "true", "lstrip_blocks": "true"}}
_KEYWORDS: Final = {"gettext": None, "ngettext": (1, 2), "_": None, "marked": None}


def source_messages() -> Catalog:
    """Every sentence that a template or a module marks for translation."""
    catalogue = Catalog(charset="utf-8")
    for _, _, message, comments, context in extract_from_dir(WEB, _METHODS, _OPTIONS, _KEYWORDS):
        catalogue.add(message, None, auto_comments=comments, context=context)
    return catalogue


def translations(locale: str) -> Catalog:
    with _path(locale, "po").open("rb") as file:
        return read_po(file, locale=locale)


def compiled(locale: str) -> bytes:
    return _path(locale, "mo").read_bytes()


def compile_catalogue(catalogue: Catalog) -> bytes:
    buffer = BytesIO()
    write_mo(buffer, catalogue)
    return buffer.getvalue()


def update() -> None:
    for locale in TRANSLATED:
        catalogue = translations(locale)
        catalogue.update(source_messages(), no_fuzzy_matching=True, update_creation_date=False)
        catalogue.obsolete.clear()
        with _path(locale, "po").open("wb") as file:
            write_po(file, catalogue, width=110, no_location=True)
        _path(locale, "mo").write_bytes(compile_catalogue(translations(locale)))


def _path(locale: str, kind: str) -> Path:
    return WEB / "locales" / locale / "LC_MESSAGES" / f"innkeeper.{kind}"


if __name__ == "__main__":
    update()
