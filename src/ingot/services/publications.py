"""Publications: images that are brought to clouds, followed, cancelled, deleted."""

import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from ingot.messages.account import CredAccount
from ingot.messages.image import PublishImage
from ingot.publish import targets
from ingot.publish.target import PublishError
from ingot.publish.targets import message_type
from ingot.services import attempts, cloud_accounts
from ingot.services.attempts import LostAttemptError
from ingot.services.errors import ConflictError, InvalidError, NotFoundError
from ingot.services.secrets import LostSecretError, Vault
from ingot.store.base import now
from ingot.store.tables import Appliance, Attempt, CloudAccount, Image, Publication, User

JOB = "publish"
#: Removes at the cloud what an unfinished publication has left there.
CLEANUP = "unpublish"
#: The kind of the download keys of publications.
KIND = "publication"
#: Types that only clients which know of them can read.
EXTENSIONS = frozenset(name for name, entry in targets.TARGETS.items() if entry.is_extension)
_LONGEST = 2000


def find(session: Session, image: Image, publication_id: int) -> Publication:
    """A publication of an image."""
    row = session.get(Publication, publication_id)
    if row is None or row.image_id != image.id or row.deleted is not None:
        raise NotFoundError(
            f"Image {image.id} has no publication {publication_id}.",
            str(publication_id),
            message_id="ERROR.PUBLISHIMAGE.NOT_FOUND",
        )
    return row


def publish(session: Session, vault: Vault, image: Image, message: PublishImage) -> Publication:
    """Ask for a publication of a finished image; the job is put into the queue.

    Raises InvalidError for what the target could not take, ConflictError for an image that has no content.
    """
    kind = type(message).__name__
    try:
        entry = targets.entry_of(kind)
        targets.check(message, image.target_format.format)
    except PublishError as error:
        raise InvalidError(error.message, kind, message_id="ERROR.PUBLISHIMAGE.INVALID") from error
    _require_content(image)
    account = _account(session, image.owner, message.cred_account)
    if account.kind not in entry.accounts:
        raise InvalidError(
            f"Account {account.name} is a {account.kind}: a {kind} needs a {' or '.join(entry.accounts)}.",
            account.name,
        )
    if cloud_accounts.secrets_are_missing(vault, account):
        raise ConflictError(
            f"The secrets of account {account.name} are missing: give them again, then publish.",
            message_id="ERROR.ACCOUNT.SECRET_NEEDED",
        )
    row = Publication(
        owner=image.owner,
        appliance=image.appliance,
        image=image,
        account=account,
        kind=kind,
        details=details_of(message),
        bytes_done=0,
        bytes_total=image.size or 0,
    )
    session.add(row)
    session.flush()
    row.attempt = attempts.enqueue(session, JOB, row.id)
    session.flush()
    return row


def details_of(message: PublishImage) -> dict[str, Any]:
    """The fields of a publication's own type that are given, by attribute name."""
    values = {name: getattr(message, name) for name in ("tag", *targets.own_fields(type(message)))}
    given = {name: value for name, value in values.items() if value is not None}
    for name, value in given.items():
        alias = str(type(message).model_fields[name].alias)
        if isinstance(value, str) and (len(value) > _LONGEST or "\0" in value):
            raise InvalidError(f"{alias} has a zero character or more than {_LONGEST} characters.", alias)
    return given


def message_of(row: Publication) -> PublishImage:
    """What a publication was asked for with, and what came of it."""
    kind = message_type(row.kind)
    return kind(**row.details, cloud_id=row.cloud_id, publish_location=row.location)


def cancel(session: Session, row: Publication) -> None:
    """Cancel a publication; one that is over stays as it is. What it left half done is removed after."""
    if row.attempt is not None:
        attempts.request_cancel(session, row.attempt)


def delete(session: Session, rows: Iterable[Publication]) -> None:
    """Forget publications, cancelling what runs. What is complete at a cloud stays there: it is its owner's."""
    for row in rows:
        cancel(session, row)
        if row.journal is None and (row.attempt is None or row.attempt.is_over):
            session.delete(row)
        else:
            row.deleted = now()
    session.flush()


def of_images(session: Session, image_ids: Iterable[int]) -> list[Publication]:
    """The publications of images."""
    query = select(Publication).where(Publication.image_id.in_(list(image_ids)), Publication.deleted.is_(None))
    return list(session.scalars(query).unique())


def of_appliance(session: Session, appliance: Appliance) -> list[Publication]:
    """The publications of an appliance's images."""
    query = select(Publication).where(Publication.appliance_id == appliance.id, Publication.deleted.is_(None))
    return list(session.scalars(query).unique())


