"""Machine images: asked for, generated, kept, deleted."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import ValidationError
from sqlalchemy import delete as sql_delete
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from ingot.build.errors import BuildError
from ingot.build.formats.options import FormatOptions, parse_entrypoint
from ingot.build.formats.registry import FORMATS, find_format
from ingot.build.request import BuildResult
from ingot.messages.install_profile import InstallProfile as ProfileMessage
from ingot.services import attempts, download_keys, evidence, formats, install_profiles, publications, quotas
from ingot.services.errors import ConflictError, InvalidError, NotFoundError
from ingot.services.reuse import Shelf, recipe_of, result_of
from ingot.services.templates import template_of
from ingot.store.base import now
from ingot.store.tables import Appliance, Attempt, Image, ImageFile, ImagePackage, TargetFormat, User

#: The kind of the download keys and of the jobs of images.
KIND = "image"
JOB = "generate"


def find(session: Session, appliance: Appliance, image_id: int) -> Image:
    """An image of an appliance."""
    image = session.get(Image, image_id)
    if image is None or image.appliance_id != appliance.id:
        raise NotFoundError(
            f"Appliance {appliance.name} has no image {image_id}.", str(image_id), message_id="ERROR.IMAGE.NOT_FOUND"
        )
    return image


def generate(
    session: Session,
    appliance: Appliance,
    *,
    format_name: str | None,
    compress: bool,
    simulated: bool,
    overrides: ProfileMessage | None,
    entrypoint: str | None = None,
    ebs_volume_size: int | None = None,
    boot_test: bool = False,
    shelf: Shelf | None = None,
) -> Image:
    """Ask for an image: the appliance is taken as it is now, and the job is put into the queue.

    With `boot_test`, the finished image is booted, and the generation fails when a unit of the machine does. When the
    same image is on the shelf already, this one is complete at once.
    """
    target_format = find_target_format(session, appliance.owner, format_name)
    template = template_of(appliance, overrides)
    options = _options(appliance, target_format, overrides, entrypoint)
    recipe = (
        recipe_of(template, target_format, options, compress, boot_test, shelf.settings)
        if shelf and not simulated
        else None
    )
    same = shelf.find(session, recipe) if shelf and recipe else None
    if not simulated:
        _require_quota(session, appliance.owner)
    profile = overrides.model_dump(mode="json", exclude_none=True, exclude={"root_user", "users"}) if overrides else {}
    image = Image(
        owner=appliance.owner,
        appliance=appliance,
        target_format=target_format,
        name=appliance.name,
        version=appliance.version,
        revision=appliance.revision,
        compress=compress,
        simulated=simulated,
        boot_test=boot_test,
        options=options,
        ebs_volume_size=ebs_volume_size,
        template=template.model_dump(mode="json", by_alias=True, exclude_none=True),
        profile=profile,
        timings={},
        recipe=recipe,
    )
    session.add(image)
    session.flush()
    image.attempt = attempts.enqueue(session, JOB, image.id)
    if shelf and same is not None:
        attempts.finish_at_once(image.attempt)
        evidence.copy(session, same, image)
        complete(session, image, result_of(session, same), shelf.secret, shelf.settings.download_key_lifetime)
    session.flush()
    return image


def regenerate(session: Session, image: Image, *, force: bool) -> set[str]:
    """Generate an image again with what it was asked for; returns the hash of what is to be swept.

    `force` cancels a generation that runs: whatever its worker still says is void.
    """
    if image.attempt is not None and not image.attempt.is_over:
        if not force:
            raise ConflictError(
                f"Image {image.id} is being generated already. Wait, cancel it, or use force=true.",
                message_id="ERROR.IMAGE.IN_PROGRESS",
            )
        attempts.request_cancel(session, image.attempt)
    before = evidence.forget(session, [image.id]) | ({image.sha256} if image.sha256 else set())
    before |= _forget_files(session, [image.id])
    image.sha256 = image.file_name = image.size = image.installed_size = image.disk_size = None
    image.timings, image.lists = {}, None
    session.execute(sql_delete(ImagePackage).where(ImagePackage.image_id == image.id))
    session.flush()
    if not image.simulated:
        _require_quota(session, image.owner)
    download_keys.forget(session, KIND, [image.id])
    image.attempt = attempts.enqueue(session, JOB, image.id)
    session.flush()
    return before


def cancel(session: Session, image: Image) -> None:
    """Cancel an image's generation; one that is over stays as it is."""
    if image.attempt is not None:
        attempts.request_cancel(session, image.attempt)


def delete(session: Session, images: Iterable[Image]) -> set[str]:
    """Delete images, cancelling what runs; returns the hashes of their contents, to be swept."""
    rows = list(images)
    ids = [image.id for image in rows]
    # Before the rows go, and with them what says where their evidence is.
    hashes = evidence.forget(session, ids) | _forget_files(session, ids)
    for image in rows:
        if image.attempt is not None:
            attempts.request_cancel(session, image.attempt)
        if image.sha256:
            hashes.add(image.sha256)
    publications.delete(session, publications.of_images(session, ids))
    for image in rows:
        session.delete(image)
    session.flush()
    download_keys.forget(session, KIND, ids)
    return hashes


def delete_all(session: Session, appliance: Appliance) -> set[str]:
    """Delete all images of an appliance; returns the hashes of their contents, to be swept."""
    return delete(session, session.scalars(select(Image).where(Image.appliance_id == appliance.id)))


