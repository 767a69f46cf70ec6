"""The sealed handle in which a pending request travels with its browser, so that it costs no row.

It carries the raw parameters, and every step checks them again on today's registry. The seal is bound to the browser
by its cookie: a handle that was copied elsewhere opens nothing (AZ-26).
"""

from datetime import datetime, timedelta
from typing import Final

import msgspec

from innkeeper.jose import base64url
from innkeeper.jose.errors import SealBroken
from innkeeper.jose.hashes import sha256
from innkeeper.oauth.parameters import Parameters
from innkeeper.server.flows.seals import Seals
from innkeeper.server.flows.services import Services
from innkeeper.server.protocol.interaction import Progress
from innkeeper.server.protocol.waiting_device import DeviceReference

MAX_HANDLE_LENGTH: Final = 14 * 1024


class Interaction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is inside the seal."""

    interaction_id: str
    created_at: datetime
    parameters: tuple[tuple[str, str], ...]
    progress: Progress = Progress()
    device: DeviceReference | None = None
    """Then there are no parameters: what the device asked for is in its record."""

    def request(self) -> Parameters:
        """The parameters, repetitions and all."""
        return Parameters.from_pairs(self.parameters)

    def with_progress(self, progress: Progress) -> "Interaction":
        """The next step of the same interaction."""
        return msgspec.structs.replace(self, progress=progress)


class InteractionRefused(Exception):
    """The handle is not one of ours, or another browser's."""


class InteractionExpired(Exception):
    """It was good once; `interaction` says what to start again."""

    def __init__(self, interaction: Interaction) -> None:
        super().__init__()
        self.interaction = interaction


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Interaction)


def new(parameters: Parameters, services: Services, device: DeviceReference | None = None) -> Interaction:
    """A request that has just arrived, or a code that has just been entered."""
    return Interaction(
        interaction_id=base64url.encode(services.entropy.random(16)),
        created_at=services.clock.now(),
        parameters=parameters.pairs,
        device=device,
    )


def seal(interaction: Interaction, browser: str, seals: Seals) -> str:
    """For the URL and the form of this browser and no other."""
    sealed = seals.seal("interaction", _ENCODER.encode(interaction), associated=_bound_to(browser))
    return base64url.encode(sealed)


def unseal(handle: str, browser: str | None, services: Services) -> Interaction:
    """Raises `InteractionRefused` or `InteractionExpired`."""
    if browser is None or not handle or len(handle) > MAX_HANDLE_LENGTH:
        raise InteractionRefused
    try:
        opened = services.seals.open("interaction", base64url.decode(handle), associated=_bound_to(browser))
        interaction = _DECODER.decode(opened)
    except (SealBroken, ValueError, msgspec.MsgspecError) as cause:
        raise InteractionRefused from cause
    if services.clock.now() >= _ends_at(interaction, services):
        raise InteractionExpired(interaction)
    return interaction


def _ends_at(interaction: Interaction, services: Services) -> datetime:
    lifetimes = services.settings.lifetimes
    end = interaction.created_at + timedelta(seconds=lifetimes.interaction_s)
    if interaction.progress.authenticated is None:
        return end
    after_sign_in = timedelta(seconds=lifetimes.interaction_after_sign_in_s)
    return min(end, interaction.progress.authenticated.at + after_sign_in)


def _bound_to(browser: str) -> bytes:
    return b"browser|" + sha256(browser.encode())
