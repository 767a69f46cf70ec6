"""What the sample API does for people with the right scope: rows are theirs, and they stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.http.timesheets_api.conftest import a_running_api
from tests.stand_in_issuer import StandInIssuer

EVERYTHING = "read:timesheets create:timesheets delete:timesheets approve:timesheets batch:upload"
ENTRY = {"date": "2026-11-20", "project": "Inn", "hours": 7.5}


def by(issuer: StandInIssuer, person: str, scope: str = EVERYTHING) -> dict[str, str]:
    return {"authorization": issuer.bearer(scope, sub=person)[0]}


async def test_a_row_belongs_to_the_subject_who_made_it(
    issuer: StandInIssuer, api: httpx2.AsyncClient
) -> None:
    made = await api.post("/timesheets", json=ENTRY, headers=by(issuer, "erin"))
    assert made.status_code == 201
    assert made.json() == {"id": 1, "owner": "erin", **ENTRY, "approved_by": None}
    assert (await api.get("/timesheets", headers=by(issuer, "erin"))).json() == {"timesheets": [made.json()]}
    assert (await api.get("/timesheets", headers=by(issuer, "carl"))).json() == {"timesheets": []}


async def test_rows_survive_a_restart(issuer: StandInIssuer, file: Path) -> None:
    async with a_running_api(issuer, file) as api:
        await api.post("/timesheets", json=ENTRY, headers=by(issuer, "erin"))
    async with a_running_api(issuer, file) as api:
        answer = await api.get("/timesheets", headers=by(issuer, "erin"))
    assert [row["project"] for row in answer.json()["timesheets"]] == ["Inn"]


async def test_a_person_deletes_own_rows_only(issuer: StandInIssuer, api: httpx2.AsyncClient) -> None:
    await api.post("/timesheets", json=ENTRY, headers=by(issuer, "erin"))
    assert (await api.delete("/timesheets/1", headers=by(issuer, "carl"))).status_code == 404
    assert (await api.delete("/timesheets/1", headers=by(issuer, "erin"))).status_code == 204
    assert (await api.delete("/timesheets/1", headers=by(issuer, "erin"))).status_code == 404


async def test_a_manager_sees_and_approves_what_waits(issuer: StandInIssuer, api: httpx2.AsyncClient) -> None:
    await api.post("/timesheets", json=ENTRY, headers=by(issuer, "erin"))
    waiting = (await api.get("/approvals", headers=by(issuer, "mona"))).json()["approvals"]
    assert [row["owner"] for row in waiting] == ["erin"]
    approved = await api.put("/approvals/1", headers=by(issuer, "mona"))
    assert (approved.status_code, approved.json()["approved_by"]) == (200, "mona")
    assert (await api.get("/approvals", headers=by(issuer, "mona"))).json() == {"approvals": []}
    assert (await api.put("/approvals/2", headers=by(issuer, "mona"))).status_code == 404
    assert (await api.put("/approvals/" + "9" * 30, headers=by(issuer, "mona"))).status_code == 404


async def test_a_machine_uploads_for_many_and_all_or_nothing(
    issuer: StandInIssuer, api: httpx2.AsyncClient
) -> None:
    cron = by(issuer, "timesheets-cron", "batch:upload")
    rows = [{"owner": "erin", **ENTRY}, {"owner": "carl", **ENTRY}]
    uploaded = await api.post("/timesheets/upload", json=rows, headers=cron)
    assert (uploaded.status_code, uploaded.json()) == (200, {"uploaded": 2})
    broken = await api.post("/timesheets/upload", json=[rows[0], {**rows[1], "hours": 25}], headers=cron)
    assert broken.status_code == 400
    assert len((await api.get("/timesheets", headers=by(issuer, "erin"))).json()["timesheets"]) == 1


async def test_me_tells_the_caller_what_the_token_says(
    issuer: StandInIssuer, api: httpx2.AsyncClient
) -> None:
    answer = await api.get("/me", headers=by(issuer, "erin", "read:timesheets"))
    assert answer.json() == {
        "sub": "erin",
        "client_id": "timesheets-spa",
        "scope": "read:timesheets",
        "expires_at": "2026-11-20T12:15:00Z",
    }


@pytest.mark.parametrize("subject", ["timesheets-cron", "timesheets-cron@clients"])
async def test_me_is_no_machine(issuer: StandInIssuer, api: httpx2.AsyncClient, subject: str) -> None:
    token = issuer.token(sub=subject, client_id="timesheets-cron", scope="batch:upload")
    answer = await api.get("/me", headers={"authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"date": "yesterday", "project": "Inn", "hours": 1}',
        b'{"project": "Inn", "hours": 1}',
    ],
)
async def test_a_body_that_is_no_timesheet_is_refused_in_json(
    body: bytes, issuer: StandInIssuer, api: httpx2.AsyncClient
) -> None:
    answer = await api.post("/timesheets", content=body, headers=by(issuer, "erin"))
    assert (answer.status_code, answer.json()["error"]) == (400, "bad_request")


@pytest.mark.parametrize(
    "field", [{"hours": 0}, {"hours": 25}, {"project": ""}, {"owner": "carl"}, {"approved_by": "erin"}]
)
async def test_nobody_sets_what_is_not_theirs_to_set(
    field: dict[str, Any], issuer: StandInIssuer, api: httpx2.AsyncClient
) -> None:
    answer = await api.post("/timesheets", json={**ENTRY, **field}, headers=by(issuer, "erin"))
    assert answer.status_code == 400


async def test_errors_outside_of_any_route_are_json_too(api: httpx2.AsyncClient) -> None:
    assert (await api.get("/nowhere")).json()["error"] == "not_found"
    assert (await api.patch("/timesheets")).json()["error"] == "method_not_allowed"


async def test_a_huge_body_is_refused(issuer: StandInIssuer, api: httpx2.AsyncClient) -> None:
    answer = await api.post("/timesheets", content=b" " * 300_000, headers=by(issuer, "erin"))
    assert answer.status_code == 413
