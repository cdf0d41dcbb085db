"""Machine images: generate, follow, cancel, download, delete."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, defer, joinedload, lazyload
from starlette.responses import Response

from ingot.api import streamed
from ingot.api.downloads.response import Downloadable
from ingot.api.downloads.room import download, present_keys, serve
from ingot.api.listing import QUERY_PARAMETERS, Listing, count, flag
from ingot.api.operation import Call, Chapter, Login
from ingot.api.operations.appliance import find_appliance
from ingot.api.organisations import find_organisation
from ingot.api.representations import catalogue, pxe
from ingot.api.representations import images as representations
from ingot.messages.base import Message, OpStatus
from ingot.messages.common import OpStatuses
from ingot.messages.image import Image, Images
from ingot.messages.package import ImagePkgs, PkgList
from ingot.messages.software import SoftwareBundles
from ingot.services import attempts, formats, images, platform_tools
from ingot.services.errors import NotFoundError
from ingot.services.reuse import Shelf
from ingot.store import tables
from ingot.store.database import LARGEST_ID

_chapter = Chapter("machineimage")
_user = Chapter("usermachineimage")
CHAPTERS = (_chapter, _user)
_READ = ("appliance_create",)
_GENERATE = ("image_generate",)
_BASE = "/users/{uid}/appliances/{aid}/images"
_ONE = f"{_BASE}/{{itid}}"

_IMAGES = Listing(
    fields={
        "name": tables.Image.name,
        "version": tables.Image.version,
        "dbId": tables.Image.id,
        "revision": tables.Image.revision,
        "compress": tables.Image.compress,
        "size": tables.Image.size,
        "created": tables.Image.created,
        "targetFormat.name": tables.TargetFormat.name,
        "targetFormat.format.name": tables.TargetFormat.format,
        "format.name": tables.TargetFormat.format,
    },
    order=(tables.Image.created.desc(), tables.Image.id.desc()),
)
#: Images with what shows them, and without the content of their appliances.
_STATEMENT = (
    select(tables.Image)
    .join(tables.TargetFormat, tables.Image.target_format_id == tables.TargetFormat.id)
    .options(
        joinedload(tables.Image.owner).options(joinedload(tables.User.organisation), lazyload(tables.User.roles)),
        joinedload(tables.Image.appliance).options(
            joinedload(tables.Appliance.owner).lazyload(tables.User.roles),
            lazyload(tables.Appliance.install_profile),
            lazyload(tables.Appliance.os_profile),
            lazyload(tables.Appliance.boot_scripts),
        ),
    )
)
#: Images with what a download needs to know of them, which many clients ask for at once.
_DOWNLOAD = select(tables.Image).options(
    lazyload("*"),
    joinedload(tables.Image.owner).options(lazyload("*")),
    joinedload(tables.Image.attempt).options(lazyload("*")),
    defer(tables.Image.template),
    defer(tables.Image.profile),
    defer(tables.Image.timings),
)


def find_image(call: Call) -> tables.Image:
    """The image that the path names."""
    return images.find(call.session, find_appliance(call), call.number("itid"))


def _represent(call: Call, rows: Sequence[tables.Image]) -> list[Image]:
    """Images with their present download keys; one whose key was used up or expired gets its next one."""
    keys = present_keys(call, images.KIND, [row.id for row in rows if row.sha256 and row.compress])
    return [representations.image(row, keys.get(row.id)) for row in rows]


def start_generation(call: Call, *, boot_test: bool = False) -> Message:
    """Ask for the image that the body describes."""
    message = call.body(Image)
    format_name = message.target_format.name if message.target_format else None
    if format_name is None and message.format is not None:
        format_name = message.format.name
    row = images.generate(
        call.session,
        find_appliance(call),
        format_name=format_name,
        compress=bool(message.compress),
        simulated=bool(message.simulated),
        overrides=message.install_profile,
        entrypoint=message.entrypoint,
        ebs_volume_size=message.ebs_volume_size if message.ebs else None,
        boot_test=boot_test,
        shelf=Shelf(call.server.database, call.server.artifacts, call.server.settings, call.server.secret),
    )
    return representations.image(row, None)


@_chapter.operation(
    "machineImage_generate", "POST", _BASE, entitlements=_GENERATE, body=Image, answer=Image, status=201
)
def generate(call: Call) -> Message:
    """Generate an image of an appliance; the answer is the ticket to follow it by."""
    return start_generation(call)


@_chapter.operation("machineImage_getAll", "GET", _BASE, entitlements=_READ, answer=Images, query=QUERY_PARAMETERS)
def get_all(call: Call) -> Message:
    """The images of an appliance, newest first."""
    statement = _STATEMENT.where(tables.Image.appliance_id == find_appliance(call).id)
    rows, total = _IMAGES.page(call.session, statement, call.query)
    return Images(total=total, images=_represent(call, rows))


@_chapter.operation("machineImage_get", "GET", _ONE, entitlements=_READ, answer=Image)
def get(call: Call) -> Message:
    """An image, with the key for its next download."""
    return _represent(call, [find_image(call)])[0]


@_chapter.operation(
    "machineImage_regenerate", "POST", _ONE, entitlements=_GENERATE, answer=Image, status=201, query=("force",)
)
def regenerate(call: Call) -> Message:
    """Generate an image again from what it was asked for; `force` cancels a generation that runs."""
    row = find_image(call)
    call.sweep(images.regenerate(call.session, row, force=flag(call.query, "force")))
    return representations.image(row, None)


@_chapter.operation("machineImage_delete", "DELETE", _ONE, entitlements=_READ, status=204)
def delete(call: Call) -> None:
    """Delete an image; its generation is cancelled, downloads under way end well."""
    call.sweep(images.delete(call.session, [find_image(call)]))


@_chapter.operation("machineImage_deleteAll", "DELETE", _BASE, entitlements=_READ, status=204)
def delete_all(call: Call) -> None:
    """Delete all images of an appliance."""
    call.sweep(images.delete_all(call.session, find_appliance(call)))


@_chapter.operation("machineImageStatus_get", "GET", f"{_ONE}/status", entitlements=_READ, answer=OpStatus)
def status_get(call: Call) -> Message:
    """Where the generation of an image is, and why it waits."""
    row = find_image(call)
    status = representations.status(row)
    if row.attempt is not None and row.attempt.state == "queued" and row.attempt.number == 1:
        status.message = attempts.waiting_message(call.session, row.attempt, call.server.settings.parallel_builds)
    return status


@_chapter.operation("machineImageStatus_getAll", "GET", f"{_BASE}/statuses", entitlements=_READ, answer=OpStatuses)
def status_get_all(call: Call) -> Message | Response:
    """Where the generations of an appliance's images are."""
    statement = _STATEMENT.where(tables.Image.appliance_id == find_appliance(call).id)
    return _whole(call, statement.order_by(tables.Image.id.desc()), _statuses, "status")


