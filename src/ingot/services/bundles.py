"""Software bundles of users, and which appliances have them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from ingot.messages.software import MySoftware
from ingot.services import appliances, attempts, categories, quotas, restrictions
from ingot.services.errors import ConflictError, InvalidError, NotFoundError
from ingot.store.base import now
from ingot.store.tables import (
    Appliance,
    ApplianceBundle,
    Bundle,
    BundleArtifact,
    BundleDocument,
    User,
)

_LONGEST_TEXT = 10_000


def find(session: Session, owner: User, bundle_id: int, *, to_change: bool = False) -> Bundle:
    """A bundle of a user; who wants `to_change` it waits for others who do."""
    lock = {"of": Bundle, "key_share": True} if to_change else None
    bundle = session.get(Bundle, bundle_id, with_for_update=lock)
    if bundle is None or bundle.owner_id != owner.id:
        raise NotFoundError(
            f"User {owner.login} has no bundle {bundle_id}.", str(bundle_id), message_id="ERROR.MYSOFTWARE.NOT_FOUND"
        )
    return bundle


def named(session: Session, owner: User, name: str, version: str) -> Bundle | None:
    """The bundle of that name and version, or None."""
    query = select(Bundle).where(Bundle.owner_id == owner.id, Bundle.name == name, Bundle.version == version)
    return session.scalars(query).first()


def create(session: Session, owner: User, message: MySoftware, *, imported: bool = False) -> Bundle:
    """Create a bundle without artifacts; name and version together are unique per user."""
    name = appliances.checked_text("name of the bundle", message.name)
    version = appliances.checked_text("version of the bundle", message.version)
    _refuse_taken(session, owner, name, version, None)
    bundle = Bundle(
        owner=owner, name=name, version=version, imported=imported, documents=[], artifacts=[], maintainer=owner.login
    )
    _set_facts(session, bundle, message)
    session.add(bundle)
    session.flush()
    return bundle


def change(session: Session, bundle: Bundle, message: MySoftware) -> None:
    """Change what is given."""
    name = appliances.checked_text("name", message.name) if message.name is not None else bundle.name
    version = appliances.checked_text("version", message.version) if message.version is not None else bundle.version
    _refuse_taken(session, bundle.owner, name, version, bundle.id)
    bundle.name, bundle.version = name, version
    _set_facts(session, bundle, message)
    touch(session, bundle)


def clone(session: Session, source: Bundle, *, name: str | None, version: str | None) -> Bundle:
    """Copy a bundle with all that is in it under another name or version.

    The contents are shared: the caller keeps them from being swept meanwhile.
    """
    quotas.require(session, source.owner, "diskusage", size(session, [source.id]).get(source.id, 0))
    wanted = MySoftware(name=name or source.name, version=version or source.version)
    new = create(session, source.owner, wanted)
    for column in (*_FACTS, "category_id", "restriction_rule"):
        setattr(new, column, getattr(source, column))
    new.documents = [BundleDocument(**_content(document)) for document in source.documents]
    copies: dict[int, BundleArtifact] = {}
    for artifact in sorted(source.artifacts, key=lambda entry: entry.id):  # a directory is older than what is in it
        parent = copies[artifact.parent_id] if artifact.parent_id is not None else None
        copies[artifact.id] = BundleArtifact(parent=parent, **_content(artifact))
    new.artifacts = list(copies.values())
    session.flush()
    return new


def remove(session: Session, bundle: Bundle) -> set[str]:
    """Remove a bundle, also from the appliances that have it; returns the hashes of its contents, to be swept.

    What is being fetched for it is cancelled.
    """
    touch(session, bundle)
    for artifact in bundle.artifacts:
        if artifact.attempt is not None:
            attempts.request_cancel(session, artifact.attempt)
    hashes = {artifact.sha256 for artifact in bundle.artifacts if artifact.sha256}
    hashes |= {document.sha256 for document in bundle.documents if document.sha256}
    session.delete(bundle)
    session.flush()
    return hashes


def touch(session: Session, bundle: Bundle) -> None:
    """Count a change of a bundle's content, which also changes the appliances that have it."""
    bundle.revision += 1
    bundle.last_modified = now()
    having = select(ApplianceBundle.appliance_id).where(ApplianceBundle.bundle_id == bundle.id)
    session.execute(
        update(Appliance).where(Appliance.id.in_(having)).values(revision=Appliance.revision + 1, last_modified=now())
    )
    session.flush()


