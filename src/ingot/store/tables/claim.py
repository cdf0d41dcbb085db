"""Contents on their way into a store that is elsewhere, or out of it."""

import datetime as dt

from sqlalchemy.orm import Mapped, mapped_column

from ingot.store.base import Record, UtcDateTime


class ContentClaim(Record):
    """A content that somebody (`holder`) is sending and about to refer to, or that a sweep `removes`: neither does its
    part of the work in a transaction, so each sees here what the other is at.

    Good until `until`, which who sends puts off while it lives.
    """

    __tablename__ = "content_claim"

    sha256: Mapped[str] = mapped_column(index=True)
    holder: Mapped[str] = mapped_column(index=True)
    removes: Mapped[bool]
    until: Mapped[dt.datetime] = mapped_column(UtcDateTime)
