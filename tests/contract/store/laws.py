"""The laws of single use, as functions of a world: broken stores are shown to break them."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

from msgspec.structs import replace

from innkeeper.jose import base64url
from innkeeper.oauth.scope import Scope
from innkeeper.server.model.authorization_code import AuthorizationCode
from innkeeper.server.storage.outcomes import (
    AlreadyClaimed,
    Burnt,
    Claimed,
    Done,
    Gone,
    Held,
    HeldElsewhere,
    Redeemed,
    Replayed,
    Stale,
)
from tests.contract.store.builders import (
    HOUR,
    NOW,
    World,
    a_handle,
    a_link,
    a_password,
    a_session,
    a_token,
    a_user,
    an_attempt,
    opaque,
)

CHUNK = 100
READ = Scope.parse("read:timesheets")


async def a_code_has_one_winner(world: World, *, codes: int = 50, width: int = 2) -> None:
    """Rivals on many codes, all released together: of each code one redemption wins, the others are replays."""
    for start in range(0, codes, CHUNK):
        pairs = [world.authorization() for _ in range(min(CHUNK, codes - start))]
        issued = await asyncio.gather(*(world.issue(code, grant) for code, grant in pairs))
        assert set(issued) == {Done()}
        entries = [pair for pair in pairs for _ in range(width)]
        random.shuffle(entries)
        gate = asyncio.Event()
        outcomes = await asyncio.gather(*(_enter(gate, world, code) for code, _ in entries), _open(gate))
        winners = Counter(
            code.key for (code, _), won in zip(entries, outcomes, strict=False) if won == Redeemed()
        )
        losers = sum(outcome == Replayed() for outcome in outcomes[:-1])
        assert winners == Counter({code.key: 1 for code, _ in pairs})
        assert losers == len(entries) - len(pairs)


async def _enter(gate: asyncio.Event, world: World, code: AuthorizationCode) -> object:
    await gate.wait()
    return await world.redeem(code)


async def _open(gate: asyncio.Event) -> None:
    await asyncio.sleep(0)
    gate.set()


async def a_second_redemption_is_a_replay(world: World) -> None:
    code, grant = await world.issued()
    assert await world.redeem(code) == Redeemed()
    assert await world.redeem(code) == Replayed()
    assert await world.is_revoked(grant.grant_id)


async def a_replay_revokes_the_grant(world: World) -> None:
    code, grant = await world.issued()
    token = a_token(grant)
    assert await world.redeem(code, access_token=token) == Redeemed()
    assert await world.redeem(code) == Replayed()
    standing = await opaque(world, token)
    assert standing is not None
    assert standing.grant.revoked_at == NOW


async def an_attempt_that_won_is_told_so_again(world: World) -> None:
    code, grant = await world.issued()
    attempt = an_attempt()
    world.store.lose_next_answer()
    assert await world.redeem(code, attempt=attempt) == Redeemed()
    assert await world.redeem(code, attempt=attempt) == Redeemed()
    assert not await world.is_revoked(grant.grant_id)
    assert await world.audit("code.redeemed") == 1


async def an_issue_that_won_is_told_so_again(world: World) -> None:
    code, grant = world.authorization()
    attempt = an_attempt()
    world.store.lose_next_answer()
    assert await world.issue(code, grant, attempt=attempt) == Done()
    assert await world.issue(code, grant, attempt=attempt) == Done()
    assert await world.audit("code.issued") == 1


async def a_burning_that_won_is_told_so_again(world: World) -> None:
    code, _ = await world.issued()
    world.store.lose_next_answer()
    assert await world.burn(code) == Burnt()
    assert await world.audit("code.burnt") == 1


async def a_moved_epoch_makes_redemption_stale(world: World) -> None:
    """Whatever moves between the decision and the transition: nothing is redeemed on yesterday's facts."""
    for changed in ("client_revision", "client_epoch", "user_epoch", "consent_epoch"):
        code, _ = await world.issued()
        seen = replace(world.epochs, **{changed: 7})
        assert await world.redeem(code, epochs=seen) == Stale(), changed
        assert await world.redeem(code) == Redeemed()


async def a_moved_epoch_makes_issuing_stale(world: World) -> None:
    for changed in ("client_revision", "client_epoch", "user_epoch", "consent_epoch"):
        code, grant = world.authorization(epochs=replace(world.epochs, **{changed: 7}))
        assert await world.issue(code, grant) == Stale(), changed
        assert await world.store.codes.read(code.key) is None
        assert await world.store.grants.standing(grant.grant_id) is None


