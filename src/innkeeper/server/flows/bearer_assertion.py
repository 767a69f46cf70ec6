"""What another issuer says about a person: whether it is believed, and whom it is about (RFC 7523 §3)."""

from innkeeper.jose.errors import TokenRefused
from innkeeper.jose.jwt import Unverified
from innkeeper.server.flows.services import Services
from innkeeper.server.identity.directories import qualified
from innkeeper.server.identity.identifiers import normalise
from innkeeper.server.model.client import Client
from innkeeper.server.model.identifiers import Subject
from innkeeper.server.model.trusted_issuer import TrustedIssuer
from innkeeper.server.model.user import User
from innkeeper.server.protocol import bearer_assertion
from innkeeper.server.protocol.client_assertion import KEY_ALGORITHMS, STAND_INS
from innkeeper.server.protocol.grants.base import AssertedPerson, PersonByAssertion, Unbelieved


async def person_asserted(
    lookup: PersonByAssertion, client: Client, services: Services
) -> AssertedPerson | Unbelieved:
    """Its words first, then its signature, then who it is about. Raises `StoreUnavailable`."""
    now = services.clock.now()
    token = bearer_assertion.read(lookup.assertion)
    if token is None:
        return Unbelieved(reason="assertion cannot be read")
    trusted = services.registry.snapshot.trusted_issuers
    issuer = bearer_assertion.issuer_of(token, trusted, client)
    if issuer is None or not client.is_first_party:
        return Unbelieved(reason="iss is not trusted for this app")
    fault = bearer_assertion.fault(token, client, audience=services.settings.issuer, now=now)
    if fault is not None:
        return Unbelieved(reason=fault)
    refused = await _signature_fault(token, issuer, services)
    if refused is not None:
        return Unbelieved(reason=refused)
    user = await _about(token.payload["sub"], issuer, services)
    if user is None:
        return Unbelieved(reason="sub is nobody known")
    return AssertedPerson(
        user=user,
        consents=await services.store.consents.of(user.user_id, client.client_id),
        use=bearer_assertion.use_of(token, issuer),
        auth_time=bearer_assertion.auth_time(token),
    )


async def _signature_fault(token: Unverified, issuer: TrustedIssuer, services: Services) -> str | None:
    """Nobody is asked for keys on behalf of an algorithm that we would not check."""
    if token.alg not in KEY_ALGORITHMS:
        return "the algorithm is not allowed"
    keys = await services.client_keys.of_issuer(
        issuer, alg=token.alg, kid=token.header.get("kid"), now=services.clock.now()
    )
    try:
        token.check_by_key(keys, STAND_INS, KEY_ALGORITHMS)
    except TokenRefused as refused:
        return str(refused)
    return None


async def _about(subject: str, issuer: TrustedIssuer, services: Services) -> User | None:
    """In the issuer's directory alone, enabled; by an address only if that was verified to be theirs."""
    if issuer.subject_is == "user_id":
        user = await services.store.users.get(Subject(subject))
    else:
        user = await _named(subject, issuer, services)
    is_known = user is not None and user.directory == issuer.directory and user.is_enabled
    return user if is_known else None


async def _named(subject: str, issuer: TrustedIssuer, services: Services) -> User | None:
    """A name that means an address must not find whoever chose it as a user name, nor the other way round."""
    name = normalise(subject)
    if name is None:
        return None
    found = await services.store.users.for_sign_in(qualified(issuer.directory, name))
    if found is None:
        return None
    user = found.user
    if issuer.subject_is == "email":
        is_theirs = user.email is not None and user.email_verified and normalise(user.email) == name
    else:
        is_theirs = normalise(user.username) == name
    return user if is_theirs else None
