"""Registered OAuth errors, a class per code (RFC 6749 §4.1.2.1, §5.2, RFC 6750 §3.1, OIDC Core §3.1.2.6).

OAuthError
├── InvalidRequest              invalid_request             400
├── InvalidClient               invalid_client              401
├── InvalidGrant                invalid_grant               400
├── UnauthorizedClient          unauthorized_client         400
├── UnsupportedGrantType        unsupported_grant_type      400
├── UnsupportedResponseType     unsupported_response_type   400
├── InvalidScope                invalid_scope               400
├── InvalidTarget               invalid_target              400   RFC 8707 §2
├── AccessDenied                access_denied               400
├── LoginRequired               login_required              400   prompt=none
├── ConsentRequired             consent_required            400   prompt=none
├── InteractionRequired         interaction_required        400   prompt=none, or a rule of the operator's
├── AccountSelectionRequired    account_selection_required  400   prompt=none
├── UnmetAuthenticationRequirements unmet_authentication_requirements 400   an essential `acr`
├── RequestNotSupported         request_not_supported       400
├── RequestUriNotSupported      request_uri_not_supported   400
├── RegistrationNotSupported    registration_not_supported  400
├── AuthorizationPending        authorization_pending       400   RFC 8628 §3.5
├── SlowDown                    slow_down                   400   RFC 8628 §3.5
├── ExpiredToken                expired_token               400   RFC 8628 §3.5
├── InvalidToken                invalid_token               401   at an API
├── InsufficientScope           insufficient_scope          403   at an API
├── ServerError                 server_error                500
└── TemporarilyUnavailable      temporarily_unavailable     503
    └── TooManyFailures         temporarily_unavailable     429   RFC 6585 §4

UntrustedRequest                no code of any RFC: may only become a page
"""

from __future__ import annotations

import re
from typing import Final

MAX_DESCRIPTION_CHARS: Final = 300
_NOT_ALLOWED = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")


def public_text(text: str) -> str:
    """Only what may stand in `error_description` and inside a quoted string (RFC 6749 §5.2, RFC 6750 §3).

    Descriptions name parameters and sometimes repeat what was sent. A quote, a backslash or a line break from
    a stranger would end a header's string or begin a new header.
    """
    plain = text.replace('"', "'").replace("\\", "/")
    return _NOT_ALLOWED.sub("?", plain)


class OAuthError(Exception):
    """An error that a client is told. `description` is public; `detail` goes to the log and nowhere else."""

    code: str
    status: int = 400

    def __init__(self, description: str, *, detail: str | None = None) -> None:
        self.description = public_text(description[:MAX_DESCRIPTION_CHARS])
        self.detail = detail
        super().__init__(self.description)

    def __str__(self) -> str:
        return f"{self.code}: {self.description}"


class InvalidRequest(OAuthError):
    code = "invalid_request"


class InvalidClient(OAuthError):
    code = "invalid_client"
    status = 401


class InvalidGrant(OAuthError):
    code = "invalid_grant"


class UnauthorizedClient(OAuthError):
    code = "unauthorized_client"


class UnsupportedGrantType(OAuthError):
    code = "unsupported_grant_type"


class UnsupportedResponseType(OAuthError):
    code = "unsupported_response_type"


class InvalidScope(OAuthError):
    code = "invalid_scope"


class InvalidTarget(OAuthError):
    code = "invalid_target"


class AccessDenied(OAuthError):
    code = "access_denied"


class LoginRequired(OAuthError):
    code = "login_required"


class ConsentRequired(OAuthError):
    code = "consent_required"


class InteractionRequired(OAuthError):
    code = "interaction_required"


class AccountSelectionRequired(OAuthError):
    code = "account_selection_required"


class UnmetAuthenticationRequirements(OAuthError):
    code = "unmet_authentication_requirements"


class RequestNotSupported(OAuthError):
    code = "request_not_supported"


class RequestUriNotSupported(OAuthError):
    code = "request_uri_not_supported"


class RegistrationNotSupported(OAuthError):
    code = "registration_not_supported"


class AuthorizationPending(OAuthError):
    code = "authorization_pending"


class SlowDown(OAuthError):
    code = "slow_down"


class ExpiredToken(OAuthError):
    code = "expired_token"


class InvalidToken(OAuthError):
    code = "invalid_token"
    status = 401


class InsufficientScope(OAuthError):
    code = "insufficient_scope"
    status = 403


class ServerError(OAuthError):
    code = "server_error"
    status = 500


class TemporarilyUnavailable(OAuthError):
    code = "temporarily_unavailable"
    status = 503


class TooManyFailures(TemporarilyUnavailable):
    """Whoever it is, from this address nobody is listened to for a while. `retry_after_s` says how long."""

    status = 429

    def __init__(self, description: str, *, retry_after_s: int) -> None:
        super().__init__(description, detail="too many failures from this address")
        self.retry_after_s = retry_after_s


class UntrustedRequest(Exception):
    """A request whose return address cannot be believed. Not an OAuthError, so no redirect can be made of it.

    `code` is a stable slug (`unknown_client`, `redirect_uri_not_registered` …), `cause` says what is wrong
    and `fix` what its developer can do; both are for the error page of a development server and for the log.
    """

    def __init__(self, code: str, cause: str, fix: str) -> None:
        super().__init__(f"{code}: {cause}")
        self.code = code
        self.cause = cause
        self.fix = fix
