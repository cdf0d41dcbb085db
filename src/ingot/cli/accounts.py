"""`ingot account`: what the server logs in with at clouds."""

import sys
from pathlib import Path

import typer

from ingot.cli import fields
from ingot.cli.output import NOT_FOUND, WRONG_USE, Output, fail, print_facts, print_json, say, tell
from ingot.cli.remote import connected, plain, print_messages
from ingot.client import find
from ingot.messages.account import Certificate, CredAccount, CredAccountCert, CredAccounts
from ingot.publish.accounts import KINDS, Kind
from ingot.publish.targets import TARGETS

_PREFIX = "CredAccount"
#: The types of accounts that something can be published with, by their names here.
TYPES: dict[str, Kind] = {
    name.removeprefix(_PREFIX).lower(): KINDS[name]
    for name in sorted({account for entry in TARGETS.values() for account in entry.accounts})
}


def create(
    name: str, type_name: str, words: list[str], *, certificate: Path | None, secret_stdin: bool, output: Output
) -> None:
    """Keep an account; its secret is asked for, unless a file or standard input has it."""
    kind = TYPES.get(type_name.lower())
    if kind is None:
        fail(f"There is no account of the type {type_name}. There are: {', '.join(TYPES)}.", code=WRONG_USE)
    known = fields.aliases(kind.message, (*kind.details, *kind.secrets))
    for word in words:
        alias, _, value = word.partition("=")
        if known.get(alias) in kind.secrets and not value.startswith("@"):
            fail(
                f"{alias} is a secret, and what stands in a command is seen by others: leave it out to be asked for "
                f"it, or use {alias}=@FILE or --secret-stdin.",
                code=WRONG_USE,
            )
    values = fields.parse(words, known, f"an account of the type {type_name.lower()}")
    for secret in kind.secrets:
        values[secret] = values[secret].strip() if secret in values else _secret(kind, secret, values, secret_stdin)
    account = fields.build(kind.message, {"name": name, **{key: value for key, value in values.items() if value}})
    if certificate is not None:
        _add_certificate(account, certificate, type_name)
    with connected() as connection:
        row = connection.post(connection.user_path("accounts"), account, CredAccount)
    if output is Output.JSON:
        print_json(plain(row))
        return
    _print(row)
    if row.secrets_missing:
        say("It cannot be used yet: its secret or its certificate is missing.")


def show_list(output: Output) -> None:
    """The cloud accounts, also those of types that the original has not."""
    with connected() as connection:
        rows = connection.get(f"ingot/{connection.user_path('accounts')}", CredAccounts).cred_accounts
    columns = {
        "Id>": lambda row: row.db_id,
        "Name": lambda row: row.name,
        "Type": type_of,
        "Platform": lambda row: row.target_platform.name if row.target_platform else "",
        "Created": lambda row: f"{row.created:%Y-%m-%d %H:%M}" if row.created else "",
        "Complete": lambda row: "no" if row.secrets_missing else "yes",
    }
    print_messages(
        rows,
        output,
        columns,
        "There are no cloud accounts. Make one: ingot account create NAME --type TYPE FIELD=VALUE",
    )


def delete(name: str, *, yes: bool) -> None:
    """Delete a cloud account."""
    with connected() as connection:
        row = find.account(connection, name)
        if not yes:
            say(f"{row.db_id}  {row.name}, {type_of(row)}")
            typer.confirm("Delete this cloud account?", abort=True, err=True)
        connection.delete(row.uri or "")
    tell(f"Cloud account {row.name} is deleted.")


def type_of(row: CredAccount) -> str:
    """The type of an account as it is called here."""
    return type(row).__name__.removeprefix(_PREFIX).lower()


def _secret(kind: Kind, name: str, given: dict[str, str], secret_stdin: bool) -> str:
    """A secret from standard input, or asked for where the account needs it or has a login."""
    alias = str(kind.message.model_fields[name].alias)
    if secret_stdin:
        return sys.stdin.read().strip()
    if name in kind.optional_secrets and not given.get("login"):
        return ""
    if not sys.stdin.isatty():
        fail(f"The secret {alias} is missing: give it as {alias}=@FILE or with --secret-stdin.", code=WRONG_USE)
    return str(typer.prompt(alias, hide_input=True, err=True))


def _add_certificate(account: CredAccount, file: Path, type_name: str) -> None:
    if not isinstance(account, CredAccountCert):
        fail(f"An account of the type {type_name.lower()} has no certificate.", code=WRONG_USE)
    try:
        content = file.read_bytes()
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}.", code=NOT_FOUND)
    account.certificates = [Certificate(name=file.name, content=content)]


def _print(row: CredAccount) -> None:
    kind = KINDS[type(row).__name__]
    known = fields.aliases(kind.message, kind.details)
    print_facts(
        [
            ("Account", row.db_id),
            ("Name", row.name),
            ("Type", type_of(row)),
            ("Platform", row.target_platform.name if row.target_platform else None),
            *((alias, getattr(row, name)) for alias, name in known.items()),
            ("Complete", "no" if row.secrets_missing else "yes"),
        ]
    )
