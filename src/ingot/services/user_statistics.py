"""What a user has of each kind, and of what: counted in the database when it is asked for."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ingot.store.tables import Appliance, Bundle, Distribution, Image, TargetFormat, User


@dataclass(frozen=True)
class Share:
    """How many there are of one distribution or format."""

    name: str
    version: str | None
    arch: str | None
    number: int


@dataclass(frozen=True)
class Statistic:
    """How many there are of a kind, and of what they are where that is told apart."""

    kind: str
    number: int
    shares: tuple[Share, ...] = ()


def of(session: Session, owner: User) -> Iterator[Statistic]:
    """The statistics of a user: appliances, also by distribution, generations, also by format, and bundles."""
    distributions = (
        select(Distribution.name, Distribution.version, Distribution.arch, func.count())
        .join(Appliance, Appliance.distribution_id == Distribution.id)
        .where(Appliance.owner_id == owner.id)
        .group_by(Distribution.name, Distribution.version, Distribution.arch)
        .order_by(Distribution.name, Distribution.version, Distribution.arch)
    )
    by_distribution = tuple(Share(*row) for row in session.execute(distributions))
    formats = (
        select(TargetFormat.name, func.count())
        .join(Image, Image.target_format_id == TargetFormat.id)
        .where(Image.owner_id == owner.id)
        .group_by(TargetFormat.name)
        .order_by(TargetFormat.name)
    )
    by_format = tuple(Share(name, None, None, number) for name, number in session.execute(formats))
    bundles = session.scalar(select(func.count()).where(Bundle.owner_id == owner.id)) or 0
    appliances = sum(share.number for share in by_distribution)
    images = sum(share.number for share in by_format)
    yield Statistic("APPLIANCE", appliances)
    yield Statistic("OS_APPLIANCE", appliances, by_distribution)
    yield Statistic("GENERATION_APPLIANCE", images)
    yield Statistic("FORMAT_APPLIANCE", images, by_format)
    yield Statistic("SOFTWARE_BUNDLE", bundles)
