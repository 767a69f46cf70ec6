"""Random histories: every backend gives the same outcome at every step and holds the same at the end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from msgspec.structs import replace

from innkeeper.oauth.scope import Scope
from innkeeper.server.model.authorization_code import AuthorizationCode
from innkeeper.server.model.grant import Epochs, Grant
from innkeeper.server.model.identifiers import ApiIdentifier, Attempt, ClientId, HandleKey, Subject
from innkeeper.server.model.throttle import AttemptLimit
from innkeeper.server.storage.memory import MemoryStore
from innkeeper.server.storage.sqlite import open_store
from tests.contract.store.builders import (
    HOUR,
    NOW,
    TIMESHEETS,
    AnyStore,
    World,
    a_change,
    a_client,
    a_directory,
    a_key,
    a_link,
    a_password,
    a_session,
    a_token,
    a_trusted_issuer,
    a_user,
    an_attempt,
)

STEPS = 600
Step = Callable[[AnyStore], Awaitable[Any]]
EVENTS = (a_change(),)


class History:
    """Draws steps from a small world, so that they meet each other again and again."""

    def __init__(self, seed: int, memory: MemoryStore) -> None:
        self.random = Random(seed)
        self.tables = memory._tables
        self.clients = [ClientId("app"), ClientId("other")]
        self.users = [Subject("sub-erin"), Subject("sub-mona")]
        self.names = ["erin", "mona", "ada"]
        self.apis = [None, TIMESHEETS]
        self.attempts: list[Attempt] = [an_attempt() for _ in range(4)]
        self.links = [a_link(expires_at=NOW + self.minutes()) for _ in range(3)]
        self.sessions = [a_session(self.pick(self.users), user_epoch=self.small()) for _ in range(6)]
        self.pairs: list[tuple[AuthorizationCode, Grant]] = [self.authorization() for _ in range(12)]

    def pick(self, choices: list[Any]) -> Any:
        return self.random.choice(choices)

    def small(self) -> int:
        return self.random.choice([1, 1, 1, 2])

    def minutes(self) -> timedelta:
        return timedelta(minutes=self.random.choice([-30, 0, 1, 30, 300]))

    def epochs(self, user_id: Subject, client_id: ClientId, api: ApiIdentifier | None) -> Epochs:
        """Today's, but now and then one that has moved."""
        client, user = self.tables.clients.get(client_id), self.tables.users.get(user_id)
        today = Epochs(
            client_revision=client.revision if client else 1,
            client_epoch=client.epoch if client else 1,
            user_epoch=user.epoch if user else 1,
            consent_epoch=self.tables.consent_epoch(user_id, client_id, api),
        )
        moved = self.pick(["client_revision", "client_epoch", "user_epoch", "consent_epoch"])
        return today if self.random.random() < 0.9 else replace(today, **{moved: 9})

    def authorization(self) -> tuple[AuthorizationCode, Grant]:
        whose = (self.pick(self.users), self.pick(self.clients), self.pick(self.apis))
        user_id, client_id, api = whose
        return World(MemoryStore()).authorization(
            client_id=client_id,
            user_id=user_id,
            api=api,
            epochs=self.epochs(*whose),
            expires_at=NOW + self.minutes(),
        )

    def step(self) -> Step:
        kinds = [self.registry_step, self.people_step, *[self.code_step] * 8, *[self.other_step] * 2]
        return self.pick(kinds)()

    def registry_step(self) -> Step:
        client = a_client(
            self.pick(self.clients),
            revision=self.small(),
            epoch=self.small(),
            is_enabled=self.random.random() < 0.95,
        )
        directory = a_directory(
            self.pick(["contractors", "partners"]),
            revision=self.small(),
            email_domains=(self.pick(["contractor.test", "partner.test"]),),
        )
        issuer = a_trusted_issuer(
            self.pick(["https://a.test", "https://b.test"]),
            revision=self.small(),
            directory=self.pick(["default", "contractors"]),
        )
        steps: list[Step] = [
            lambda s: s.trusted_issuers.create(issuer, events=EVENTS),
            lambda s: s.trusted_issuers.replace(issuer, events=EVENTS),
            lambda s: s.trusted_issuers.delete(issuer.issuer, events=EVENTS),
            lambda s: s.clients.create(client, events=EVENTS),
            lambda s: s.clients.create(client, events=EVENTS),
            lambda s: s.clients.replace(client, events=EVENTS),
            lambda s: s.clients.delete(client.client_id, events=EVENTS),
            lambda s: s.clients.with_origin("http://localhost:3000"),
            lambda s: s.directories.create(directory, events=EVENTS),
            lambda s: s.directories.replace(directory, events=EVENTS),
            lambda s: s.directories.delete(directory.name, events=EVENTS),
            lambda s: s.registry.changes_since(0),
        ]
        return self.pick(steps)

    def people_step(self) -> Step:
        user = a_user(
            self.pick(self.users),
            revision=self.small(),
            epoch=self.small(),
            is_enabled=self.random.random() < 0.95,
        )
        names = tuple(self.random.sample(self.names, self.random.randint(0, 2)))
        password = a_password(user.user_id, f"hash-{self.small()}")
        expected = self.pick([None, "hash-1", "hash-2"])
        link, ends, attempt = self.pick(self.links), self.random.random() < 0.3, self.pick(self.attempts)
        steps: list[Step] = [
            lambda s: s.users.create(user, identifiers=names, password=password, events=EVENTS),
            lambda s: s.users.create(user, identifiers=names, password=None, events=EVENTS),
            lambda s: s.users.replace(user, identifiers=names, events=EVENTS),
            lambda s: s.users.set_password(
                password, expected_hash=expected, ends_everything=ends, events=EVENTS
            ),
            lambda s: s.users.delete(user.user_id, events=EVENTS),
            lambda s: s.users.for_sign_in("erin"),
            lambda s: s.links.create(link, events=EVENTS),
            lambda s: s.links.get(link.key),
            lambda s: s.assertion_ids.claim(link.key, expires_at=link.expires_at, attempt=attempt),
            lambda s: s.leases.take("jobs", holder=attempt, now=link.expires_at, lasts=HOUR),
            lambda s: s.leases.release("jobs", holder=attempt),
            lambda s: s.links.create_first_administrator(
                link.key,
                user,
                identifiers=names,
                password=password,
                attempt=attempt,
                now=NOW,
                events=EVENTS,
            ),
        ]
        return self.pick(steps)

    def code_step(self) -> Step:
        if self.random.random() < 0.3:
            self.pairs = [*self.pairs[-3:], self.authorization()]
        code, grant = self.pick(self.pairs)
        epochs = self.epochs(grant.user_id, grant.client_id, grant.api)
        attempt, now = self.pick(self.attempts), NOW + timedelta(seconds=self.random.randrange(70))
        token = self.pick([None, a_token(grant)])
        scope = Scope([f"scope:{self.random.randint(1, 3)}"])

        async def redeem(store: AnyStore) -> Any:
            return await store.codes.redeem(
                code.key,
                attempt=attempt,
                now=now,
                epochs=epochs,
                access_token=token,
                redeemed=EVENTS,
                replayed=EVENTS,
            )

        steps: list[Step] = [
            *[lambda s: s.codes.issue(code, grant, attempt=attempt, events=EVENTS)] * 4,
            lambda s: s.codes.read(code.key),
            *[redeem] * 4,
            *[lambda s: s.codes.burn(code.key, attempt=attempt, now=now, events=EVENTS)] * 2,
            lambda s: s.grants.revoke(grant.grant_id, now=now, events=EVENTS),
            lambda s: s.grants.standing(grant.grant_id),
            lambda s: s.access_tokens.opaque_standing(token.key if token else HandleKey(b"?")),
            lambda s: s.consents.allow(
                grant.user_id,
                grant.client_id,
                [(grant.api, scope)],
                answered=(None, scope),
                epochs=epochs,
                now=now,
                events=EVENTS,
            ),
            lambda s: s.consents.revoke(grant.user_id, grant.client_id, events=EVENTS),
            lambda s: s.consents.of(grant.user_id, grant.client_id),
        ]
        return self.pick(steps)

    def other_step(self) -> Step:
        session, other = self.pick(self.sessions), self.pick(self.sessions)
        attempt, now = self.pick(self.attempts), NOW + self.minutes()
        replaces = self.pick([None, None, other.key, a_key()])
        limits = [
            AttemptLimit(key=key, attempts=self.small(), window=HOUR)
            for key in self.random.sample([b"one", b"two", b"three"], 2)
        ]
        steps: list[Step] = [
            lambda s: s.sessions.start(session, replaces=replaces, attempt=attempt, events=EVENTS),
            lambda s: s.sessions.get(session.key),
            lambda s: s.sessions.touch(session.key, last_used_at=now, idle_expires_at=now + HOUR),
            lambda s: s.sessions.end(session.key, events=EVENTS),
            lambda s: s.throttles.attempt(limits, now=now),
            lambda s: s.throttles.forget([limits[0].key]),
        ]
        return self.pick(steps)


