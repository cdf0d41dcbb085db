"""How `ingot image` is called."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ingot.cli.commands.download import download
from ingot.cli.commands.options import (
    AccountOption,
    FormatOption,
    ImageArgument,
    ImagesArgument,
    OutputOption,
    TemplateArgument,
    TemplateOption,
    WaitOption,
    YesOption,
)
from ingot.cli.output import Output

TargetOption = Annotated[Path | None, typer.Option("-o", "--to", help="The file to write; else, standard output.")]
ForceOption = Annotated[bool, typer.Option(help="Replace a file that is there.")]


class BillFormat(StrEnum):
    """The specifications of bills of materials."""

    SPDX = "spdx"
    CYCLONEDX = "cyclonedx"


app = typer.Typer(no_args_is_help=True, help="Generate images at a server, follow and fetch them.")


@app.command()
def generate(
    template: TemplateArgument,
    format_name: FormatOption,
    disk_size: Annotated[int | None, typer.Option(help="MB that the disk has.", min=1)] = None,
    memory: Annotated[int | None, typer.Option(help="MB of memory.", min=1)] = None,
    swap_size: Annotated[int | None, typer.Option(help="MB of swap space.", min=0)] = None,
    simulate: Annotated[bool, typer.Option(help="Only find out which packages it would have.")] = False,
    boot_test: Annotated[bool, typer.Option(help="Have it booted, and fail when units failed.")] = False,
    wait: WaitOption = True,
    output: OutputOption = Output.TABLE,
) -> None:
    """Generate an image of a template."""
    from ingot.cli.images import generate as run  # noqa: PLC0415

    run(
        template,
        format_name,
        disk_size=disk_size,
        memory=memory,
        swap_size=swap_size,
        simulate=simulate,
        boot_test=boot_test,
        wait=wait,
        output=output,
    )


@app.command()
def publish(
    image: ImageArgument,
    account: AccountOption,
    fields: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FIELD=VALUE]...", help="What the account's kind of target asks for."),
    ] = None,
    wait: WaitOption = True,
    output: OutputOption = Output.TABLE,
) -> None:
    """Publish a finished image to where an account leads: a cloud, a registry, a host, a store."""
    from ingot.cli.publications import publish as run  # noqa: PLC0415

    run(image, account, fields or [], wait=wait, output=output)


@app.command("list")
def show_list(template: TemplateOption = None, output: OutputOption = Output.TABLE) -> None:
    """List images, newest first."""
    from ingot.cli.images import show_list as run  # noqa: PLC0415

    run(template, output)


@app.command()
def show(image: ImageArgument, output: OutputOption = Output.TABLE) -> None:
    """Show an image."""
    from ingot.cli.images import show as run  # noqa: PLC0415

    run(image, output)


@app.command()
def follow(image: ImageArgument, output: OutputOption = Output.TABLE) -> None:
    """Show the progress of a generation until it ends."""
    from ingot.cli.images import follow as run  # noqa: PLC0415

    run(image, output)


app.command()(download)


@app.command()
def packages(image: ImageArgument, output: OutputOption = Output.TABLE) -> None:
    """List the packages that a finished image has."""
    from ingot.cli.images import packages as run  # noqa: PLC0415

    run(image, output)


@app.command()
def sbom(
    image: ImageArgument,
    bill: Annotated[BillFormat, typer.Option("--format", help="Which specification it keeps to.")] = BillFormat.SPDX,
    target: TargetOption = None,
    force: ForceOption = False,
) -> None:
    """Fetch the bill of materials of an image: all that is installed in it."""
    from ingot.cli.evidence import sbom as run  # noqa: PLC0415

    run(image, bill, target, force=force)


@app.command()
def manifest(image: ImageArgument, target: TargetOption = None, force: ForceOption = False) -> None:
    """Fetch the manifest of an image: `ingot build --manifest` makes the same one of it."""
    from ingot.cli.evidence import manifest as run  # noqa: PLC0415

    run(image, target, force=force)


@app.command()
def provenance(
    image: ImageArgument,
    target: TargetOption = None,
    force: ForceOption = False,
    verify: Annotated[bool, typer.Option(help="Verify the signature, and that it is of this image.")] = False,
    key: Annotated[
        Path | None, typer.Option(help="Verify with this public key; else, with the one that the server shows.")
    ] = None,
    image_file: Annotated[Path | None, typer.Option("--file", help="Verify that it is of this image file.")] = None,
) -> None:
    """Fetch or verify the signed statement of where an image comes from."""
    from ingot.cli.evidence import provenance as run  # noqa: PLC0415

    run(image, target, force=force, verify=verify, key_file=key, image_file=image_file)


@app.command()
def key(target: TargetOption = None, force: ForceOption = False) -> None:
    """Fetch the public key that the server signs statements about images with."""
    from ingot.cli.evidence import save_key as run  # noqa: PLC0415

    run(target, force=force)


@app.command()
def log(
    image: ImageArgument,
    stage: Annotated[str | None, typer.Option(help="Of this stage alone.")] = None,
    follow: Annotated[bool, typer.Option(help="Go on until the generation ends, and fail when it does.")] = False,
) -> None:
    """Print what the programs of a generation said, also of one that runs or failed."""
    from ingot.cli.evidence import log as run  # noqa: PLC0415

    run(image, stage, follow=follow)


@app.command()
def timings(image: ImageArgument, output: OutputOption = Output.TABLE) -> None:
    """Print how long the stages of a generation took."""
    from ingot.cli.evidence import timings as run  # noqa: PLC0415

    run(image, output)


@app.command()
def cancel(image: ImageArgument) -> None:
    """Cancel a generation."""
    from ingot.cli.images import cancel as run  # noqa: PLC0415

    run(image)


@app.command()
def delete(images: ImagesArgument, yes: YesOption = False) -> None:
    """Delete images."""
    from ingot.cli.images import delete as run  # noqa: PLC0415

    run(images, yes=yes)
