"""Target platforms: the clouds that accounts are for, and what can be published to them."""

from collections.abc import Sequence

from sqlalchemy import Select, func, select
from sqlalchemy import delete as sql_delete
from sqlalchemy.orm import Session

from ingot.messages.target import TargetPlatform as PlatformMessage
from ingot.services.errors import ConflictError, InvalidError, NotFoundError
from ingot.store.base import now
from ingot.store.tables import CloudAccount, Organisation, TargetFormat, TargetPlatform, TargetPlatformDenial, User

#: {type: the name that a first start gives it}.
PLATFORMS = {
    "aws": "Amazon",
    "azure": "Microsoft Azure",
    "google": "Google Compute Engine",
    "openstack": "OpenStack",
    "cloudstack": "CloudStack",
    "vsphere": "VMware vCenter",
    "vclouddirector": "VMware vCloud Director",
    "docker": "Docker",
    "openshift": "OpenShift",
    "oracle": "Oracle",
    "outscale": "Outscale",
    "k5": "K5",
}


def add_missing(session: Session, organisation_id: int) -> None:
    """Offer every platform in an organisation that does not know it yet."""
    known = set(session.scalars(select(TargetPlatform.type).where(TargetPlatform.organisation_id == organisation_id)))
    for kind, name in PLATFORMS.items():
        if kind not in known:
            session.add(TargetPlatform(organisation_id=organisation_id, name=name, type=kind))


def resolve(session: Session, user: User, message: PlatformMessage | None, kind: str) -> TargetPlatform:
    """The platform that an account of this kind is for: the one named, or the only one of the kind."""
    platforms = list(session.scalars(usable(user).order_by(TargetPlatform.name)))
    named = message is not None and (message.name or message.db_id)
    if message is not None and named:
        chosen = [row for row in platforms if message.name in (None, row.name) and message.db_id in (None, row.id)]
    else:
        chosen = [row for row in platforms if row.type == kind]
    fitting = [row for row in chosen if row.type == kind]
    if fitting:
        return fitting[0]
    shown = (message.name or f"number {message.db_id}") if message is not None and named else kind
    if chosen:
        raise InvalidError(
            f"Platform {shown} is of type {chosen[0].type}, the account of type {kind}: they must be the same.", shown
        )
    known = ", ".join(f"{row.name} ({row.type})" for row in platforms)
    raise InvalidError(
        f"There is no target platform {shown}. Possible are: {known}.",
        shown,
        message_id="ERROR.TARGETPLATFORM.UNKNOWN",
    )


def usable(user: User) -> Select[TargetPlatform]:
    """The platforms that a user may have accounts for."""
    denied = select(TargetPlatformDenial.target_platform_id).where(TargetPlatformDenial.user_id == user.id)
    return select(TargetPlatform).where(
        TargetPlatform.organisation_id == user.organisation_id, TargetPlatform.active, TargetPlatform.id.not_in(denied)
    )


def find(session: Session, organisation: Organisation, number: int) -> TargetPlatform:
    """A platform of an organisation."""
    row = session.get(TargetPlatform, number)
    if row is None or row.organisation_id != organisation.id:
        raise NotFoundError(f"There is no target platform {number}.", message_id="ERROR.TARGETPLATFORM.NOT_FOUND")
    return row


def create(session: Session, organisation: Organisation, message: PlatformMessage) -> TargetPlatform:
    """Offer a platform under a new name."""
    if message.type is None:
        raise InvalidError(f"The platform's type is missing. Possible are: {', '.join(PLATFORMS)}.")
    row = TargetPlatform(
        organisation_id=organisation.id,
        name=_name(session, organisation, message.name, None),
        type=message.type,
        active=message.active is not False,
        account_infos=message.account_infos,
    )
    session.add(row)
    session.flush()
    return row


def change(session: Session, organisation: Organisation, row: TargetPlatform, message: PlatformMessage) -> None:
    """Change what a message has values for. The type of a platform with accounts stays."""
    if message.name is not None:
        row.name = _name(session, organisation, message.name, row)
    if message.type is not None and message.type != row.type:
        _require_no_accounts(session, row, "Its type stays as it is")
        row.type = message.type
    if message.active is not None:
        row.active = message.active
    if message.account_infos is not None:
        row.account_infos = message.account_infos
    row.last_modified = now()
    session.flush()


def remove(session: Session, row: TargetPlatform) -> set[str]:
    """Stop offering a platform; returns the hash of its logo, to be swept. One with accounts stays."""
    _require_no_accounts(session, row, "Delete them first, or set active to false to hide the platform")
    before = {row.logo_sha256} if row.logo_sha256 else set()
    session.delete(row)
    session.flush()
    return before


def link(session: Session, row: TargetPlatform, format_row: TargetFormat) -> None:
    """Have a target format be published to a platform."""
    if format_row not in row.formats:
        row.formats.append(format_row)
        session.flush()


def unlink(session: Session, row: TargetPlatform, format_row: TargetFormat) -> None:
    """Have a target format not be published to a platform any more."""
    if format_row not in row.formats:
        raise NotFoundError(f"The format {format_row.name} is not published to {row.name}.", format_row.name)
    row.formats.remove(format_row)
    session.flush()


def set_active(
    session: Session, organisation: Organisation, messages: Sequence[PlatformMessage]
) -> list[TargetPlatform]:
    """Say which of the named platforms the organisation offers (`access` or `active`)."""
    rows = [find(session, organisation, _identity(message)) for message in messages]
    for row, message in zip(rows, messages, strict=True):
        wanted = message.active if message.active is not None else message.access
        if wanted is not None:
            row.active, row.last_modified = wanted, now()
    session.flush()
    return rows


def set_user_access(session: Session, user: User, messages: Sequence[PlatformMessage]) -> None:
    """Say which of the named platforms a user may have accounts for."""
    for message in messages:
        row = find(session, user.organisation, _identity(message))
        wanted = message.access if message.access is not None else message.active
        session.execute(
            sql_delete(TargetPlatformDenial).where(
                TargetPlatformDenial.user_id == user.id, TargetPlatformDenial.target_platform_id == row.id
            )
        )
        if wanted is False:
            session.add(TargetPlatformDenial(user_id=user.id, target_platform_id=row.id))
    session.flush()


def _require_no_accounts(session: Session, row: TargetPlatform, remedy: str) -> None:
    query = select(func.count()).select_from(CloudAccount).where(CloudAccount.target_platform_id == row.id)
    if count := session.scalar(query):
        raise ConflictError(f"{count} accounts are for the platform {row.name}. {remedy}.", row.name)


def _identity(message: PlatformMessage) -> int:
    if message.db_id is None:
        raise InvalidError("Each target platform needs its dbId.")
    return message.db_id


def _name(session: Session, organisation: Organisation, name: str | None, row: TargetPlatform | None) -> str:
    chosen = (name or "").strip()
    if not chosen:
        raise InvalidError("The target platform needs a name.")
    query = select(TargetPlatform).where(
        TargetPlatform.organisation_id == organisation.id, TargetPlatform.name == chosen
    )
    other = session.scalars(query).first()
    if other is not None and other is not row:
        raise ConflictError(f"There is a target platform {chosen} already: choose another name.", chosen)
    return chosen
