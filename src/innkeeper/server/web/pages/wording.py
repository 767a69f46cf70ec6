"""Sentences for notices and errors. English is the key; the page translates it (`locales/`)."""

import msgspec


def marked(message: str) -> str:
    """Mark a sentence for the catalogue. It is translated when the page is drawn, not here."""
    return message


class Wording(msgspec.Struct, frozen=True):
    """Title and message of an error or a notice, in plain words for a person."""

    title: str
    message: str


LINK_DOES_NOT_WORK = Wording(
    marked("This sign-in link does not work"),
    marked("The app that sent you here made a mistake in its request. Nothing was shared with it."),
)
REQUEST_TOO_LARGE = Wording(
    marked("This sign-in link is too long"),
    marked("The app that sent you here put too much into its link. Nothing was shared with it."),
)
SIGN_OUT_DOES_NOT_WORK = Wording(
    marked("This sign-out link does not work"),
    marked("The app that sent you here made a mistake in its request, so nobody was signed out."),
)
STILL_SIGNED_IN = Wording(
    marked("You are still signed in"),
    marked("Nothing has changed. You can close this page or go back to your app."),
)
SIGN_IN_EXPIRED = Wording(
    marked("This sign-in has expired"),
    marked("It was open for too long. Go back to the app and sign in again."),
)
OTHER_BROWSER = Wording(
    marked("This sign-in was started somewhere else"),
    marked(
        "It belongs to another browser, or cookies are switched off. Go back to the app and sign in again."
    ),
)
FORM_REFUSED = Wording(
    marked("This form could not be accepted"),
    marked("It was out of date or did not come from this page. Go back and try again."),
)
DEVICE_CONNECTED = Wording(
    marked("Your device is connected"),
    marked("You can close this page and go back to your device. It goes on by itself in a moment."),
)
DEVICE_REFUSED = Wording(
    marked("Your device was not connected"),
    marked("Nothing was shared with it. You can close this page."),
)
DEVICE_GONE = Wording(
    marked("This code cannot be used any more"),
    marked(
        "It has expired, was answered already, or is open in another browser. Ask your device for a new one."
    ),
)
START_FROM_YOUR_APP = Wording(
    marked("Start from your app"),
    marked("There is nothing to sign in to here. Open the app you want to use and choose sign in there."),
)
PAGE_NOT_FOUND = Wording(
    marked("There is no page here"),
    marked("The address may be mistyped, or the page has moved."),
)
SOMETHING_BROKE = Wording(
    marked("Something went wrong on our side"),
    marked("It is not your fault, and nothing was shared with any app. Please try again."),
)
UNAVAILABLE = Wording(
    marked("Sign-in is not available right now"),
    marked("The server cannot reach its database. Please try again in a minute."),
)
SETUP_LINK_USED = Wording(
    marked("This set-up link does not work"),
    marked("It was used already or has expired. Print a new one with `innkeeper user link` on the server."),
)
SETUP_FINISHED = Wording(
    marked("You are the administrator now"),
    marked("The account is ready. Keep the password in a safe place."),
)

SETUP_PASSWORD_WEAK = marked("That password is too easy to guess. Choose a longer one.")
SETUP_USERNAME_REFUSED = marked("That username cannot be used. Choose another one.")
SETUP_EMAIL_REFUSED = marked("That e-mail address does not look right.")
