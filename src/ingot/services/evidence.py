"""The evidence of images: files that the engine leaves, kept as artifacts for as long as the image is."""

import functools
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from ingot.build.evidence.record import CYCLONEDX, LOGS, MANIFEST, PROVENANCE, SPDX, TIMINGS, stage_of
from ingot.services.errors import NotFoundError
from ingot.services.secrets import provenance_key
from ingot.settings import Settings
from ingot.store.artifacts import ArtifactStore
from ingot.store.tables import Image, ImageEvidence

#: The signed form of the provenance, which the server adds.
SIGNED_PROVENANCE = "provenance.dsse.json"
_TYPES = {
    MANIFEST: "application/json",
    TIMINGS: "application/json",
    SPDX: "application/spdx+json",
    CYCLONEDX: "application/vnd.cyclonedx+json; version=1.6",
    PROVENANCE: "application/vnd.in-toto+json",
    SIGNED_PROVENANCE: "application/vnd.dsse.envelope.v1+json",
}
#: Of a longer log, the end is kept: there stands why a build failed.
_LONGEST_LOG = 8 << 20


@dataclass(frozen=True)
class LogPart:
    """The log of one stage, to be read where it is."""

    stage: str
    read: Callable[[], bytes]


def builder_id(settings: Settings) -> str:
    """The URI of this installation."""
    if settings.builder_id:
        return settings.builder_id
    from ingot.build.evidence import dsse  # noqa: PLC0415 - it loads the library that signs (see services/secrets)

    return f"urn:ingot:builder:ed25519:{dsse.key_id(provenance_key(settings).public_key())}"


def prepare(directory: Path, settings: Settings) -> None:
    """Make a build's record ready to be kept: the statement signed, the logs of bounded size, all on the disk."""
    statement = directory / PROVENANCE
    if statement.exists():
        from ingot.build.evidence import dsse  # noqa: PLC0415 - as above

        envelope = dsse.sign(statement.read_bytes(), provenance_key(settings))
        (directory / SIGNED_PROVENANCE).write_bytes(envelope)
    for file in _files(directory):
        with file.open("r+b") as content:
            if file.suffix == ".log" and (too_much := file.stat().st_size - _LONGEST_LOG) > 0:
                content.seek(too_much)
                rest = content.read()
                content.seek(0)
                content.truncate()
                content.write(b"# %d bytes before this were left out\n" % too_much + rest)
                content.flush()
            os.fsync(content.fileno())


def contents(directory: Path) -> dict[str, Path]:
    """The files of a record that is prepared, by their hashes."""
    return {_hash(file): file for file in _files(directory)}


def keep(session: Session, image: Image, directory: Path) -> None:
    """Enter a record that is prepared and whose files are stored; may be called again when the commit failed."""
    rows = [
        {
            "image_id": image.id,
            "name": file.relative_to(directory).as_posix(),
            "sha256": _hash(file),
            "size": file.stat().st_size,
        }
        for file in _files(directory)
    ]
    session.execute(delete(ImageEvidence).where(ImageEvidence.image_id == image.id))
    if rows:
        session.execute(insert(ImageEvidence), rows)


def copy(session: Session, source: Image, image: Image) -> None:
    """Give an image, which is the same as another, the other's evidence: it says how the content came about."""
    rows = [{"name": row.name, "sha256": row.sha256, "size": row.size} for row in of_image(session, source)]
    if rows:
        session.execute(insert(ImageEvidence), [{**row, "image_id": image.id} for row in rows])


def of_image(session: Session, image: Image) -> list[ImageEvidence]:
    """All evidence of an image, by name."""
    query = select(ImageEvidence).where(ImageEvidence.image_id == image.id)
    return list(session.scalars(query.order_by(ImageEvidence.name)))


def find(session: Session, image: Image, name: str) -> ImageEvidence:
    """One file of an image's evidence."""
    query = select(ImageEvidence).where(ImageEvidence.image_id == image.id, ImageEvidence.name == name)
    row = session.scalar(query)
    if row is None:
        there = ", ".join(one.name for one in of_image(session, image))
        why = f"It has {there}." if there else "It has none: its generation has not ended, or ended before it began."
        raise NotFoundError(f"Image {image.id} has no {name}. {why}", name, message_id="ERROR.EVIDENCE.NOT_FOUND")
    return row


def forget(session: Session, image_ids: list[int]) -> set[str]:
    """Take the evidence from images; returns the hashes of what is to be swept."""
    of_images = ImageEvidence.image_id.in_(image_ids)
    hashes = set(session.scalars(select(ImageEvidence.sha256).where(of_images)))
    session.execute(delete(ImageEvidence).where(of_images))
    return hashes


def media_type(name: str) -> str:
    """The media type of a file of evidence."""
    return _TYPES.get(name, "text/plain; charset=utf-8")


def kept_log(session: Session, artifacts: ArtifactStore, image: Image) -> list[LogPart]:
    """The log of a generation that is over, stage by stage."""
    rows = [row for row in of_image(session, image) if row.name.startswith(f"{LOGS}/")]
    return [LogPart(stage_of(row.name), functools.partial(artifacts.read, row.sha256)) for row in rows]


def running_log(settings: Settings, image: Image) -> list[LogPart]:
    """What a generation that runs on this machine has logged so far."""
    if image.attempt is None or image.attempt.token is None:
        return []
    directory = record_directory(scratch_directory(settings, image.attempt.id, image.attempt.token)) / LOGS
    return [LogPart(stage_of(file.name), file.read_bytes) for file in sorted(directory.glob("*.log"))]


def scratch_directory(settings: Settings, attempt_id: int, token: str) -> Path:
    """Where the holder of an attempt's token works on it."""
    return settings.directory / "scratch" / f"{attempt_id}-{token[:8]}"


def record_directory(scratch: Path) -> Path:
    """Where the engine's record is in a scratch directory of a generation."""
    return scratch / "work" / "evidence"


def read_log(parts: list[LogPart], *, stage: str | None, offset: int) -> bytes:
    """The logs one after the other, each with a heading, from a byte on."""
    pieces = []
    for part in parts:
        if stage is not None and part.stage != stage:
            continue
        heading = b"" if stage is not None else f"==> {part.stage} <==\n".encode()
        content = heading + part.read()
        pieces.append(content[offset:])
        offset = max(0, offset - len(content))
    return b"".join(pieces)


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _files(directory: Path) -> Iterator[Path]:
    yield from sorted(directory.glob("*.json"))
    yield from sorted((directory / LOGS).glob("*.log"))
