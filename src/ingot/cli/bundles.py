"""`ingot bundle`: software of one's own, as files and at a server."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO

import typer
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from ingot.build.errors import BuildError
from ingot.build.template_file import TemplateFileError, load_bundle, read_bundle_document
from ingot.cli.follow import await_end
from ingot.cli.output import (
    NOT_FOUND,
    Output,
    errors,
    fail,
    print_facts,
    print_json,
    print_rows,
    printable,
    refuse_existing,
    say,
    tell,
)
from ingot.cli.remote import connected, plain, print_messages
from ingot.client import find
from ingot.client.archive import packed_bundle
from ingot.client.connection import Connection
from ingot.messages.base import OpStatus, UriList
from ingot.messages.software import (
    BootScript,
    MySoftware,
    MySoftwareList,
    SoftwareArtifact,
    SoftwareArtifacts,
    SoftwareBundleExport,
    SoftwareBundleImport,
    SoftwareFile,
)


def validate(file: Path, output: Output) -> None:
    """Report every mistake of a bundle file."""
    _require_file(file, "bundle")
    try:
        bundle = load_bundle(file)
    except TemplateFileError as error:
        if output is Output.JSON:
            print_json({"valid": False, "mistakes": [asdict(mistake) for mistake in error.mistakes]})
            raise typer.Exit(1) from error
        fail(error.message)
    except BuildError as error:
        fail(error.message)
    if output is Output.JSON:
        print_json({"valid": True, "mistakes": []})
    else:
        tell(f"{file} is a bundle of {bundle.name} {bundle.version} with {len(bundle.files)} entries.")


def show_list(output: Output) -> None:
    """The bundles, newest first."""
    with connected() as connection:
        rows = connection.get(connection.user_path("mysoftware"), MySoftwareList).my_software_list
    columns = {
        "Id>": lambda row: row.db_id,
        "Name": lambda row: row.name,
        "Version": lambda row: row.version,
        "Category": lambda row: row.category.name if row.category else "",
        "Size>": lambda row: decimal(row.size or 0),
        "Changed": lambda row: f"{row.last_modified:%Y-%m-%d %H:%M}" if row.last_modified else "",
        "Templates>": lambda row: len((row.appliance_uris or UriList()).uri),
        "Restricted to": lambda row: row.bundle_restriction.restriction_rule if row.bundle_restriction else "",
    }
    print_messages(rows, output, columns, "There are no bundles. Create one from its file: ingot bundle create FILE")


def show(name: str, output: Output) -> None:
    """One bundle with what is in it."""
    with connected() as connection:
        row = find.bundle(connection, name)
        artifacts = connection.get(row.artifacts_uri or "", SoftwareArtifacts).software_artifacts
    if output is Output.JSON:
        print_json({**plain(row), "artifacts": [plain(artifact) for artifact in artifacts]})
        return
    _print(row, output)
    columns = {
        "Entry": lambda entry: entry[0],
        "Kind": lambda entry: _kind(entry[1]),
        "Size>": lambda entry: decimal(entry[1].size or 0) if entry[1].uploaded else "",
        "Rights": lambda entry: entry[1].rights if isinstance(entry[1], SoftwareFile) else "",
        "Owner": lambda entry: entry[1].owner_group if isinstance(entry[1], SoftwareFile) else "",
        "To": lambda entry: entry[1].install_location,
    }
    print_rows(list(_flat(artifacts, "")), columns, "The bundle is empty.")


def create(file: Path, output: Output) -> None:
    """Create a bundle at the server from a file and the files that it names."""
    _require_file(file, "bundle")
    try:
        document = read_bundle_document(file)
    except BuildError as error:
        fail(error.message)
    with connected() as connection, packed_bundle(document, file.absolute().parent) as archive:
        row = _import(connection, archive, file, imported=False)
    _print(row, output)


def import_archive(file: Path, output: Output) -> None:
    """Create a bundle at the server from an archive."""
    _require_file(file, "archive")
    with connected() as connection, file.open("rb") as archive:
        row = _import(connection, archive, file, imported=True)
    _print(row, output)


def export(name: str, target: Path | None, *, as_json: bool, force: bool) -> None:
    """Fetch a bundle with its files as an archive."""
    with connected() as connection:
        row = find.bundle(connection, name)
        path = target or Path(f"{row.name}-{row.version}.tar.gz".replace("/", "_"))
        refuse_existing(path, force=force)
        query = {"outputFormat": "json" if as_json else "yaml"}
        ticket = connection.post(row.export_uri or "", None, SoftwareBundleExport, query)
        try:
            _require_done(await_end(connection, f"{ticket.uri}/status"), f"{row.name} could not be exported")
            connection.save(ticket.download_uri or "", path)
        except OSError as error:
            fail(f"{path} cannot be written: {error.strerror}.")
        finally:
            connection.delete(ticket.uri or "")
    tell(path)


def clone(name: str, new_name: str | None, new_version: str | None, output: Output) -> None:
    """Copy a bundle under another name or version."""
    with connected() as connection:
        row = find.bundle(connection, name)
        body = MySoftware(name=new_name or row.name, version=new_version or row.version)
        copy = connection.post(row.clone_uri or "", body, MySoftware)
    _print(copy, output)


def delete(name: str, *, yes: bool) -> None:
    """Delete a bundle, also from the templates that have it."""
    with connected() as connection:
        row = find.bundle(connection, name)
        count = len((row.appliance_uris or UriList()).uri)
        if not yes:
            used = f", in {count} template{'' if count == 1 else 's'}" if count else ""
            say(f"{row.db_id}  {row.name} {row.version}{used}")
            typer.confirm("Delete this bundle?", abort=True, err=True)
        connection.delete(row.uri or "")
    tell(f"Bundle {row.name} {row.version} is deleted.")


def _require_file(file: Path, what: str) -> None:
    if not file.is_file():
        fail(f"There is no {what} {file}.", code=NOT_FOUND)


def _import(connection: Connection, archive: IO[bytes], file: Path, *, imported: bool) -> MySoftware:
    query = {"imported": str(imported).lower()}
    ticket = connection.post(connection.user_path("bundleimports"), None, SoftwareBundleImport, query)
    columns = (TextColumn("Uploading"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as progress:
        task = progress.add_task("", total=None)
        connection.upload(
            ticket.upload_uri or "",
            archive,
            OpStatus,
            lambda done, total: progress.update(task, completed=done, total=total),
        )
    _require_done(await_end(connection, ticket.status_uri or ""), f"{file} could not be made a bundle")
    done = connection.get(ticket.uri or "", SoftwareBundleImport)
    return connection.get(done.reference_uri or "", MySoftware)


def _require_done(status: OpStatus, words: str) -> None:
    if status.error or status.cancelled:
        reason = status.error_message or status.message or "cancelled"
        fail(f"{words}: {printable(reason)}", detail=printable(status.detailed_error_msg))


def _flat(artifacts: list[SoftwareArtifact], place: str) -> Iterator[tuple[str, SoftwareArtifact]]:
    for artifact in artifacts:
        path = f"{place}{artifact.name}"
        yield path, artifact
        yield from _flat(artifact.sub_software_artifacts or [], f"{path}/")


def _kind(artifact: SoftwareArtifact) -> str:
    if isinstance(artifact, BootScript):
        return f"{artifact.boot_type} {artifact.boot_order}"
    if artifact.short_tag == "ospkg":
        return "package"
    if artifact.type == "directory":
        return "directory"
    return "archive to unpack" if artifact.extract else "package file" if artifact.install else "file"


def _print(row: MySoftware, output: Output) -> None:
    if output is Output.JSON:
        print_json(plain(row))
        return
    rule = row.bundle_restriction.restriction_rule if row.bundle_restriction else None
    print_facts(
        [
            ("Bundle", row.db_id),
            ("Name", f"{row.name} {row.version}, revision {row.revision}"),
            ("Description", row.description),
            ("Category", row.category.name if row.category else None),
            ("Size", decimal(row.size or 0)),
            ("Files go to", row.default_install_location),
            ("Restricted to", rule),
            ("Licence", row.license.name if row.license and row.license.uploaded else None),
            ("Templates", len((row.appliance_uris or UriList()).uri)),
        ]
    )
