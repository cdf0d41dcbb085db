"""Attempts at a job: the one truth about what runs, who runs it, and how far it is."""

import datetime as dt

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from ingot.store.base import Record, UtcDateTime


class Attempt(Record):
    """One attempt to do a job on a subject (`generate` image 12, `refresh` distribution 1).

    `token` fences: whoever reports without the attempt's present token is too late and changes nothing.
    `state` is queued, running, done, failed or cancelled.
    """

    __tablename__ = "attempt"
    __table_args__ = (
        Index("ix_attempt_queue", "state", "id"),
        Index("ix_attempt_subject", "kind", "subject_id"),
    )

    kind: Mapped[str]
    subject_id: Mapped[int]
    number: Mapped[int] = mapped_column(default=1)
    state: Mapped[str] = mapped_column(default="queued")
    token: Mapped[str | None]
    worker: Mapped[str | None]
    lease_until: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    stage: Mapped[str] = mapped_column(default="")
    percentage: Mapped[int] = mapped_column(default=0)
    message: Mapped[str] = mapped_column(default="")
    error: Mapped[str | None]
    detail: Mapped[str | None]
    started: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    finished: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)

    @property
    def is_over(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in ("done", "failed", "cancelled")
