"""What users log in with elsewhere and here: cloud accounts, API keys, SSH keys. Secrets are sealed (see `Vault`)."""

import datetime as dt
from typing import Any

from sqlalchemy import JSON, ForeignKey, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ingot.store.base import Record, UtcDateTime
from ingot.store.tables.access import User
from ingot.store.tables.catalogue import TargetPlatform


class CloudAccount(Record):
    """An account at a cloud. `kind` is the name of its message type; `details` are the fields that are no secret,
    by attribute name, and `sealed` are those that are. Only types of Ingot's own have no platform.
    """

    __tablename__ = "cloud_account"
    __table_args__ = (UniqueConstraint("owner_id", "name"),)

    owner_id: Mapped[int] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"))
    owner: Mapped[User] = relationship()
    target_platform_id: Mapped[int | None] = mapped_column(ForeignKey("target_platform.id"))
    target_platform: Mapped[TargetPlatform | None] = relationship(lazy="joined")
    name: Mapped[str]
    kind: Mapped[str]
    details: Mapped[dict[str, Any]] = mapped_column(JSON)
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    certificates: Mapped[list["Certificate"]] = relationship(
        cascade="all, delete-orphan", lazy="selectin", order_by="Certificate.id"
    )


class Certificate(Record):
    """A certificate or key of a cloud account; without `sealed` its content was not uploaded yet."""

    __tablename__ = "certificate"

    account_id: Mapped[int] = mapped_column(ForeignKey("cloud_account.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    type: Mapped[str]
    size: Mapped[int | None]
    uploaded: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)


class ApiKey(Record):
    """A key pair that signs requests in the name of its user."""

    __tablename__ = "api_key"

    owner_id: Mapped[int] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"), index=True)
    owner: Mapped[User] = relationship()
    name: Mapped[str] = mapped_column(default="")
    description: Mapped[str] = mapped_column(default="")
    public_key: Mapped[str] = mapped_column(unique=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


class SshKey(Record):
    """A public SSH key that a user keeps to put into machines."""

    __tablename__ = "ssh_key"
    __table_args__ = (UniqueConstraint("owner_id", "name"),)

    owner_id: Mapped[int] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"))
    name: Mapped[str]
    public_key: Mapped[str]
