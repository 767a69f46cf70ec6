"""Forms of our own pages: taken only from where they were shown (LG-01, LG-02, CO-05)."""

from innkeeper.oauth.parameters import Parameters
from innkeeper.server.flows.services import Services
from innkeeper.server.web import csrf
from innkeeper.server.web.bodies import form
from innkeeper.server.web.http import Request


class FormRefused(Exception):
    """Not from our page, or not from this browser: 403, and nothing is done."""


def fields_of(
    request: Request, services: Services, *, name: str, browser: str | None, bound_by: str
) -> Parameters:
    """The fields of the form `name`, whose token is bound to the value of its field `bound_by`.

    Raises `FormRefused`, `InvalidRequest`.
    """
    if not csrf.is_from_our_pages(request, services.settings):
        raise FormRefused("Origin or Sec-Fetch-Site says that the form was posted from another site.")
    fields = form(request)
    bound_to = fields.get(bound_by) or ""
    given = fields.get(csrf.FIELD) or ""
    if not csrf.is_valid(services.seals, given, browser=browser, form=name, interaction=bound_to):
        raise FormRefused("The form's token is missing, or was made for another browser or another form.")
    return fields


def token(services: Services, *, name: str, browser: str, bound_to: str) -> str:
    """For the hidden field of the form `name`."""
    return csrf.token(services.seals, browser=browser, form=name, interaction=bound_to)
