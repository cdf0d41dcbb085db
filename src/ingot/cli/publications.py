"""`ingot image publish` and `ingot publication`: images at clouds, registries, hosts and stores."""

from pathlib import Path

import typer
from rich.filesize import decimal

from ingot.cli import fields
from ingot.cli.accounts import type_of
from ingot.cli.download import fetch, place
from ingot.cli.follow import await_end, is_over
from ingot.cli.output import (
    REFUSED,
    WRONG_USE,
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
from ingot.client.connection import Connection
from ingot.messages.account import CredAccount
from ingot.messages.base import OpStatus
from ingot.messages.image import PublishImage, PublishImages
from ingot.publish import machines, targets
from ingot.publish.target import PublishError


def publish(number: int, account_name: str, words: list[str], *, wait: bool, output: Output) -> None:
    """Publish an image, and follow it to its end."""
    with connected() as connection:
        account = find.account(connection, account_name)
        image = find.image(connection, number)
        message = _message(account, words)
        message.cred_account = type(account)(db_id=account.db_id)
        row = connection.post(f"{image.uri}/pimages", message, PublishImage)
        if wait:
            say(f"Publication {row.db_id} of {image.name} {image.version} with {account.name}")
            row = _followed(connection, row)
        _print(row, output)


def show_list(image: int | None, output: Output) -> None:
    """The publications, newest first."""
    with connected() as connection:
        path = f"ingot/{connection.user_path('pimages')}"
        if image is not None:
            image_uri = find.image(connection, image).uri
        rows = connection.get(path, PublishImages).publish_images
    columns = {
        "Id>": lambda row: row.db_id,
        "Name": lambda row: row.name,
        "Version": lambda row: row.version,
        "Account": lambda row: row.cred_account.name if row.cred_account else "",
        "Type": lambda row: type_of(row.cred_account) if row.cred_account else "",
        "Created": lambda row: f"{row.created:%Y-%m-%d %H:%M}" if row.created else "",
        "There": lambda row: row.cloud_id,
        "State": state,
    }
    if image is not None:
        rows = [row for row in rows if row.image_uri == image_uri]
    empty = "There are no publications. Publish an image: ingot image publish IMAGE --account ACCOUNT"
    print_messages(rows, output, columns, empty)


def show(number: int, output: Output) -> None:
    """One publication."""
    with connected() as connection:
        row = find.publication(connection, number)
    _print(row, output)


def follow(number: int, output: Output) -> None:
    """Show the progress of a publication until it ends."""
    with connected() as connection:
        _print(_followed(connection, find.publication(connection, number)), output)


def cancel(number: int) -> None:
    """Cancel a publication."""
    with connected() as connection:
        row = find.publication(connection, number)
        if is_over(row.status or OpStatus()):
            fail(f"Publication {number} is {state(row)}: there is nothing to cancel.", code=REFUSED)
        connection.delete(f"{row.uri}/cancel")
    tell(f"Publication {number} is being cancelled.")


def delete(number: int, *, yes: bool) -> None:
    """Forget a publication."""
    with connected() as connection:
        row = find.publication(connection, number)
        if not yes:
            say(f"{row.db_id}  {row.name} {row.version}, {row.cloud_id or ''}, {state(row)}")
            typer.confirm("Forget this publication? What is at the cloud stays there.", abort=True, err=True)
        connection.delete(row.uri or "")
    tell(f"Publication {number} is deleted.")


def download(number: int, target: Path | None, *, force: bool) -> None:
    """Fetch what was published."""
    with connected() as connection:
        row = find.publication(connection, number)
        sha256, uri = row.sha256sum, (row.download_uri or "").partition("?")[0]
        if not sha256 or not uri:
            fail(f"The image of publication {number} is not there any more.", code=REFUSED)
        path = place(row.file_name, f"publication-{number}", target)
        refuse_existing(path, force=force)
        size = row.size or 0
        fetch(path, size, lambda progress: connection.download(uri, sha256, size, path, progress))
    tell(path)


def state(row: PublishImage) -> str:
    """Where a publication is, in few words."""
    status = row.status or OpStatus()
    if status.error:
        return "failed"
    if status.cancelled:
        return "cancelled"
    return "done" if status.complete else f"{status.percentage or 0} %, {status.message or 'waiting'}"


def _message(account: CredAccount, words: list[str]) -> PublishImage:
    """What is asked for, with all that the target needs."""
    try:
        kind = targets.kind_for(type(account).__name__)
    except PublishError as error:
        fail(error.message, code=REFUSED)
    message_type, required = targets.message_type(kind), targets.TARGETS[kind].required
    known = fields.aliases(message_type, targets.own_fields(message_type))
    values = fields.parse(words, known, f"a publication with {account.name} ({type_of(account)})")
    missing = [f"{alias}=…" for alias, name in known.items() if name in required and not values.get(name)]
    if missing:
        others = [alias for alias, name in known.items() if name not in required]
        also = f" It may have {', '.join(others)}." if others else ""
        fail(
            f"A publication with {account.name} ({type_of(account)}) needs {' '.join(missing)}.{also}", code=WRONG_USE
        )
    return fields.build(message_type, dict(values))


def _followed(connection: Connection, row: PublishImage) -> PublishImage:
    """Follow a publication to its end; one that does not end well ends the command."""
    number = row.db_id or 0
    try:
        status = await_end(connection, f"{row.uri}/status")
    except KeyboardInterrupt:
        fail(
            f"The publication goes on without you. Follow it: ingot publication follow {number}. "
            f"Cancel it: ingot publication cancel {number}"
        )
    if status.error:
        words = printable(status.error_message or status.message)
        fail(f"Publication {number} failed: {words}", detail=printable(status.detailed_error_msg))
    if status.cancelled:
        fail(f"Publication {number} was cancelled.")
    return find.publication(connection, number)


def _print(row: PublishImage, output: Output) -> None:
    if output is Output.JSON:
        print_json(plain(row))
        return
    status = row.status or OpStatus()
    is_done = bool(status.complete and not status.error)
    account = row.cred_account
    print_facts(
        [
            ("Publication", row.db_id),
            ("Image", f"{row.name} {row.version}"),
            ("Account", f"{account.name} ({type_of(account)})" if account else None),
            ("State", state(row)),
            ("Size", decimal(row.size) if row.size else None),
            ("There", row.cloud_id),
            ("Location", row.publish_location),
            ("Error", status.error_message),
            ("Next", f"ingot deployment create {row.db_id}" if is_done and _starts_machines(row) else None),
        ]
    )


def _starts_machines(row: PublishImage) -> bool:
    try:
        machines.provider_of(type(row).__name__)
    except PublishError:
        return False
    return True