async def a_burnt_code_is_never_redeemed(world: World) -> None:
    code, grant = await world.issued()
    assert await world.burn(code) == Burnt()
    assert not await world.is_revoked(grant.grant_id)
    assert await world.redeem(code) == Replayed()
    assert await world.is_revoked(grant.grant_id)


async def an_expired_code_is_gone(world: World) -> None:
    code, _ = await world.issued()
    assert await world.redeem(code, now=code.expires_at) == Gone()
    assert await world.audit("code.redeemed") == 0


async def a_revoked_grant_has_no_code(world: World) -> None:
    code, grant = await world.issued()
    assert await world.store.grants.revoke(grant.grant_id, now=NOW, events=()) == Done()
    assert await world.redeem(code) == Gone()


async def a_link_is_used_once(world: World) -> None:
    link = a_link()
    await world.store.links.create(link, events=())
    outcomes = []
    for name in ("one", "two"):
        user = a_user(f"sub-{name}", username=name)
        outcome = await world.store.links.create_first_administrator(
            link.key,
            user,
            identifiers=(name,),
            password=a_password(user.user_id),
            attempt=an_attempt(),
            now=NOW,
            events=(),
        )
        outcomes.append(outcome)
    assert outcomes == [Done(), Gone()]
    assert await world.store.users.for_sign_in("two") is None


async def an_assertion_is_claimed_once(world: World) -> None:
    ids, later = world.store.assertion_ids, NOW + HOUR
    first = an_attempt()
    assert await ids.claim(b"d" * 32, expires_at=later, attempt=first) == Claimed()
    for expires_at in (later, later + HOUR, NOW - HOUR):
        for _ in range(2):
            claimed = await ids.claim(b"d" * 32, expires_at=expires_at, attempt=an_attempt())
            assert claimed == AlreadyClaimed()
    assert await ids.claim(b"e" * 32, expires_at=later, attempt=an_attempt()) == Claimed()


async def a_claim_that_won_is_told_so_again(world: World) -> None:
    attempt = an_attempt()
    world.store.lose_next_answer()
    assert await world.store.assertion_ids.claim(b"d" * 32, expires_at=NOW, attempt=attempt) == Claimed()
    assert await world.store.assertion_ids.claim(b"d" * 32, expires_at=NOW, attempt=attempt) == Claimed()


async def a_lease_has_one_holder(world: World) -> None:
    leases, ours, theirs = world.store.leases, an_attempt(), an_attempt()
    assert await leases.take("jobs", holder=ours, now=NOW, lasts=HOUR) == Held(until=NOW + HOUR)
    early = await leases.take("jobs", holder=theirs, now=NOW + HOUR / 2, lasts=HOUR)
    assert early == HeldElsewhere(until=NOW + HOUR)
    late = await leases.take("jobs", holder=theirs, now=NOW + HOUR, lasts=HOUR)
    assert late == Held(until=NOW + 2 * HOUR)


async def a_raced_client_has_one_change(world: World) -> None:
    """Two administrators who read the same revision: the second one's form must not win silently."""
    clients = world.store.clients
    first, second = (replace(world.client, name=name) for name in ("one", "two"))
    assert await clients.replace(first, events=()) == Done()
    assert type(await clients.replace(second, events=())).__name__ == "Conflict"
    stored = await clients.get(world.client.client_id)
    assert stored is not None and stored.name == "one"


async def one_handle_of_each_kind(world: World) -> list[bytes]:
    """Stores them; answers what must not be found on disk: their texts and their random parts."""
    texts: list[str] = []
    text, code_key = a_handle("ik_ac_", NOW)
    code, grant = world.authorization()
    code = replace(code, key=code_key)
    assert await world.issue(code, grant) == Done()
    texts.append(text)
    text, token_key = a_handle("ik_at_", NOW)
    assert await world.redeem(code, access_token=a_token(grant, key=token_key)) == Redeemed()
    texts.append(text)
    text, session_key = a_handle("ik_se_", NOW)
    session = a_session(key=session_key)
    await world.store.sessions.start(session, replaces=None, attempt=an_attempt(), events=())
    texts.append(text)
    text, link_key = a_handle("ik_ln_", NOW)
    await world.store.links.create(a_link(key=link_key), events=())
    texts.append(text)
    return [*(text.encode() for text in texts), *(_random_part(text) for text in texts)]


def _random_part(text: str) -> bytes:
    return base64url.decode(text[6:])[8:]
