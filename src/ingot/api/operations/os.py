"""Operating systems: distributions, their profiles and packages."""

import hashlib
import html

from sqlalchemy import select
from starlette.responses import Response

from ingot.api import conditional
from ingot.api.addresses import id_in
from ingot.api.listing import QUERY_PARAMETERS, Listing, flag
from ingot.api.operation import Call, Chapter
from ingot.api.operations.user import _DISTRIBUTIONS
from ingot.api.representations import catalogue
from ingot.messages.base import Message
from ingot.messages.distribution import DistribProfile, DistribProfiles, Distribution, Distributions, LinuxProfile
from ingot.messages.package import Pkg, PkgList, PkgUpdateInfo, PkgUpdateInfoList
from ingot.services import distributions
from ingot.services.errors import InvalidError, NotFoundError
from ingot.store import tables
from ingot.store.tables import DistributionProfile, Package

_os = Chapter("os")
_templates = Chapter("ostemplate")
CHAPTERS = (_os, _templates)
_READ = ("appliance_create",)
_ADMINISTRATE = ("org_os_administrate",)
_ADMINISTRATE_PROFILES = ("org_os_profiles_administrate",)
LOGO = "logo.svg"

PACKAGES = Listing(
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
    most=2000,
)
_PROFILES = Listing(
    fields={"name": DistributionProfile.name, "dbId": DistributionProfile.id},
    order=(DistributionProfile.name, DistributionProfile.id),
)


def find_distribution(call: Call) -> tables.Distribution:
    """The distribution that the path names."""
    return distributions.find(call.session, call.number("id"))


@_os.operation("os_getAll", "GET", "/distributions", entitlements=_READ, answer=Distributions, query=QUERY_PARAMETERS)
def distributions_get_all(call: Call) -> Message:
    """All distributions."""
    rows, total = _DISTRIBUTIONS.page(
        call.session,
        catalogue.nameable(select(tables.Distribution), call.request.headers.get("accept")),
        call.query,
    )
    return Distributions(total=total, distributions=[catalogue.distribution(row) for row in rows])


@_os.operation("os_get", "GET", "/distributions/{id}", entitlements=_READ, answer=Distribution)
def distribution_get(call: Call) -> Message:
    """A distribution."""
    return catalogue.distribution(find_distribution(call))


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
    distribution = find_distribution(call)
    statement = select(Package).where(Package.distribution_id == distribution.id)
    if not flag(call.query, "all"):
        statement = statement.where(Package.active)
    if flag(call.query, "latestOnly"):
        statement = statement.where(Package.latest)
    rows = PACKAGES.rows(call.session, statement, call.query)
    return PkgList(pkgs=[catalogue.package(row) for row in rows])


@_os.operation("osPkg_get", "GET", "/distributions/{id}/pkgs/{pid}", entitlements=_READ, answer=Pkg)
def package_get(call: Call) -> Message:
    """A package of a distribution."""
    return catalogue.package(_package(call))


def _package(call: Call) -> Package:
    distribution = find_distribution(call)
    row = call.session.get(Package, call.number("pid"))
    if row is None or row.distribution_id != distribution.id:
        raise NotFoundError(f"{distribution.description} has no package {call.number('pid')}.")
    return row


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
    distribution = find_distribution(call)
    statement = select(DistributionProfile).where(DistributionProfile.distribution_id == distribution.id)
    rows, total = _PROFILES.page(call.session, statement, call.query)
    profiles: list[DistribProfile] = [catalogue.profile(row, distribution) for row in rows]
    return DistribProfiles(total=total, distrib_profiles=profiles)


@_templates.operation(
    "osTemplate_get", "GET", "/distributions/{id}/profiles/{prid}", entitlements=_READ, answer=DistribProfile
)
def profile_get(call: Call) -> Message:
    """A profile of a distribution."""
    return catalogue.profile(_profile(call), find_distribution(call))


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
    return distributions.find_profile(call.session, find_distribution(call), call.number("prid"))


@_templates.operation(
    "osTemplate_create",
    "POST",
    "/distributions/{id}/profiles",
    entitlements=_ADMINISTRATE_PROFILES,
    body=DistribProfile,
    answer=DistribProfile,
    status=201,
    query=("basedOn",),
)
def profile_create(call: Call) -> Message:
    """Add a profile to a distribution: the packages that are named, and those of the profile that it is based on."""
    distribution, message = find_distribution(call), call.body(DistribProfile)
    based_on = call.query.get("basedOn") or message.standard_profile_uri
    row = distributions.create_profile(
        call.session,
        distribution,
        name=message.name,
        description=message.description,
        based_on=id_in(based_on, "profile") if based_on else None,
        package_ids=_package_ids(message),
    )
    return catalogue.profile(row, distribution)


@_templates.operation(
    "osTemplate_update",
    "PUT",
    "/distributions/{id}/profiles/{prid}",
    entitlements=_ADMINISTRATE_PROFILES,
    body=DistribProfile,
    answer=DistribProfile,
)
def profile_update(call: Call) -> Message:
    """Change the name, the description or the packages of a profile that somebody added."""
    distribution, message, row = find_distribution(call), call.body(DistribProfile), _profile(call)
    distributions.update_profile(
        call.session,
        distribution,
        row,
        name=message.name,
        description=message.description,
        package_ids=_package_ids(message),
    )
    return catalogue.profile(row, distribution)


