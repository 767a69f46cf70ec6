"""The only scripts that we send: two, fixed, without a word of any request in them, allowed by their digests."""

import base64
from typing import Final

from innkeeper.jose.hashes import sha256

FORM_POST: Final = "document.forms[0].submit();"
"""Presses the button (OAuth 2.0 Form Post Response Mode §2)."""

WEB_MESSAGE: Final = """
(function () {
  var box = document.getElementById("web-message");
  var app = window.parent !== window ? window.parent : window.opener;
  var response = {};
  box.querySelectorAll("data").forEach(function (item) {
    response[item.getAttribute("data-name")] = item.getAttribute("value");
  });
  if (app) app.postMessage({ type: "authorization_response", response: response }, box.getAttribute("data-origin"));
})();
"""
"""Reads the response out of the page and hands it to the window that asked, if that shows the app's origin."""


def source_of(script: str) -> str:
    """For `script-src`: this script and no other (CSP Level 3 §2.3.1)."""
    return f"'sha256-{base64.b64encode(sha256(script.encode())).decode()}'"
