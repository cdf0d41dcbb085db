"""What appliances can be made of and into: distributions, their packages, target formats."""

import datetime as dt

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ingot.store.base import Record, UtcDateTime


class Distribution(Record):
    """A distribution that can be built. `packages_refreshed` is when its package index was last filled."""

    __tablename__ = "distribution"
    __table_args__ = (UniqueConstraint("name", "version", "arch"),)

    name: Mapped[str]
    version: Mapped[str]
    arch: Mapped[str]
    description: Mapped[str] = mapped_column(default="")
    package_type: Mapped[str]
    release_date: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    active: Mapped[bool] = mapped_column(default=True)
    packages_refreshed: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    profiles: Mapped[list["DistributionProfile"]] = relationship(order_by="DistributionProfile.id")


class DistributionProfile(Record):
    """A named selection of a distribution's packages to start from."""

    __tablename__ = "distribution_profile"
    __table_args__ = (UniqueConstraint("distribution_id", "name"),)

    distribution_id: Mapped[int] = mapped_column(ForeignKey("distribution.id", ondelete="CASCADE"))
    name: Mapped[str]
    description: Mapped[str] = mapped_column(default="")
    package_names: Mapped[list[str]] = mapped_column(JSON)


class Package(Record):
    """A package that a distribution offers or once offered (`active`). Sizes are bytes."""

    __tablename__ = "package"
    __table_args__ = (
        Index("ix_package_search", "distribution_id", "active", "name"),
        UniqueConstraint("distribution_id", "name", "arch", "full_version"),
    )

    distribution_id: Mapped[int] = mapped_column(ForeignKey("distribution.id", ondelete="CASCADE"))
    name: Mapped[str]
    epoch: Mapped[int | None]
    version: Mapped[str]
    release: Mapped[str]
    full_version: Mapped[str]
    arch: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    installed_size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    section: Mapped[str]
    description: Mapped[str]
    active: Mapped[bool] = mapped_column(default=True)


class TargetFormat(Record):
    """An image format as an organisation offers it, under a name of its own."""

    __tablename__ = "target_format"
    __table_args__ = (UniqueConstraint("organisation_id", "name"),)

    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id", ondelete="CASCADE"))
    name: Mapped[str]
    format: Mapped[str]
    category: Mapped[str]
    type: Mapped[str]
    account_type: Mapped[str | None]
    active: Mapped[bool] = mapped_column(default=True)


class TargetPlatform(Record):
    """A cloud or virtualisation platform as an organisation offers it, under a name of its own."""

    __tablename__ = "target_platform"
    __table_args__ = (UniqueConstraint("organisation_id", "name"),)

    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id", ondelete="CASCADE"))
    name: Mapped[str]
    type: Mapped[str]
    active: Mapped[bool] = mapped_column(default=True)
