"""The one word for how well a person proved who they are."""

from __future__ import annotations

import pytest

from innkeeper.server.protocol.acr import ACR_VALUES, ONE_FACTOR, acr_of


@pytest.mark.parametrize(("amr", "acr"), [((), None), (("pwd",), ONE_FACTOR)])
def test_methods_amount_to_an_acr(amr: tuple[str, ...], acr: str | None) -> None:
    assert acr_of(amr) == acr


def test_what_can_be_stated_is_listed() -> None:
    assert acr_of(("pwd",)) in ACR_VALUES
