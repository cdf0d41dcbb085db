"""What appliances can be made of and into: distributions, their packages, target formats."""

import datetime as dt

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ingot.store.base import Base, Record, UtcDateTime


class Distribution(Record):
    """A distribution that can be built. `packages_refreshed` is when its package index was last filled,
    `packages_since` from when on its packages are known."""

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
    packages_since: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
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
    """A package that a distribution offers or once offered (`active`), known since `created` from its `suite`. Of the
    versions offered now, `latest` is the newest. Sizes are bytes."""

    __tablename__ = "package"
    __table_args__ = (
        Index("ix_package_search", "distribution_id", "active", "name"),
        Index("ix_package_latest", "distribution_id", "latest", "name"),
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
    suite: Mapped[str] = mapped_column(default="")
    active: Mapped[bool] = mapped_column(default=True)
    latest: Mapped[bool] = mapped_column(default=False)


class Milestone(Record):
    """A date in the life of a distribution, such as a minor release; one of an organisation is seen by it alone.

    `source` is "distribution" for those that its own release files tell of.
    """

    __tablename__ = "milestone"
    __table_args__ = (Index("ix_milestone_date", "distribution_id", "date"),)

    distribution_id: Mapped[int] = mapped_column(ForeignKey("distribution.id", ondelete="CASCADE"))
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id", ondelete="CASCADE"))
    date: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    name: Mapped[str]
    description: Mapped[str] = mapped_column(default="")
    source: Mapped[str] = mapped_column(default="")


class RefusedDistribution(Record):
    """A distribution that a user may not build; all others may be built."""

    __tablename__ = "refused_distribution"
    __table_args__ = (UniqueConstraint("user_id", "distribution_id"),)

    user_id: Mapped[int] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"))
    distribution_id: Mapped[int] = mapped_column(ForeignKey("distribution.id", ondelete="CASCADE"))


class TargetFormat(Record):
    """An image format as an organisation offers it, under a name of its own. `logo_size` is bytes."""

    __tablename__ = "target_format"
    __table_args__ = (UniqueConstraint("organisation_id", "name"),)

    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id", ondelete="CASCADE"))
    name: Mapped[str]
    format: Mapped[str]
    category: Mapped[str]
    type: Mapped[str]
    account_type: Mapped[str | None]
    active: Mapped[bool] = mapped_column(default=True)
    account_infos: Mapped[str | None]
    image_infos: Mapped[str | None]
    publish_infos: Mapped[str | None]
    logo_name: Mapped[str | None]
    logo_sha256: Mapped[str | None] = mapped_column(index=True)
    logo_size: Mapped[int | None] = mapped_column(BigInteger)
    platforms: Mapped[list["TargetPlatform"]] = relationship(
        secondary="target_format_platform", back_populates="formats", order_by="TargetPlatform.name"
    )


class TargetPlatform(Record):
    """A cloud or virtualisation platform as an organisation offers it, under a name of its own. `formats` are those
    that can be published to it; `logo_size` is bytes."""

    __tablename__ = "target_platform"
    __table_args__ = (UniqueConstraint("organisation_id", "name"),)

    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id", ondelete="CASCADE"))
    name: Mapped[str]
    type: Mapped[str]
    active: Mapped[bool] = mapped_column(default=True)
    account_infos: Mapped[str | None]
    logo_name: Mapped[str | None]
    logo_sha256: Mapped[str | None] = mapped_column(index=True)
    logo_size: Mapped[int | None] = mapped_column(BigInteger)
    formats: Mapped[list[TargetFormat]] = relationship(
        secondary="target_format_platform", back_populates="platforms", order_by="TargetFormat.name"
    )


class TargetFormatPlatform(Base):
    """A target format that can be published to a platform."""

    __tablename__ = "target_format_platform"

    target_format_id: Mapped[int] = mapped_column(ForeignKey("target_format.id", ondelete="CASCADE"), primary_key=True)
    target_platform_id: Mapped[int] = mapped_column(
        ForeignKey("target_platform.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class TargetFormatDenial(Base):
    """A target format of the organisation that a user may not use."""

    __tablename__ = "target_format_denial"

    user_id: Mapped[int] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"), primary_key=True)
    target_format_id: Mapped[int] = mapped_column(
        ForeignKey("target_format.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class TargetPlatformDenial(Base):
    """A target platform of the organisation that a user may not use."""

    __tablename__ = "target_platform_denial"

    user_id: Mapped[int] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"), primary_key=True)
    target_platform_id: Mapped[int] = mapped_column(
        ForeignKey("target_platform.id", ondelete="CASCADE"), primary_key=True, index=True
    )
