"""`ingot image`: machine images at a server."""

from collections.abc import Sequence
from typing import NoReturn

import typer
from rich.filesize import decimal

from ingot.cli.follow import await_end, is_over
from ingot.cli.output import (
    FAILED,
    REFUSED,
    Output,
    fail,
    print_facts,
    print_json,
    print_rows,
    printable,
    say,
    tell,
)
from ingot.cli.remote import connected, package_version, plain, print_messages
from ingot.client import find
from ingot.client.connection import Connection
from ingot.messages.base import OpStatus
from ingot.messages.image import Image, Images
from ingot.messages.install_profile import InstallProfile
from ingot.messages.package import ImagePkgs
from ingot.messages.target import TargetFormat


def generate(
    template: str,
    format_name: str,
    *,
    disk_size: int | None,
    memory: int | None,
    swap_size: int | None,
    simulate: bool,
    boot_test: bool,
    wait: bool,
    output: Output,
) -> None:
    """Ask for an image, and follow it to its end."""
    profile = InstallProfile(disk_size=disk_size, memory_size=memory, swap_size=swap_size)
    with connected() as connection:
        appliance = find.appliance(connection, template)
        target = find.target_format(connection, format_name)
        body = Image(
            compress=True,
            target_format=TargetFormat(name=target.name),
            install_profile=profile if any(size is not None for size in (disk_size, memory, swap_size)) else None,
            simulated=simulate or None,
        )
        path, query = f"{appliance.uri}/images", None
        if boot_test:
            path, query = f"ingot/{path}", {"bootTest": "true"}
        image = connection.post(path, body, Image, query)
        if wait:
            say(f"Image {image.db_id} of {appliance.name} {appliance.version}, {target.name}")
            image = _followed(connection, image)
        _print(image, output)


def follow(number: int, output: Output) -> None:
    """Show the progress of a generation until it ends."""
    with connected() as connection:
        _print(_followed(connection, find.image(connection, number)), output)


def show_list(template: str | None, output: Output) -> None:
    """The images, newest first."""
    with connected() as connection:
        path = connection.user_path("images")
        if template is not None:
            path = f"{find.appliance(connection, template).uri}/images"
        images = connection.get(path, Images).images
    columns = {
        "Id>": lambda image: image.db_id,
        "Name": lambda image: image.name,
        "Version": lambda image: image.version,
        "Rev>": lambda image: image.revision,
        "Format": _format_name,
        "Created": lambda image: f"{image.created:%Y-%m-%d %H:%M}" if image.created else "",
        "Size>": lambda image: decimal(image.size) if image.size else "",
        "State": state,
    }
    print_messages(
        images, output, columns, "There are no images. Generate one: ingot image generate TEMPLATE --format QCOW2"
    )


def show(number: int, output: Output) -> None:
    """One image."""
    with connected() as connection:
        image = find.image(connection, number)
    _print(image, output)


def packages(number: int, output: Output) -> None:
    """The packages that a finished image has."""
    with connected() as connection:
        image = find.image(connection, number)
        entries = connection.get(f"{image.uri}/pkgs", ImagePkgs).image_pkgs
    if output is Output.JSON:
        print_json([plain(entry) for entry in entries])
        return
    columns = {
        "Package": lambda entry: entry.pkg.name,
        "Version": lambda entry: package_version(entry.pkg),
        "Arch": lambda entry: entry.pkg.arch,
        "Size>": lambda entry: decimal(entry.pkg.size or 0),
    }
    empty = f"Image {number} has no package list: it is {state(image)}."
    print_rows([entry for entry in entries if entry.pkg is not None], columns, empty)


def cancel(number: int) -> None:
    """Cancel a generation."""
    with connected() as connection:
        image = find.image(connection, number)
        status = image.status or OpStatus()
        if is_over(status):
            fail(f"Image {number} is {state(image)}: there is nothing to cancel.", code=REFUSED)
        connection.delete(f"{image.uri}/status")
    tell(f"Image {number} is being cancelled.")


def delete(numbers: Sequence[int], *, yes: bool) -> None:
    """Delete images, all of them or, when one of them is not there, none."""
    with connected() as connection:
        images = [find.image(connection, number) for number in dict.fromkeys(numbers)]
        if not yes:
            for image in images:
                say(f"{image.db_id}  {image.name} {image.version}, {_format_name(image)}, {state(image)}")
            typer.confirm(f"Delete {'these images' if len(images) > 1 else 'this image'}?", abort=True, err=True)
        for image in images:
            connection.delete(image.uri or "")
            tell(f"Image {image.db_id} is deleted.")


def state(image: Image) -> str:
    """Where an image is, in few words."""
    status = image.status or OpStatus()
    if status.error:
        return "failed"
    if status.cancelled:
        return "cancelled"
    if status.complete:
        return "simulated" if image.simulated else "done"
    return f"{status.percentage or 0} %, {status.message or 'waiting'}"


def _followed(connection: Connection, image: Image) -> Image:
    """Follow a generation to its end; one that does not end well ends the command."""
    try:
        status = await_end(connection, f"{image.uri}/status")
    except KeyboardInterrupt:
        number = image.db_id
        fail(
            f"The generation goes on without you. Follow it: ingot image follow {number}. "
            f"Cancel it: ingot image cancel {number}"
        )
    if status.error:
        _explain(image, status)
    if status.cancelled:
        fail(f"Image {image.db_id} was cancelled.", code=FAILED)
    return find.image(connection, image.db_id or 0)


def _explain(image: Image, status: OpStatus) -> NoReturn:
    fail(
        f"Image {image.db_id} failed: {printable(status.error_message or status.message)}",
        detail=printable(status.detailed_error_msg) or f"Its log: ingot image log {image.db_id}",
    )


def _print(image: Image, output: Output) -> None:
    if output is Output.JSON:
        print_json(plain(image))
        return
    status = image.status or OpStatus()
    is_finished = bool(status.complete and image.compress and not image.simulated)
    print_facts(
        [
            ("Image", image.db_id),
            ("Name", f"{image.name} {image.version}, revision {image.revision}"),
            ("Format", _format_name(image)),
            ("State", state(image)),
            ("Size", decimal(image.size) if image.size else None),
            ("SHA-256", image.sha256sum),
            ("Error", status.error_message),
            ("Next", f"ingot image download {image.db_id}" if is_finished else None),
        ]
    )


def _format_name(image: Image) -> str:
    return (image.target_format.name if image.target_format else None) or ""