def complete(session: Session, row: Publication, result: dict[str, Any]) -> None:
    """Enter what came of a publication."""
    row.cloud_id, row.location = str(result["cloud_id"]), str(result["location"])
    row.bytes_done, row.journal = row.bytes_total, None
    session.flush()


def read_journal(vault: Vault, row: Publication) -> dict[str, Any]:
    """What a publication has begun at its cloud; empty where nothing is known any more."""
    if row.journal is None:
        return {}
    try:
        state: dict[str, Any] = json.loads(vault.open(_purpose(row.id), row.journal))
    except LostSecretError:
        return {}
    return state


def write_journal(
    session: Session, vault: Vault, publication_id: int, attempt_id: int, token: str, state: dict[str, Any]
) -> None:
    """Keep what a publication has begun; raises LostAttemptError when the work is somebody else's now."""
    _held(session, attempt_id, token)
    row = session.get(Publication, publication_id)
    if row is None:
        raise LostAttemptError
    row.journal = vault.seal(_purpose(row.id), json.dumps(state).encode()) if state else None
    session.flush()


def note_progress(session: Session, publication_id: int, attempt_id: int, token: str, done: int, total: int) -> None:
    """Note how many bytes of how many have arrived; raises LostAttemptError."""
    _held(session, attempt_id, token)
    row = session.get(Publication, publication_id)
    if row is None:
        raise LostAttemptError
    row.bytes_done, row.bytes_total = done, total
    session.flush()


def _held(session: Session, attempt_id: int, token: str) -> None:
    query = select(Attempt.id).where(Attempt.id == attempt_id, Attempt.token == token, Attempt.state == "running")
    if session.scalar(query) is None:
        raise LostAttemptError


def enqueue_cleanups(session: Session) -> None:
    """Put into the queue what has to be removed at clouds, and forget what was deleted and has left nothing there.

    It is found in the database and not told by whoever gave up: a worker that was killed tells nothing.
    """
    over = or_(Publication.attempt_id.is_(None), Attempt.state.in_(("done", "failed", "cancelled")))
    query = (
        select(Publication)
        .outerjoin(Attempt, Publication.attempt_id == Attempt.id)
        .where(over, or_(Publication.journal.is_not(None), Publication.deleted.is_not(None)))
        .limit(100)
    )
    for row in session.scalars(query).unique():
        if row.journal is None:
            session.delete(row)
        elif row.account_id is None:
            row.journal = None  # nobody can log in there any more
        elif attempts.may_enqueue(session, CLEANUP, row.id, after=row.attempt_id or 0):
            attempts.enqueue(session, CLEANUP, row.id)
    session.flush()


def status_message(row: Publication, attempt: Attempt) -> str:
    """What a publication's status says."""
    if attempt.state == "done":
        finished = attempt.finished or attempt.last_modified
        return f"Done, published on {finished:%d %b %Y %H:%M}."
    if attempt.cancel_requested and attempt.state == "running":
        return "Cancelling"
    return attempt.message or "Working"


def _purpose(publication_id: int) -> str:
    return f"publication|{publication_id}"


def _require_content(image: Image) -> None:
    state = image.attempt.state if image.attempt else "queued"
    if state in ("queued", "running"):
        raise ConflictError(f"Image {image.id} is still being generated. Wait until its status is complete.")
    if image.sha256 is None:
        raise ConflictError(
            f"Image {image.id} has no content to publish: its generation ended as {state}, "
            "or it was only simulated. Generate it again."
        )


def _account(session: Session, owner: User, message: CredAccount | None) -> CloudAccount:
    """The stored account that a request means: by its id or address, else by its name. Secrets that clients echo are
    not looked at.
    """
    if message is None:
        raise InvalidError("The publication names no account (credAccount).")
    wanted = message.db_id
    if wanted is None and message.uri:
        text = message.uri.rstrip("/").rpartition("/")[2]
        wanted = int(text) if text.isdecimal() and len(text) < 10 else None
    if wanted is not None:
        return cloud_accounts.find(session, owner, wanted)
    query = select(CloudAccount).where(CloudAccount.owner_id == owner.id, CloudAccount.name == (message.name or ""))
    row = session.scalars(query).first()
    if row is None:
        raise NotFoundError(
            f"User {owner.login} has no cloud account {message.name}.",
            message.name or "",
            message_id="ERROR.ACCOUNT.NOT_FOUND",
        )
    return row
