"""Asking whether the person who is signed in is the one this is about (OIDC Core §3.1.2.1, `prompt=select_account`)."""

import msgspec

from innkeeper.server.flows import authorize
from innkeeper.server.flows import interaction as interactions
from innkeeper.server.flows.authorize import Pending
from innkeeper.server.flows.browser import Browser
from innkeeper.server.flows.services import Services
from innkeeper.server.protocol.interaction import Choose


async def view(handle: str, browser: Browser, services: Services) -> Pending | authorize.Outcome:
    """The pending request whose step is `Choose`, or what comes next when there is nothing to choose."""
    interaction = interactions.unseal(handle, browser.binding, services)
    pending = await authorize.load_or_refuse(interaction, browser, services)
    if isinstance(pending, Pending) and isinstance(pending.step, Choose):
        return pending
    return await authorize.advance(interaction, browser, services)


def asking(pending: Pending) -> interactions.Interaction:
    """The interaction for the form of the page: it takes the answer of the person who is shown it."""
    assert pending.signed_in is not None
    progress = msgspec.structs.replace(pending.interaction.progress, asked=pending.signed_in.session.sid)
    return pending.interaction.with_progress(progress)


async def keep(handle: str, browser: Browser, services: Services) -> authorize.Outcome:
    """This account, and on. Who has signed in since in another tab was not shown the page, so is asked (CO-04)."""
    pending = await view(handle, browser, services)
    if not isinstance(pending, Pending):
        return pending
    assert pending.signed_in is not None
    progress, sid = pending.interaction.progress, pending.signed_in.session.sid
    if progress.asked == sid:
        progress = msgspec.structs.replace(progress, account_chosen=sid)
    return await authorize.advance(pending.interaction.with_progress(progress), browser, services)
