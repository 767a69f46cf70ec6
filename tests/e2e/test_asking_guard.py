"""An API changes to opaque tokens while all runs: its guard asks over real sockets, and an end is felt at once."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from innkeeper.resource_server import Guard, Introspection, InvalidToken
from tests.house import a_house, http, within

pytestmark = pytest.mark.e2e
API = "https://api.exampleco.test/timesheets"
HOLDER = "timesheets-cron"


def test_an_api_with_opaque_tokens_is_guarded_and_a_token_given_back_dies_at_once(tmp_path: Path) -> None:
    with a_house(tmp_path) as house:
        printed = house.command("app", "create", "timesheets-guard", "--type", "m2m", "--guards", API)
        secret = re.search(r"ik_cs_[A-Za-z0-9_-]+", printed)
        assert secret is not None
        jwt = house.machine_token()["access_token"]
        house.command("api", "change", API, "--token-format", "opaque")
        within(2, lambda: house.machine_token()["access_token"].startswith("ik_at_"))
        tokens = (jwt, house.machine_token()["access_token"])
        asyncio.run(good_until_given_back(house.issuer, secret[0], tokens, house.secret(HOLDER)))


async def good_until_given_back(issuer: str, secret: str, tokens: tuple[str, ...], of_holder: str) -> None:
    asks = Introspection(client_id="timesheets-guard", client_secret=secret)
    guard = Guard(issuer=issuer, audience=API, introspection=asks, online=True)
    try:
        for token in tokens:
            found = await guard.check([f"Bearer {token}"], scope="batch:upload")
            assert found.subject == found.client_id == HOLDER
            with http() as client:
                given = {"token": token}
                answer = client.post(f"{issuer}/oauth/revoke", data=given, auth=(HOLDER, of_holder))
            assert answer.status_code == 200
            with pytest.raises(InvalidToken):
                await guard.check([f"Bearer {token}"])
    finally:
        await guard.aclose()
