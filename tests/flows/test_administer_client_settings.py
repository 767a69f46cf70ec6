"""Everything that can be said of an app is said at its creation and later, shown, and refused where it cannot be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from innkeeper.jose import jwk
from innkeeper.server.cli import app_document, app_options
from innkeeper.server.cli.apps import change, create
from innkeeper.server.flows.administer import apis, client_keys, clients
from innkeeper.server.flows.administer.client_settings import ClientSettings
from innkeeper.server.flows.administer.clients import ClientChanges, NewClient, RefreshChanges
from innkeeper.server.flows.administer.refusal import Refused
from innkeeper.server.model.api import Api
from innkeeper.server.model.client import Client
from innkeeper.server.model.identifiers import ApiIdentifier
from tests.world import PAYROLL, a_world

CALLBACK = "https://my.example.test/cb"
NOWHERE = ApiIdentifier("https://nowhere.example.test")

SAID = [
    ("post_logout_redirect_uris", ("https://my.example.test/bye",), ()),
    ("userinfo_signed_response_alg", "ES256", None),
    ("subject_type", "pairwise", "public"),
    ("accepts_endpoint_audience", True, False),
    ("resource_server_of", (PAYROLL,), ()),
    ("trusts_forwarded_for", True, False),
    ("require_pkce", False, True),
    ("initiate_login_uri", "https://my.example.test/login", None),
    ("publisher", "ExampleCo", None),
]


def wanted(**changes: Any) -> NewClient:
    """A web app called `my`."""
    return NewClient(**({"client_id": "my", "type": "regular_web", "redirect_uris": (CALLBACK,)} | changes))


@pytest.mark.parametrize(("field", "value", "default"), SAID)
async def test_a_setting_holds_from_the_creation_or_from_a_change_on(
    field: str, value: Any, default: Any
) -> None:
    world = await a_world()
    made, _ = await clients.create(world.services, wanted(**{field: value}))
    assert getattr(made, field) == value
    other, _ = await clients.create(world.services, wanted(client_id="second"))
    assert getattr(other, field) == default
    changed = await clients.change(world.services, "second", ClientChanges(**{field: value}))
    assert getattr(changed, field) == value
    kept = await clients.change(world.services, "second", ClientChanges(name="Second"))
    assert getattr(kept, field) == value


@pytest.mark.parametrize(
    ("field", "value", "empty"),
    [
        ("publisher", "ExampleCo", ""),
        ("initiate_login_uri", "https://my.example.test/login", ""),
        ("userinfo_signed_response_alg", "ES256", "none"),
        ("jwks_uri", "https://my.example.test/keys", ""),
        ("post_logout_redirect_uris", ("https://my.example.test/bye",), ()),
        ("resource_server_of", (PAYROLL,), ()),
    ],
)
async def test_what_was_said_can_be_taken_away(field: str, value: Any, empty: Any) -> None:
    world = await a_world()
    await clients.create(world.services, wanted(**{field: value}))
    after = await clients.change(world.services, "my", ClientChanges(**{field: empty}))
    assert not getattr(after, field)


async def test_refresh_tokens_may_be_for_other_apis_too() -> None:
    world = await a_world()
    made, _ = await clients.create(world.services, wanted(refresh=RefreshChanges(apis=(PAYROLL,))))
    assert made.refresh.apis == (PAYROLL,)
    shorter = ClientChanges(refresh=RefreshChanges(idle=timedelta(hours=1)))
    assert (await clients.change(world.services, "my", shorter)).refresh.apis == (PAYROLL,)
    none = ClientChanges(refresh=RefreshChanges(apis=()))
    assert (await clients.change(world.services, "my", none)).refresh.apis == ()


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"post_logout_redirect_uris": ("http://my.example.test/bye",)}, "https"),
        ({"post_logout_redirect_uris": ("https://my.example.test/*",)}, "Wildcards"),
        ({"resource_server_of": (NOWHERE,)}, "no API"),
        ({"resource_server_of": (PAYROLL,), "type": "spa"}, "cannot guard"),
        ({"refresh": RefreshChanges(apis=(NOWHERE,))}, "no API"),
        ({"trusts_forwarded_for": True, "type": "native", "redirect_uris": ("a.b:/c",)}, "any address"),
        ({"allow_public_password_grant": True}, "without a secret"),
        ({"sector_identifier": "example.test"}, "--subject-type pairwise"),
        ({"subject_type": "pairwise", "sector_identifier": "Example.test"}, "lower case"),
        ({"subject_type": "pairwise", "sector_identifier": "example.test:8443"}, "lower case"),
        ({"subject_type": "pairwise", "sector_identifier": "example.test/a"}, "lower case"),
        (
            {"subject_type": "pairwise", "redirect_uris": (CALLBACK, "https://other.example.test/cb")},
            "--sector",
        ),
        ({"name": ""}, "visible"),
    ],
)
async def test_what_cannot_be_is_refused_at_creation_and_at_a_change(
    asked: dict[str, Any], reason: str
) -> None:
    world = await a_world()
    with pytest.raises(Refused, match=reason):
        await clients.create(world.services, wanted(**asked))
    kind = {name: asked.pop(name) for name in ("type", "redirect_uris") if "type" in asked and name in asked}
    before, _ = await clients.create(world.services, wanted(**kind))
    with pytest.raises(Refused, match=reason):
        await clients.change(world.services, "my", ClientChanges(**asked))
    assert await clients.find(world.services, "my") == before


async def test_pairwise_apps_on_several_hosts_name_their_sector() -> None:
    world = await a_world()
    both = (CALLBACK, "https://other.example.test/cb")
    asked = wanted(redirect_uris=both, subject_type="pairwise", sector_identifier="example.test")
    made, _ = await clients.create(world.services, asked)
    assert (made.subject_type, made.sector_identifier) == ("pairwise", "example.test")


@pytest.mark.parametrize("changes", [{"subject_type": "public"}, {"sector_identifier": "example.test"}])
async def test_calling_people_by_other_names_ends_everything_issued_under_the_old_ones(
    changes: dict[str, Any],
) -> None:
    world = await a_world()
    made, _ = await clients.create(world.services, wanted(subject_type="pairwise"))
    same = await clients.change(world.services, "my", ClientChanges(name="Mine", subject_type="pairwise"))
    assert same.epoch == made.epoch
    after = await clients.change(world.services, "my", ClientChanges(**changes))
    assert after.epoch == made.epoch + 1
    assert after.tokens_not_before == world.services.clock.now() - clients.CLOCKS_DIFFER


async def test_an_api_that_somebody_guards_or_refreshes_for_is_not_deleted() -> None:
    world = await a_world()
    await apis.create(world.services, Api(identifier=NOWHERE, name="Nowhere"))
    await clients.create(world.services, wanted(resource_server_of=(NOWHERE,)))
    with pytest.raises(Refused, match="app my"):
        await apis.delete(world.services, NOWHERE)
    other = RefreshChanges(apis=(NOWHERE,))
    await clients.change(world.services, "my", ClientChanges(resource_server_of=(), refresh=other))
    with pytest.raises(Refused, match="app my"):
        await apis.delete(world.services, NOWHERE)
    await clients.change(world.services, "my", ClientChanges(refresh=RefreshChanges(apis=())))
    await apis.delete(world.services, NOWHERE)


def test_every_setting_has_an_option_at_both_commands() -> None:
    fields = set(ClientSettings.__struct_fields__) - {"refresh", "api_grants", "name"}
    fields = fields - {"add_keys", "remove_keys"} | {"key_files", "keys_last"}
    fields |= {f"{app_options.REFRESH}{name}" for name in RefreshChanges.__struct_fields__}
    for command in (create, change):
        assert fields <= {option.name for option in command.params}


def test_every_field_of_an_app_is_shown_to_programs() -> None:
    client = Client(
        client_id="my",  # type: ignore[arg-type]
        name="My",
        type="regular_web",
        created_at=None,  # type: ignore[arg-type]
        token_endpoint_auth_method="none",
    )
    shown = app_document.of(client)
    renamed = {"name": "client_name", "resource_server_of": "guards"}
    inner = {"tokens_not_before", "revision", "epoch"}
    assert {renamed.get(name, name) for name in Client.__struct_fields__} - inner == set(shown)


# ------------------------------------------------------------ what an app proves itself with


async def test_an_app_that_is_made_for_a_key_has_no_secret() -> None:
    world = await a_world()
    asked = wanted(token_endpoint_auth_method="private_key_jwt", jwks_uri="https://my.example.test/keys")
    made, secret = await clients.create(world.services, asked)
    assert secret is None
    assert made.secrets == ()


async def test_an_app_moves_from_a_secret_to_a_key_and_its_secret_ends_with_the_move() -> None:
    world = await a_world()
    await clients.create(world.services, wanted())
    with pytest.raises(Refused, match="--jwks-uri"):
        await clients.change(
            world.services, "my", ClientChanges(token_endpoint_auth_method="private_key_jwt")
        )
    published = ClientChanges(jwks_uri="https://my.example.test/keys")
    both = await clients.change(world.services, "my", published)
    assert (both.token_endpoint_auth_method, len(both.secrets)) == ("client_secret_basic", 1)
    moved = ClientChanges(token_endpoint_auth_method="private_key_jwt")
    assert (await clients.change(world.services, "my", moved)).secrets == ()
    back = ClientChanges(token_endpoint_auth_method="client_secret_basic")
    with pytest.raises(Refused, match="rotate-secret my"):
        await clients.change(world.services, "my", back)
    await clients.rotate_secret(world.services, "my", keep_old=timedelta())
    assert len((await clients.change(world.services, "my", back)).secrets) == 1


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"jwks_uri": "http://my.example.test/keys"}, "https"),
        ({"jwks_uri": "https://localhost/keys"}, "other machines"),
        ({"jwks_uri": "http://127.0.0.1:9/keys"}, "other machines"),
        ({"jwks_uri": "file:///etc/passwd"}, "https"),
        ({"jwks_uri": "https://a@my.example.test/keys"}, "credentials"),
        ({"type": "spa", "jwks_uri": "https://my.example.test/keys"}, "PKCE"),
        ({"type": "spa", "accepts_endpoint_audience": True}, "PKCE"),
    ],
)
async def test_keys_come_from_other_machines_by_https_and_only_for_apps_that_can_keep_one(
    asked: dict[str, Any], reason: str
) -> None:
    world = await a_world()
    with pytest.raises(Refused, match=reason):
        await clients.create(world.services, wanted(**asked))


def a_public_key(kid: str | None = None) -> bytes:
    key = jwk.load(jwk.generate("ES256"), alg="ES256", kid=kid)
    return msgspec.json.encode(key.public_jwk)


async def test_keys_are_added_beside_the_secret_named_anew_and_removed() -> None:
    world = await a_world()
    now = world.clock.now()
    await clients.create(world.services, wanted())
    first = client_keys.taken(a_public_key("one"), now=now, lasts=timedelta(days=30))
    both = await clients.change(world.services, "my", ClientChanges(add_keys=first))
    assert [(key.kid, key.expires_at) for key in both.keys] == [("one", now + timedelta(days=30))]
    assert app_document.of(both)["keys"][0]["kid"] == "one"
    again = client_keys.taken(a_public_key("one"), now=now)
    other = client_keys.taken(a_public_key("two"), now=now)
    after = await clients.change(world.services, "my", ClientChanges(add_keys=(*again, *other)))
    assert after.keys == (*again, *other)
    less = await clients.change(world.services, "my", ClientChanges(remove_keys=("one",)))
    assert less.keys == other
    with pytest.raises(Refused, match=r"no key 'one'.* two"):
        await clients.change(world.services, "my", ClientChanges(remove_keys=("one",)))


async def test_keys_that_have_ended_go_with_the_next_change() -> None:
    world = await a_world()
    short = client_keys.taken(a_public_key("short"), now=world.clock.now(), lasts=timedelta(hours=1))
    await clients.create(world.services, wanted(add_keys=short))
    world.clock.advance(hours=1)
    fresh = client_keys.taken(a_public_key("fresh"), now=world.clock.now())
    assert (await clients.change(world.services, "my", ClientChanges(add_keys=fresh))).keys == fresh


async def test_the_last_key_of_an_app_that_signs_stays() -> None:
    world = await a_world()
    key = client_keys.taken(a_public_key("one"), now=world.clock.now())
    await clients.create(world.services, wanted(add_keys=key, token_endpoint_auth_method="private_key_jwt"))
    with pytest.raises(Refused, match="needs a public key"):
        await clients.change(world.services, "my", ClientChanges(remove_keys=("one",)))


@pytest.mark.parametrize("document", [b"", b"hello", b"{}", b'{"keys": []}', b'{"kty": "oct", "k": "AAAA"}'])
def test_what_is_no_public_key_is_not_taken(document: bytes) -> None:
    with pytest.raises(Refused, match="No key was taken"):
        client_keys.taken(document, now=datetime.now(UTC))


async def test_an_app_without_a_secret_has_no_key() -> None:
    world = await a_world()
    key = client_keys.taken(a_public_key(), now=world.clock.now())
    with pytest.raises(Refused, match="PKCE"):
        await clients.create(world.services, wanted(type="spa", add_keys=key))