def size(session: Session, bundle_ids: Sequence[int]) -> dict[int, int]:
    """{bundle id: bytes of all that is in it}, in one query."""
    query = (
        select(BundleArtifact.bundle_id, func.sum(BundleArtifact.size))
        .where(BundleArtifact.bundle_id.in_(bundle_ids))
        .group_by(BundleArtifact.bundle_id)
    )
    return {bundle_id: int(total or 0) for bundle_id, total in session.execute(query)}


def appliances_of(session: Session, bundle_ids: Sequence[int]) -> dict[int, list[int]]:
    """{bundle id: ids of the appliances that have it}, in one query."""
    found: dict[int, list[int]] = {}
    query = (
        select(ApplianceBundle.bundle_id, ApplianceBundle.appliance_id)
        .where(ApplianceBundle.bundle_id.in_(bundle_ids))
        .order_by(ApplianceBundle.appliance_id)
    )
    for bundle_id, appliance_id in session.execute(query):
        found.setdefault(bundle_id, []).append(appliance_id)
    return found


def ids_of_appliances(session: Session, appliance_ids: Sequence[int]) -> dict[int, list[int]]:
    """{appliance id: ids of its bundles in their order}, in one query."""
    found: dict[int, list[int]] = {}
    query = (
        select(ApplianceBundle.appliance_id, ApplianceBundle.bundle_id)
        .where(ApplianceBundle.appliance_id.in_(appliance_ids))
        .order_by(ApplianceBundle.position, ApplianceBundle.bundle_id)
    )
    for appliance_id, bundle_id in session.execute(query):
        found.setdefault(appliance_id, []).append(bundle_id)
    return found


def attach(session: Session, appliance: Appliance, wanted: Sequence[tuple[int, str | None]]) -> None:
    """Give an appliance these bundles, in this order, and no others: (bundle id, install location or None)."""
    before = {row.bundle_id: row for row in appliance.bundles}
    rows = []
    for position, (bundle_id, location) in enumerate(dict(wanted).items()):
        bundle = find(session, appliance.owner, bundle_id)
        row = before.get(bundle_id) or ApplianceBundle(bundle=bundle)
        row.position, row.install_location = position, checked_location(location)
        rows.append(row)
    if rows != appliance.bundles or session.is_modified(appliance) or any(session.is_modified(row) for row in rows):
        appliance.bundles = rows
        appliances.touch(appliance)
    session.flush()


def set_rule(session: Session, bundle: Bundle, rule: str) -> None:
    """Change for what a bundle is meant; an empty rule is for everything."""
    bundle.restriction_rule = restrictions.checked(rule)
    touch(session, bundle)


def checked_location(location: str | None) -> str | None:
    """A directory of the machine, or None for an empty one; raises InvalidError."""
    text = (location or "").strip()
    if not text:
        return None
    if ".." in text.split("/") or any(ord(char) < 32 for char in text) or len(text) > 1000:
        raise InvalidError(f"The install location {text[:100]!r} is not possible: use a path such as /opt/app.", text)
    return text


_FACTS = (
    "description",
    "release",
    "maintainer",
    "website",
    "tag",
    "short_tag",
    "default_install_location",
)


def _set_facts(session: Session, bundle: Bundle, message: MySoftware) -> None:
    for field in _FACTS:
        value = getattr(message, field)
        if value is None:
            continue
        if len(value) > _LONGEST_TEXT:
            raise InvalidError(f"The {field} has {len(value)} characters; at most {_LONGEST_TEXT} are possible.")
        setattr(bundle, field, checked_location(value) if field == "default_install_location" else value)
    if message.category is not None:
        bundle.category = categories.named(session, bundle.owner.organisation, message.category)
    if message.bundle_restriction is not None and message.bundle_restriction.restriction_rule is not None:
        bundle.restriction_rule = restrictions.checked(message.bundle_restriction.restriction_rule)
    if message.license is not None and message.license.name and not _document(bundle, "license"):
        bundle.documents.append(BundleDocument(kind="license", name=message.license.name, type=message.license.type))


def _document(bundle: Bundle, kind: str) -> BundleDocument | None:
    return next((document for document in bundle.documents if document.kind == kind), None)


def _content(row: BundleArtifact | BundleDocument) -> dict[str, Any]:
    """What a row says, without its identity and what it belongs to."""
    return {
        column.key: getattr(row, column.key)
        for column in row.__table__.columns
        if not column.primary_key and not column.foreign_keys and column.key not in ("created", "last_modified")
    }


def _refuse_taken(session: Session, owner: User, name: str, version: str, own_id: int | None) -> None:
    taken = named(session, owner, name, version)
    if taken is not None and taken.id != own_id:
        raise ConflictError(
            f"User {owner.login} already has a bundle {name} {version}. Choose another name or version.",
            name,
            version,
            message_id="ERROR.MYSOFTWARE.EXISTS",
        )
