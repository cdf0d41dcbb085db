"""`ingot template`: appliance templates at a server."""

from pathlib import Path
from typing import IO

import typer

from ingot.build.errors import BuildError
from ingot.build.template_file import read_document
from ingot.cli.follow import await_end
from ingot.cli.output import (
    NOT_FOUND,
    Output,
    fail,
    print_facts,
    print_json,
    printable,
    refuse_existing,
    say,
    tell,
)
from ingot.cli.remote import connected, plain, print_messages
from ingot.client import find
from ingot.client.archive import packed
from ingot.client.connection import Connection
from ingot.messages.appliance import Appliance, ApplianceExport, ApplianceImport, Appliances
from ingot.messages.base import OpStatus, UriList


def show_list(output: Output) -> None:
    """The templates, newest first."""
    with connected() as connection:
        rows = connection.get(connection.user_path("appliances"), Appliances).appliances
    columns = {
        "Id>": lambda row: row.db_id,
        "Name": lambda row: row.name,
        "Version": lambda row: row.version,
        "Operating system": _system,
        "Created": lambda row: f"{row.created:%Y-%m-%d %H:%M}" if row.created else "",
        "Changed": lambda row: f"{row.last_modified:%Y-%m-%d %H:%M}" if row.last_modified else "",
        "Images>": lambda row: len((row.image_uris or UriList()).uri),
    }
    print_messages(rows, output, columns, "There are no templates. Write one and create it: ingot template init")


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


def create(file: Path, *, force: bool, reuse_bundles: bool, use_major: bool, output: Output) -> None:
    """Create a template at the server from a file and the files that it names."""
    if not file.exists():
        fail(f"There is no template {file}.", code=NOT_FOUND)
    try:
        document = read_document(file)
    except BuildError as error:
        fail(error.message)
    flags = {"imported": False, "force": force, "reuseBundles": reuse_bundles, "useMajor": use_major}
    with connected() as connection, packed(document, file.absolute().parent) as archive:
        row = _send(connection, archive, flags, f"{file} could not be created")
    _print(row, output)


def import_archive(file: Path, *, force: bool, reuse_bundles: bool, use_major: bool, output: Output) -> None:
    """Create a template at the server from an archive that was exported."""
    flags = {"imported": True, "force": force, "reuseBundles": reuse_bundles, "useMajor": use_major}
    try:
        with file.open("rb") as archive, connected() as connection:
            row = _send(connection, archive, flags, f"{file} could not be imported")
    except FileNotFoundError:
        fail(f"There is no archive {file}.", code=NOT_FOUND)
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}.")
    _print(row, output)


def _send(connection: Connection, archive: IO[bytes], flags: dict[str, bool], words: str) -> Appliance:
    """Import an archive; the template that it becomes. A command that is broken off leaves no import."""
    query = {name: str(value).lower() for name, value in flags.items()}
    ticket = connection.post(connection.user_path("imports"), None, ApplianceImport, query)
    try:
        connection.post(f"{ticket.uri}/uploads", archive, OpStatus)
        _require_done(await_end(connection, f"{ticket.uri}/status"), words)
        done = connection.get(ticket.uri or "", ApplianceImport)
    except KeyboardInterrupt:
        connection.delete(ticket.uri or "")
        raise
    return connection.get(done.reference_uri or "", Appliance)


def export(name: str, target: Path | None, *, as_json: bool, force: bool) -> None:
    """Fetch a template with its files as an archive."""
    with connected() as connection:
        row = find.appliance(connection, name)
        path = target or Path(f"{row.name}-{row.version}.tar.gz".replace("/", "_"))
        refuse_existing(path, force=force)
        query = {"outputFormat": "json" if as_json else "yaml"}
        ticket = connection.post(f"{row.uri}/exports", None, ApplianceExport, query)
        try:
            _require_done(await_end(connection, f"{ticket.uri}/status"), f"{row.name} could not be exported")
            connection.save(f"{ticket.uri}/downloads", path)
        except OSError as error:
            fail(f"{path} cannot be written: {error.strerror}.")
        finally:
            connection.delete(ticket.uri or "")
    tell(path)


def _require_done(status: OpStatus, words: str) -> None:
    if status.error or status.cancelled:
        reason = status.error_message or status.message or "cancelled"
        fail(f"{words}: {printable(reason)}", detail=printable(status.detailed_error_msg))


def delete(name: str, *, yes: bool, force: bool) -> None:
    """Delete a template with its images."""
    with connected() as connection:
        row = find.appliance(connection, name)
        images = len((row.image_uris or UriList()).uri)
        if not yes:
            say(f"{row.db_id}  {row.name} {row.version}, {_system(row)}, {images} image{'' if images == 1 else 's'}")
            typer.confirm("Delete this template and its images?", abort=True, err=True)
        connection.delete(row.uri or "", {"force": "true"} if force else None)
    tell(f"Template {row.name} {row.version} is deleted.")


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
