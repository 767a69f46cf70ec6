"""How well a person proved who they are, as the one word that apps ask for and tokens state (OIDC Core §2, `acr`)."""

from collections.abc import Collection
from typing import Final

ONE_FACTOR: Final = "urn:innkeeper:acr:1"
"""The person proved one thing: a password."""
ACR_VALUES: Final = (ONE_FACTOR,)
"""Every value that can be stated; discovery lists them, and nothing else is ever claimed."""


def acr_of(amr: Collection[str]) -> str | None:
    """What these methods amount to; None when nothing was proved."""
    return ONE_FACTOR if amr else None
