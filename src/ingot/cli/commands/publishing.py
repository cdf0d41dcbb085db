"""How `ingot account`, `ingot publication` and `ingot deployment` are called."""

from pathlib import Path
from typing import Annotated

import typer

from ingot.cli.commands.options import AccountArgument, OutputOption, YesOption, complete_account_types
from ingot.cli.output import Output

account_app = typer.Typer(no_args_is_help=True, help="Cloud accounts to publish with.")


@account_app.command("create")
def account_create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is called among your accounts.")],
    type_name: Annotated[
        str,
        typer.Option(
            "--type",
            help="aws, azure, docker, google, libvirt, openshift, openstack, s3 or webdav.",
            autocompletion=complete_account_types,
        ),
    ],
    fields: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FIELD=VALUE]...", help="Fields of its type; FIELD=@FILE reads a file."),
    ] = None,
    certificate: Annotated[Path | None, typer.Option(help="Of Google: the key file of a service account.")] = None,
    secret_stdin: Annotated[bool, typer.Option(help="Read the secret from standard input, do not ask.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Keep a cloud account. Its secret is asked for, sealed, and shown nowhere."""
    from ingot.cli.accounts import create as run  # noqa: PLC0415

    run(name, type_name, fields or [], certificate=certificate, secret_stdin=secret_stdin, output=output)


@account_app.command("list")
def account_list(output: OutputOption = Output.TABLE) -> None:
    """List your cloud accounts; their secrets are shown nowhere."""
    from ingot.cli.accounts import show_list as run  # noqa: PLC0415

    run(output)


@account_app.command("delete")
def account_delete(account: AccountArgument, yes: YesOption = False) -> None:
    """Delete a cloud account."""
    from ingot.cli.accounts import delete as run  # noqa: PLC0415

    run(account, yes=yes)
