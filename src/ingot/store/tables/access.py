"""Organisations, users, and what they may do."""

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ingot.store.base import Base, Record

DEFAULT_API_KEYS = 10


class Organisation(Record):
    """What everything belongs to."""

    __tablename__ = "organisation"

    name: Mapped[str] = mapped_column(unique=True)
    is_default: Mapped[bool] = mapped_column(default=False)


class Role(Record):
    """A named set of entitlements."""

    __tablename__ = "role"

    name: Mapped[str] = mapped_column(unique=True)
    description: Mapped[str] = mapped_column(default="")
    entitlements: Mapped[list["RoleEntitlement"]] = relationship(cascade="all, delete-orphan", lazy="selectin")


class RoleEntitlement(Base):
    """An entitlement that a role gives."""

    __tablename__ = "role_entitlement"

    role_id: Mapped[int] = mapped_column(ForeignKey("role.id", ondelete="CASCADE"), primary_key=True)
    entitlement: Mapped[str] = mapped_column(primary_key=True)


class UserRole(Base):
    """A role that a user has."""

    __tablename__ = "user_role"

    user_id: Mapped[int] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"), primary_key=True)
    role_id: Mapped[int] = mapped_column(ForeignKey("role.id", ondelete="CASCADE"), primary_key=True)


class User(Record):
    """Somebody who may log in. `password_hash` is Argon2's, `api_key_limit` how many API keys there may be."""

    __tablename__ = "user_account"

    login: Mapped[str] = mapped_column(unique=True)
    email: Mapped[str] = mapped_column(default="")
    first_name: Mapped[str] = mapped_column(default="")
    surname: Mapped[str] = mapped_column(default="")
    password_hash: Mapped[str]
    active: Mapped[bool] = mapped_column(default=True)
    api_key_limit: Mapped[int] = mapped_column(default=DEFAULT_API_KEYS)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    organisation: Mapped[Organisation] = relationship()
    roles: Mapped[list[Role]] = relationship(secondary="user_role", lazy="selectin", order_by=Role.name)

    @property
    def entitlements(self) -> set[str]:
        """All that the user's roles entitle to."""
        return {entitlement.entitlement for role in self.roles for entitlement in role.entitlements}
