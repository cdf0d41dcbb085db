"""Appliances and their layers: install profile, OS profile, boot scripts."""

import datetime as dt
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, BigInteger, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ingot.store.base import Record, UtcDateTime
from ingot.store.tables.access import User
from ingot.store.tables.catalogue import Distribution, DistributionProfile

if TYPE_CHECKING:
    from ingot.store.tables.software import ApplianceBundle


class Appliance(Record):
    """An appliance of a user. `revision` counts the changes of its content; `parent_id` is what it was cloned from.
    `logo_size` is bytes.
    """

    __tablename__ = "appliance"
    __table_args__ = (UniqueConstraint("owner_id", "name", "version"),)

    owner_id: Mapped[int] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"), index=True)
    owner: Mapped[User] = relationship()
    distribution_id: Mapped[int] = mapped_column(ForeignKey("distribution.id"))
    distribution: Mapped[Distribution] = relationship(lazy="joined")
    name: Mapped[str]
    version: Mapped[str]
    description: Mapped[str] = mapped_column(default="")
    uuid: Mapped[str] = mapped_column(unique=True)
    revision: Mapped[int] = mapped_column(default=1)
    imported: Mapped[bool] = mapped_column(default=False)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("appliance.id", ondelete="SET NULL"), index=True)
    logo_name: Mapped[str | None]
    logo_sha256: Mapped[str | None] = mapped_column(index=True)
    logo_size: Mapped[int | None] = mapped_column(BigInteger)
    last_package_update: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    install_profile: Mapped["InstallProfile"] = relationship(cascade="all, delete-orphan", lazy="selectin")
    os_profile: Mapped["OsProfile | None"] = relationship(cascade="all, delete-orphan", lazy="selectin")
    boot_scripts: Mapped[list["BootScript"]] = relationship(
        cascade="all, delete-orphan", lazy="selectin", order_by="BootScript.id"
    )
    bundles: Mapped[list["ApplianceBundle"]] = relationship(
        cascade="all, delete-orphan", order_by="ApplianceBundle.position"
    )


class InstallProfile(Record):
    """How an appliance's machines are set up: one document, checked by the services, never with a clear password.

    `document` has the fields of the API's InstallProfile message, by attribute name; `next_id` numbers the
    users, groups and interfaces in it. `hostname` is the machines' own, which the message does not know; without it,
    the appliance's name becomes it.
    """

    __tablename__ = "install_profile"

    appliance_id: Mapped[int] = mapped_column(ForeignKey("appliance.id", ondelete="CASCADE"), unique=True)
    document: Mapped[dict[str, Any]] = mapped_column(JSON)
    next_id: Mapped[int] = mapped_column(default=1)
    hostname: Mapped[str | None]


class OsProfile(Record):
    """The operating system of an appliance: a distribution's profile, and packages on top of it."""

    __tablename__ = "os_profile"

    appliance_id: Mapped[int] = mapped_column(ForeignKey("appliance.id", ondelete="CASCADE"), unique=True)
    profile_id: Mapped[int] = mapped_column(ForeignKey("distribution_profile.id"))
    profile: Mapped[DistributionProfile] = relationship(lazy="joined")
    packages: Mapped[list["OsProfilePackage"]] = relationship(
        cascade="all, delete-orphan", order_by="OsProfilePackage.name"
    )


class OsProfilePackage(Record):
    """A package that an appliance asks for; `sticky` pins its version."""

    __tablename__ = "os_profile_package"
    __table_args__ = (UniqueConstraint("os_profile_id", "name"),)

    os_profile_id: Mapped[int] = mapped_column(ForeignKey("os_profile.id", ondelete="CASCADE"))
    name: Mapped[str]
    epoch: Mapped[int | None]
    version: Mapped[str | None]
    release: Mapped[str | None]
    arch: Mapped[str | None]
    sticky: Mapped[bool] = mapped_column(default=False)


class BootScript(Record):
    """A script that runs at boot. The content is an artifact; without `sha256` it was not uploaded yet."""

    __tablename__ = "boot_script"
    __table_args__ = (UniqueConstraint("appliance_id", "name"),)

    appliance_id: Mapped[int] = mapped_column(ForeignKey("appliance.id", ondelete="CASCADE"))
    name: Mapped[str]
    boot_type: Mapped[str]
    boot_order: Mapped[int] = mapped_column(default=0)
    file_name: Mapped[str | None]
    sha256: Mapped[str | None] = mapped_column(index=True)
    md5: Mapped[str | None]
    size: Mapped[int | None] = mapped_column(BigInteger)
    uploaded: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
