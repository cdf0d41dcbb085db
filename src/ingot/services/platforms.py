"""The clouds that accounts are for."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingot.messages.target import TargetPlatform as PlatformMessage
from ingot.services.errors import InvalidError
from ingot.store.tables import TargetPlatform, User

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
    query = select(TargetPlatform).where(TargetPlatform.organisation_id == user.organisation_id, TargetPlatform.active)
    platforms = list(session.scalars(query.order_by(TargetPlatform.name)))
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
