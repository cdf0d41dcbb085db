"""Publications of machine images: asked for, followed, cancelled, downloaded, deleted."""

from collections.abc import Callable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, lazyload
from starlette.responses import Response

from ingot.api.downloads.response import Downloadable
from ingot.api.downloads.room import download, present_keys
from ingot.api.operation import Call, Chapter
from ingot.api.operations.appliance import find_appliance
from ingot.api.representations import accounts as account_representations
from ingot.api.representations import publications as representations
from ingot.jobs.resources import resources_of
from ingot.messages.account import CredAccount
from ingot.messages.base import Message, OpStatus
from ingot.messages.common import OpStatuses
from ingot.messages.image import PublishImage, PublishImages
from ingot.messages.resources import CredAccountResources
from ingot.services import appliances, attempts, cloud_accounts, images, publications
from ingot.services.errors import InvalidError, NotFoundError
from ingot.services.users import owner_for
from ingot.store import tables

_chapter = Chapter("machineimage")
_user = Chapter("usermachineimage")
_accounts = Chapter("usercloudaccount")
CHAPTERS = (_chapter, _user, _accounts)
_READ = ("appliance_create",)
_PUBLISH = ("image_publish",)
_OF_APPLIANCE = "/users/{uid}/appliances/{aid}/pimages"
_OF_IMAGE = "/users/{uid}/appliances/{aid}/images/{itid}/pimages"
_ONE = f"{_OF_IMAGE}/{{pitid}}"
#: Publications with what shows them, and without the content of their appliances.
_STATEMENT = (
    select(tables.Publication)
    .where(tables.Publication.deleted.is_(None))
    .options(
        joinedload(tables.Publication.owner).lazyload(tables.User.roles),
        joinedload(tables.Publication.account).options(
            joinedload(tables.CloudAccount.owner).lazyload(tables.User.roles)
        ),
        joinedload(tables.Publication.image).options(
            joinedload(tables.Image.appliance).options(
                joinedload(tables.Appliance.owner).lazyload(tables.User.roles),
                lazyload(tables.Appliance.install_profile),
                lazyload(tables.Appliance.os_profile),
                lazyload(tables.Appliance.boot_scripts),
            ),
        ),
    )
    .order_by(tables.Publication.id.desc())
)


def _image(call: Call) -> tables.Image:
    return images.find(call.session, find_appliance(call), call.number("itid"))


def find_publication(call: Call) -> tables.Publication:
    """The publication in the path."""
    return publications.find(call.session, _image(call), call.number("pitid"))


def _represent(call: Call, rows: Sequence[tables.Publication]) -> list[PublishImage]:
    ready = [row.id for row in rows if row.image is not None and row.image.sha256]
    keys = present_keys(call, publications.KIND, ready)
    return [representations.publication(row, call.server.vault, keys.get(row.id)) for row in rows]


@_chapter.operation(
    "applianceImage_publish",
    "POST",
    _OF_IMAGE,
    entitlements=_PUBLISH,
    body=PublishImage,
    answer=PublishImage,
    status=201,
)
def publish(call: Call) -> Message:
    """Publish an image; the answer is the ticket to follow it by."""
    row = publications.publish(call.session, call.server.vault, _image(call), call.body(PublishImage))
    return representations.publication(row, call.server.vault)


@_chapter.operation(
    "machineImage_publish",
    "POST",
    _OF_APPLIANCE,
    entitlements=_PUBLISH,
    body=PublishImage,
    answer=PublishImage,
    status=201,
)
def publish_by_uri(call: Call) -> Message:
    """Publish the image that the body's `imageUri` names."""
    message = call.body(PublishImage)
    text = (message.image_uri or "").rstrip("/").rpartition("/")[2]
    if not text.isdecimal() or len(text) > 18:
        raise InvalidError(f"imageUri {message.image_uri!r} names no image: give users/…/images/ID.", "imageUri")
    image = images.find(call.session, find_appliance(call), int(text))
    row = publications.publish(call.session, call.server.vault, image, message)
    return representations.publication(row, call.server.vault)


@_chapter.operation("machineImagePublished_getAll", "GET", _OF_APPLIANCE, entitlements=_READ, answer=PublishImages)
def get_all(call: Call) -> Message:
    """The publications of an appliance's images, newest first."""
    statement = _STATEMENT.where(tables.Publication.appliance_id == find_appliance(call).id)
    rows = [row for row in call.session.scalars(statement).unique() if not representations.is_extension(row)]
    return PublishImages(total=len(rows), publish_images=_represent(call, rows))


@_chapter.operation("machineImagePublished_get", "GET", _ONE, answer=PublishImage)
def get(call: Call) -> Message:
    """A publication."""
    return _represent(call, [find_publication(call)])[0]


@_chapter.operation("machineImagePublishedStatus_get", "GET", f"{_ONE}/status", entitlements=_PUBLISH, answer=OpStatus)
def status_get(call: Call) -> Message:
    """Where a publication is, and why it waits."""
    row = find_publication(call)
    status = representations.status(row)
    if row.attempt is not None and row.attempt.state == "queued" and row.attempt.number == 1:
        slots = call.server.settings.parallel_publications
        status.message = attempts.waiting_message(call.session, row.attempt, slots)
    return status


@_chapter.operation(
    "machineImagePublishedStatus_getAll", "GET", f"{_OF_APPLIANCE}/statuses", entitlements=_READ, answer=OpStatuses
)
def status_get_all(call: Call) -> Message:
    """Where the publications of an appliance's images are."""
    statement = _STATEMENT.where(tables.Publication.appliance_id == find_appliance(call).id)
    statuses = [representations.status(row) for row in call.session.scalars(statement).unique()]
    return OpStatuses(total=len(statuses), statuses=statuses)


