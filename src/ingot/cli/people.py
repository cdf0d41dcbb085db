"""`ingot user` and `ingot quota`."""

import sys
from collections.abc import Sequence
from typing import cast, get_args
from urllib.parse import quote

import typer
from rich.filesize import decimal

from ingot.cli.output import WRONG_USE, Output, fail, print_facts, print_json
from ingot.cli.remote import connected, plain, print_messages
from ingot.messages.access import Quota, Quotas, QuotaType, Role, Roles
from ingot.messages.user import User, Users

_UNLIMITED = -1


def user_list(output: Output) -> None:
    """The users, by login."""
    with connected() as connection:
        rows = connection.get("users", Users).users
    columns = {
        "Id>": lambda row: row.db_id,
        "Login": lambda row: row.login_name,
        "Name": lambda row: row.name,
        "E-mail": lambda row: row.email,
        "Active": lambda row: "yes" if row.active else "no",
        "Roles": lambda row: ", ".join(role.name or "" for role in row.roles or []),
    }
    print_messages(rows, output, columns, "There are no users.")


def user_show(login: str | None, output: Output) -> None:
    """A user."""
    with connected() as connection:
        path = f"users/{quote(login, safe='@')}" if login else connection.user_path()
        row = connection.get(path, User)
    _print(row, output)


def user_create(login: str, email: str, roles: list[str], *, password_stdin: bool, output: Output) -> None:
    """Add a user."""
    if password_stdin:
        password = sys.stdin.readline().rstrip("\n")
    else:
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    if not password:
        fail("The password is empty.", code=WRONG_USE)
    with connected() as connection:
        row = connection.post("users", User(login_name=login, email=email, password=password, active=True), User)
        if roles:
            wanted = Roles(roles=[Role(name=name) for name in roles])
            connection.put(f"{row.uri}/roles", wanted, Roles)
            row = connection.get(row.uri or "", User)
    _print(row, output)


def quota_list(output: Output) -> None:
    """What there is of each kind, and may be."""
    with connected() as connection:
        rows = connection.get(connection.user_path("quotas"), Quotas).quotas
    _print_quotas(rows, output)


def quota_set(kind: str, limit: str, login: str | None, output: Output) -> None:
    """Let a user have at most so many of a kind; "none" takes the limit away."""
    if kind not in get_args(QuotaType):
        fail(f"There is no quota {kind}; there are {', '.join(get_args(QuotaType))}.", code=WRONG_USE)
    if limit != "none" and not (limit.isdecimal() and len(limit) < 19):
        fail(f"The limit {limit} is no number from 0 on, and not none.", code=WRONG_USE)
    quota = Quota(type=cast("QuotaType", kind), limit=_UNLIMITED if limit == "none" else int(limit))
    with connected() as connection:
        path = f"users/{quote(login, safe='@')}" if login else connection.user_path()
        rows = connection.put(f"{path}/quotas", Quotas(quotas=[quota]), Quotas).quotas
    _print_quotas(rows, output)


def _print_quotas(rows: Sequence[Quota], output: Output) -> None:
    columns = {
        "What": lambda row: row.type,
        "Used>": lambda row: _amount(row, row.nb or 0),
        "Limit>": lambda row: "none" if row.limit == _UNLIMITED else _amount(row, row.limit or 0),
        "Begins anew": lambda row: f"{row.renewal_date:%Y-%m-%d}" if row.renewal_date else "",
    }
    print_messages(rows, output, columns, "There are no quotas.")


def _amount(row: Quota, amount: int) -> str:
    return decimal(amount) if row.type == "diskusage" else str(amount)


def _print(row: User, output: Output) -> None:
    if output is Output.JSON:
        print_json(plain(row))
        return
    print_facts(
        [
            ("User", row.db_id),
            ("Login", row.login_name),
            ("Name", row.name),
            ("E-mail", row.email),
            ("Active", "yes" if row.active else "no"),
            ("Roles", ", ".join(role.name or "" for role in row.roles or [])),
        ]
    )
