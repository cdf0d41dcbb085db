"""Target formats: what an organisation offers of the image formats, under names of its own, and who may use it."""

from collections.abc import Sequence

from sqlalchemy import Select, func, select
from sqlalchemy import delete as sql_delete
from sqlalchemy.orm import Session

from ingot.build.formats.registry import FORMATS, OBSOLETE
from ingot.messages.target import ImageFormat as FormatMessage
from ingot.messages.target import TargetFormat as TargetFormatMessage
from ingot.services.errors import ConflictError, InvalidError, NotFoundError
from ingot.store.base import now
from ingot.store.tables import Image, Organisation, TargetFormat, TargetFormatDenial, TargetPlatform, User

#: (name, image format, category, account type) that a first start offers.
DEFAULTS: tuple[tuple[str, str, str, str | None], ...] = (
    ("Amazon AWS", "aws", "Cloud", "aws"),
    ("Microsoft Azure", "azure", "Cloud", "azure"),
    ("Google Compute Engine", "google", "Cloud", "google"),
    ("OpenStack QCOW2", "openstackqcow2", "Cloud", "openstack"),
    ("OpenStack VMDK", "openstackvmdk", "Cloud", "openstack"),
    ("OpenStack VHD", "openstackvhd", "Cloud", "openstack"),
    ("OpenStack VDI", "openstackvdi", "Cloud", "openstack"),
    ("CloudStack KVM (QCOW2)", "cloudstackqcow2", "Cloud", "cloudstack"),
    ("CloudStack Citrix Xen (VHD)", "cloudstackvhd", "Cloud", "cloudstack"),
    ("CloudStack VMware (OVA)", "cloudstackova", "Cloud", "cloudstack"),
    ("Outscale", "outscale", "Cloud", "outscale"),
    ("Oracle Cloud", "oracleraw", "Cloud", "oracle"),
    ("OpenShift", "openshift", "Container", "openshift"),
    ("Docker", "docker", "Container", "docker"),
    ("LXC Container", "lxc", "Container", None),
    ("VMware vCenter", "vcenter", "Virtual", "vsphere"),
    ("VMware Server", "vmware", "Virtual", None),
    ("OVF or OVA", "ovf", "Virtual", None),
    ("VirtualBox", "vbox", "Virtual", None),
    ("KVM", "kvm", "Virtual", None),
    ("QCOW2", "qcow2", "Virtual", None),
    ("Raw Virtual Disk", "raw", "Virtual", None),
    ("VHD", "vhd", "Virtual", None),
    ("Hyper-V", "hyper-v", "Virtual", None),
    ("Xen", "xen", "Virtual", None),
    ("Citrix Xen Server", "xenserver", "Virtual", None),
    ("Vagrant Base Box", "vagrant", "Virtual", None),
    ("tar.gz", "targz", "Virtual", None),
    ("ISO", "ISO", "Physical", None),
    ("PXE", "PXE", "Physical", None),
)


def add_missing(session: Session, organisation_id: int) -> None:
    """Offer every format in an organisation that does not know it yet, for the platforms of its accounts."""
    known = set(session.scalars(select(TargetFormat.format).where(TargetFormat.organisation_id == organisation_id)))
    platforms: dict[str, list[TargetPlatform]] = {}
    for row in session.scalars(select(TargetPlatform).where(TargetPlatform.organisation_id == organisation_id)):
        platforms.setdefault(row.type, []).append(row)
    names = set(session.scalars(select(TargetFormat.name).where(TargetFormat.organisation_id == organisation_id)))
    for name, format_, category, account_type in DEFAULTS:
        if format_ not in known:
            session.add(
                TargetFormat(
                    organisation_id=organisation_id,
                    name=name if name not in names else f"{name} ({format_})",
                    format=format_,
                    category=category,
                    type=FORMATS[format_].type if format_ != "openshift" else "cloud",
                    account_type=account_type,
                    platforms=platforms.get(account_type or "", []),
                )
            )


def find(session: Session, organisation: Organisation, number: int) -> TargetFormat:
    """A target format of an organisation."""
    row = session.get(TargetFormat, number)
    if row is None or row.organisation_id != organisation.id:
        raise NotFoundError(f"There is no target format {number}.", message_id="ERROR.TARGETFORMAT.NOT_FOUND")
    return row


def usable(user: User) -> Select[TargetFormat]:
    """The target formats that a user may generate."""
    denied = select(TargetFormatDenial.target_format_id).where(TargetFormatDenial.user_id == user.id)
    return select(TargetFormat).where(
        TargetFormat.organisation_id == user.organisation_id, TargetFormat.active, TargetFormat.id.not_in(denied)
    )


def create(session: Session, organisation: Organisation, message: TargetFormatMessage) -> TargetFormat:
    """Offer an image format under a new name."""
    format_ = _image_format(message.format)
    row = TargetFormat(
        organisation_id=organisation.id,
        name=_name(session, organisation, message.name, None),
        format=format_,
        category="",
        type=FORMATS[format_].type,
        active=message.active is not False,
    )
    _fill(row, message)
    row.category = row.category or row.type.capitalize()
    session.add(row)
    session.flush()
    return row


