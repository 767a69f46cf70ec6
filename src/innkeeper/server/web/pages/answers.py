"""Authorization responses that are a page: form_post and web_message."""

from typing import assert_never
from urllib.parse import urlsplit

from innkeeper.server.flows.authorize import Answer
from innkeeper.server.flows.services import Services
from innkeeper.server.protocol.response_modes import Message, Redirection, SelfPostingForm
from innkeeper.server.web.http import Request, Response
from innkeeper.server.web.pages import scripts
from innkeeper.server.web.pages.html import Policy, html
from innkeeper.server.web.pages.screens import FormPostPage, WebMessagePage
from innkeeper.server.web.redirects import see_other


def deliver(answer: Answer, request: Request, services: Services) -> Response:
    """Success or error, in the mode of the request. Codes and tokens are in it: nobody may store it."""
    delivery, target = answer.delivery, answer.target
    name, locales = target.client.name, target.ui_locales
    match delivery:
        case Redirection(location=location):
            return see_other(location)
        case SelfPostingForm(action=action, fields=fields):
            page = FormPostPage(app_name=name, action=action, fields=fields)
            policy = Policy(form_action=exactly(action), script=scripts.source_of(scripts.FORM_POST))
            return html(page, request, services, ui_locales=locales, policy=policy)
        case Message(origin=origin, fields=fields):
            message = WebMessagePage(app_name=name, origin=origin, fields=fields)
            policy = Policy(
                form_action="'none'",
                script=scripts.source_of(scripts.WEB_MESSAGE),
                framed_by=_source(origin) or "'none'",
            )
            return html(message, request, services, ui_locales=locales, policy=policy)
        case _:
            assert_never(delivery)


def exactly(uri: str) -> str:
    """This address as a source of a policy, which knows neither queries nor IPv6 (CSP Level 3 §2.3.1)."""
    parts = urlsplit(uri)
    path = parts.path.replace(";", "%3B").replace(",", "%2C")
    source = _source(f"{parts.scheme}://{parts.netloc}")
    return f"{parts.scheme}:" if source is None else source + path


def _source(origin: str) -> str | None:
    return None if "[" in origin else origin
