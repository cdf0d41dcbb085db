"""Operating systems: distributions, their profiles and packages."""

from sqlalchemy import select

from ingot.api.listing import QUERY_PARAMETERS, Listing, flag
from ingot.api.operation import Call, Chapter
from ingot.api.operations.user import _DISTRIBUTIONS
from ingot.api.representations import catalogue
from ingot.messages.base import Message
from ingot.messages.distribution import DistribProfile, DistribProfiles, Distribution, Distributions
from ingot.messages.package import Pkg, PkgList
from ingot.services.errors import NotFoundError
from ingot.store import tables
from ingot.store.tables import DistributionProfile, Package

_os = Chapter("os")
_templates = Chapter("ostemplate")
CHAPTERS = (_os, _templates)
_READ = ("appliance_create",)

_PACKAGES = Listing(
    fields={
        "name": Package.name,
        "version": Package.version,
        "release": Package.release,
        "arch": Package.arch,
        "size": Package.size,
        "dbId": Package.id,
        "fullName": Package.name,
        "created": Package.created,
    },
    order=(Package.name, Package.id.desc()),
    contains=frozenset({"name", "fullName"}),
)
_PROFILES = Listing(
    fields={"name": DistributionProfile.name, "dbId": DistributionProfile.id},
    order=(DistributionProfile.name, DistributionProfile.id),
)


def _distribution(call: Call) -> tables.Distribution:
    row = call.session.get(tables.Distribution, call.number("id"))
    if row is None:
        raise NotFoundError(
            f"There is no distribution {call.number('id')}.", message_id="ERROR.DISTRIBUTION.NOT_FOUND"
        )
    return row


@_os.operation("os_getAll", "GET", "/distributions", entitlements=_READ, answer=Distributions, query=QUERY_PARAMETERS)
def distributions_get_all(call: Call) -> Message:
    """All distributions."""
    rows, total = _DISTRIBUTIONS.page(call.session, select(tables.Distribution), call.query)
    return Distributions(total=total, distributions=[catalogue.distribution(row) for row in rows])


@_os.operation("os_get", "GET", "/distributions/{id}", entitlements=_READ, answer=Distribution)
def distribution_get(call: Call) -> Message:
    """A distribution."""
    return catalogue.distribution(_distribution(call))


@_os.operation(
    "osPkg_getAll",
    "GET",
    "/distributions/{id}/pkgs",
    entitlements=_READ,
    answer=PkgList,
    query=("count", "descending", "latestOnly", "offset", "orderBy", "query"),
)
def packages_get_all(call: Call) -> Message:
    """The packages of a distribution; a bare name in the query matches anywhere in a package's name."""
    distribution = _distribution(call)
    statement = select(Package).where(Package.distribution_id == distribution.id)
    if not flag(call.query, "all"):
        statement = statement.where(Package.active)
    rows, _ = _PACKAGES.page(call.session, statement, call.query)
    if flag(call.query, "latestOnly"):
        latest: dict[tuple[str, str], Package] = {}
        for row in rows:
            latest.setdefault((row.name, row.arch), row)
        rows = list(latest.values())
    return PkgList(pkgs=[catalogue.package(row) for row in rows])


@_os.operation("osPkg_get", "GET", "/distributions/{id}/pkgs/{pid}", entitlements=_READ, answer=Pkg)
def package_get(call: Call) -> Message:
    """A package of a distribution."""
    distribution = _distribution(call)
    row = call.session.get(Package, call.number("pid"))
    if row is None or row.distribution_id != distribution.id:
        raise NotFoundError(f"{distribution.description} has no package {call.number('pid')}.")
    return catalogue.package(row)


@_templates.operation(
    "osTemplate_getAll",
    "GET",
    "/distributions/{id}/profiles",
    entitlements=_READ,
    answer=DistribProfiles,
    query=QUERY_PARAMETERS,
)
def profiles_get_all(call: Call) -> Message:
    """The profiles of a distribution."""
    distribution = _distribution(call)
    statement = select(DistributionProfile).where(DistributionProfile.distribution_id == distribution.id)
    rows, total = _PROFILES.page(call.session, statement, call.query)
    profiles: list[DistribProfile] = [catalogue.profile(row, distribution) for row in rows]
    return DistribProfiles(total=total, distrib_profiles=profiles)


@_templates.operation(
    "osTemplate_get", "GET", "/distributions/{id}/profiles/{prid}", entitlements=_READ, answer=DistribProfile
)
def profile_get(call: Call) -> Message:
    """A profile of a distribution."""
    return catalogue.profile(_profile(call), _distribution(call))


@_templates.operation(
    "osTemplatePkgs_get", "GET", "/distributions/{id}/profiles/{prid}/pkgs", entitlements=_READ, answer=PkgList
)
def profile_packages_get(call: Call) -> Message:
    """The packages of a profile, as the distribution offers them now."""
    profile = _profile(call)
    statement = select(Package).where(
        Package.distribution_id == profile.distribution_id, Package.active, Package.name.in_(profile.package_names)
    )
    rows = list(call.session.scalars(statement.order_by(Package.name, Package.id)))
    found = {row.name for row in rows}
    rest = [Pkg(name=name, full_name=name) for name in profile.package_names if name not in found]
    return PkgList(pkgs=[*(catalogue.package(row) for row in rows), *rest])


def _profile(call: Call) -> DistributionProfile:
    row = call.session.get(DistributionProfile, call.number("prid"))
    if row is None or row.distribution_id != _distribution(call).id:
        raise NotFoundError(f"The distribution has no profile {call.number('prid')}.")
    return row
