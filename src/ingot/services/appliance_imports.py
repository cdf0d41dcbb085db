"""Imports of appliances from archives: asked for, given their archive, carried out by a worker, entered as a whole."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingot.build.template import Bundle, OperatingSystem, Template
from ingot.build.template_rules import near
from ingot.services import (
    appliance_removal,
    appliances,
    attempts,
    boot_scripts,
    bundle_model,
    bundle_transfers,
    bundles,
    install_profiles,
    logos,
    os_profiles,
)
from ingot.services.errors import ConflictError, InvalidError, NotFoundError
from ingot.services.os_profiles import WantedPackage
from ingot.services.templates import profile_of
from ingot.store import tables
from ingot.store.artifacts import StoredArtifact
from ingot.store.base import now
from ingot.store.tables import Appliance, ApplianceBundle, ApplianceImport, Distribution, User

JOB = "import-appliance"


_AT_ONCE = 100


@dataclass(frozen=True)
class Flags:
    """How an import is done: `imported` says that it came as an archive, `force` replaces an appliance of the same
    name and version, `reuse_bundles` takes bundles that are there, `use_major` the distribution's major version where
    the exact one is missing."""

    imported: bool = False
    force: bool = False
    reuse_bundles: bool = False
    use_major: bool = False


def find(session: Session, owner: User, import_id: int) -> ApplianceImport:
    """An import of a user."""
    row = session.get(ApplianceImport, import_id)
    if row is None or row.owner_id != owner.id:
        raise NotFoundError(
            f"User {owner.login} has no import {import_id}.", str(import_id), message_id="ERROR.IMPORT.NOT_FOUND"
        )
    return row


def create(session: Session, owner: User, flags: Flags) -> ApplianceImport:
    """Announce an import; its archive is uploaded next."""
    row = ApplianceImport(
        owner=owner,
        imported=flags.imported,
        force=flags.force,
        reuse_bundles=flags.reuse_bundles,
        use_major=flags.use_major,
    )
    session.add(row)
    session.flush()
    return row


def refuse_second(row: ApplianceImport) -> None:
    """Refuse another archive for an import."""
    if row.attempt is not None:
        raise ConflictError(f"Import {row.id} has its archive already. Ask for another import.")


def set_archive(session: Session, row: ApplianceImport, archive: StoredArtifact) -> None:
    """Give an import its archive and put the job into the queue."""
    row.sha256, row.md5, row.size = archive.sha256, archive.md5, archive.size
    row.attempt = attempts.enqueue(session, JOB, row.id)
    session.flush()


def delete(session: Session, row: ApplianceImport) -> set[str]:
    """Forget an import; one that runs is cancelled. Returns the hash of its archive, to be swept."""
    if row.attempt is not None:
        attempts.request_cancel(session, row.attempt)
    hashes = {row.sha256} if row.sha256 else set()
    session.delete(row)
    session.flush()
    return hashes


def delete_old(session: Session, before: dt.datetime) -> set[str]:
    """Forget the imports from before then, also those that never got their archive; what they made stays. Returns the
    hashes of their archives, to be swept."""
    query = select(ApplianceImport).where(ApplianceImport.created < before).limit(_AT_ONCE)
    return {sha256 for row in list(session.scalars(query)) for sha256 in delete(session, row)}


def complete(
    session: Session,
    row: ApplianceImport,
    template: Template,
    files: Mapping[str, StoredArtifact],
    path: Callable[[str], Path],
) -> set[str]:
    """Enter the appliance that a template describes, with its bundles; `files` are its sources' contents, which the
    caller stores, and `path` tells where one lies now.

    All of it or nothing: raises ServiceError. Returns the hashes of what was replaced.
    """
    owner = row.owner
    distribution = _distribution(session, template.os, use_major=row.use_major)
    hashes = _make_room(session, owner, template, force=row.force)
    appliance = appliances.create(
        session,
        owner,
        name=template.name,
        version=template.version,
        description=template.description,
        distribution_id=distribution.id,
    )
    row.appliance_id = appliance.id
    appliance.imported = row.imported
    appliance.last_package_update = template.os.update_to or now()
    _add_os_profile(session, appliance, template.os)
    appliance.install_profile.hostname = template.installation.hostname
    install_profiles.set_to(session, appliance, profile_of(template.installation))
    for script in template.config:
        added = boot_scripts.create(
            session, appliance, name=script.name, boot_type=script.frequency, boot_order=script.order
        )
        content = files[script.source]
        if content.size > boot_scripts.LARGEST:
            raise InvalidError(
                f"The boot script {script.name} has {content.size} bytes; at most {boot_scripts.LARGEST} are possible."
            )
        boot_scripts.set_content(session, appliance, added, script.source.rpartition("/")[2], content)
    for position, model in enumerate(template.bundles):
        bundle, replaced = _bundle(session, row, model, files, path)
        appliance.bundles.append(ApplianceBundle(bundle=bundle, position=position))
        hashes |= replaced
    if template.source_logo:
        logos.put(session, appliance, template.source_logo.rpartition("/")[2], files[template.source_logo])
    appliance.revision = 1
    session.flush()
    return hashes


def sources(template: Template) -> set[str]:
    """The names of the files that a template needs."""
    logo = {template.source_logo} if template.source_logo else set()
    scripts = {script.source for script in template.config}
    return scripts.union(logo, *(bundle_model.sources(bundle) for bundle in template.bundles))


def _bundle(
    session: Session,
    row: ApplianceImport,
    model: Bundle,
    files: Mapping[str, StoredArtifact],
    path: Callable[[str], Path],
) -> tuple[tables.Bundle, set[str]]:
    """(The bundle that a template asks for, the hashes of what it replaced)."""
    before = bundles.named(session, row.owner, model.name, model.version)
    if before is not None and row.reuse_bundles:
        return before, set()
    if before is None:
        return bundle_model.enter(session, row.owner, model, files, path, imported=row.imported), set()
    if not row.force:
        raise ConflictError(
            f"User {row.owner.login} already has a bundle {model.name} {model.version}. Take that one with "
            "--reuse-bundles (hammr: -r), or replace it with --force.",
            model.name,
            model.version,
            message_id="ERROR.MYSOFTWARE.EXISTS",
        )
    # Other appliances that have it go on having it.
    having = list(session.scalars(select(ApplianceBundle).where(ApplianceBundle.bundle_id == before.id)))
    places = [(entry.appliance_id, entry.position, entry.install_location) for entry in having]
    for entry in having:
        session.expunge(entry)  # the database removes it with the bundle
    hashes = bundle_transfers.delete_exports(session, before) | bundles.remove(session, before)
    bundle = bundle_model.enter(session, row.owner, model, files, path, imported=row.imported)
    for appliance_id, position, location in places:
        session.add(
            ApplianceBundle(
                appliance_id=appliance_id, bundle_id=bundle.id, position=position, install_location=location
            )
        )
    session.flush()
    return bundle, hashes


def _make_room(session: Session, owner: User, template: Template, *, force: bool) -> set[str]:
    query = select(Appliance).where(
        Appliance.owner_id == owner.id, Appliance.name == template.name, Appliance.version == template.version
    )
    before = session.scalars(query.with_for_update(of=Appliance)).first()
    if before is None:
        return set()
    if not force:
        raise ConflictError(
            f"User {owner.login} already has an appliance {template.name} {template.version}. Choose another name or "
            "version, or replace it with --force.",
            template.name,
            template.version,
            message_id="ERROR.APPLIANCE.EXISTS",
        )
    return appliance_removal.remove(session, before)


def _distribution(session: Session, system: OperatingSystem, *, use_major: bool) -> Distribution:
    rows = list(session.scalars(select(Distribution).where(Distribution.active)))
    named = [row for row in rows if (row.name.lower(), row.arch) == (system.name.lower(), system.arch)]
    major = system.version.partition(".")[0]
    for version in (system.version, *([major] if use_major else [])):
        for row in named:
            if row.version == version:
                return row
    wanted = f"{system.name} {system.version} {system.arch}"
    if any(row.version == major for row in named):
        hint = f"there is {system.name} {major}: take it with --usemajor"
    else:
        hint = near(wanted, [f"{row.name} {row.version} {row.arch}" for row in rows])
    raise InvalidError(
        f"There is no operating system {wanted}; {hint}.", wanted, message_id="ERROR.DISTRIBUTION.NOT_FOUND"
    )


def _add_os_profile(session: Session, appliance: Appliance, system: OperatingSystem) -> None:
    profiles = {profile.name.lower(): profile for profile in appliance.distribution.profiles}
    profile = profiles.get(system.profile.lower())
    if profile is None:
        names = [known.name for known in profiles.values()]
        raise InvalidError(
            f"{appliance.distribution.description} has no profile {system.profile}; {near(system.profile, names)}.",
            message_id="ERROR.OSPROFILE.UNKNOWN",
        )
    os_profiles.create(session, appliance, profile.id)
    wanted = [
        WantedPackage(package.name, package.epoch, package.version, package.release, package.arch)
        for package in system.pkgs
    ]
    if wanted:
        os_profiles.set_packages(session, appliance, wanted)
