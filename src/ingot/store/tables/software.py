"""Software of users: bundles, their artifacts, what goes with them, and which appliances have them."""

import datetime as dt

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ingot.store.base import Base, Record, UtcDateTime
from ingot.store.tables.access import Organisation, User
from ingot.store.tables.attempt import Attempt


class Category(Record):
    """A category of an organisation; `type` is PROJECT, TEMPLATE or IMAGEFORMAT."""

    __tablename__ = "category"
    __table_args__ = (UniqueConstraint("organisation_id", "type", "parent_id", "name"),)

    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id", ondelete="CASCADE"))
    organisation: Mapped[Organisation] = relationship()
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("category.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    type: Mapped[str]


class Bundle(Record):
    """A software bundle of a user. `revision` counts the changes of its content; an empty `restriction_rule` means
    that it is for everything.
    """

    __tablename__ = "bundle"
    __table_args__ = (UniqueConstraint("owner_id", "name", "version"),)

    owner_id: Mapped[int] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"))
    owner: Mapped[User] = relationship()
    category_id: Mapped[int | None] = mapped_column(ForeignKey("category.id", ondelete="SET NULL"), index=True)
    category: Mapped[Category | None] = relationship(lazy="joined")
    name: Mapped[str]
    version: Mapped[str]
    description: Mapped[str] = mapped_column(default="")
    release: Mapped[str | None]
    maintainer: Mapped[str] = mapped_column(default="")
    website: Mapped[str | None]
    tag: Mapped[str | None]
    short_tag: Mapped[str | None]
    default_install_location: Mapped[str | None]
    restriction_rule: Mapped[str] = mapped_column(default="")
    revision: Mapped[int] = mapped_column(default=1)
    imported: Mapped[bool] = mapped_column(default=False)
    documents: Mapped[list["BundleDocument"]] = relationship(
        cascade="all, delete-orphan", lazy="selectin", order_by="BundleDocument.id"
    )
    artifacts: Mapped[list["BundleArtifact"]] = relationship(
        cascade="all, delete-orphan", order_by="BundleArtifact.position, BundleArtifact.id", back_populates="bundle"
    )


class BundleDocument(Record):
    """The licence or the logo of a bundle (`kind`). Without `sha256` it was not uploaded yet; `size` is bytes."""

    __tablename__ = "bundle_document"
    __table_args__ = (UniqueConstraint("bundle_id", "kind"),)

    bundle_id: Mapped[int] = mapped_column(ForeignKey("bundle.id", ondelete="CASCADE"))
    kind: Mapped[str]
    name: Mapped[str] = mapped_column(default="")
    type: Mapped[str | None]
    sha256: Mapped[str | None] = mapped_column(index=True)
    md5: Mapped[str | None]
    size: Mapped[int | None] = mapped_column(BigInteger)
    uploaded: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)


class BundleArtifact(Record):
    """Something in a bundle: `kind` is softwarefile, ospkg (a package of the distribution, by name) or bootscript.

    `parent` is the directory that it lies in. A directory has no content; a file without `sha256` was not uploaded, or
    is fetched from `url` (`attempt` is the latest try; without `cached` it is fetched for each image anew). `size` is
    bytes; `version`, `release`, `arch` and `full_name` are what a package file says of itself.
    """

    __tablename__ = "bundle_artifact"
    __table_args__ = (Index("ix_bundle_artifact_place", "bundle_id", "parent_id", "name"),)

    bundle_id: Mapped[int] = mapped_column(ForeignKey("bundle.id", ondelete="CASCADE"))
    bundle: Mapped[Bundle] = relationship(back_populates="artifacts")
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("bundle_artifact.id", ondelete="CASCADE"), index=True)
    parent: Mapped["BundleArtifact | None"] = relationship(remote_side="BundleArtifact.id")
    kind: Mapped[str] = mapped_column(default="softwarefile")
    is_directory: Mapped[bool] = mapped_column(default=False)
    name: Mapped[str]
    position: Mapped[int] = mapped_column(default=0)
    tag: Mapped[str | None]
    install_location: Mapped[str | None]
    rights: Mapped[str | None]
    owner_group: Mapped[str | None]
    symlink: Mapped[str | None]
    extract: Mapped[bool] = mapped_column(default=False)
    install: Mapped[bool] = mapped_column(default=True)
    params: Mapped[str | None]
    boot_type: Mapped[str | None]
    boot_order: Mapped[int] = mapped_column(default=0)
    url: Mapped[str | None]
    cached: Mapped[bool] = mapped_column(default=True)
    attempt_id: Mapped[int | None] = mapped_column(ForeignKey("attempt.id"))
    attempt: Mapped[Attempt | None] = relationship(lazy="joined")
    file_name: Mapped[str | None]
    sha256: Mapped[str | None] = mapped_column(index=True)
    md5: Mapped[str | None]
    size: Mapped[int | None] = mapped_column(BigInteger)
    uploaded: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    full_name: Mapped[str | None]
    version: Mapped[str | None]
    release: Mapped[str | None]
    arch: Mapped[str | None]


class ApplianceBundle(Base):
    """A bundle that an appliance has, and where its files go there if not to their default place."""

    __tablename__ = "appliance_bundle"

    appliance_id: Mapped[int] = mapped_column(ForeignKey("appliance.id", ondelete="CASCADE"), primary_key=True)
    bundle_id: Mapped[int] = mapped_column(ForeignKey("bundle.id", ondelete="CASCADE"), primary_key=True, index=True)
    bundle: Mapped[Bundle] = relationship()
    position: Mapped[int] = mapped_column(default=0)
    install_location: Mapped[str | None]


class BundleImport(Record):
    """An import of an archive as a bundle. `sha256` and `size` (bytes) are the archive's, once it was uploaded; it is
    kept until `attempt` is over. `bundle_id` is what became of it.
    """

    __tablename__ = "bundle_import"

    owner_id: Mapped[int] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"), index=True)
    owner: Mapped[User] = relationship()
    attempt_id: Mapped[int | None] = mapped_column(ForeignKey("attempt.id"))
    attempt: Mapped[Attempt | None] = relationship(lazy="joined")
    bundle_id: Mapped[int | None] = mapped_column(ForeignKey("bundle.id", ondelete="SET NULL"), index=True)
    imported: Mapped[bool] = mapped_column(default=False)
    sha256: Mapped[str | None] = mapped_column(index=True)
    md5: Mapped[str | None]
    size: Mapped[int | None] = mapped_column(BigInteger)


class BundleExport(Record):
    """An export of a bundle as an archive; `output_format` (yaml or json) is its document's. `sha256` and `size`
    (bytes) are the archive's, once it is there.
    """

    __tablename__ = "bundle_export"

    bundle_id: Mapped[int] = mapped_column(ForeignKey("bundle.id", ondelete="CASCADE"), index=True)
    bundle: Mapped[Bundle] = relationship()
    attempt_id: Mapped[int | None] = mapped_column(ForeignKey("attempt.id"))
    attempt: Mapped[Attempt | None] = relationship(lazy="joined")
    output_format: Mapped[str]
    sha256: Mapped[str | None] = mapped_column(index=True)
    size: Mapped[int | None] = mapped_column(BigInteger)
