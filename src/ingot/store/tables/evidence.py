"""What is kept of how images came about."""

from sqlalchemy import JSON, BigInteger, Double, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ingot.store.base import Base


class ImageEvidence(Base):
    """A file of an image's evidence, in the artifacts: `name` is its path below the build's record, `size` bytes."""

    __tablename__ = "image_evidence"
    __table_args__ = (UniqueConstraint("image_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    sha256: Mapped[str] = mapped_column(index=True)
    size: Mapped[int] = mapped_column(BigInteger)


class StageTiming(Base):
    """How long a stage took in all builds so far: `counts` has the builds up to each bound of the histogram."""

    __tablename__ = "stage_timing"

    stage: Mapped[str] = mapped_column(primary_key=True)
    seconds: Mapped[float] = mapped_column(Double, default=0.0)
    counts: Mapped[list[int]] = mapped_column(JSON)
