"""How `ingot template` is called."""

from pathlib import Path
from typing import Annotated

import typer

from ingot.cli.commands.options import OutputOption, TemplateArgument, YesOption
from ingot.cli.output import Output

app = typer.Typer(no_args_is_help=True, help="Templates: files, and those at a server.")
TemplateFile = Annotated[Path, typer.Argument(metavar="TEMPLATE", help="A template file, YAML or JSON.")]

ForceOption = Annotated[bool, typer.Option(help="Replace the template of the same name and version.")]
ReuseOption = Annotated[bool, typer.Option("--reuse-bundles", "-r", help="Use bundles that the server has already.")]
MajorOption = Annotated[bool, typer.Option(help="Take the major version where the exact one is missing.")]


@app.command()
def validate(template: TemplateFile, output: OutputOption = Output.TABLE) -> None:
    """Report every mistake of a template file in one go."""
    from ingot.cli.template import validate as run  # noqa: PLC0415

    run(template, output)


@app.command()
def init(file: Annotated[Path, typer.Argument(help="The file to write.")] = Path("template.yml")) -> None:
    """Write a commented example of a template."""
    from ingot.cli.template import init as run  # noqa: PLC0415

    run(file)


@app.command("list")
def show_list(output: OutputOption = Output.TABLE) -> None:
    """List the templates at the server, newest first."""
    from ingot.cli.templates import show_list as run  # noqa: PLC0415

    run(output)


@app.command()
def show(template: TemplateArgument, output: OutputOption = Output.TABLE) -> None:
    """Show a template."""
    from ingot.cli.templates import show as run  # noqa: PLC0415

    run(template, output)


@app.command()
def create(
    template: TemplateFile,
    force: ForceOption = False,
    reuse_bundles: ReuseOption = False,
    use_major: MajorOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Create a template at the server from a file and the files that it names."""
    from ingot.cli.templates import create as run  # noqa: PLC0415

    run(template, force=force, reuse_bundles=reuse_bundles, use_major=use_major, output=output)


@app.command("import")
def import_archive(
    archive: Annotated[Path, typer.Argument(help="An archive that was exported: tar, tar.gz, zip.")],
    force: ForceOption = False,
    reuse_bundles: ReuseOption = False,
    use_major: MajorOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Create a template at the server from an archive, with the files in it."""
    from ingot.cli.templates import import_archive as run  # noqa: PLC0415

    run(archive, force=force, reuse_bundles=reuse_bundles, use_major=use_major, output=output)


@app.command()
def export(
    template: TemplateArgument,
    target: Annotated[
        Path | None, typer.Option("--to", help="The archive to write; else NAME-VERSION.tar.gz.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="With the template as JSON instead of YAML.")] = False,
    force: Annotated[bool, typer.Option(help="Replace a file that is there.")] = False,
) -> None:
    """Fetch a template with its files as an archive."""
    from ingot.cli.templates import export as run  # noqa: PLC0415

    run(template, target, as_json=as_json, force=force)


@app.command()
def clone(
    template: TemplateArgument,
    name: Annotated[str | None, typer.Option(help="The copy's name; without it, the same.")] = None,
    version: Annotated[str | None, typer.Option(help="The copy's version; without it, the same.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Copy a template under another name or version."""
    from ingot.cli.templates import clone as run  # noqa: PLC0415

    run(template, name, version, output)


@app.command()
def delete(
    template: TemplateArgument,
    yes: YesOption = False,
    force: Annotated[bool, typer.Option(help="Also when images are being generated: they are cancelled.")] = False,
) -> None:
    """Delete a template with its images."""
    from ingot.cli.templates import delete as run  # noqa: PLC0415

    run(template, yes=yes, force=force)
