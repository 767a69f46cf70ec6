"""`innkeeper user`: people, their roles, passwords and consents."""

from __future__ import annotations

import click

from innkeeper.server.cli import arguments, output, passwords, user_document
from innkeeper.server.cli.workspace import administration, json_option
from innkeeper.server.flows.administer import setup_link, users
from innkeeper.server.flows.services import Services
from innkeeper.server.model.directory import DEFAULT_DIRECTORY
from innkeeper.server.model.identifiers import DirectoryName
from innkeeper.server.model.user import Profile

email_option = click.option("--email", help="The e-mail address; also signs in.")
verified_option = click.option(
    "--email-verified/--email-unverified",
    "email_verified",
    default=None,
    help="Whether it is known to be theirs.",
)
phone_option = click.option(
    "--phone", help="The phone number with its country, as +4930123456; also signs in."
)
name_option = click.option("--name", help="The full name.")
given_name_option = click.option("--given-name", help="The first name.")
family_name_option = click.option("--family-name", help="The last name.")
locale_option = click.option("--locale", help="The language, as en-GB.")
api_option = click.option("--api", metavar="ID", help="The API that the scopes belong to.")


@click.group(short_help="People, their roles, passwords and consents.")
def user() -> None:
    """People. WHO is a username, an e-mail address, a phone number or a `sub`.

    A person of another directory than the default one is `DIRECTORY:NAME`.
    """


@user.command("create")
@click.argument("username")
@click.option(
    "--directory",
    metavar="NAME",
    default=DEFAULT_DIRECTORY,
    help="The directory. Default: the one of everybody.",
)
@email_option
@verified_option
@phone_option
@name_option
@given_name_option
@family_name_option
@locale_option
@click.option("--role", "roles", multiple=True, help="A role. May be repeated.")
@passwords.stdin_option
@passwords.generate_option
@click.option("--no-password", is_flag=True, help="Create the person without a password.")
@administration
async def create(
    services: Services,
    *,
    username: str,
    directory: str,
    email: str | None,
    email_verified: bool | None,
    phone: str | None,
    name: str | None,
    given_name: str | None,
    family_name: str | None,
    locale: str | None,
    roles: tuple[str, ...],
    password_stdin: bool,
    generate: bool,
    no_password: bool,
) -> None:
    """Create a person. Asks for the password unless it is told where to get one."""
    password: str | None = None
    if not no_password:
        password, generate = passwords.ask(from_stdin=password_stdin, generate=generate)
    wanted = users.NewUser(
        username=username,
        directory=DirectoryName(directory),
        password=password,
        is_generated=generate and not no_password,
        email=email,
        email_verified=bool(email_verified),
        phone_number=phone,
        profile=Profile(name=name, given_name=given_name, family_name=family_name, locale=locale),
        roles=roles,
    )
    created = await users.create(services, wanted)
    output.done(f"Created {created.username} ({created.user_id}).")
    _show_generated(password, generate and not no_password)


@user.command("list")
@json_option
@administration
async def list_users(services: Services, *, as_json: bool) -> None:
    """List all people."""
    found = sorted(await services.store.users.list(), key=lambda person: person.username)
    if as_json:
        output.document([user_document.of(person) for person in found])
        return
    rows = [
        (
            user_document.name(person),
            person.email or "-",
            ", ".join(person.roles) or "-",
            user_document.state(person),
        )
        for person in found
    ]
    output.table(("USER", "E-MAIL", "ROLES", "STATE"), rows, empty="Nobody yet: `innkeeper user create`.")


@user.command("show")
@click.argument("who")
@json_option
@administration
async def show(services: Services, *, who: str, as_json: bool) -> None:
    """Show everything about a person but the password, which is not stored."""
    person = await users.find(services, who)
    if as_json:
        output.document(user_document.of(person))
    else:
        output.fields(user_document.lines(person))


@user.command("change")
@click.argument("who")
@click.option("--username", help="Another username.")
@email_option
@verified_option
@phone_option
@name_option
@given_name_option
@family_name_option
@locale_option
@click.option("--add-role", "add_roles", multiple=True, help="A role more.")
@click.option("--remove-role", "remove_roles", multiple=True, help="A role less.")
@api_option
@click.option("--add-scope", "added", multiple=True, help="A scope of --api, given to this person directly.")
@click.option("--remove-scope", "removed", multiple=True, help="A scope of --api, taken away again.")
@administration
async def change(
    services: Services,
    *,
    who: str,
    username: str | None,
    email: str | None,
    email_verified: bool | None,
    phone: str | None,
    name: str | None,
    given_name: str | None,
    family_name: str | None,
    locale: str | None,
    add_roles: tuple[str, ...],
    remove_roles: tuple[str, ...],
    api: str | None,
    added: tuple[str, ...],
    removed: tuple[str, ...],
) -> None:
    """Change a person. An empty text takes a value away; roles count from the next token on."""
    profile = {"name": name, "given_name": given_name, "family_name": family_name, "locale": locale}
    changes = users.UserChanges(
        username=username,
        email=email,
        email_verified=email_verified,
        phone_number=phone,
        profile={claim: value for claim, value in profile.items() if value is not None},
        add_roles=add_roles,
        remove_roles=remove_roles,
        allow=arguments.permissions(api, added, option="--add-scope"),
        forbid=arguments.permissions(api, removed, option="--remove-scope"),
    )
    before = await users.find(services, who)
    after = await users.change(services, before.user_id, changes)
    output.done(f"{'Unchanged' if after == before else 'Changed'}: {after.username}.")


@user.command("set-password")
@click.argument("who")
@passwords.stdin_option
@passwords.generate_option
@administration
async def set_password(services: Services, *, who: str, password_stdin: bool, generate: bool) -> None:
    """Set another password. Sessions and everything issued so far end."""
    person = await users.find(services, who)
    password, is_generated = passwords.ask(from_stdin=password_stdin, generate=generate)
    await users.set_password(services, person.user_id, password, is_generated=is_generated)
    output.done(f"{person.username} has another password; whoever was signed in is out.")
    _show_generated(password, is_generated)


@user.command("disable")
@click.argument("who")
@administration
async def disable(services: Services, *, who: str) -> None:
    """Keep a person out: sessions and everything issued so far end at once."""
    person = await users.set_enabled(services, who, is_enabled=False)
    output.done(f"{person.username} is disabled.")


@user.command("enable")
@click.argument("who")
@administration
async def enable(services: Services, *, who: str) -> None:
    """Let a person in again. What has ended stays ended."""
    person = await users.set_enabled(services, who, is_enabled=True)
    output.done(f"{person.username} is enabled.")


@user.command("revoke")
@click.argument("who")
@click.option("--client", "app_id", metavar="APP", help="Only this app. Default: all.")
@administration
async def revoke(services: Services, *, who: str, app_id: str | None) -> None:
    """Take back what a person allowed apps to do; what stood on it ends, and they are asked again."""
    ended = await users.revoke_consents(services, who, app_id)
    output.done(f"Taken back from: {', '.join(ended)}." if ended else "There was nothing to take back.")


@user.command("delete")
@click.argument("who")
@administration
async def delete(services: Services, *, who: str) -> None:
    """Delete a person with passwords, sessions and consents."""
    person = await users.delete(services, who)
    output.done(f"Deleted {person.username} ({person.user_id}).")


@user.command("link")
@administration
async def link(services: Services) -> None:
    """Print a link that makes the first administrator, once, within 24 hours."""
    click.echo(await setup_link.create(services))


def _show_generated(password: str | None, is_generated: bool) -> None:
    if password is not None and is_generated:
        output.done("The password, shown once:")
        click.echo(password)
