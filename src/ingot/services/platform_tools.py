"""The agents that come into images of a format, as the API shows them."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingot.build.formats.registry import FORMATS
from ingot.build.formats.tools import TOOLS
from ingot.services.errors import NotFoundError
from ingot.store.tables import Distribution, Package

_NAMES = tuple(TOOLS)


@dataclass(frozen=True)
class PlatformTool:
    """An agent for a distribution; its number says both."""

    number: int
    name: str
    description: str


def tools_of(format_name: str, distribution: Distribution) -> list[PlatformTool]:
    """The agents of a format for a distribution that has packages of them."""
    known = FORMATS.get(format_name)
    names: Iterable[str] = known.tools if known else ()
    return [
        PlatformTool(distribution.id * len(_NAMES) + _NAMES.index(name), name, TOOLS[name].description)
        for name in names
        if TOOLS[name].packages.get(distribution.package_type)
    ]


def packages_of(session: Session, number: int) -> list[Package]:
    """The newest known packages of an agent in its distribution's index, by name."""
    distribution_id, index = divmod(number, len(_NAMES))
    distribution = session.get(Distribution, distribution_id)
    if distribution is None:
        raise NotFoundError(f"There is no platform tool {number}.", str(number))
    names = TOOLS[_NAMES[index]].packages.get(distribution.package_type, ())
    query = select(Package).where(Package.distribution_id == distribution.id, Package.name.in_(names), Package.active)
    newest = {row.name: row for row in session.scalars(query.order_by(Package.id))}
    return [newest[name] for name in sorted(newest)]
