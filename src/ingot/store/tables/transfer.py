"""Imports and exports of appliances as archives."""

from sqlalchemy import BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ingot.store.base import Record
from ingot.store.tables.access import User
from ingot.store.tables.appliance import Appliance
from ingot.store.tables.attempt import Attempt


class ApplianceImport(Record):
    """An import of an archive as an appliance. `sha256` and `size` (bytes) are the archive's, once it was uploaded; it
    is kept until `attempt` is over. `appliance` is what became of it.
    """

    __tablename__ = "appliance_import"

    owner_id: Mapped[int] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"), index=True)
    owner: Mapped[User] = relationship()
    attempt_id: Mapped[int | None] = mapped_column(ForeignKey("attempt.id"))
    attempt: Mapped[Attempt | None] = relationship(lazy="joined")
    appliance_id: Mapped[int | None] = mapped_column(ForeignKey("appliance.id", ondelete="SET NULL"), index=True)
    imported: Mapped[bool] = mapped_column(default=False)
    force: Mapped[bool] = mapped_column(default=False)
    reuse_bundles: Mapped[bool] = mapped_column(default=False)
    use_major: Mapped[bool] = mapped_column(default=False)
    sha256: Mapped[str | None] = mapped_column(index=True)
    md5: Mapped[str | None]
    size: Mapped[int | None] = mapped_column(BigInteger)


class ApplianceExport(Record):
    """An export of an appliance as an archive; `output_format` (yaml or json) is its template's. `sha256` and `size`
    (bytes) are the archive's, once it is there.
    """

    __tablename__ = "appliance_export"

    appliance_id: Mapped[int] = mapped_column(ForeignKey("appliance.id", ondelete="CASCADE"), index=True)
    appliance: Mapped[Appliance] = relationship()
    attempt_id: Mapped[int | None] = mapped_column(ForeignKey("attempt.id"))
    attempt: Mapped[Attempt | None] = relationship(lazy="joined")
    output_format: Mapped[str]
    sha256: Mapped[str | None] = mapped_column(index=True)
    size: Mapped[int | None] = mapped_column(BigInteger)
