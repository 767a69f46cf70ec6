"""Giving an app the password grants: never without a word that somebody answers for (R-PW1, RFC 9700 §2.4)."""

from datetime import datetime
from typing import Final

from innkeeper.server.config import LegacyFlows
from innkeeper.server.flows.administer.refusal import Refused
from innkeeper.server.model.client import Client
from innkeeper.server.model.events import RiskAcknowledged
from innkeeper.server.protocol.grants import PASSWORD_GRANTS

NAMES: Final = frozenset(grant.name for grant in PASSWORD_GRANTS)


def acknowledged(
    before: Client | None, after: Client, *, said: bool, settings: LegacyFlows, now: datetime
) -> tuple[RiskAcknowledged, ...]:
    """What goes into the audit beside the change. Raises `Refused` for a risk that nobody has taken on."""
    if not NAMES & set(after.grant_types):
        return ()
    if not after.is_first_party:
        raise Refused(
            "A third-party app never takes people's passwords: nobody could tell what it does with them."
        )
    if after.is_public and not after.allow_public_password_grant:
        raise Refused(
            f"A {after.type} app cannot prove that it is itself, so anything could take passwords in its name."
            " --allow-public-password-grant if it must."
        )
    risks = _risks(after) - (frozenset() if before is None else _risks(before))
    if not risks:
        return ()
    if not settings.password:
        raise Refused(
            "The password grants are switched off: set password = true in [legacy] of the settings first."
        )
    if not said:
        raise Refused(
            "With this grant the app sees people's passwords: there is no second factor, no single sign-on, and"
            " whoever breaks into the app has them all. --acknowledge-password-grant if it must."
        )
    return tuple(RiskAcknowledged(at=now, client_id=after.client_id, risk=risk) for risk in sorted(risks))


def _risks(client: Client) -> frozenset[str]:
    if not NAMES & set(client.grant_types):
        return frozenset()
    found = {"password_grant"}
    if client.allow_public_password_grant:
        found.add("public_password_grant")
    return frozenset(found)
