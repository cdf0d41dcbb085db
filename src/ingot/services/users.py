"""Users and what they may do."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingot.services.errors import ForbiddenError, NotFoundError
from ingot.store.tables import User


def find_user(session: Session, login: str) -> User | None:
    """The user of that login, or None."""
    return session.scalars(select(User).where(User.login == login)).first()


def require_entitlement(user: User, entitlements: tuple[str, ...]) -> None:
    """Refuse a user who has none of the entitlements, naming them; no entitlement needed lets everybody pass."""
    if entitlements and not user.entitlements.intersection(entitlements):
        wanted = " or ".join(entitlements)
        raise ForbiddenError(
            f"User {user.login} lacks the entitlement {wanted}. An administrator can give a role that has it.",
            *entitlements,
            message_id="ERROR.ENTITLEMENT.MISSING",
        )


def owner_for(session: Session, acting: User, login: str) -> User:
    """The user in a path, whom `acting` must be or may administer; anybody else looks absent."""
    if login == acting.login:
        return acting
    owner = find_user(session, login) if "user_administrate" in acting.entitlements else None
    if owner is None or owner.organisation_id != acting.organisation_id:
        raise NotFoundError(f"There is no user {login}.", login, message_id="ERROR.USER.NOT_FOUND")
    return owner
