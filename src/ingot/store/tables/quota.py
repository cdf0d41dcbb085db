"""How much users may have."""

import datetime as dt

from sqlalchemy import BigInteger, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ingot.store.base import Record, UtcDateTime


class Quota(Record):
    """What a user may have of a kind (`limit`, -1 for any number), and what was counted of it since `period_began`.

    Counted are things that are over when they are done, such as generations; what exists is never counted here.
    `frequency` is none or monthly.
    """

    __tablename__ = "quota"
    __table_args__ = (UniqueConstraint("user_id", "kind"),)

    user_id: Mapped[int] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"))
    kind: Mapped[str]
    limit: Mapped[int] = mapped_column(BigInteger, default=-1)
    frequency: Mapped[str] = mapped_column(default="none")
    counted: Mapped[int] = mapped_column(BigInteger, default=0)
    period_began: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
