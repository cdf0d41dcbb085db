"""Options and arguments that several commands have, and how a shell completes them."""

from pathlib import Path
from typing import Annotated

import typer

from ingot.cli.output import Output


def _templates(incomplete: str) -> list[str]:
    from ingot.cli.completion import templates  # noqa: PLC0415

    return templates(incomplete)


def _bundles(incomplete: str) -> list[str]:
    from ingot.cli.completion import bundles  # noqa: PLC0415

    return bundles(incomplete)


def complete_images(incomplete: str) -> list[tuple[str, str]]:
    """The images there are, for a shell that completes."""
    from ingot.cli.completion import images  # noqa: PLC0415

    return images(incomplete)


def _formats(incomplete: str) -> list[str]:
    from ingot.cli.completion import formats  # noqa: PLC0415

    return formats(incomplete)


def _systems(incomplete: str) -> list[str]:
    from ingot.cli.completion import systems  # noqa: PLC0415

    return systems(incomplete)


def _accounts(incomplete: str) -> list[str]:
    from ingot.cli.completion import accounts  # noqa: PLC0415

    return accounts(incomplete)


def _publications(incomplete: str) -> list[tuple[str, str]]:
    from ingot.cli.completion import publications  # noqa: PLC0415

    return publications(incomplete)


def _deployments(incomplete: str) -> list[tuple[str, str]]:
    from ingot.cli.completion import deployments  # noqa: PLC0415

    return deployments(incomplete)


def complete_account_types(incomplete: str) -> list[str]:
    """The types of accounts, for a shell that completes."""
    from ingot.cli.accounts import TYPES  # noqa: PLC0415

    return [name for name in TYPES if name.startswith(incomplete.lower())]


OutputOption = Annotated[Output, typer.Option("--output", help="For people (table) or for programs (json).")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
TemplateArgument = Annotated[
    str, typer.Argument(metavar="TEMPLATE", help="An id, NAME or NAME:VERSION.", autocompletion=_templates)
]
BundleArgument = Annotated[
    str, typer.Argument(metavar="BUNDLE", help="An id, NAME or NAME:VERSION.", autocompletion=_bundles)
]
TemplateOption = Annotated[
    str | None, typer.Option("--template", help="Only of this template.", autocompletion=_templates)
]
ImageArgument = Annotated[
    int, typer.Argument(metavar="IMAGE", help="The image's id.", min=1, autocompletion=complete_images)
]
ImagesArgument = Annotated[
    list[int], typer.Argument(metavar="IMAGE...", help="The images' ids.", autocompletion=complete_images)
]
FormatOption = Annotated[str, typer.Option("--format", help="A name of `ingot format list`.", autocompletion=_formats)]
SystemArgument = Annotated[
    str, typer.Argument(metavar="OS", help="An id, NAME:VERSION or NAME:VERSION:ARCH.", autocompletion=_systems)
]
AccountArgument = Annotated[str, typer.Argument(metavar="ACCOUNT", help="An id or a name.", autocompletion=_accounts)]
AccountOption = Annotated[
    str, typer.Option("--account", help="The cloud account, by id or name.", autocompletion=_accounts)
]
PublicationArgument = Annotated[
    int, typer.Argument(metavar="PUBLICATION", help="The publication's id.", min=1, autocompletion=_publications)
]
DeploymentArgument = Annotated[
    str, typer.Argument(metavar="DEPLOYMENT", help="An id or a name.", autocompletion=_deployments)
]
WaitOption = Annotated[bool, typer.Option(help="Follow it to its end.")]
CacheDir = Annotated[
    Path, typer.Option(help="Where packages, trees and disks are kept between builds.", envvar="INGOT_CACHE_DIR")
]
DEFAULT_CACHE = Path("~/.cache/ingot/build")
