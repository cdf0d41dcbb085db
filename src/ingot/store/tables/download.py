"""Downloads: the single-use keys that open them, and those under way."""

import datetime as dt

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ingot.store.base import Record, UtcDateTime


class DownloadKey(Record):
    """A key of one downloadable object. The key itself is not here: it is derived from `serial` and the server's
    secret, and `key_hash` recognises it.

    `used` is when its one download began; until `resume_until` the rest of that download may be fetched, unless it is
    `finished`.
    """

    __tablename__ = "download_key"
    __table_args__ = (UniqueConstraint("kind", "object_id", "serial"),)

    kind: Mapped[str]
    object_id: Mapped[int]
    serial: Mapped[int]
    key_hash: Mapped[str] = mapped_column(unique=True)
    expires: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    used: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    resume_until: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    finished: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)


class Download(Record):
    """A download under way, counted until `lease_until`: the process that serves it renews that while it lives."""

    __tablename__ = "download"
    __table_args__ = (Index(None, "kind", "object_id"),)

    kind: Mapped[str]
    object_id: Mapped[int]
    owner_id: Mapped[int] = mapped_column(index=True)
    lease_until: Mapped[dt.datetime] = mapped_column(UtcDateTime, index=True)
