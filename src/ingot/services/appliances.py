"""Appliances."""

import copy
import re
import uuid
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ingot.services import distribution_access, install_profiles, quotas
from ingot.services.errors import ConflictError, InvalidError, NotFoundError
from ingot.store.base import now
from ingot.store.tables import (
    Appliance,
    ApplianceBundle,
    Attempt,
    BootScript,
    Distribution,
    Image,
    InstallProfile,
    OsProfile,
    OsProfilePackage,
    User,
)

_LONGEST = 255


def find(session: Session, owner: User, appliance_id: int, *, to_change: bool = False) -> Appliance:
    """An appliance of a user; who wants `to_change` it or its layers waits for others who do."""
    lock = {"of": Appliance, "key_share": True} if to_change else None
    appliance = session.get(Appliance, appliance_id, with_for_update=lock)
    if appliance is None or appliance.owner_id != owner.id:
        raise NotFoundError(
            f"User {owner.login} has no appliance {appliance_id}.",
            str(appliance_id),
            message_id="ERROR.APPLIANCE.NOT_FOUND",
        )
    return appliance


def create(
    session: Session, owner: User, *, name: str | None, version: str | None, description: str, distribution_id: int
) -> Appliance:
    """Create an appliance with a default install profile; name and version together are unique per user."""
    checked_name, checked_version = checked_text("name", name), checked_text("version", version)
    distribution = session.get(Distribution, distribution_id)
    allowed = select(Distribution.id).where(Distribution.id == distribution_id, distribution_access.may_build(owner))
    if distribution is None or session.scalar(allowed) is None:
        raise InvalidError(f"There is no distribution {distribution_id}; see distributions for those there are.")
    _refuse_taken(session, owner, checked_name, checked_version, None)
    quotas.require(session, owner, "appliance")
    appliance = Appliance(
        owner=owner,
        name=checked_name,
        version=checked_version,
        description=description,
        distribution=distribution,
        uuid=str(uuid.uuid4()),
        last_package_update=now(),
        install_profile=InstallProfile(document=install_profiles.default_document()),
        os_profile=None,
        boot_scripts=[],
        bundles=[],
    )
    session.add(appliance)
    session.flush()
    return appliance


def update(
    session: Session, appliance: Appliance, *, name: str | None, version: str | None, description: str | None
) -> None:
    """Change what is given; the content stays as it is."""
    new_name = checked_text("name", name) if name is not None else appliance.name
    new_version = checked_text("version", version) if version is not None else appliance.version
    _refuse_taken(session, appliance.owner, new_name, new_version, appliance.id)
    appliance.name, appliance.version = new_name, new_version
    if description is not None:
        appliance.description = description
    session.flush()


def clone(session: Session, source: Appliance, *, name: str | None, version: str | None) -> Appliance:
    """Copy an appliance with all its layers under another name or version; images stay with the source.

    The contents of its boot scripts are shared: the caller keeps them from being swept meanwhile.
    """
    new = create(
        session,
        source.owner,
        name=name if name is not None else source.name,
        version=version if version is not None else source.version,
        description=source.description,
        distribution_id=source.distribution_id,
    )
    new.parent_id, new.last_package_update = source.id, source.last_package_update
    new.install_profile.document = copy.deepcopy(source.install_profile.document)
    new.install_profile.next_id = source.install_profile.next_id
    if source.os_profile is not None:
        packages = [OsProfilePackage(**_content(package)) for package in source.os_profile.packages]
        new.os_profile = OsProfile(profile=source.os_profile.profile, packages=packages)
    new.boot_scripts = [BootScript(**_content(script)) for script in source.boot_scripts]
    new.bundles = [
        ApplianceBundle(bundle=entry.bundle, position=entry.position, install_location=entry.install_location)
        for entry in source.bundles
    ]
    session.flush()
    return new


def _content(row: OsProfilePackage | BootScript) -> dict[str, Any]:
    """What a row says, without its identity, its times and what it belongs to."""
    return {
        column.key: getattr(row, column.key)
        for column in row.__table__.columns
        if not column.primary_key and not column.foreign_keys and column.key not in ("created", "last_modified")
    }


def touch(appliance: Appliance) -> None:
    """Count a change of the appliance's content."""
    appliance.revision += 1
    appliance.last_modified = now()


def running_generations(session: Session, appliance: Appliance) -> int:
    """How many images of the appliance are being generated or wait for it."""
    query = (
        select(func.count())
        .select_from(Image)
        .join(Attempt, Image.attempt_id == Attempt.id)
        .where(Image.appliance_id == appliance.id, Attempt.state.in_(("queued", "running")))
    )
    return session.scalar(query) or 0


def refuse_while_running(session: Session, appliance: Appliance) -> None:
    """Refuse to delete an appliance whose images are being generated."""
    running = running_generations(session, appliance)
    if running:
        raise ConflictError(
            f"{running} image(s) of appliance {appliance.name} are being generated. Wait, cancel them, or delete "
            "with force=true.",
            message_id="ERROR.APPLIANCE.IN_USE",
        )


def checked_text(what: str, value: str | None) -> str:
    """A name or version for people: not empty, not too long, without control characters."""
    text = (value or "").strip()
    if not text:
        raise InvalidError(f"The {what} is missing.", what)
    if len(text) > _LONGEST:
        raise InvalidError(f"The {what} has {len(text)} characters; at most {_LONGEST} are possible.", what)
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise InvalidError(f"The {what} {text!r} has control characters.", what)
    return text


def _refuse_taken(session: Session, owner: User, name: str, version: str, own_id: int | None) -> None:
    query = select(Appliance.id).where(
        Appliance.owner_id == owner.id, Appliance.name == name, Appliance.version == version
    )
    taken = session.scalars(query).first()
    if taken is not None and taken != own_id:
        raise ConflictError(
            f"User {owner.login} already has an appliance {name} {version}. Choose another name or version.",
            name,
            version,
            message_id="ERROR.APPLIANCE.EXISTS",
        )
