"""response_mode=form_post: the browser posts the parameters (OAuth 2.0 Form Post Response Mode §2)."""

from innkeeper.oauth.redirect_uri import platform
from innkeeper.server.model.client import Client
from innkeeper.server.protocol.response_modes.base import Pairs, SelfPostingForm, broken_by_a_page


class FormPost:
    """For a client with a server: nothing of the response is in an address, a history or a log of addresses."""

    name = "form_post"
    may_carry_tokens = True

    def refusal(self, redirect_uri: str, client: Client, state: str | None) -> str | None:
        """Only a server can take a POST; an app behind a scheme of its own cannot."""
        if platform(redirect_uri) == "private_use":
            return "response_mode=form_post needs a redirect_uri of http or https: nothing else takes a POST."
        return broken_by_a_page(state)

    def deliver(self, redirect_uri: str, parameters: Pairs) -> SelfPostingForm:
        """The registered query stays in the form's address."""
        return SelfPostingForm(action=redirect_uri, fields=tuple(parameters))