async def test_the_same_histories_have_the_same_outcomes(tmp_path: Path) -> None:
    told: set[str] = set()
    for seed in range(6):
        told |= await a_history_has_the_same_outcomes(seed, tmp_path / f"{seed}.sqlite")
    # Histories in which nothing happens would agree, too.
    assert {"Done", "Stale", "Gone", "Missing", "Conflict", "Blocked"} <= told
    assert {"Redeemed", "Replayed", "Burnt", "AlreadyRedeemed", "SessionAndUser"} <= told
    assert {"Held", "HeldElsewhere"} <= told


async def a_history_has_the_same_outcomes(seed: int, database: Path) -> set[str]:
    memory, sqlite = MemoryStore(), open_store(database)
    for store in (memory, sqlite):
        await World(store).build()
    history = History(seed, memory)
    told: set[str] = set()
    for number in range(STEPS):
        step = history.step()
        outcome = await step(memory)
        assert await step(sqlite) == outcome, (seed, number)
        told.add(type(outcome).__name__)
    assert await everything(memory) == await everything(sqlite), seed
    await sqlite.close()
    return told


async def everything(store: AnyStore) -> list[Any]:
    return [
        await store.clients.list(),
        await store.users.list(),
        replace(await store.registry.snapshot(), tag=0),  # random: no two histories have the same
        await store.registry.changes_since(0),
        len(await store.audit_rows()),
    ]