@_chapter.operation("machineImagePublish_cancel", "DELETE", f"{_ONE}/cancel", entitlements=_PUBLISH, status=204)
def cancel(call: Call) -> None:
    """Cancel a publication; what is half uploaded is removed at the cloud."""
    publications.cancel(call.session, find_publication(call))


@_chapter.operation("machineImagePublished_delete", "DELETE", _ONE, entitlements=_PUBLISH, status=204)
def delete(call: Call) -> None:
    """Forget a publication; what is whole at the cloud stays there."""
    publications.delete(call.session, [find_publication(call)])


@_chapter.operation("machineImagePublished_deleteAll", "DELETE", _OF_APPLIANCE, entitlements=_READ, status=204)
def delete_all(call: Call) -> None:
    """Forget all publications of an appliance's images."""
    publications.delete(call.session, publications.of_appliance(call.session, find_appliance(call)))


@_chapter.operation(
    "machineImagePublished_download",
    "GET",
    f"{_OF_APPLIANCE}/{{pitid}}/downloads",
    query=("id",),
    authenticated=False,
)
def fetch(call: Call) -> Response:
    """Download what was published: its owner as often as wanted, anybody (a cloud, say) once with its key."""

    def locate(session: Session, owner: tables.User | None) -> Downloadable:
        row = session.get(tables.Publication, call.number("pitid"))
        image = row.image if row is not None else None
        if (
            row is None
            or image is None
            or image.sha256 is None
            or row.deleted is not None
            or row.appliance_id != call.number("aid")
            or row.owner.login != call.request.path_params["uid"]
            or (owner is not None and row.owner_id != owner.id)
        ):
            raise NotFoundError("There is no such publication.", message_id="ERROR.PUBLISHIMAGE.NOT_FOUND")
        return Downloadable(
            kind=publications.KIND,
            object_id=row.id,
            owner_id=row.owner_id,
            file_name=image.file_name or "",
            artifacts=call.server.artifacts,
            size=image.size or 0,
            sha256=image.sha256,
            last_modified=image.attempt.finished if image.attempt and image.attempt.finished else image.last_modified,
        )

    return download(call, locate, parameter="id")


def of_user(call: Call) -> list[tables.Publication]:
    """The publications of a user, newest first; those of the query's `img` alone where it has them."""
    statement = _STATEMENT.where(tables.Publication.owner_id == call.owner.id)
    wanted = [int(text) for text in call.query.getlist("img") if text.isdecimal() and len(text) < 10]
    if call.query.getlist("img"):
        statement = statement.where(tables.Publication.id.in_(wanted))
    return list(call.session.scalars(statement).unique())


@_user.operation(
    "userMachineImagePublished_getAll",
    "GET",
    "/users/{uid}/pimages",
    entitlements=("image_generate",),
    answer=PublishImages,
    query=("img",),
)
def user_published_get_all(call: Call) -> Message:
    """The publications of a user whose types the original knows, newest first."""
    return represent_all(call, [row for row in of_user(call) if not representations.is_extension(row)])


def represent_all(call: Call, rows: Sequence[tables.Publication]) -> PublishImages:
    """A list of publications with their present download keys."""
    return PublishImages(total=len(rows), publish_images=_represent(call, rows))


@_user.operation(
    "userMachineImagePublishedStatus_getAll",
    "GET",
    "/users/{uid}/pimages/status",
    entitlements=("image_generate",),
    answer=OpStatuses,
    query=("img",),
)
def user_published_statuses(call: Call) -> Message:
    """Where all publications of a user are."""
    statuses = [representations.status(row) for row in of_user(call)]
    return OpStatuses(total=len(statuses), statuses=statuses)


@_accounts.operation("machineImagePublished_getAccount", "GET", f"{_ONE}/accounts/{{caid}}", answer=CredAccount)
def account_get(call: Call) -> Message:
    """The account that an image was published with."""
    row = find_publication(call)
    if row.account is None or row.account.id != call.number("caid"):
        raise NotFoundError(
            f"Publication {row.id} was not made with account {call.request.path_params['caid']}.",
            message_id="ERROR.ACCOUNT.NOT_FOUND",
        )
    return account_representations.account(row.account, call.server.vault)


def _resources(call: Call, find: Callable[[Session, tables.User], tuple[int, int | None]]) -> Message:
    """What an account can see. No transaction is held while its cloud is asked."""
    with call.server.database.transaction(read_only=True) as session:
        user = call.server.authenticator.authenticate(session, call.request)
        account_id, publication_id = find(session, owner_for(session, user, str(call.request.path_params["uid"])))
    return resources_of(account_id, publication_id)


@_accounts.operation(
    "cloudAccountResources_get",
    "GET",
    "/users/{uid}/accounts/{caid}/resources",
    answer=CredAccountResources,
    entitlements=("image_publish", "migration_publish"),
    own_transactions=True,
)
def resources_get(call: Call) -> Message:
    """What an account can see at its cloud, asked now."""

    def find(session: Session, owner: tables.User) -> tuple[int, int | None]:
        return cloud_accounts.find(session, owner, call.number("caid")).id, None

    return _resources(call, find)


@_accounts.operation(
    "machineImagePublished_getAccountResources",
    "GET",
    f"{_ONE}/accounts/{{caid}}/resources",
    answer=CredAccountResources,
    own_transactions=True,
)
def publication_resources_get(call: Call) -> Message:
    """What an account can see in the project that an image was published to."""

    def find(session: Session, owner: tables.User) -> tuple[int, int | None]:
        image = images.find(
            session, appliances.find(session, owner, call.number("aid"), to_change=False), call.number("itid")
        )
        row = publications.find(session, image, call.number("pitid"))
        return cloud_accounts.find(session, owner, call.number("caid")).id, row.id

    return _resources(call, find)
