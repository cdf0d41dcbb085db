"""How `ingot login` and `ingot logout` are called."""

from typing import Annotated

import typer


def login(
    url: Annotated[str, typer.Argument(metavar="URL", help="The server, such as http://127.0.0.1:8080.")],
    user: Annotated[str, typer.Option("--user", "-u", help="Who logs in; ADMIN\\USER acts for somebody else.")],
    password_stdin: Annotated[bool, typer.Option(help="Read the password from standard input.")] = False,
    with_password: Annotated[bool, typer.Option(help="Keep the password instead of an API key.")] = False,
) -> None:
    """Log in at a server, for the commands that follow."""
    from ingot.cli.login import login as run  # noqa: PLC0415

    run(url, user, password_from_stdin=password_stdin, with_password=with_password)


def logout() -> None:
    """Forget the login and delete its API key."""
    from ingot.cli.login import logout as run  # noqa: PLC0415

    run()
