"""Which distributions a user may build: all that are active, but for those that an administrator took from them."""

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from ingot.store.tables import Distribution, RefusedDistribution, User


def may_build(user: User) -> ColumnElement[bool]:
    """The condition of the distributions that a user may build."""
    refused = select(RefusedDistribution.distribution_id).where(RefusedDistribution.user_id == user.id)
    return Distribution.active & Distribution.id.not_in(refused)


def set_access(session: Session, user: User, row: Distribution, *, allowed: bool) -> None:
    """Let a user build a distribution, or not."""
    session.execute(
        delete(RefusedDistribution).where(
            RefusedDistribution.user_id == user.id, RefusedDistribution.distribution_id == row.id
        )
    )
    if not allowed:
        session.add(RefusedDistribution(user_id=user.id, distribution_id=row.id))
    session.flush()