@_chapter.operation("machineImageGeneration_cancel", "DELETE", f"{_ONE}/status", entitlements=_GENERATE, status=204)
def cancel(call: Call) -> None:
    """Cancel the generation of an image."""
    images.cancel(call.session, find_image(call))


@_chapter.operation("machineImagePkg_getAll", "GET", f"{_ONE}/pkgs", entitlements=_READ, answer=ImagePkgs)
def packages_get_all(call: Call) -> Message:
    """The packages that a finished image really has."""
    row = find_image(call)
    statement = select(tables.ImagePackage).where(tables.ImagePackage.image_id == row.id)
    rows = call.session.scalars(statement.order_by(tables.ImagePackage.name, tables.ImagePackage.arch))
    packages = [representations.image_package(package) for package in rows]
    return ImagePkgs(total=len(packages), image_pkgs=packages)


@_chapter.operation("machineImage_download", "GET", f"{_ONE}/downloads", query=("downloadId",), authenticated=False)
@_chapter.operation(
    "machineImage_downloadFile", "GET", f"{_ONE}/downloads/{{fileName}}", query=("downloadId",), authenticated=False
)
def fetch(call: Call) -> Response:
    """Download an image: its owner as often as wanted, anybody once with the image's key."""

    def locate(session: Session, owner: tables.User | None) -> Downloadable:
        row = session.scalars(_DOWNLOAD.where(tables.Image.id == call.number("itid"))).first()
        if (
            row is None
            or row.appliance_id != call.number("aid")
            or row.owner.login != call.request.path_params["uid"]
            or (owner is not None and row.owner_id != owner.id)
        ):
            raise NotFoundError("There is no such image.", message_id="ERROR.IMAGE.NOT_FOUND")
        images.require_downloadable(row)
        return Downloadable(
            kind=images.KIND,
            object_id=row.id,
            owner_id=row.owner_id,
            file_name=row.file_name or "",
            artifacts=call.server.artifacts,
            size=row.size or 0,
            sha256=row.sha256 or "",
            last_modified=row.attempt.finished if row.attempt and row.attempt.finished else row.last_modified,
        )

    return download(call, locate)


