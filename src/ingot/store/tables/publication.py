"""Publications of images at clouds, and machines that run there."""

import datetime as dt
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ingot.store.base import Record, UtcDateTime
from ingot.store.tables.access import User
from ingot.store.tables.appliance import Appliance
from ingot.store.tables.attempt import Attempt
from ingot.store.tables.credentials import CloudAccount
from ingot.store.tables.image import Image


class Publication(Record):
    """An image at a cloud, from the request for it on.

    `kind` is the name of its message type and `details` are the fields of that type, by attribute name. `journal` is
    what its upload has begun (sealed): while it is there, something has to be gone on with or removed. A publication
    that is `deleted` is shown to nobody and ends when its journal does.
    """

    __tablename__ = "publication"
    __table_args__ = (Index("ix_publication_owner_id_deleted", "owner_id", "deleted"),)

    owner_id: Mapped[int] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"))
    owner: Mapped[User] = relationship()
    appliance_id: Mapped[int | None] = mapped_column(ForeignKey("appliance.id", ondelete="SET NULL"), index=True)
    appliance: Mapped[Appliance | None] = relationship()
    image_id: Mapped[int | None] = mapped_column(ForeignKey("image.id", ondelete="SET NULL"), index=True)
    image: Mapped[Image | None] = relationship()
    account_id: Mapped[int | None] = mapped_column(ForeignKey("cloud_account.id", ondelete="SET NULL"), index=True)
    account: Mapped[CloudAccount | None] = relationship(lazy="joined")
    attempt_id: Mapped[int | None] = mapped_column(ForeignKey("attempt.id"))
    attempt: Mapped[Attempt | None] = relationship(lazy="joined", foreign_keys=[attempt_id])
    kind: Mapped[str]
    details: Mapped[dict[str, Any]] = mapped_column(JSON)
    journal: Mapped[bytes | None] = mapped_column(LargeBinary)
    bytes_done: Mapped[int] = mapped_column(BigInteger, default=0)
    bytes_total: Mapped[int] = mapped_column(BigInteger, default=0)
    cloud_id: Mapped[str | None]
    location: Mapped[str | None]
    deleted: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)


class Deployment(Record):
    """A machine that was started from a publication. `kind` and `details` are its type of instance and that type's
    fields; `machine_id` is the cloud's name for it. `state` is deploying, running, stopped, on-fire or
    terminating.
    """

    __tablename__ = "deployment"

    owner_id: Mapped[int] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"), index=True)
    owner: Mapped[User] = relationship()
    publication_id: Mapped[int | None] = mapped_column(ForeignKey("publication.id", ondelete="SET NULL"), index=True)
    publication: Mapped[Publication | None] = relationship()
    account_id: Mapped[int | None] = mapped_column(ForeignKey("cloud_account.id", ondelete="SET NULL"), index=True)
    account: Mapped[CloudAccount | None] = relationship()
    attempt_id: Mapped[int | None] = mapped_column(ForeignKey("attempt.id"))
    attempt: Mapped[Attempt | None] = relationship(lazy="joined")
    application_id: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    kind: Mapped[str]
    details: Mapped[dict[str, Any]] = mapped_column(JSON)
    source_name: Mapped[str]
    source_version: Mapped[str]
    source_uri: Mapped[str]
    publication_kind: Mapped[str]
    cloud_id: Mapped[str]
    publication_details: Mapped[dict[str, Any]] = mapped_column(JSON)
    provider: Mapped[str]
    machine_id: Mapped[str | None]
    hostname: Mapped[str | None]
    state: Mapped[str] = mapped_column(default="deploying")
    error: Mapped[str | None]