@_templates.operation(
    "osTemplate_delete",
    "DELETE",
    "/distributions/{id}/profiles/{prid}",
    entitlements=_ADMINISTRATE_PROFILES,
    status=204,
)
def profile_delete(call: Call) -> None:
    """Delete a profile that somebody added and no appliance has."""
    distributions.delete_profile(call.session, find_distribution(call), _profile(call))


def _package_ids(message: DistribProfile) -> list[int] | None:
    if not isinstance(message, LinuxProfile) or message.package_uris is None:
        return None
    return [id_in(uri, "package") for uri in message.package_uris.uri]


@_os.operation(
    "os_create",
    "POST",
    "/distributions/{oid}/{name}/{version}",
    entitlements=_ADMINISTRATE,
    answer=Distribution,
    status=201,
    query=("arch", "flavor", "isActive", "isDefault"),
)
def distribution_create(call: Call) -> Message:
    """Offer a distribution that can be built."""
    if call.number("oid") != call.user.organisation_id:
        raise NotFoundError(f"There is no organisation {call.number('oid')}.")
    row = distributions.create(
        call.session,
        str(call.request.path_params["name"]),
        str(call.request.path_params["version"]),
        call.query.get("arch") or "x86_64",
        active="isActive" not in call.query or flag(call.query, "isActive"),
    )
    return catalogue.distribution(row)


@_os.operation(
    "os_update", "PUT", "/distributions/{id}", entitlements=_ADMINISTRATE, body=Distribution, answer=Distribution
)
def distribution_update(call: Call) -> Message:
    """Change the description of a distribution, or whether it is active; what it is stays."""
    row, message = find_distribution(call), call.body(Distribution)
    for what, given, there in (
        ("name", message.name, row.name),
        ("version", message.version, row.version),
        ("architecture", message.arch, row.arch),
    ):
        if given is not None and given != there:
            raise InvalidError(f"The {what} of {row.description} is {there} and cannot become {given}.", given)
    distributions.update(call.session, row, description=message.description, active=message.active)
    return catalogue.distribution(row)


@_os.operation(
    "osAccess_update",
    "PUT",
    "/distributions/{id}/changeActiveStatus",
    entitlements=_ADMINISTRATE,
    answer=Distribution,
    query=("active",),
)
def distribution_access_update(call: Call) -> Message:
    """Activate a distribution, or take it from everybody; images and appliances that are there stay."""
    row = find_distribution(call)
    if "active" not in call.query:
        raise InvalidError("Say active=true or active=false.", "active")
    distributions.update(call.session, row, description=None, active=flag(call.query, "active"))
    return catalogue.distribution(row)


@_os.operation("osLicense_download", "GET", "/distributions/{id}/license", entitlements=_READ)
def license_get(call: Call) -> Response:
    """What a distribution is licensed under."""
    row = find_distribution(call)
    text = (
        f"{row.description} consists of packages with licences of their own; nothing has to be accepted.\n"
        "On every machine, the licence of a package is in /usr/share/doc/PACKAGE/copyright; of an image, the licences "
        "of all packages are in its bill of materials.\n"
    )
    return _file(call, text.encode(), "text/plain; charset=utf-8")


@_os.operation("osLogo_download", "GET", "/distributions/{id}/logo", entitlements=_READ)
@_os.operation("osLogo_downloadFile", "GET", "/distributions/{id}/logo/{fileName}", entitlements=_READ)
def logo_get(call: Call) -> Response:
    """A picture of a distribution: its initials and version on a colour of its own."""
    row = find_distribution(call)
    if "fileName" in call.request.path_params and call.request.path_params["fileName"] != LOGO:
        raise NotFoundError(f"The logo of {row.description} is called {LOGO}.", LOGO)
    hue = int(hashlib.sha256(row.name.encode()).hexdigest()[:4], 16) % 360
    initials = html.escape("".join(word[0] for word in row.name.split()[:2]).upper())
    picture = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96" width="96" height="96">'
        f'<rect width="96" height="96" rx="16" fill="hsl({hue},45%,40%)"/>'
        '<g fill="#fff" font-family="sans-serif" text-anchor="middle">'
        f'<text x="48" y="56" font-size="40" font-weight="bold">{initials}</text>'
        f'<text x="48" y="82" font-size="18">{html.escape(row.version)}</text></g></svg>'
    )
    return _file(call, picture.encode(), "image/svg+xml")


@_os.operation(
    "osPkgUpdates_getAll",
    "GET",
    "/distributions/{id}/pkgs/{pid}/updateinfo",
    entitlements=_READ,
    answer=PkgUpdateInfoList,
)
def package_updates_get(call: Call) -> Message:
    """Why a version of a package came: one that came with the security or the update suite says so."""
    row = _package(call)
    kinds = {"-security": "security", "-updates": "bugfix"}
    entries = [
        PkgUpdateInfo(
            db_id=row.id,
            date=row.created,
            description=f"{row.name} {row.full_version}: {row.description}",
            source=row.suite,
            source_id=f"{row.name}_{row.full_version}",
            type=kind,
        )
        for ending, kind in kinds.items()
        if row.suite.endswith(ending)
    ]
    return PkgUpdateInfoList(total=len(entries), pkg_update_info_list=entries)


def _file(call: Call, content: bytes, media_type: str) -> Response:
    tag = hashlib.sha256(content).hexdigest()
    headers = {"ETag": f'"{tag}"', "Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}
    headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
    if conditional.is_unmodified(call.request.headers, tag, None):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=media_type)