def change(session: Session, organisation: Organisation, row: TargetFormat, message: TargetFormatMessage) -> None:
    """Change what a message has values for."""
    if message.name is not None:
        row.name = _name(session, organisation, message.name, row)
    if message.format is not None and message.format.name is not None:
        row.format = _image_format(message.format)
    if message.active is not None:
        row.active = message.active
    _fill(row, message)
    row.last_modified = now()
    session.flush()


def remove(session: Session, row: TargetFormat) -> set[str]:
    """Stop offering a format; returns the hash of its logo, to be swept. One with images stays, and can be hidden."""
    count = session.scalar(select(func.count()).select_from(Image).where(Image.target_format_id == row.id))
    if count:
        raise ConflictError(
            f"{count} images have the format {row.name}: delete them first, or hide the format (active false).",
            row.name,
        )
    before = {row.logo_sha256} if row.logo_sha256 else set()
    session.delete(row)
    session.flush()
    return before


def set_active(
    session: Session, organisation: Organisation, messages: Sequence[TargetFormatMessage]
) -> list[TargetFormat]:
    """Say which of the named target formats the organisation offers (`access` or `active`)."""
    rows = [find(session, organisation, _identity(message)) for message in messages]
    for row, message in zip(rows, messages, strict=True):
        wanted = message.active if message.active is not None else message.access
        if wanted is not None:
            row.active, row.last_modified = wanted, now()
    session.flush()
    return rows


def set_primitive_access(session: Session, organisation: Organisation, messages: Sequence[FormatMessage]) -> None:
    """Say which image formats an organisation offers: all target formats made of them follow."""
    for message in messages:
        name, wanted = message.name, message.active if message.active is not None else message.access
        if name is None or wanted is None:
            raise InvalidError("Each image format needs its name, and access or active.")
        query = select(TargetFormat).where(
            TargetFormat.organisation_id == organisation.id, TargetFormat.format == name
        )
        for row in session.scalars(query):
            row.active, row.last_modified = wanted, now()
    session.flush()


def set_user_access(session: Session, user: User, messages: Sequence[TargetFormatMessage]) -> None:
    """Say which of the named target formats a user may use."""
    for message in messages:
        row = find(session, user.organisation, _identity(message))
        wanted = message.access if message.access is not None else message.active
        _allow(session, user, row, allowed=wanted is not False)
    session.flush()


def set_user_primitive_access(session: Session, user: User, messages: Sequence[FormatMessage]) -> None:
    """Say which image formats a user may use: all target formats made of them follow."""
    for message in messages:
        wanted = message.access if message.access is not None else message.active
        query = select(TargetFormat).where(
            TargetFormat.organisation_id == user.organisation_id, TargetFormat.format == message.name
        )
        for row in session.scalars(query):
            _allow(session, user, row, allowed=wanted is not False)
    session.flush()


def _allow(session: Session, user: User, row: TargetFormat, *, allowed: bool) -> None:
    session.execute(
        sql_delete(TargetFormatDenial).where(
            TargetFormatDenial.user_id == user.id, TargetFormatDenial.target_format_id == row.id
        )
    )
    if not allowed:
        session.add(TargetFormatDenial(user_id=user.id, target_format_id=row.id))


def _identity(message: TargetFormatMessage) -> int:
    if message.db_id is None:
        raise InvalidError("Each target format needs its dbId.")
    return message.db_id


def _image_format(message: FormatMessage | None) -> str:
    name = message.name if message is not None else None
    if name is None:
        raise InvalidError("The image format is missing (format/name).")
    if name in OBSOLETE:
        raise InvalidError(f"The format {name} is obsolete: {OBSOLETE[name]}.", name)
    return name


def _name(session: Session, organisation: Organisation, name: str | None, row: TargetFormat | None) -> str:
    chosen = (name or "").strip()
    if not chosen:
        raise InvalidError("The target format needs a name.")
    query = select(TargetFormat).where(TargetFormat.organisation_id == organisation.id, TargetFormat.name == chosen)
    other = session.scalars(query).first()
    if other is not None and other is not row:
        raise ConflictError(f"There is a target format {chosen} already: choose another name.", chosen)
    return chosen


def _fill(row: TargetFormat, message: TargetFormatMessage) -> None:
    if message.category is not None and message.category.name:
        row.category = message.category.name
    if message.type is not None:
        row.type = message.type
    if message.cred_account_type is not None:
        row.account_type = message.cred_account_type
    row.account_infos = message.cred_infos if message.cred_infos is not None else row.account_infos
    row.image_infos = message.image_infos if message.image_infos is not None else row.image_infos
    row.publish_infos = message.publish_infos if message.publish_infos is not None else row.publish_infos
