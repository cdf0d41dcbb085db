"""`ingot image sbom|provenance|manifest|log|timings`: how an image at a server came about."""

import hashlib
import json
import sys
import time
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ingot.build.evidence import dsse
from ingot.cli.commands.image import BillFormat
from ingot.cli.output import (
    FAILED,
    NOT_FOUND,
    REFUSED,
    Output,
    console,
    fail,
    print_json,
    print_rows,
    printable,
    refuse_existing,
    say,
    tell,
)
from ingot.cli.remote import connected
from ingot.client import find
from ingot.client.connection import Connection
from ingot.messages.base import OpStatus
from ingot.messages.image import Image

_FIRST_PAUSE, _LONGEST_PAUSE = 0.3, 2.0
_SIGNED = "provenance.dsse.json"


_BILLS = {BillFormat.SPDX: "sbom.spdx.json", BillFormat.CYCLONEDX: "sbom.cdx.json"}


def sbom(number: int, bill: BillFormat, target: Path | None, *, force: bool) -> None:
    """What is in an image."""
    with connected() as connection:
        content = _file(connection, find.image(connection, number), _BILLS[bill])
    _give(content, target, force=force)


def manifest(number: int, target: Path | None, *, force: bool) -> None:
    """What an image was made from."""
    with connected() as connection:
        content = _file(connection, find.image(connection, number), "manifest.json")
    _give(content, target, force=force)


def provenance(
    number: int,
    target: Path | None,
    *,
    force: bool,
    verify: bool,
    key_file: Path | None,
    image_file: Path | None,
) -> None:
    """Where an image comes from, as a signed statement."""
    with connected() as connection:
        image = find.image(connection, number)
        envelope = _file(connection, image, _SIGNED)
        if not (verify or key_file or image_file):
            _give(envelope, target, force=force)
            return
        key = _key(connection, key_file)
    try:
        statement = json.loads(dsse.verify(envelope, key))
    except dsse.WrongSignatureError as error:
        fail(f"The provenance of image {number} cannot be trusted: {error}", code=FAILED)
    _require_subject(statement, image.sha256sum or "", f"image {number} as the server has it")
    if image_file is not None:
        _require_subject(statement, _hash(image_file), str(image_file))
    if target is not None:
        _give(envelope, target, force=force)
    predicate = statement["predicate"]
    details = predicate["runDetails"]
    tell(f"Verified: signed with the key {dsse.key_id(key)}.")
    if key_file is None:
        say("The key is the one that the server shows now. Keep one that you trust: ingot image key --to key.pem")
    tell(f"Built by {details['builder']['id']}, {details['metadata']['startedOn']}")
    tell(f"Made of {len(predicate['buildDefinition']['resolvedDependencies'])} materials, each named by its hash.")


def save_key(target: Path | None, *, force: bool) -> None:
    """Keep the public key that the server signs with."""
    with connected() as connection:
        content, _ = connection.content("ingot/provenance-key")
    _give(content, target, force=force)


def log(number: int, stage: str | None, *, follow: bool) -> None:
    """What the programs of a generation said, also while it runs."""
    with connected() as connection:
        image = find.image(connection, number)
        query = {"stage": stage} if stage else {}
        offset, pause = 0, _FIRST_PAUSE
        while True:
            content, headers = connection.content(f"ingot/{image.uri}/log", {**query, "offset": str(offset)})
            if content:
                # A character may be cut at the end of what was written so far: it comes with the next piece.
                end = content.rfind(b"\n") + 1 if headers["x-ingot-complete"] != "true" else len(content)
                _write(printable(content[:end].decode("utf-8", "replace")))
                offset, pause = offset + end, _FIRST_PAUSE
            if headers["x-ingot-complete"] == "true" or not follow:
                break
            time.sleep(pause)
            pause = min(pause * 1.3, _LONGEST_PAUSE)
        status = connection.get(f"{image.uri}/status", OpStatus)
    if offset == 0 and not status.error:
        say(f"There is no log{f' of {stage}' if stage else ''}: {printable(status.message)}")
    if status.error:
        _write_failure(status, failed=follow, number=number)


def timings(number: int, output: Output) -> None:
    """How long the stages of a generation took."""
    with connected() as connection:
        document = json.loads(_file(connection, find.image(connection, number), "timings.json"))
    if output is Output.JSON:
        print_json(document)
        return
    rows = [*document["stages"].items(), ("all", document["seconds"])]
    print_rows(rows, {"Stage": lambda row: row[0], "Seconds>": lambda row: f"{row[1]:.1f}"}, "No stage began.")


def _write_failure(status: OpStatus, *, failed: bool, number: int) -> None:
    message = printable(status.error_message or status.message)
    if failed:
        fail(f"Image {number} failed: {message}")
    say(f"Image {number} failed: {message}")


def _file(connection: Connection, image: Image, name: str) -> bytes:
    content, _ = connection.content(f"ingot/{image.uri}/evidence/{name}")
    return content


def _key(connection: Connection, file: Path | None) -> Ed25519PublicKey:
    if file is not None and not file.is_file():
        fail(f"There is no file {file}.", code=NOT_FOUND)
    content = file.read_bytes() if file is not None else connection.content("ingot/provenance-key")[0]
    try:
        return dsse.read_public_pem(content)
    except dsse.WrongSignatureError as error:
        fail(f"{file or 'What the server shows'} is no key to verify with: {error}")


def _require_subject(statement: dict[str, Any], sha256: str, what: str) -> None:
    subjects = {subject["digest"]["sha256"]: subject["name"] for subject in statement["subject"]}
    if sha256 not in subjects:
        fail(f"The provenance is not of {what}: it is of {', '.join(map(printable, subjects.values()))}.", code=FAILED)


def _hash(file: Path) -> str:
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}.", code=NOT_FOUND)


def _give(content: bytes, target: Path | None, *, force: bool) -> None:
    """Write to a file, or to standard output as it is."""
    if target is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    refuse_existing(target, force=force)
    draft = target.with_name(f".{target.name}.part")
    try:
        draft.write_bytes(content)
        draft.rename(target)
    except OSError as error:
        fail(f"{target} cannot be written: {error.strerror}.", code=REFUSED)
    tell(target)


def _write(text: str) -> None:
    console.print(text, markup=False, soft_wrap=True, end="")
