"""Machine images."""

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ingot.store.base import Base, Record
from ingot.store.tables.access import User
from ingot.store.tables.appliance import Appliance
from ingot.store.tables.attempt import Attempt
from ingot.store.tables.catalogue import TargetFormat


class Image(Record):
    """A machine image of an appliance, from the request for it on. Sizes are bytes.

    `template` is the appliance as it was when the image was asked for (the engine's template document), and
    `attempt` the latest attempt to generate it. `recipe` is the hash of what it is made from, and `lists` the state of
    the package lists that were read for it: see `services.reuse`. `options` are the format's (the engine's document).
    """

    __tablename__ = "image"

    owner_id: Mapped[int] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"), index=True)
    owner: Mapped[User] = relationship()
    appliance_id: Mapped[int] = mapped_column(ForeignKey("appliance.id", ondelete="CASCADE"), index=True)
    appliance: Mapped[Appliance] = relationship()
    target_format_id: Mapped[int] = mapped_column(ForeignKey("target_format.id"))
    target_format: Mapped[TargetFormat] = relationship(lazy="joined")
    attempt_id: Mapped[int | None] = mapped_column(ForeignKey("attempt.id"))
    attempt: Mapped[Attempt | None] = relationship(lazy="joined")
    name: Mapped[str]
    version: Mapped[str]
    revision: Mapped[int]
    compress: Mapped[bool] = mapped_column(default=False)
    simulated: Mapped[bool] = mapped_column(default=False)
    boot_test: Mapped[bool] = mapped_column(default=False)
    options: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    ebs_volume_size: Mapped[int | None]
    template: Mapped[dict[str, Any]] = mapped_column(JSON)
    profile: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    sha256: Mapped[str | None] = mapped_column(index=True)
    file_name: Mapped[str | None]
    size: Mapped[int | None] = mapped_column(BigInteger)
    installed_size: Mapped[int | None] = mapped_column(BigInteger)
    disk_size: Mapped[int | None] = mapped_column(BigInteger)
    timings: Mapped[dict[str, float]] = mapped_column(JSON, default=dict)
    recipe: Mapped[str | None] = mapped_column(index=True)
    lists: Mapped[dict[str, str] | None] = mapped_column(JSON(none_as_null=True))


class ImageFile(Base):
    """A file of an image that is made of several. `size` is bytes."""

    __tablename__ = "image_file"
    __table_args__ = (UniqueConstraint("image_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id", ondelete="CASCADE"))
    name: Mapped[str]
    sha256: Mapped[str] = mapped_column(index=True)
    size: Mapped[int] = mapped_column(BigInteger)


class ImagePackage(Base):
    """A package of a finished image. `size` is its installed size in bytes."""

    __tablename__ = "image_package"

    id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    epoch: Mapped[int | None]
    version: Mapped[str]
    release: Mapped[str]
    arch: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    level: Mapped[int]
    native: Mapped[bool] = mapped_column(default=True)