@_chapter.operation("machineImageFile_download", "GET", f"{_ONE}/files/{{filepath:path}}")
def file_fetch(call: Call) -> Response:
    """Download one file of an image that is made of several, such as the kernel for starting by network."""
    row, name = find_image(call), str(call.request.path_params["filepath"])
    files = {file.name: file for file in images.files(call.session, row)}
    file = files.get(name)
    if file is None:
        known = f"It has: {', '.join(files)}." if files else "It is not made of several files."
        raise NotFoundError(f"Image {row.id} has no file {name}. {known}", name)
    return serve(
        call,
        Downloadable(
            kind="image file",
            object_id=file.id,
            owner_id=row.owner_id,
            file_name=file.name,
            artifacts=call.server.artifacts,
            size=file.size,
            sha256=file.sha256,
            last_modified=row.attempt.finished if row.attempt and row.attempt.finished else row.last_modified,
        ),
    )


@_chapter.operation("pxeBootScript_download", "GET", "/users/{uid}/pxe")
def pxe_menu(call: Call) -> Response:
    """iPXE's menu of a user's images for starting by network, newest first: it chains to what is chosen."""
    statement = _STATEMENT.where(tables.Image.owner_id == call.owner.id, tables.TargetFormat.format == "PXE")
    rows = [row for row in call.session.scalars(statement.order_by(tables.Image.id.desc())).unique() if row.size]
    return Response(pxe.menu(rows), headers=pxe.HEADERS)


@_chapter.operation(
    "machineImage_getPlatformTools",
    "GET",
    f"{_BASE}/platformtools/{{tfid}}",
    entitlements=_GENERATE,
    answer=SoftwareBundles,
)
def platform_tools_get(call: Call) -> Message:
    """The agents that an image of a target format gets."""
    appliance = find_appliance(call)
    row = formats.find(call.session, call.owner.organisation, call.number("tfid"))
    tools = platform_tools.tools_of(row.format, appliance.distribution)
    bundles = [representations.platform_tool(tool, call.owner.organisation_id) for tool in tools]
    return SoftwareBundles(total=len(bundles), software_bundles=bundles)


@_chapter.operation(
    "platformTool_getSoftware",
    "GET",
    "/orgs/{oid}/platformtools/{sbid}/pkgs",
    entitlements=_GENERATE,
    answer=PkgList,
    query=("lastPkgUpdate",),
)
def platform_tool_packages(call: Call) -> Message:
    """The packages of an agent, as the distributions offer them now."""
    find_organisation(call)
    packages = platform_tools.packages_of(call.session, call.number("sbid"))
    return PkgList(pkgs=[catalogue.package(package) for package in packages])


def _statuses(_: Call, rows: list[tables.Image], total: int | None) -> Message:
    return OpStatuses(total=total, statuses=[representations.status(row) for row in rows])


def _of_user(call: Call) -> Select[Any]:
    statement = _STATEMENT.where(tables.Image.owner_id == call.owner.id)
    wanted = [int(text) for text in call.query.getlist("img") if text.isdecimal() and len(text) < 10]
    if call.query.getlist("img"):
        statement = statement.where(tables.Image.id.in_(wanted))
    return statement.order_by(tables.Image.id.desc())


def _whole(
    call: Call,
    statement: Select[Any],
    make: Callable[[Call, list[tables.Image], int | None], Message],
    item: str,
) -> Message | Response:
    """What `make` makes of all images of a statement, the newest first, and their number; of many it makes one batch
    after the other, each with a call that has a transaction of its own, and without the number."""
    total = count(call.session, statement)
    if total <= streamed.BATCH:
        rows = list(call.session.scalars(statement).unique())
        return make(call, rows, len(rows))

    def parts() -> Iterator[Message]:
        last, is_full = LARGEST_ID, True
        while is_full:
            with call.server.database.transaction(read_only=True) as session:
                batch = statement.where(tables.Image.id < last).limit(streamed.BATCH)
                rows = list(session.scalars(batch).unique())
                part = make(replace(call, login=Login(session, call.user, call.owner)), rows, None)
            # No transaction is open while a slow client takes it.
            yield part
            is_full = len(rows) == streamed.BATCH
            last = rows[-1].id if rows else last

    return streamed.streamed(call, make(call, [], total), item, parts())


@_user.operation(
    "userMachineImage_getAll", "GET", "/users/{uid}/images", entitlements=_GENERATE, answer=Images, query=("img",)
)
def user_images_get_all(call: Call) -> Message | Response:
    """All images of a user, newest first, however many there are."""

    def images_of(inner: Call, rows: list[tables.Image], total: int | None) -> Message:
        return Images(total=total, images=_represent(inner, rows))

    return _whole(call, _of_user(call), images_of, "image")


@_user.operation(
    "userMachineImageStatus_get",
    "GET",
    "/users/{uid}/images/status",
    entitlements=_GENERATE,
    answer=OpStatuses,
    query=("img",),
)
def user_statuses_get(call: Call) -> Message | Response:
    """Where all generations of a user are, however many there are."""
    return _whole(call, _of_user(call), _statuses, "status")
