"""A directory: a set of people with passwords of their own, in which no two share a name."""

from typing import Final

import msgspec

from innkeeper.server.model.identifiers import DirectoryName

DEFAULT_DIRECTORY: Final = DirectoryName("default")
"""Always there, without a record: people belong to it unless something else is said."""


class Directory(msgspec.Struct, frozen=True, kw_only=True):
    """Its name is what apps send as `connection` or `realm`; `label` is what people read.

    Whoever signs in on the page with an address of `email_domains` is looked up in it; no two directories share one.
    """

    name: DirectoryName
    label: str
    email_domains: tuple[str, ...] = ()
    revision: int = 1
