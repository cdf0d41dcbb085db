"""`ingot template`: appliance templates at a server."""

import typer

from ingot.cli.output import Output, console, print_facts, print_json, print_rows, say
from ingot.cli.remote import connected, plain
from ingot.client import find
from ingot.messages.appliance import Appliance, Appliances
from ingot.messages.base import UriList


def show_list(output: Output) -> None:
    """The templates, newest first."""
    with connected() as connection:
        rows = connection.get(connection.user_path("appliances"), Appliances).appliances
    if output is Output.JSON:
        print_json([plain(row) for row in rows])
        return
    columns = {
        "Id>": lambda row: row.db_id,
        "Name": lambda row: row.name,
        "Version": lambda row: row.version,
        "Operating system": _system,
        "Created": lambda row: f"{row.created:%Y-%m-%d %H:%M}" if row.created else "",
        "Changed": lambda row: f"{row.last_modified:%Y-%m-%d %H:%M}" if row.last_modified else "",
        "Images>": lambda row: len((row.image_uris or UriList()).uri),
    }
    print_rows(rows, columns, "There are no templates. Write one and create it: ingot template init")


def show(name: str, output: Output) -> None:
    """One template."""
    with connected() as connection:
        row = find.appliance(connection, name)
    _print(row, output)


def clone(name: str, new_name: str | None, new_version: str | None, output: Output) -> None:
    """Copy a template under another name or version."""
    with connected() as connection:
        row = find.appliance(connection, name)
        body = Appliance(name=new_name or row.name, version=new_version or row.version)
        copy = connection.post(f"{row.uri}/clones", body, Appliance)
    _print(copy, output)


def delete(name: str, *, yes: bool, force: bool) -> None:
    """Delete a template with its images."""
    with connected() as connection:
        row = find.appliance(connection, name)
        images = len((row.image_uris or UriList()).uri)
        if not yes:
            say(f"{row.db_id}  {row.name} {row.version}, {_system(row)}, {images} image{'' if images == 1 else 's'}")
            typer.confirm("Delete this template and its images?", abort=True, err=True)
        connection.delete(row.uri or "", {"force": "true"} if force else None)
    console.print(f"Template {row.name} {row.version} is deleted.", markup=False)


def _print(row: Appliance, output: Output) -> None:
    if output is Output.JSON:
        print_json(plain(row))
        return
    print_facts(
        [
            ("Template", row.db_id),
            ("Name", f"{row.name} {row.version}, revision {row.revision}"),
            ("Description", row.description),
            ("Operating system", _system(row)),
            ("Packages as of", f"{row.last_pkg_update:%Y-%m-%d %H:%M} UTC" if row.last_pkg_update else None),
            ("Images", len((row.image_uris or UriList()).uri)),
            ("Next", f"ingot image generate {row.db_id} --format QCOW2"),
        ]
    )


def _system(row: Appliance) -> str:
    return f"{row.distribution_name or ''} {row.arch_name or ''}".strip()
