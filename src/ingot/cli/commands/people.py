"""How `ingot user` and `ingot quota` are called."""

from typing import Annotated

import typer

from ingot.cli.commands.options import OutputOption
from ingot.cli.output import Output

user_app = typer.Typer(no_args_is_help=True, help="Users of the server.")
quota_app = typer.Typer(no_args_is_help=True, help="What you have and may have.")
LoginArgument = Annotated[str, typer.Argument(metavar="LOGIN", help="The user's login.")]


@user_app.command("list")
def user_list(output: OutputOption = Output.TABLE) -> None:
    """List the users: an administrator's right."""
    from ingot.cli.people import user_list as run  # noqa: PLC0415

    run(output)


@user_app.command("show")
def user_show(
    login: Annotated[
        str | None, typer.Argument(metavar="[LOGIN]", help="Somebody else; an administrator's right.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show a user, yourself without a name."""
    from ingot.cli.people import user_show as run  # noqa: PLC0415

    run(login, output)


@user_app.command("create")
def user_create(
    login: LoginArgument,
    email: Annotated[str, typer.Option(help="Where they get mail.")],
    roles: Annotated[
        list[str] | None, typer.Option("--role", help="A role, several times if need be; else designer and user.")
    ] = None,
    password_stdin: Annotated[bool, typer.Option(help="Read the password from standard input, do not ask.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Add a user: an administrator's right. The password is asked for."""
    from ingot.cli.people import user_create as run  # noqa: PLC0415

    run(login, email, roles or [], password_stdin=password_stdin, output=output)


@quota_app.command("list")
def quota_list(output: OutputOption = Output.TABLE) -> None:
    """List what you have of each kind, and may have."""
    from ingot.cli.people import quota_list as run  # noqa: PLC0415

    run(output)


@quota_app.command("set")
def quota_set(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="appliance, generation, scan, or diskusage in bytes.")],
    limit: Annotated[str, typer.Argument(metavar="LIMIT", help="A number, or none for no limit.")],
    user: Annotated[str | None, typer.Option(metavar="LOGIN", help="Whose it is, if not yours.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Set how much of a kind somebody may have: an administrator's right."""
    from ingot.cli.people import quota_set as run  # noqa: PLC0415

    run(kind, limit, user, output)
