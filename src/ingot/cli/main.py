"""The `ingot` command. Each command loads only what it needs: `ingot --help` answers at once."""

from pathlib import Path
from typing import Annotated

import typer

from ingot.cli.commands import bundle, cache, catalogue, image, login, people, publishing, template
from ingot.cli.commands.download import download
from ingot.cli.commands.options import DEFAULT_CACHE, CacheDir, OutputOption
from ingot.cli.commands.template import TemplateFile
from ingot.cli.output import Output

app = typer.Typer(
    name="ingot",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="A machine image factory: appliances become bootable images.",
)
app.command()(login.login)
app.command()(login.logout)
app.command()(download)
app.add_typer(template.app, name="template")
app.add_typer(bundle.app, name="bundle")
app.add_typer(image.app, name="image")
app.add_typer(cache.app, name="cache")
app.add_typer(catalogue.os_app, name="os")
app.add_typer(catalogue.format_app, name="format")
app.add_typer(people.user_app, name="user")
app.add_typer(publishing.account_app, name="account")
app.add_typer(publishing.publication_app, name="publication")
app.add_typer(publishing.deployment_app, name="deployment")
app.add_typer(people.quota_app, name="quota")


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 for any free one.", min=0, max=65535)] = 8080,
    data_dir: Annotated[Path | None, typer.Option(help="Where everything is kept.")] = None,
    processes: Annotated[
        int | None, typer.Option(help="Processes that answer requests; else INGOT_PROCESSES, or 1.", min=1, max=256)
    ] = None,
) -> None:
    """Run the server with a local worker."""
    from ingot.cli.serve import serve as run  # noqa: PLC0415

    run(host, port, data_dir, processes)


@app.command()
def build(
    output: Annotated[Path, typer.Option("-o", "--output", help="The image to write.")],
    template_file: Annotated[
        Path | None, typer.Argument(help="The template: a YAML or JSON file.", metavar="[TEMPLATE]")
    ] = None,
    manifest_file: Annotated[
        Path | None, typer.Option("--manifest", help="Build exactly this manifest instead of a template.")
    ] = None,
    format_name: Annotated[
        str | None, typer.Option("--format", help="A name of `ingot format list --local`; else by the file's name.")
    ] = None,
    cache_dir: CacheDir = DEFAULT_CACHE,
    memory: Annotated[int, typer.Option(help="Memory of the virtual machine, in MB.", min=64)] = 1024,
    cpus: Annotated[int, typer.Option(help="Processors of the virtual machine.", min=1)] = 1,
    hardware_version: Annotated[int, typer.Option(help="VMware's hardware version, 4 to 21.")] = 11,
    entrypoint: Annotated[
        str | None, typer.Option(help='A container\'s command, as a JSON list such as ["nginx", "-g", "daemon off;"].')
    ] = None,
    platform_tools: Annotated[bool, typer.Option(help="Bring in the agents of the format's platform.")] = True,
    install: Annotated[
        bool,
        typer.Option("--install", help="Have an ISO install to the first disk unless somebody chooses otherwise."),
    ] = False,
    boot_test: Annotated[bool, typer.Option(help="Boot the image and fail when units failed.")] = False,
    evidence_dir: Annotated[
        Path | None,
        typer.Option(
            "--evidence",
            help="Where manifest, timings, logs, bills of materials and provenance go; else, OUTPUT.evidence.",
        ),
    ] = None,
    output_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Build an image from a template file or a manifest, with no server."""
    from ingot.cli.build import build as run  # noqa: PLC0415
    from ingot.cli.build import format_options  # noqa: PLC0415

    run(
        template_file,
        output,
        manifest_file=manifest_file,
        format_name=format_name,
        cache_dir=cache_dir,
        boot_test=boot_test,
        options=format_options(
            memory=memory,
            cpus=cpus,
            hardware_version=hardware_version,
            entrypoint=entrypoint,
            platform_tools=platform_tools,
            install=install,
        ),
        evidence_dir=evidence_dir,
        output_json=output_json,
    )


@app.command()
def manifest(
    template_file: TemplateFile,
    format_name: Annotated[str, typer.Option("--format", help="The format that the manifest is for.")] = "raw",
    cache_dir: CacheDir = DEFAULT_CACHE,
) -> None:
    """Print everything that a build of a template is made from: packages with versions and hashes, files, options."""
    from ingot.cli.manifest import manifest as run  # noqa: PLC0415

    run(template_file, format_name, cache_dir)


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(help="A disk in any format that QEMU reads, or a tar archive.")],
    second: Annotated[Path, typer.Argument(help="The other one.")],
    output: OutputOption = Output.TABLE,
) -> None:
    """Say where two images differ: partition, file, and what of it; ends with 1 when they do."""
    from ingot.cli.compare import compare as run  # noqa: PLC0415

    run(first, second, output)


@app.command()
def doctor(cache_dir: CacheDir = DEFAULT_CACHE) -> None:
    """Say what this machine lacks for building images, and how to get it."""
    from ingot.cli.doctor import doctor as run  # noqa: PLC0415

    run(cache_dir)


@app.command()
def version() -> None:
    """Print the version."""
    from ingot import __version__  # noqa: PLC0415

    typer.echo(__version__)


def main() -> None:
    """Run the command."""
    app()
