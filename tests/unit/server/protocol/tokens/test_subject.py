"""Names of people towards clients: one for all, or one for each sector."""

from __future__ import annotations

from typing import Any

import pytest

from innkeeper.server.model.identifiers import Subject
from innkeeper.server.protocol.tokens import subject
from tests.world import a_client

KEY = b"k" * 32
ERIN, MONA = Subject("ik|erin"), Subject("ik|mona")


def pairwise(**changes: Any) -> Any:
    return a_client(**({"subject_type": "pairwise"} | changes))


def test_public_is_the_same_for_everybody() -> None:
    assert subject.of(ERIN, a_client("web"), KEY) == subject.of(ERIN, a_client("other"), KEY) == ERIN


def test_pairwise_is_stable_and_differs_by_person_sector_and_key() -> None:
    client = pairwise()
    name = subject.of(ERIN, client, KEY)
    assert name == subject.of(ERIN, client, KEY) and name != ERIN and ERIN not in name
    assert name != subject.of(MONA, client, KEY)
    assert name != subject.of(ERIN, pairwise(redirect_uris=("https://elsewhere.example.test/cb",)), KEY)
    assert name != subject.of(ERIN, client, b"l" * 32)
    assert len(name) <= 255 and name.isascii() and "|" in name  # so it can be no client_id


def test_clients_of_one_host_share_their_names() -> None:
    one = pairwise(
        client_id="one", redirect_uris=("https://app.example.test/a", "https://app.example.test:8443/b")
    )
    two = pairwise(client_id="two", redirect_uris=("https://app.example.test/c",))
    assert subject.of(ERIN, one, KEY) == subject.of(ERIN, two, KEY)


def test_a_registered_sector_goes_before_the_hosts() -> None:
    hosts = ("https://a.example.test/cb", "https://b.example.test/cb")
    one = pairwise(redirect_uris=hosts, sector_identifier="example.test")
    two = pairwise(redirect_uris=hosts[:1], sector_identifier="example.test")
    assert subject.of(ERIN, one, KEY) == subject.of(ERIN, two, KEY)


@pytest.mark.parametrize(
    "uris", [(), ("https://a.example.test/cb", "https://b.example.test/cb"), ("com.example.app:/cb",)]
)
def test_without_one_host_there_is_no_sector(uris: tuple[str, ...]) -> None:
    assert subject.sector_of(pairwise(redirect_uris=uris)) is None
    one, two = pairwise(client_id="one", redirect_uris=uris), pairwise(client_id="two", redirect_uris=uris)
    assert subject.of(ERIN, one, KEY) != subject.of(ERIN, two, KEY)  # then each app is a sector of its own
