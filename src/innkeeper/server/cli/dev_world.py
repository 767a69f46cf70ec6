"""The ExampleCo Timesheets world: one API, roles, people and apps to try everything with."""

from __future__ import annotations

from typing import Final

from innkeeper.server.flows.administer.clients import NewClient
from innkeeper.server.flows.administer.users import NewUser
from innkeeper.server.model.api import Api, ApiScope
from innkeeper.server.model.client import ApiGrant
from innkeeper.server.model.identifiers import ApiIdentifier
from innkeeper.server.model.role import Permission, Role
from innkeeper.server.model.user import Address, Profile
from innkeeper.server.protocol.grants import device_code

TIMESHEETS: Final = ApiIdentifier("https://api.exampleco.test/timesheets")

API: Final = Api(
    identifier=TIMESHEETS,
    name="Timesheets",
    scopes=(
        ApiScope(value="read:timesheets", description="See your timesheets"),
        ApiScope(value="create:timesheets", description="Add timesheets for you"),
        ApiScope(value="delete:timesheets", description="Delete your timesheets"),
        ApiScope(value="approve:timesheets", description="Approve the timesheets of your team"),
        ApiScope(value="batch:upload", description="Upload timesheets of many people at once"),
    ),
    enforce_rbac=True,
    allow_offline_access=True,
    skip_consent=True,
)


def _allows(*scopes: str) -> tuple[Permission, ...]:
    return tuple(Permission(api=TIMESHEETS, scope=scope) for scope in scopes)


ROLES: Final = (
    Role(
        name="Employee",
        description="Keeps their own timesheets.",
        permissions=_allows("read:timesheets", "create:timesheets", "delete:timesheets"),
    ),
    Role(
        name="Manager",
        description="Keeps their own timesheets and approves those of others.",
        permissions=_allows(
            "read:timesheets", "create:timesheets", "delete:timesheets", "approve:timesheets"
        ),
    ),
)


def people() -> tuple[NewUser, ...]:
    """With every standard claim, so that any scope has something to show (OIDC Core §5.4)."""
    return (
        _person("ada", "Ada", "Archer", "female", "1975-03-08", "+12025550101", roles=("Administrator",)),
        _person("erin", "Erin", "Ellis", "female", "1990-06-21", "+12025550102", roles=("Employee",)),
        _person("mona", "Mona", "Marsh", "female", "1983-11-30", "+12025550103", roles=("Manager",)),
        _person(
            "carl",
            "Carl",
            "Cole",
            "male",
            "1996-01-17",
            "+12025550104",
            permissions=_allows("read:timesheets", "create:timesheets"),
        ),
    )


APPS: Final = (
    NewClient(
        client_id="timesheets-web",
        name="Timesheets",
        type="regular_web",
        redirect_uris=("http://localhost:8000/auth/callback",),
        publisher="ExampleCo",
    ),
    NewClient(
        client_id="timesheets-spa",
        name="Timesheets in the browser",
        type="spa",
        redirect_uris=("http://localhost:8001/callback.html", "http://localhost:8001/popup.html"),
        publisher="ExampleCo",
    ),
    NewClient(
        client_id="timesheets-cli",
        name="Timesheets command line",
        type="native",
        redirect_uris=("http://127.0.0.1/callback",),
        publisher="ExampleCo",
    ),
    NewClient(
        client_id="timesheets-tv",
        name="Timesheets board",
        type="native",
        grant_types=(device_code.NAME, "refresh_token"),
        publisher="ExampleCo",
    ),
    NewClient(
        client_id="timesheets-cron",
        name="Timesheets night upload",
        type="m2m",
        api_grants=(ApiGrant(api=TIMESHEETS, scope=("batch:upload",)),),
        publisher="ExampleCo",
    ),
    NewClient(
        client_id="paycheck",
        name="PayCheck",
        type="regular_web",
        redirect_uris=("http://localhost:8002/auth/callback",),
        is_first_party=False,
        publisher="PayCheck Ltd",
        api_grants=(ApiGrant(api=TIMESHEETS, scope=("read:timesheets", "create:timesheets")),),
    ),
)


def _person(
    username: str,
    given_name: str,
    family_name: str,
    gender: str,
    birthdate: str,
    phone_number: str,
    *,
    roles: tuple[str, ...] = (),
    permissions: tuple[Permission, ...] = (),
) -> NewUser:
    home = f"https://exampleco.test/people/{username}"
    return NewUser(
        username=username,
        email=f"{username}@exampleco.test",
        email_verified=True,
        phone_number=phone_number,
        phone_number_verified=True,
        profile=Profile(
            name=f"{given_name} {family_name}",
            given_name=given_name,
            family_name=family_name,
            nickname=given_name,
            profile=home,
            picture=f"{home}/portrait.jpg",
            website=f"{home}/notes",
            gender=gender,
            birthdate=birthdate,
            zoneinfo="Europe/Berlin",
            locale="en-GB",
        ),
        address=Address(
            formatted="1 Example Street\nBerlin 10115\nGermany",
            street_address="1 Example Street",
            locality="Berlin",
            region="Berlin",
            postal_code="10115",
            country="Germany",
        ),
        roles=roles,
        permissions=permissions,
    )
