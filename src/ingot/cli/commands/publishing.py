"""How `ingot account`, `ingot publication` and `ingot deployment` are called."""

from pathlib import Path
from typing import Annotated

import typer

from ingot.cli.commands.options import (
    AccountArgument,
    DeploymentArgument,
    OutputOption,
    PublicationArgument,
    WaitOption,
    YesOption,
    complete_account_types,
)
from ingot.cli.output import Output

account_app = typer.Typer(no_args_is_help=True, help="Cloud accounts to publish with.")
publication_app = typer.Typer(no_args_is_help=True, help="Images that were published.")
deployment_app = typer.Typer(no_args_is_help=True, help="Machines that are started from publications.")


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


@publication_app.command("list")
def publication_list(
    image: Annotated[int | None, typer.Option(help="Only of this image.", min=1)] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """List publications, newest first."""
    from ingot.cli.publications import show_list as run  # noqa: PLC0415

    run(image, output)


@publication_app.command("show")
def publication_show(publication: PublicationArgument, output: OutputOption = Output.TABLE) -> None:
    """Show a publication."""
    from ingot.cli.publications import show as run  # noqa: PLC0415

    run(publication, output)


@publication_app.command("follow")
def publication_follow(publication: PublicationArgument, output: OutputOption = Output.TABLE) -> None:
    """Show the progress of a publication until it ends."""
    from ingot.cli.publications import follow as run  # noqa: PLC0415

    run(publication, output)


@publication_app.command("cancel")
def publication_cancel(publication: PublicationArgument) -> None:
    """Cancel a publication; what is half uploaded is removed."""
    from ingot.cli.publications import cancel as run  # noqa: PLC0415

    run(publication)


@publication_app.command("delete")
def publication_delete(publication: PublicationArgument, yes: YesOption = False) -> None:
    """Forget a publication; what is whole at the cloud stays there."""
    from ingot.cli.publications import delete as run  # noqa: PLC0415

    run(publication, yes=yes)


@publication_app.command("download")
def publication_download(
    publication: PublicationArgument,
    target: Annotated[
        Path | None, typer.Option("--output", "-o", "--to", help="A file or directory; else, the image's own name.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Replace a file that is there.")] = False,
) -> None:
    """Download what was published, verified; what was begun before is gone on with."""
    from ingot.cli.publications import download as run  # noqa: PLC0415

    run(publication, target, force=force)


@deployment_app.command("create")
def deployment_create(
    publication: PublicationArgument,
    fields: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FIELD=VALUE]...", help="At Amazon: instanceType=t3.small, for example."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="What it is called; else, like the template.")] = None,
    cores: Annotated[int, typer.Option(help="Processors of the machine.", min=1)] = 1,
    memory: Annotated[int, typer.Option(help="Memory of the machine, in MB.", min=1)] = 1024,
    wait: WaitOption = True,
    output: OutputOption = Output.TABLE,
) -> None:
    """Start a machine from a publication at libvirt or Amazon."""
    from ingot.cli.deployments import create as run  # noqa: PLC0415

    run(publication, fields or [], name=name, cores=cores, memory=memory, wait=wait, output=output)


@deployment_app.command("list")
def deployment_list(output: OutputOption = Output.TABLE) -> None:
    """List machines, newest first."""
    from ingot.cli.deployments import show_list as run  # noqa: PLC0415

    run(output)


@deployment_app.command("show")
def deployment_show(deployment: DeploymentArgument, output: OutputOption = Output.TABLE) -> None:
    """Show a machine."""
    from ingot.cli.deployments import show as run  # noqa: PLC0415

    run(deployment, output)


@deployment_app.command("start")
def deployment_start(deployment: DeploymentArgument) -> None:
    """Switch a machine on."""
    from ingot.cli.deployments import effect as run  # noqa: PLC0415

    run(deployment, "start")


@deployment_app.command("stop")
def deployment_stop(deployment: DeploymentArgument) -> None:
    """Switch a machine off: it is asked to do it itself, and has a minute for that."""
    from ingot.cli.deployments import effect as run  # noqa: PLC0415

    run(deployment, "stop")


@deployment_app.command("restart")
def deployment_restart(deployment: DeploymentArgument) -> None:
    """Switch a machine off and on again."""
    from ingot.cli.deployments import effect as run  # noqa: PLC0415

    run(deployment, "restart")


@deployment_app.command("terminate")
def deployment_terminate(deployment: DeploymentArgument, yes: YesOption = False, wait: WaitOption = True) -> None:
    """End a machine and remove its disk."""
    from ingot.cli.deployments import terminate as run  # noqa: PLC0415

    run(deployment, yes=yes, wait=wait)
