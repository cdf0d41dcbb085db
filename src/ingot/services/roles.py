"""Roles: named sets of entitlements, and who has them."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingot.services import appliances
from ingot.services.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from ingot.services.first_start import ADMINISTRATOR, ROLES
from ingot.store.base import now
from ingot.store.tables import Role, RoleEntitlement, User, UserRole

#: Every right there is, by name.
ENTITLEMENTS = tuple(sorted({name for _, entitlements in ROLES.values() for name in entitlements}))


def find(session: Session, name: str | None) -> Role:
    """The role of a name."""
    row = session.scalars(select(Role).where(Role.name == name)).first()
    if row is None:
        known = ", ".join(session.scalars(select(Role.name).order_by(Role.name)))
        raise NotFoundError(
            f"There is no role {name}. There are: {known}.", name or "", message_id="ERROR.ROLE.NOT_FOUND"
        )
    return row


def create(session: Session, acting: User, name: str | None, description: str, entitlements: Iterable[str]) -> Role:
    """Make a role; nobody makes one that gives more than they have."""
    checked = appliances.checked_text("name of the role", name)
    if session.scalars(select(Role).where(Role.name == checked)).first() is not None:
        raise ConflictError(f"There is a role {checked} already.", checked, message_id="ERROR.ROLE.EXISTS")
    role = Role(name=checked, description=description, entitlements=_entries(acting, entitlements))
    session.add(role)
    session.flush()
    return role


def change(
    session: Session, acting: User, role: Role, description: str | None, entitlements: Iterable[str] | None
) -> None:
    """Change what is given of a role; entitlements replace those before."""
    if role.name == ADMINISTRATOR and entitlements is not None:
        raise ForbiddenError(f"The role {ADMINISTRATOR} may do everything: make another role instead.", role.name)
    if description is not None:
        role.description = description
    if entitlements is not None:
        wanted = {entry.entitlement for entry in _entries(acting, entitlements)}
        kept = [entry for entry in role.entitlements if entry.entitlement in wanted]
        missing = sorted(wanted - {entry.entitlement for entry in kept})
        role.entitlements = [*kept, *(RoleEntitlement(entitlement=entry) for entry in missing)]
    role.last_modified = now()
    session.flush()


def delete(session: Session, role: Role) -> None:
    """Delete a role that nobody has."""
    if role.name in ROLES:
        raise ForbiddenError(
            f"The role {role.name} belongs to Ingot: it would be back after the next start.", role.name
        )
    having = session.scalars(
        select(User.login).join(UserRole, UserRole.user_id == User.id).where(UserRole.role_id == role.id).limit(5)
    ).all()
    if having:
        raise ConflictError(f"Users have the role {role.name} ({', '.join(having)}): take it from them first.")
    session.delete(role)
    session.flush()


def give(session: Session, acting: User, owner: User, names: Iterable[str | None]) -> None:
    """Make these the roles of a user, and no others; nobody gives or takes rights that they lack themselves."""
    wanted = {role.id: role for role in (find(session, name) for name in names)}
    before = {role.id: role for role in owner.roles}
    for role in [*(wanted[key] for key in wanted.keys() - before), *(before[key] for key in before.keys() - wanted)]:
        _refuse_more(acting, {entry.entitlement for entry in role.entitlements}, f"The role {role.name}")
    if acting.id == owner.id and "user_create" not in {e.entitlement for r in wanted.values() for e in r.entitlements}:
        raise ConflictError("You would lose the right to give roles: another administrator can take it from you.")
    owner.roles = [wanted[key] for key in sorted(wanted)]
    owner.last_modified = now()
    session.flush()


def _entries(acting: User, entitlements: Iterable[str]) -> list[RoleEntitlement]:
    wanted = sorted(set(entitlements))
    unknown = [name for name in wanted if name not in ENTITLEMENTS]
    if unknown:
        raise InvalidError(
            f"There are no entitlements {', '.join(unknown[:20])}; there are {', '.join(ENTITLEMENTS)}.", *unknown[:20]
        )
    _refuse_more(acting, set(wanted), "The role")
    return [RoleEntitlement(entitlement=name) for name in wanted]


def _refuse_more(acting: User, entitlements: set[str], what: str) -> None:
    if more := entitlements - acting.entitlements:
        raise ForbiddenError(
            f"{what} has rights that you lack ({', '.join(sorted(more))}): only who has them gives or takes them.",
            message_id="ERROR.USER.MORE_RIGHTS",
        )