def complete(session: Session, image: Image, result: BuildResult, secret: bytes, lifetime: int) -> None:
    """Enter a finished build; the artifact is in its place already, in this same transaction."""
    image.sha256, image.size = result.sha256, result.size
    image.installed_size, image.disk_size = result.installed_size, result.disk_size
    image.timings, image.last_modified = result.timings, now()
    image.lists = result.lists.model_dump() if result.lists else None
    image.file_name = file_name(image, result.suffix) if result.sha256 else None
    if result.files:
        session.execute(insert(ImageFile), [{"image_id": image.id, **file.model_dump()} for file in result.files])
    session.flush()
    if not image.simulated:
        quotas.count(session, image.owner, "generation")
    if result.packages:
        session.execute(
            insert(ImagePackage),
            [{"image_id": image.id, **package.model_dump()} for package in result.packages],
        )
    if image.sha256 and image.compress:
        download_keys.issue(session, secret, KIND, [image.id], lifetime)


def files(session: Session, image: Image) -> list[ImageFile]:
    """The files of an image that is made of several."""
    return list(session.scalars(select(ImageFile).where(ImageFile.image_id == image.id).order_by(ImageFile.name)))


def file_name(image: Image, suffix: str | None = None) -> str:
    """The name that an image is downloaded under, with its format's suffix where no other is given."""
    known = FORMATS.get(image.target_format.format)
    ending = suffix or (known.file_suffix(image.compress) if known else f".{image.target_format.format}")
    stem = re.sub(r"[\x00-\x1f\x7f/\\]+", "_", f"{image.name}-{image.version}").strip(" .") or "image"
    return f"{stem}{ending}"


def require_downloadable(image: Image) -> None:
    """Refuse to download what is not finished or was not asked for as a download."""
    state = image.attempt.state if image.attempt else "queued"
    if state in ("queued", "running"):
        raise ConflictError(f"Image {image.id} is still being generated. Wait until its status is complete.")
    if image.simulated:
        raise ConflictError(f"Image {image.id} was only simulated: it has a package list and no content.")
    if image.sha256 is None:
        raise ConflictError(f"Image {image.id} has no content: its generation ended as {state}. Generate it again.")
    if not image.compress:
        raise ConflictError(
            f"Image {image.id} was generated for publishing. To download one, generate it with compress=true."
        )


def ids_by_appliance(session: Session, appliance_ids: Sequence[int]) -> dict[int, list[int]]:
    """{appliance id: its images' ids}, in one query."""
    ids: dict[int, list[int]] = {}
    query = select(Image.appliance_id, Image.id).where(Image.appliance_id.in_(appliance_ids)).order_by(Image.id)
    for appliance_id, image_id in session.execute(query):
        ids.setdefault(appliance_id, []).append(image_id)
    return ids


def status_message(image: Image, attempt: Attempt) -> str:
    """What an image's status says."""
    if attempt.state == "done":
        finished = attempt.finished or attempt.last_modified
        return f"Done, created on {finished:%d %b %Y %H:%M}."
    if attempt.cancel_requested and attempt.state == "running":
        return "Cancelling"
    return attempt.message or "Working"


def _forget_files(session: Session, ids: Sequence[int]) -> set[str]:
    """Remove the rows of images' files; returns the hashes of their contents."""
    hashes = set(session.scalars(select(ImageFile.sha256).where(ImageFile.image_id.in_(ids))))
    session.execute(sql_delete(ImageFile).where(ImageFile.image_id.in_(ids)))
    return hashes


def _options(
    appliance: Appliance, target_format: TargetFormat, overrides: ProfileMessage | None, entrypoint: str | None
) -> dict[str, Any]:
    """The options of the format, as the request and the appliance's install profile have them."""
    profile = install_profiles.with_overrides(appliance.install_profile, overrides)
    values: dict[str, Any] = {}
    if profile.memory_size:
        values["memory"] = profile.memory_size
    if profile.hw_type:
        values["hardware_version"] = profile.hw_type.lower().removeprefix("vmx-")
    if profile.vagrant_user:
        values["vagrant_user"] = {"name": profile.vagrant_user}
    try:
        find_format(target_format.format)
        if entrypoint:
            values["entrypoint"] = parse_entrypoint(entrypoint)
        elif target_format.format in ("docker", "openshift"):
            raise InvalidError(
                'A container needs its entrypoint, a list such as ["/usr/sbin/nginx", "-g", "daemon off;"].',
                message_id="ERROR.IMAGE.ENTRYPOINT",
            )
        return FormatOptions.model_validate(values).model_dump(mode="json", exclude_defaults=True)
    except BuildError as error:
        raise InvalidError(error.message, target_format.format) from error
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(str(part) for part in problem["loc"]) or "hwType"
        raise InvalidError(f"The install profile's {field} is impossible: {problem['msg']}.") from error
    except ValueError as error:
        raise InvalidError(str(error), entrypoint or "") from error


def _require_quota(session: Session, owner: User) -> None:
    quotas.require(session, owner, "generation")
    quotas.require(session, owner, "diskusage")


def find_target_format(session: Session, owner: User, name: str | None) -> TargetFormat:
    """The target format of that name, or of that image format; raises InvalidError that names those there are."""
    rows = list(session.scalars(formats.usable(owner).order_by(TargetFormat.name)))
    for row in rows:
        if row.name == name:
            return row
    for row in rows:
        if row.format == name:
            return row
    known = ", ".join(row.name for row in rows)
    what = f"There is no target format {name}" if name else "The target format is missing (targetFormat/name)"
    raise InvalidError(f"{what}. Possible are: {known}.", name or "", message_id="ERROR.TARGETFORMAT.UNKNOWN")
